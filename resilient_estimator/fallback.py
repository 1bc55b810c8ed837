"""Fallbacks that answer deferred rows: hand-written rules and simple predictors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Floats
from resilient_estimator._validation import (
    Constraints,
    Options,
    Satisfies,
    check_argument,
    check_parameters,
    parameter_error,
)
from resilient_estimator.tabular._rows import count_rows

OWNER = "ResilientEstimator"
PREDICTOR = Satisfies(
    lambda value: hasattr(value, "fit") and hasattr(value, "predict"),
    "a predictor with 'fit' and 'predict'",
)


def _knows_classes(rule: RulePredictor) -> bool:
    if getattr(rule, "is_fitted_", False):
        rule.classes_  # noqa: B018  raises the AttributeError that `available_if` needs
    return True


class RulePredictor(BaseEstimator):
    """A hand-written rule as a predictor.

    Parameters
    ----------
    function : callable
        Takes rows, in the container passed to `predict`, and returns one label or
        number per row. It must treat each row independently of the others. Define it at
        the top level of a module, as a lambda cannot be pickled.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels seen in `fit`; only set for targets that are not continuous.

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

    _constraints: ClassVar[Constraints] = {
        "function": [Satisfies(callable, "a callable")]
    }

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Store the class labels.

        Parameters
        ----------
        X : ignored
            Present for API consistency.
        y : array-like of shape (n_samples,), default=None
            Training targets.

        Returns
        -------
        self : RulePredictor
            The fitted rule.
        """
        check_parameters(self)
        if y is not None and not type_of_target(y).startswith("continuous"):
            self.classes_ = np.unique(np.asarray(y))
        self.is_fitted_ = True
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Apply the rule.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels or numbers returned by the rule.

        Raises
        ------
        ValueError
            If the rule does not return one value per row.
        """
        check_is_fitted(self, "is_fitted_")
        predictions = np.asarray(self.function(X))
        n_samples = count_rows(X)
        if predictions.ndim == 0 or len(predictions) != n_samples:
            raise ValueError(
                "The 'function' parameter of RulePredictor must return one value per "
                f"row. Got shape {predictions.shape} for {n_samples} rows instead."
            )
        return predictions

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    @available_if(_knows_classes)
    def predict_proba(self, X: Any) -> Floats:
        """Return probability one for the label that the rule predicts.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Zeros and ones.

        Raises
        ------
        ValueError
            If the rule returns a label that was not seen in training.
        """
        labels = self.predict(X)
        check_labels(labels, self.classes_)
        return np.asarray(labels[:, None] == self.classes_[None, :], dtype=np.float64)

    @available_if(_knows_classes)
    def predict_log_proba(self, X: Any) -> Floats:
        """Return log-probabilities: zero for the predicted label, else minus infinity.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Zeros and minus infinities.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))


def check_labels(
    labels: NDArray[Any],
    classes: NDArray[Any],
    *,
    subject: str = "The fallback predicted",
) -> None:
    """Raise a ValueError that names the labels which are not among `classes`."""
    unknown = set(np.asarray(labels).ravel().tolist()) - set(classes.tolist())
    if unknown:
        listed = ", ".join(sorted(map(repr, unknown)))
        raise ValueError(
            f"{subject} {listed}, but the classes of the estimator are "
            f"{classes.tolist()!r}."
        )


def as_fallback(fallback: Any, estimator_type: str | None) -> Any:
    """Return an unfitted predictor that can stand in for the estimator.

    Raises
    ------
    InvalidParameterError
        If `fallback` is neither "prior" nor a predictor of the estimator's type.
    """
    if estimator_type not in (None, "classifier", "regressor"):
        expected = f"None, as the estimator is a {estimator_type}"
        raise parameter_error(OWNER, "fallback", expected, fallback)
    check_argument(OWNER, "fallback", fallback, None, Options("prior"), PREDICTOR)
    if isinstance(fallback, str):
        if estimator_type == "classifier":
            return DummyClassifier(strategy="prior")
        return DummyRegressor(strategy="median")
    if get_tags(fallback).estimator_type not in (None, estimator_type):
        expected = f"a {estimator_type}, as the estimator is"
        raise parameter_error(OWNER, "fallback", expected, fallback)
    return clone(fallback)


def fit_fallback(fallback: Any, estimator: Any, X: Any, y: Any, **params: Any) -> Any:
    """Return the fitted fallback of a fitted estimator.

    Raises
    ------
    ValueError
        If the classes of the fallback are not those of the estimator.
    """
    if fallback is None:
        return None
    fallback = as_fallback(fallback, get_tags(estimator).estimator_type)
    fallback.fit(X, y, **params)
    wanted, found = (getattr(part, "classes_", None) for part in (estimator, fallback))
    if wanted is not None and found is not None and not _equal(wanted, found):
        raise ValueError(
            "The fallback must have the classes of the estimator, "
            f"{list(wanted)!r}. It has {list(found)!r} instead."
        )
    return fallback


def _equal(classes: Any, others: Any) -> bool:
    if isinstance(classes, list):  # several outputs
        same_length = len(classes) == len(others)
        return same_length and all(map(np.array_equal, classes, others))
    return np.array_equal(classes, others)
