"""Predict rows, each by the part that is responsible for it."""

from __future__ import annotations

from typing import Any

from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier

from resilient_estimator.estimator._batch import Batch
from resilient_estimator.estimator._meta_estimator import MetaEstimator, every_part_has


class PredictionMixin(MetaEstimator):
    """The methods that answer rows; subclasses set the fitted parts."""

    estimator_: Any
    fallback_: Any
    guard_: Any
    threshold_: float | None

    def predict(
        self, X: Any, *, return_flags: bool = False, return_assessment: bool = False
    ) -> Any:
        """Predict every row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to predict.
        return_flags : bool, default=False
            Whether to return which rows are suspicious, and why.
        return_assessment : bool, default=False
            Whether to return the assessment of the rows as a batch. The predictions are
            the same.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        flags : Bunch of ndarray of bool of shape (n_samples,)
            One mask per reason, and `fallback`: the rows that the fallback answered.
            Only with `return_flags`.
        assessment : Assessment
            Only with `return_assessment`.

        Raises
        ------
        FallbackError
            If the fallback fails on the rows that are deferred to it.
        """
        if return_flags and return_assessment:
            raise ValueError(
                "Only one of 'return_flags' and 'return_assessment' may be True: the "
                "assessment's 'flags' holds the flags of the rows."
            )
        self._check_fitted()
        plain = not (return_flags or return_assessment)
        if plain and self.fallback_ is None and self.threshold_ is None:
            return self.estimator_.predict(X)
        batch = Batch(self, X)
        if plain:
            return batch.predict()
        flags = batch.flags  # first: nothing is then inspected twice
        predictions = batch.predict()
        return predictions, flags if return_flags else batch.assess()

    @every_part_has("predict_proba")
    def predict_proba(self, X: Any) -> Any:
        """Return class probabilities, row by row from the part that answers.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities. A threshold set by `recalibrate` does not change them, but
            with `min_stability` it affects which rows are unstable.
        """
        return self._answer("predict_proba", X)

    @every_part_has("predict_log_proba")
    def predict_log_proba(self, X: Any) -> Any:
        """Return log-probabilities, row by row from the part that answers.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of the probabilities.
        """
        return self._answer("predict_log_proba", X)

    @every_part_has("decision_function")
    def decision_function(self, X: Any) -> Any:
        """Return decision values, row by row from the part that answers.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        return self._answer("decision_function", X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy or R squared of the predictions.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.
        y : array-like of shape (n_samples,)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Accuracy of a classifier, R squared of a regressor.
        """
        mixin = ClassifierMixin if is_classifier(self) else RegressorMixin
        return float(mixin.score(self, X, y, sample_weight))

    def _answer(self, method: str, X: Any) -> Any:
        self._check_fitted()
        if self.fallback_ is None:
            return getattr(self.estimator_, method)(X)
        return Batch(self, X).answer(method)
