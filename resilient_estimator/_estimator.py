"""The estimator: fit once, then a pure function of the rows it is given."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
from sklearn.base import (
    ClassifierMixin,
    RegressorMixin,
    clone,
    is_classifier,
)
from sklearn.utils import Bunch
from sklearn.utils.validation import (
    check_is_fitted,
    validate_data,
)

from resilient_estimator._answers import answer_by_parts, inspect_rows, is_uncertain
from resilient_estimator._batch import (
    assess_batch,
    count_batch,
    importance_shares,
    learn_reference,
    look_at,
)
from resilient_estimator._columns import count_rows
from resilient_estimator._contract import (
    PartsContract,
    every_part_has,
    shows_sample_weight,
)
from resilient_estimator._folds import ask_out_of_fold
from resilient_estimator.assessment import Assessment
from resilient_estimator.detectors import fit_detector, make_detector
from resilient_estimator.exceptions import check_share
from resilient_estimator.fallback import fit_fallback
from resilient_estimator.guards import make_guard
from resilient_estimator.recalibration import recalibrate_threshold
from resilient_estimator.reference import Profile


class ResilientEstimator(PartsContract):
    """Wrap a classifier or a regressor with a memory of its training data.

    Answers are those of `estimator`, row by row, except for rows that the guard flags:
    these are answered by `fallback`, if there is one. What takes a whole batch to be
    seen is never decided in `predict`; ask `assess` about it. Asking never changes the
    model.

    Parameters
    ----------
    estimator : estimator
        Classifier, regressor or Pipeline. A clone of it is fitted; wrap it in
        `sklearn.frozen.FrozenEstimator` if it is fitted already.
    fallback : None, "prior" or predictor, default=None
        Answers the rows that are flagged. None: rows are only flagged. "prior": the
        class frequencies or the median of training. A predictor of the same type, for
        example a simpler model or a `RulePredictor`.
    guard : "auto", None, guard or outlier detector, default="auto"
        Flags rows. "auto" is a `RangeGuard` and a `CategoryGuard` with their default
        settings, which reject about none of the training rows.
    detector : "auto", None, detector or list of detectors, default="auto"
        Compares batches with training. "auto" is a `DetectorUnion` of everything that
        can be compared: columns, outputs, relations, flags. A list is a union of its
        members.
    min_confidence : float or None, default=None
        Rows whose highest class probability is below it are flagged as "uncertain" and
        answered by the fallback. Classifiers only. The estimator is then asked for its
        probabilities too.
    cv : int, splitter, iterable or None, default=5
        How training rows are split, so that models answer rows that they did not learn
        from: the reference that production's answers are compared with. An int is a
        number of folds, stratified for classifiers, contiguous blocks for regressors;
        fewer where a class has too few rows. None: not made, and answers are not
        compared. A `FrozenEstimator` is not fitted again: it is asked about the rows
        given to `fit`, which must not be those that it learnt from.
    n_jobs : int or None, default=None
        How many folds are fitted at a time.
    importance : bool, default=False
        Whether to measure, once, how much the estimator uses each column: permutation
        importance on the rows of each fold. `assess` then tells first what drifted
        *and* is used.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    fallback_ : predictor or None
        The fitted fallback.
    guard_ : guard or None
        The fitted guard.
    detector_ : detector or None
        The fitted detector.
    reference_ : Reference
        Counts of the training rows, and of what models said about them out of fold.
    importances_ : ndarray of float of shape (n_features_in_,) or None
        Share of each column in what the estimator uses, with `importance`.
    threshold_ : float or None
        Decision threshold on the probability of ``classes_[1]``; None: the estimator's
        own decision.
    recalibration_ : Bunch or None
        What the last `recalibrate` did.
    training_flags_ : dict of str to int
        How many training rows the guard flags, and out of how many.
    classes_ : ndarray of shape (n_classes,)
        Class labels, of classifiers.
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names seen during `fit`, if all are strings.

    See Also
    --------
    RangeGuard : Limits for single columns.
    FeatureDrift : The comparison with training.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from resilient_estimator import ResilientEstimator
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    >>> model = ResilientEstimator(pipeline, fallback="prior").fit(X[:400], y[:400])
    >>> bad = X[400:403].copy()
    >>> bad[0, 0] = np.nan
    >>> answers, flags = model.predict(bad, return_flags=True)
    >>> flags.fallback
    array([ True, False, False])
    >>> bool(model.assess(X[400:] * 1.2))
    True
    """

    def __init__(
        self,
        estimator: Any,
        *,
        fallback: Any = None,
        guard: Any = "auto",
        detector: Any = "auto",
        min_confidence: float | None = None,
        cv: Any = 5,
        n_jobs: int | None = None,
        importance: bool = False,
    ) -> None:
        self.estimator = estimator
        self.fallback = fallback
        self.guard = guard
        self.detector = detector
        self.min_confidence = min_confidence
        self.cv = cv
        self.n_jobs = n_jobs
        self.importance = importance

    @shows_sample_weight
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all parts to the same rows, and remember what the rows look like.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows, in any container that `estimator` takes.
        y : array-like of shape (n_samples,), default=None
            Targets.
        **params : dict
            Metadata for `fit` of the estimator, and of the fallback where it takes
            them: such as ``sample_weight``. With metadata routing enabled they go where
            they were requested.

        Returns
        -------
        self : ResilientEstimator
            The fitted model.
        """
        routed = self._route(params)
        validate_data(self, X, y, skip_check_array=True)
        # First: its errors about malformed input are those that users know.
        estimator = clone(self.estimator)
        estimator.fit(X, y, **routed["estimator"]["fit"])
        self._check_min_confidence(estimator)
        fallback = fit_fallback(
            self.fallback, estimator, X, y, **routed["fallback"]["fit"]
        )
        guard = make_guard(self.guard)
        if guard is not None:
            guard.fit(X, y)
        detector = make_detector(self.detector)
        out_of_fold = ask_out_of_fold(
            estimator,
            X,
            y,
            cv=self.cv,
            n_jobs=self.n_jobs,
            fit_params=routed["estimator"]["fit"],
            split_params=routed["splitter"]["split"],
            importance=self.importance,
        )
        self.estimator_, self.fallback_, self.guard_ = estimator, fallback, guard
        self.importances_ = importance_shares(out_of_fold)
        self.threshold_: float | None = None
        self.recalibration_: Bunch | None = None
        self.reference_, self.training_flags_ = learn_reference(
            self,
            X,
            y,
            out_of_fold,
            time_ordered=getattr(detector, "time_ordered", False),
        )
        self.detector_ = fit_detector(detector, self.reference_, X, y)
        return self

    def predict(
        self, X: Any, *, return_flags: bool = False, return_assessment: bool = False
    ) -> Any:
        """Answer every row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.
        return_flags : bool, default=False
            Whether to return which rows are suspicious, and why.
        return_assessment : bool, default=False
            Whether to return the assessment of the rows as a batch. The answers are the
            same.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Answers.
        flags : Bunch of ndarray of bool of shape (n_samples,)
            One mask per reason, and `fallback`: the rows that the fallback answered.
            Only with `return_flags`.
        assessment : Assessment
            Only with `return_assessment`.

        Raises
        ------
        FallbackError
            If the fallback fails on the rows that only it could answer.
        """
        if return_flags and return_assessment:
            raise ValueError(
                "Ask for one of 'return_flags' and 'return_assessment': the "
                "assessment's 'flags' holds the flags of the rows."
            )
        want_flags = return_flags or return_assessment
        self._check_fitted()
        method = "predict" if self.threshold_ is None else "predict_proba"
        said, flags = self._answer(method, X, want_flags=want_flags)
        answer = said
        if self.threshold_ is not None:
            answer = self.classes_[(said[:, 1] >= self.threshold_).astype(int)]
        if return_assessment:
            return answer, assess_batch(self, X, look_at(self, X, flags, said, method))
        return (answer, flags) if return_flags else answer

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
            Probabilities. A threshold set by `recalibrate` does not change them.
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

    def assess(self, X: Any, y: Any = None) -> Assessment:
        """Compare a batch with training, and say what is to be told about it.

        The estimator is asked once, for its scores, about the rows that no guard flags.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The batch.
        y : array-like of shape (n_samples,), default=None
            True targets, if they are known: the realised score is then part of the
            assessment.

        Returns
        -------
        assessment : Assessment
            True when action is needed; `reasons` says why.
        """
        check_is_fitted(self)
        return assess_batch(self, X, look_at(self, X), y)

    def profile(self, X: Any) -> Profile:
        """Count a batch, its flags and the estimator's answers.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The batch.

        Returns
        -------
        profile : Profile
            Integer counts over the cells of the reference. Profiles of parts add up to
            the profile of the whole, and the detector compares a sum as it would
            compare all the rows.
        """
        check_is_fitted(self)
        return count_batch(self, X, look_at(self, X))

    @every_part_has("predict_proba")
    def recalibrate(
        self,
        X: Any = None,
        y: Any = None,
        *,
        scoring: Any = "balanced_accuracy",
        cost: Any = None,
        threshold: float | None = None,
        confidence: float = 0.95,
    ) -> ResilientEstimator:
        """Return another model that decides at the threshold which fits fresh labels.

        Both share the fitted parts; this model stays as it is. Binary classifiers only.
        Without labels, `threshold` sets a threshold by hand, and no argument at all
        returns to the estimator's own decision.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Fresh rows.
        y : array-like of shape (n_samples,)
            Their labels, of both classes.
        scoring : str or callable, default="balanced_accuracy"
            Any scikit-learn scorer that judges labels.
        cost : callable, default=None
            Total cost as a function ``cost(tp, fp, fn, tn)`` of counts, instead of
            `scoring`. The positive class is ``classes_[1]``.
        threshold : float, default=None
            Threshold in [0, 1] to use as it is, instead of labels.
        confidence : float, default=0.95
            Coverage of the interval of the gain.

        Returns
        -------
        model : ResilientEstimator
            Another model. Its `recalibration_` has ``old_threshold``, ``threshold``,
            ``metric``, ``score_before``, ``score_after``, ``gain``, ``gain_interval``
            and ``n_samples``. Scores are those of rows that did not choose the
            threshold; costs are negative and per case.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from resilient_estimator import ResilientEstimator
        >>> X, y = make_classification(2000, weights=[0.9], random_state=0)
        >>> model = ResilientEstimator(LogisticRegression()).fit(X[:1000], y[:1000])
        >>> def cost(tp, fp, fn, tn):
        ...     return 5 * fn + fp
        >>> cheaper = model.recalibrate(X[1000:], y[1000:], cost=cost)
        >>> cheaper.threshold_ < 0.5, cheaper.recalibration_.gain > 0
        (True, True)
        >>> cheaper.recalibrate().threshold_ is None
        True
        """
        check_is_fitted(self)
        if not is_classifier(self) or len(self.classes_) != 2:
            raise ValueError("recalibrate needs a binary classifier.")
        other = copy(self)
        other.threshold_, other.recalibration_ = threshold, None
        if X is None:
            check_share("threshold", threshold, may_be_none=True)
            if y is not None:
                raise ValueError("Labels need the rows that they belong to: X is None.")
        elif threshold is not None:
            raise ValueError("Give either labelled rows or a threshold, not both.")
        else:
            check_share("confidence", confidence)
            other.recalibration_ = recalibrate_threshold(
                self, X, y, scoring=scoring, cost=cost, confidence=confidence
            )
            other.threshold_ = other.recalibration_.threshold
        return other

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
            if self.min_confidence is not None:
                proba = self.estimator_.predict_proba(X)
                flags.uncertain = is_uncertain(proba, self.min_confidence)
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
            min_confidence=self.min_confidence,
        )
        return answer, flags

    def _is_clear(self, X: Any) -> bool:
        """Whether the estimator may answer all rows, as is plain at a glance."""
        all_clear = getattr(self.guard_, "all_clear", None)
        return self.min_confidence is None and all_clear is not None and all_clear(X)

    def _check_min_confidence(self, estimator: Any) -> None:
        if self.min_confidence is None:
            return
        check_share("min_confidence", self.min_confidence, may_be_none=True)
        if not is_classifier(self) or not hasattr(estimator, "predict_proba"):
            raise ValueError(
                "The 'min_confidence' parameter of ResilientEstimator must be None "
                "unless the estimator is a classifier with 'predict_proba'. Got "
                f"{self.min_confidence!r} instead."
            )
