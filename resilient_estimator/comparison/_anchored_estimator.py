"""Refit a model with less churn: train it on labels mixed with old predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_consistent_length, column_or_1d, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from resilient_estimator._composition import copy_tags, restrict_input_tags
from resilient_estimator._typing import Floats
from resilient_estimator._validation import (
    MODEL,
    PREDICTOR,
    PROPORTION,
    Constraints,
    check_parameters,
    parameter_error,
)
from resilient_estimator.comparison._soft_labels import (
    fit_last_step,
    soft_label_weights,
)
from resilient_estimator.tabular._rows import take_rows


def _estimator_has(method: str) -> Callable[[Any], bool]:
    def check(self: AnchoredEstimator) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class AnchoredEstimator(MetaEstimatorMixin, BaseEstimator):
    """Refit an estimator such that its predictions stay close to those of an old model.

    A retrained model changes some predictions for no good reason: because it was
    trained on other rows, or with another seed. This estimator is trained on a mix of
    the label and the old model's prediction, so a prediction changes where the labels
    contradict it, not by chance.

    Classifiers are trained on one copy of each row per class `c`, weighted by
    ``(1 - strength) * (y == c) + strength * p_old(c)``. This is the log-loss of the
    soft labels, for any estimator that supports ``sample_weight``. Rows of a class that
    the old model does not know keep their label. Regressors are trained on the target
    ``(1 - strength) * y + strength * f_old``; for the squared loss this is equivalent
    to a penalty on the distance from the old prediction.

    Parameters
    ----------
    estimator : classifier or regressor
        The estimator to refit. Classifiers must support ``sample_weight``; in a
        Pipeline, the last step must. Its transformers are fitted to the original rows.
        Do not pass a search or a ResilientEstimator, which would split the copies of
        one row into training and test: wrap those around this estimator.
    anchor : fitted model
        The old model, used in `fit` only. It is neither fitted nor cloned, so a search
        or a cross-validation keeps it. If it has no ``predict_proba``, its predictions
        count as certain.
    strength : float, default=0.7
        Weight of the old model's prediction, in [0, 1]; 0 is an ordinary refit.

    Attributes
    ----------
    estimator_ : classifier or regressor
        The fitted estimator. It predicts alone, without the old model.
    classes_ : ndarray of shape (n_classes,)
        Classes of y; classifiers only. Classes that only the old model knows are
        dropped.

    Notes
    -----
    A model is more confident on the rows that it was trained on. Nevertheless, its
    in-sample predictions reduced churn most in our benchmark. The exception is an old
    model that merely reproduces its training labels (one nearest neighbour, a fully
    grown tree): pass out-of-fold predictions, ``fit(X, y, anchor_predictions=...)``.

    Anchoring slows down adaptation: once drift is confirmed, refit without it.
    Parameters that count rows count copies: multiply ``min_samples_leaf`` by the number
    of classes, especially for boosting with many classes.

    Deploy ``estimator_``: a pickle of this object contains the old model as well, which
    may in turn contain the one before.

    Training on ``(1 - strength) * y + strength * p_old`` is equivalent to a constraint
    on churn: H. Jiang et al., "Churn reduction via distillation", ICLR 2022. The mix of
    label and old prediction is from M. Milani Fard et al., "Launch and iterate", NIPS
    2016.

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

    _constraints: ClassVar[Constraints] = {
        "estimator": [PREDICTOR],
        "anchor": [MODEL],
        "strength": [PROPORTION],
    }

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
        anchor_predictions: Any = None,
    ) -> Self:
        """Fit the estimator to a mix of the labels and the anchor's predictions.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        anchor_predictions : array-like, default=None
            Predictions to use in place of the anchor's own, for example out-of-fold
            ones. Classifiers: probabilities of shape (n_samples, n_anchor_classes), in
            the order of the anchor's ``classes_``. Regressors: numbers of shape
            (n_samples,).

        Returns
        -------
        self : AnchoredEstimator
            The fitted estimator.

        Raises
        ------
        NotFittedError
            If the anchor is not fitted.
        TypeError
            If the estimator does not support ``sample_weight``, or the anchor is not of
            the same type (classifier or regressor).
        ValueError
            If `strength` is not in [0, 1], or `anchor_predictions` is malformed.
        """
        check_parameters(self)
        self._check_anchor()
        if y is None:
            raise ValueError(
                "AnchoredEstimator requires y to be passed, but the target y is None."
            )
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y, sample_weight, anchor_predictions)
        if is_classifier(self.estimator):
            check_classification_targets(y)
            self._fit_classifier(X, y, sample_weight, anchor_predictions)
        else:
            self._fit_regressor(X, y, sample_weight, anchor_predictions)
        return self

    def _check_anchor(self) -> None:
        """Check that the anchor is fitted, and of the same type as the estimator."""
        its_type = getattr(_tags(self.anchor), "estimator_type", None)
        own_type = get_tags(self.estimator).estimator_type
        if its_type not in (None, own_type):
            expected = f"a {own_type}, as the estimator is"
            raise parameter_error(self, "anchor", expected, self.anchor)
        try:
            check_is_fitted(self.anchor)
        except NotFittedError:
            message = parameter_error(self, "anchor", "a fitted model", self.anchor)
            raise NotFittedError(str(message)) from None
        except TypeError:  # no `fit`: any object that predicts
            return

    def _fit_classifier(
        self, X: Any, y: NDArray[Any], sample_weight: Any, given: Any
    ) -> None:
        classes = np.unique(y)
        old_classes = np.asarray(getattr(self.anchor, "classes_", classes))
        old = self._old_predictions(X, given, "predict_proba") if self.strength else y
        weights = soft_label_weights(y, old, old_classes, classes, self.strength)
        rows, columns = np.nonzero(weights)
        copy_weights = weights[rows, columns]
        if sample_weight is not None:
            copy_weights = copy_weights * column_or_1d(sample_weight)[rows]

        def fit_copies(estimator: Any, X: Any) -> Any:
            if not has_fit_parameter(estimator, "sample_weight"):
                expected = "a classifier whose fit takes sample_weight"
                raise parameter_error(self, "estimator", expected, estimator)
            copies, labels = take_rows(X, rows), classes[columns]
            return estimator.fit(copies, labels, sample_weight=copy_weights)

        self.estimator_ = fit_last_step(clone(self.estimator), fit_copies, X, y)

    def _fit_regressor(
        self, X: Any, y: NDArray[Any], sample_weight: Any, given: Any
    ) -> None:
        target = y
        if self.strength > 0:
            old = column_or_1d(self._old_predictions(X, given, "predict"))
            if not np.isfinite(old).all():
                raise ValueError("The anchor's predictions must be finite numbers.")
            target = (1 - self.strength) * y + self.strength * old

        def fit(estimator: Any, X: Any) -> Any:
            if sample_weight is None:
                return estimator.fit(X, target)
            return estimator.fit(X, target, sample_weight=sample_weight)

        self.estimator_ = fit_last_step(clone(self.estimator), fit, X, target)

    def _old_predictions(self, X: Any, given: Any, method: str) -> NDArray[Any]:
        """Return the predictions of the anchor, or those given in their place."""
        if given is None:
            predict = getattr(self.anchor, method, self.anchor.predict)
            return np.asarray(predict(X))
        given = np.asarray(given)
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise ValueError("anchor_predictions must be finite numbers.")
        if method == "predict_proba" and (given.ndim != 2 or (given < 0).any()):
            raise ValueError(
                "anchor_predictions of a classifier must be probabilities of shape "
                f"(n_samples, n_anchor_classes). Got shape {given.shape} and a minimum "
                f"of {given.min():.3g} instead."
            )
        return np.asarray(given, dtype=np.float64)

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
        """Names of the features seen in `fit`, if all are strings."""
        return self.estimator_.feature_names_in_  # type: ignore[no-any-return]

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predictions of the refitted estimator.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to predict.

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
            Rows to predict.

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
            Rows to predict.

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
            Rows to predict.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            As returned by the estimator.
        """
        check_is_fitted(self)
        return np.asarray(self.estimator_.decision_function(X))

    @available_if(_estimator_has("score"))
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score of the refitted estimator.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to predict.
        y : array-like of shape (n_samples,)
            True labels or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Accuracy or R squared, unless the estimator defines another score.
        """
        check_is_fitted(self)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self.estimator_.score(X, y, **weight))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_clone__(self) -> Self:
        unfitted = super().__sklearn_clone__()
        unfitted.anchor = self.anchor  # a clone of it would not be fitted
        return unfitted  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = copy_tags(super().__sklearn_tags__(), get_tags(self.estimator))
        tags.target_tags.multi_output = False
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = False
        anchor = _tags(self.anchor)
        return tags if anchor is None else restrict_input_tags(tags, anchor)


def _tags(model: Any) -> Any:
    """Return the tags of a scikit-learn estimator, None for anything else."""
    return get_tags(model) if isinstance(model, BaseEstimator) else None
