"""Refit a model so that it answers much as the old one did."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.utils import (
    _safe_indexing,
    check_consistent_length,
    column_or_1d,
    get_tags,
    indexable,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from resilient_estimator._typing import Floats
from resilient_estimator._validation import parameter_error
from resilient_estimator.comparison._mixed_labels import (
    fit_last_step,
    mixed_weights,
)
from resilient_estimator.exceptions import is_number


def _estimator_has(method: str) -> Callable[[Any], bool]:
    def check(self: AnchoredEstimator) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class AnchoredEstimator(MetaEstimatorMixin, BaseEstimator):
    """Refit an estimator, anchored to the answers of the model it is to replace.

    A retrained model changes answers for no good reason: because of other rows, another
    seed. Here it learns from a mix of the label and of what the old model says, so it
    leaves the old answer where the labels speak against it, not by chance.

    Classifiers learn from each row once per class `c`, weighted by
    ``(1 - strength) * (y == c) + strength * p_old(c)``: the log-loss of the mix, for
    any estimator that takes ``sample_weight``. Rows of a class that the old model does
    not know are learnt as they are. Regressors learn the target
    ``(1 - strength) * y + strength * f_old``, which for squared loss is the same as
    adding a penalty on the distance from the old answer.

    Parameters
    ----------
    estimator : classifier or regressor
        What to refit. Classifiers must take ``sample_weight``; of a Pipeline, the last
        step must: its transformers are fitted to the rows as they are. Do not wrap a
        search or a ResilientEstimator, which would split copies of one row into
        training and test: wrap those around this.
    anchor : fitted model
        The old model, asked in `fit` only. It is never fitted, nor cloned by `clone`,
        so a search or a cross-validation keeps it. Without ``predict_proba`` its
        answer counts as certain.
    strength : float, default=0.7
        Weight of the old model's answer, in [0, 1]; 0 is an ordinary refit.

    Attributes
    ----------
    estimator_ : classifier or regressor
        The fitted estimator, which answers alone: the old model is not asked again.
    classes_ : ndarray of shape (n_classes,)
        Classes of y; classifiers only. Classes that only the old model knows are gone.

    Notes
    -----
    The old model is surer of rows that it learnt from than of others. Asked about them
    as it is, it held churn down best in our benchmark; an old model that only repeats
    the labels it learnt (one nearest neighbour, a tree grown to single rows) has
    nothing to add there, unless out-of-fold answers are given as
    ``fit(X, y, anchor_answers=...)``.

    Anchoring slows adaptation: where drift is confirmed, refit without it. What counts
    rows counts copies: multiply ``min_samples_leaf`` by the number of classes,
    for boosting of many classes above all.

    Ship ``estimator_``: a pickle of this object holds the old model too, which may hold
    the one before.

    Learning from ``(1 - strength) * y + strength * p_old`` is a constraint on churn: H.
    Jiang et al., "Churn reduction via distillation", ICLR 2022. The mix of label and
    old answer is from M. Milani Fard et al., "Launch and iterate", NIPS 2016.

    Examples
    --------
    >>> from sklearn.base import clone
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from resilient_estimator.comparison import AnchoredEstimator, churn
    >>> X, y = make_classification(4000, flip_y=0.2, random_state=0)
    >>> tree = DecisionTreeClassifier(max_depth=6, random_state=0)
    >>> old = clone(tree).fit(X[:1000], y[:1000])
    >>> plain = clone(tree).fit(X[500:1500], y[500:1500])
    >>> anchored = AnchoredEstimator(tree, old).fit(X[500:1500], y[500:1500])
    >>> fresh = X[1500:]
    >>> churn(old, anchored, fresh).churn < churn(old, plain, fresh).churn
    True
    """

    def __init__(self, estimator: Any, anchor: Any, *, strength: float = 0.7) -> None:
        self.estimator = estimator
        self.anchor = anchor
        self.strength = strength

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        anchor_answers: Any = None,
    ) -> Self:
        """Fit the estimator to a mix of labels and the anchor's answers.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        anchor_answers : array-like, default=None
            What to take for the old model's answers, such as out-of-fold ones, instead
            of asking it. Classifiers: probabilities of shape (n_samples,
            n_anchor_classes), in the order of the anchor's ``classes_``. Regressors:
            shape (n_samples,).

        Returns
        -------
        self : AnchoredEstimator
            The fitted estimator.

        Raises
        ------
        NotFittedError
            If the anchor is not fitted.
        TypeError
            If the estimator does not take ``sample_weight``, or the anchor is of
            another type.
        ValueError
            If `strength` is not in [0, 1], or `anchor_answers` does not fit.
        """
        self._check_parameters()
        if y is None:
            raise ValueError(
                "AnchoredEstimator requires y to be passed, but the target y is None."
            )
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y, sample_weight, anchor_answers)
        if is_classifier(self.estimator):
            check_classification_targets(y)
            self._fit_classifier(X, y, sample_weight, anchor_answers)
        else:
            self._fit_regressor(X, y, sample_weight, anchor_answers)
        return self

    def _check_parameters(self) -> None:
        if not is_number(self.strength) or not 0 <= self.strength <= 1:
            expected = "a float in the range [0, 1]"
            raise parameter_error(self, "strength", expected, self.strength)
        fits = hasattr(self.estimator, "fit") and not isinstance(self.estimator, type)
        if not fits or not (
            is_classifier(self.estimator) or is_regressor(self.estimator)
        ):
            expected = "a classifier or a regressor"
            raise parameter_error(self, "estimator", expected, self.estimator)
        if not hasattr(self.anchor, "predict") or isinstance(self.anchor, type):
            expected = "a fitted model"
            raise parameter_error(self, "anchor", expected, self.anchor)
        theirs = getattr(_tags(self.anchor), "estimator_type", None)
        mine = get_tags(self.estimator).estimator_type
        if theirs not in (None, mine):
            expected = f"a {mine}, as the estimator is"
            raise parameter_error(self, "anchor", expected, self.anchor)
        try:
            check_is_fitted(self.anchor)
        except NotFittedError:
            message = parameter_error(self, "anchor", "a fitted model", self.anchor)
            raise NotFittedError(str(message)) from None
        except TypeError:  # it has no `fit`: a function in the shape of a model
            return

    def _fit_classifier(
        self, X: Any, y: NDArray[Any], sample_weight: Any, answers: Any
    ) -> None:
        classes = np.unique(y)
        known = np.asarray(getattr(self.anchor, "classes_", classes))
        said = self._ask_anchor(X, answers, "predict_proba") if self.strength else y
        weights = mixed_weights(y, said, known, classes, self.strength)
        rows, columns = np.nonzero(weights)
        copied = weights[rows, columns]
        if sample_weight is not None:
            copied = copied * column_or_1d(sample_weight)[rows]

        def fit(estimator: Any, X: Any) -> Any:
            if not has_fit_parameter(estimator, "sample_weight"):
                expected = "a classifier whose fit takes sample_weight"
                raise parameter_error(self, "estimator", expected, estimator)
            (X,) = indexable(X)  # a sparse matrix in coordinates has no rows
            copies = _safe_indexing(X, rows)
            return estimator.fit(copies, classes[columns], sample_weight=copied)

        self.estimator_ = fit_last_step(clone(self.estimator), fit, X, y)

    def _fit_regressor(
        self, X: Any, y: NDArray[Any], sample_weight: Any, answers: Any
    ) -> None:
        target = y
        if self.strength > 0:
            said = column_or_1d(self._ask_anchor(X, answers, "predict"))
            if not np.isfinite(said).all():
                raise ValueError("The anchor's answers must be finite numbers.")
            target = (1 - self.strength) * y + self.strength * said

        def fit(estimator: Any, X: Any) -> Any:
            if sample_weight is None:
                return estimator.fit(X, target)
            return estimator.fit(X, target, sample_weight=sample_weight)

        self.estimator_ = fit_last_step(clone(self.estimator), fit, X, target)

    def _ask_anchor(self, X: Any, answers: Any, method: str) -> NDArray[Any]:
        if answers is None:
            ask = getattr(self.anchor, method, self.anchor.predict)
            return np.asarray(ask(X))
        given = np.asarray(answers)
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise ValueError("anchor_answers must be finite numbers.")
        if method == "predict_proba" and (given.ndim != 2 or (given < 0).any()):
            raise ValueError(
                "anchor_answers of a classifier must be probabilities of shape "
                f"(n_samples, n_anchor_classes). Got shape {given.shape}, least value "
                f"{given.min():.3g} instead."
            )
        return given.astype(np.float64)

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels; classifiers only."""
        return self.estimator_.classes_  # type: ignore[no-any-return]

    @property
    def n_features_in_(self) -> int:
        """Number of features seen in `fit`."""
        return self.estimator_.n_features_in_  # type: ignore[no-any-return]

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the features seen in `fit`, where all are strings."""
        return self.estimator_.feature_names_in_  # type: ignore[no-any-return]

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any) -> NDArray[Any]:
        """Return the answers of the refitted estimator.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels or numbers.
        """
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict(X))

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_proba(X))

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> Floats:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_log_proba(X))

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any) -> Floats:
        """Return the decision values of the refitted estimator.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            As the estimator returns them.
        """
        check_is_fitted(self)
        return np.asarray(self.estimator_.decision_function(X))

    @available_if(_estimator_has("score"))
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the refitted estimator's own score.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.
        y : array-like of shape (n_samples,)
            True labels or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Accuracy or R squared, unless the estimator has another one.
        """
        check_is_fitted(self)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self.estimator_.score(X, y, **weight))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_clone__(self) -> Self:
        unfitted = super().__sklearn_clone__()
        unfitted.anchor = self.anchor  # a clone of it would have forgotten everything
        return unfitted  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = copy(inner.classifier_tags)
        tags.regressor_tags = copy(inner.regressor_tags)
        tags.input_tags = copy(inner.input_tags)
        tags.target_tags = copy(inner.target_tags)
        tags.target_tags.required = True
        tags.target_tags.multi_output = False
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = False
        tags.non_deterministic = inner.non_deterministic
        theirs = _tags(self.anchor)
        if theirs is not None:
            tags.input_tags.sparse &= theirs.input_tags.sparse
            tags.input_tags.allow_nan &= (
                theirs.input_tags.allow_nan or theirs.no_validation
            )
        return tags


def _tags(model: Any) -> Any:
    """Return the tags of a scikit-learn estimator, None of anything else."""
    return get_tags(model) if isinstance(model, BaseEstimator) else None
