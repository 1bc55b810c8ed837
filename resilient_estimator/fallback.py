"""Who answers the rows that the estimator should not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._validation import parameter_error
from resilient_estimator.tabular._table import count_rows


def _knows_classes(rule: RulePredictor) -> bool:
    if getattr(rule, "is_fitted_", False):
        rule.classes_  # noqa: B018  its absence is the AttributeError that is wanted
    return True


class RulePredictor(BaseEstimator):
    """A hand-written rule as a predictor.

    Parameters
    ----------
    function : callable
        Takes rows in the container that `predict` got and returns one label or number
        per row. Define it at the top level of a module: a lambda cannot be pickled. It
        must judge each row by itself.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels seen in `fit`; missing where the target is continuous.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import RulePredictor
    >>> def young_is_risky(X):
    ...     return np.where(X[:, 0] < 25, "risky", "safe")
    >>> rule = RulePredictor(young_is_risky)
    >>> rule = rule.fit(np.array([[20.0], [40.0]]), ["risky", "safe"])
    >>> rule.predict(np.array([[30.0]]))
    array(['safe'], dtype='<U5')
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Remember the labels.

        Parameters
        ----------
        X : ignored
            For the scikit-learn API.
        y : array-like of shape (n_samples,), default=None
            Training targets.

        Returns
        -------
        self : RulePredictor
            The fitted rule.
        """
        if not callable(self.function):
            expected = "a function of X"
            raise parameter_error(self, "function", expected, self.function)
        if y is not None and not type_of_target(y).startswith("continuous"):
            self.classes_ = np.unique(np.asarray(y))
        self.is_fitted_ = True
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Apply the rule.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            What the rule says.

        Raises
        ------
        ValueError
            If the rule does not return one value per row.
        """
        check_is_fitted(self, "is_fitted_")
        answer = np.asarray(self.function(X))
        n_samples = count_rows(X)
        if answer.ndim == 0 or len(answer) != n_samples:
            raise ValueError(
                "The 'function' parameter of RulePredictor must return one value per "
                f"row. Got shape {answer.shape} for {n_samples} rows instead."
            )
        return answer

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    @available_if(_knows_classes)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return probability one for the label that the rule says.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Zeros and ones.

        Raises
        ------
        ValueError
            If the rule returns a label that training did not have.
        """
        answer = self.predict(X)
        check_labels(answer, self.classes_)
        return np.asarray(answer[:, None] == self.classes_[None, :], dtype=np.float64)

    @available_if(_knows_classes)
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return log-probabilities: zero for the rule's label, minus infinity else.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Zeros and minus infinities.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))


def check_labels(
    labels: NDArray[Any], classes: NDArray[Any], *, who: str = "The fallback answered"
) -> None:
    """Raise a ValueError that names the labels which are not among `classes`."""
    unknown = set(np.asarray(labels).ravel().tolist()) - set(classes.tolist())
    if unknown:
        raise ValueError(
            f"{who} {', '.join(sorted(map(repr, unknown)))}, but the classes of the "
            f"estimator are {classes.tolist()!r}."
        )


def as_fallback(fallback: Any, estimator_type: str | None) -> Any:
    """Return an unfitted predictor that may answer in place of the estimator.

    Raises
    ------
    ValueError
        If `fallback` is an unknown name.
    TypeError
        If `fallback` is not a predictor, or one of another type.
    """
    classifier = estimator_type == "classifier"
    if estimator_type not in (None, "classifier", "regressor"):
        expected = f"None, as the estimator is a {estimator_type}"
        raise parameter_error("ResilientEstimator", "fallback", expected, fallback)
    if isinstance(fallback, str):
        if fallback == "prior":
            return (
                DummyClassifier(strategy="prior")
                if classifier
                else DummyRegressor(strategy="median")
            )
        expected = "None, 'prior' or a predictor"
        raise parameter_error("ResilientEstimator", "fallback", expected, fallback)
    if not hasattr(fallback, "predict") or not hasattr(fallback, "fit"):
        expected = "None, 'prior' or a predictor with 'fit' and 'predict'"
    elif get_tags(fallback).estimator_type not in (None, estimator_type):
        expected = f"a {estimator_type}, as the estimator is"
    else:
        return clone(fallback)
    raise parameter_error("ResilientEstimator", "fallback", expected, fallback)


def fit_fallback(fallback: Any, estimator: Any, X: Any, y: Any, **params: Any) -> Any:
    """Return the fitted fallback of a fitted estimator.

    Raises
    ------
    ValueError
        If the fallback knows other classes than the estimator.
    """
    if fallback is None:
        return None
    fallback = as_fallback(fallback, get_tags(estimator).estimator_type)
    fallback.fit(X, y, **params)
    mine, theirs = (getattr(part, "classes_", None) for part in (estimator, fallback))
    if mine is not None and theirs is not None and not _same(mine, theirs):
        raise ValueError(
            "The fallback must know the classes of the estimator, "
            f"{list(mine)!r}. It knows {list(theirs)!r} instead."
        )
    return fallback


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, list):  # several outputs
        return len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))
    return np.array_equal(mine, theirs)
