"""Answer rows, each by the part that is responsible for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier
from sklearn.utils import Bunch

from resilient_estimator.estimator._abstention import doubts_of
from resilient_estimator.estimator._deferral import answer_by_parts, inspect_rows
from resilient_estimator.estimator._meta_estimator import MetaEstimator, every_part_has
from resilient_estimator.tabular._table import count_rows


class AnsweringEstimator(MetaEstimator):
    """An estimator whose fitted parts answer rows.

    Subclasses set the fitted parts.
    """

    estimator_: Any
    fallback_: Any
    guard_: Any

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
            with `min_stability` it says which rows are unstable.
        """
        return self._answer("predict_proba", X)[0]

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
        return self._answer("predict_log_proba", X)[0]

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
        return self._answer("decision_function", X)[0]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy or R squared of the answers.

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

    def _answer(
        self, method: str, X: Any, *, want_flags: bool = False
    ) -> tuple[Any, Bunch | None]:
        """Return the answers of `method`, and the flags where they are wanted."""
        self._check_fitted()
        if self.fallback_ is None:
            answer = getattr(self.estimator_, method)(X)
            if not want_flags:
                return answer, None
            flags = Bunch(**inspect_rows(self.guard_, X))
            for reason, find in doubts_of(self).items():
                flags[reason] = find(X, answer, method)
            flags.fallback = np.zeros(count_rows(X), dtype=bool)
            return answer, flags
        if not want_flags and self._is_clear(X):
            return getattr(self.estimator_, method)(X), None
        flags = Bunch(**inspect_rows(self.guard_, X))
        answer = answer_by_parts(
            method,
            X,
            estimator=self.estimator_,
            fallback=self.fallback_,
            flags=flags,
            doubts=doubts_of(self),
        )
        return answer, flags

    def _is_clear(self, X: Any) -> bool:
        """Whether the estimator may answer all rows, as is plain at a glance."""
        all_clear = getattr(self.guard_, "all_clear", None)
        return not doubts_of(self) and all_clear is not None and all_clear(X)
