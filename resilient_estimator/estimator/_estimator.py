"""The estimator: fit once, then a pure function of the rows it is given."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils import Bunch
from sklearn.utils.validation import (
    check_is_fitted,
    validate_data,
)

from resilient_estimator._validation import PROPORTION, check_argument
from resilient_estimator.assessment import Assessment
from resilient_estimator.detectors._auto import fit_detector, make_detector
from resilient_estimator.estimator._abstention import (
    check_doubts,
    learn_stability,
    score_answered,
)
from resilient_estimator.estimator._batch import (
    assess_batch,
    count_batch,
    importance_shares,
    learn_reference,
    look_at,
)
from resilient_estimator.estimator._meta_estimator import (
    every_part_has,
    shows_sample_weight,
)
from resilient_estimator.estimator._out_of_fold import ask_out_of_fold
from resilient_estimator.estimator._prediction import AnsweringEstimator
from resilient_estimator.fallback import fit_fallback
from resilient_estimator.guards._auto import make_guard
from resilient_estimator.guards._base import fit_guard
from resilient_estimator.recalibration._threshold import recalibrate_threshold
from resilient_estimator.reference import Profile
from resilient_estimator.stability._row_stability import N_COPIES, SIZE, read_moves
from resilient_estimator.stability._scorer import check_tolerance


class ResilientEstimator(AnsweringEstimator):
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
    guard : "auto", None, guard, outlier detector or list of these, default="auto"
        Flags rows. "auto" is a `RangeGuard` and a `CategoryGuard` with their default
        settings, which reject about none of the training rows. A list is a
        `GuardUnion` of its members.
    detector : "auto", None, detector or list of detectors, default="auto"
        Compares batches with training. "auto" is a `DetectorUnion` of everything that
        can be compared: columns, outputs, relations, flags. A list is a union of its
        members.
    min_confidence : float or None, default=None
        Rows whose highest class probability is below it are flagged as "uncertain" and
        answered by the fallback. Classifiers only. The estimator is then asked for its
        probabilities too.
    min_stability : float or None, default=None
        Rows whose stability (`score_stability`) is below it are flagged as "unstable"
        and answered by the fallback. The estimator is then asked about 32 moved copies
        of each row too.
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
    perturbation_ : Perturbation
        How far near neighbours in training lie apart, column by column.
    decides_by_proba_ : bool
        Whether a classifier decides for its most probable class.
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
        min_stability: float | None = None,
        cv: Any = 5,
        n_jobs: int | None = None,
        importance: bool = False,
    ) -> None:
        self.estimator = estimator
        self.fallback = fallback
        self.guard = guard
        self.detector = detector
        self.min_confidence = min_confidence
        self.min_stability = min_stability
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
        check_doubts(self, estimator)
        fallback = fit_fallback(
            self.fallback, estimator, X, y, **routed["fallback"]["fit"]
        )
        guard = make_guard(self.guard)
        fit_guard(guard, estimator, X, y)
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
        learn_stability(self, X)
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

    def assess(self, X: Any, y: Any = None, *, stability: bool = False) -> Assessment:
        """Compare a batch with training, and say what is to be told about it.

        The estimator is asked once, for its scores, about the rows that no guard flags.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The batch.
        y : array-like of shape (n_samples,), default=None
            True targets, if they are known: the realised score is then part of the
            assessment.
        stability : bool, default=False
            Whether to score the stability of the model over the rows that no guard
            flags, or over a thousand of them: ten moved copies of each are asked about.

        Returns
        -------
        assessment : Assessment
            True when action is needed; `reasons` says why.
        """
        check_is_fitted(self)
        return assess_batch(self, X, look_at(self, X), y, stability=stability)

    def score_stability(
        self,
        X: Any,
        *,
        n_copies: int = N_COPIES,
        size: float = SIZE,
        immutable: Any = (),
        bounds: Mapping[Any, Any] | None = None,
        monotone: Mapping[Any, int] | None = None,
        tolerance: float = 1.0,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Say for each row how stable the estimator's answer is when the row moves.

        Copies of a row are moved half as far as near neighbours in training lie apart.
        Its stability is the mean of the share of copies that get the same answer, and
        of the probability that they give to it. A regressor's answer is the same if it
        changes by at most `tolerance` standard deviations of out-of-fold residuals.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. The estimator is asked about a thousand of them and their copies at a
            time; where that shows that more than ten seconds remain, a line of the
            logger "resilient_estimator" says so.
        n_copies : int, default=32
            Moved copies of each row: the estimator is asked about all of them.
        size : float, default=0.5
            How far rows move: 1 is as far as near neighbours lie apart.
        immutable : sequence of str or int, default=()
            Columns that stay as they are.
        bounds : dict of str or int to (float, float), default=None
            Least and largest value of numbers, None meaning no limit.
        monotone : dict of str or int to {1, -1}, default=None
            Numbers that move only upwards, or only downwards.
        tolerance : float, default=1.0
            Of regressors: by how much an answer may change and still be the same.
        seed : int, default=0
            Another seed gives other noise. The noise of a row follows from the seed and
            the row alone.

        Returns
        -------
        stability : ndarray of float of shape (n_samples,)
            In [0, 1]. NaN for rows that the guard keeps from the estimator, where there
            is a fallback to answer them.

        Raises
        ------
        ValueError
            If a parameter is out of its range, names a column that does not exist, or
            lets nothing move.

        See Also
        --------
        resilient_estimator.stability.StabilityScorer : The same for any fitted model.
        """
        check_is_fitted(self)
        check_tolerance(self, tolerance)
        moves = read_moves(
            type(self).__name__,
            self.perturbation_.names,
            n_copies=n_copies,
            size=size,
            seed=seed,
            immutable=immutable,
            limits=bounds,
            monotonic_cst=monotone,
        )
        return score_answered(self, X, moves, tolerance)

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
        confidence_level: float = 0.95,
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
        confidence_level : float, default=0.95
            Confidence level of the interval of the gain.

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
            check_argument(self, "threshold", threshold, PROPORTION, None)
            if y is not None:
                raise ValueError("Labels need the rows that they belong to: X is None.")
        elif threshold is not None:
            raise ValueError("Give either labelled rows or a threshold, not both.")
        else:
            check_argument(self, "confidence_level", confidence_level, PROPORTION)
            other.recalibration_ = recalibrate_threshold(
                y,
                self.predict_proba(X)[:, 1],
                classes=self.classes_,
                predicted_positive=self.predict(X) == self.classes_[1],
                old_threshold=0.5 if self.threshold_ is None else self.threshold_,
                scoring=scoring,
                cost=cost,
                confidence_level=confidence_level,
            )
            other.threshold_ = other.recalibration_.threshold
        return other
