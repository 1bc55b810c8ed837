"""The estimator: fit once, then a pure function of the rows it is given."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Floats
from resilient_estimator._validation import (
    BOOLEAN,
    N_JOBS,
    PROPORTION,
    Constraints,
    Options,
    check_argument,
)
from resilient_estimator.assessment import Assessment
from resilient_estimator.estimator._batch import Batch
from resilient_estimator.estimator._fit import FitMixin
from resilient_estimator.estimator._meta_estimator import (
    every_part_has,
)
from resilient_estimator.estimator._prediction import PredictionMixin
from resilient_estimator.recalibration._threshold import recalibrate_threshold
from resilient_estimator.reference import Profile
from resilient_estimator.stability._row_stability import (
    N_COPIES,
    SIZE,
    Neighbourhood,
    check_tolerance,
)


class ResilientEstimator(FitMixin, PredictionMixin):
    """Wrap a classifier or a regressor with a memory of its training data.

    Predictions are those of `estimator`, row by row, except for rows that the guard
    flags: these are answered by `fallback`, if there is one. What only a whole batch
    shows is never decided in `predict`, but reported by `assess`. Neither changes the
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
        answered by the fallback. Classifiers only. `predict` then calls
        `predict_proba` of the estimator too.
    min_stability : float or None, default=None
        Rows whose stability (`score_stability`) is below it are flagged as "unstable"
        and answered by the fallback. The estimator then predicts 32 moved copies of
        each row too.
    cv : int, splitter, iterable or None, default=5
        How training rows are split for out-of-fold predictions: those of models that
        were not trained on the rows, with which production's predictions are compared.
        An int is a number of folds, split as `row_order` has it; fewer where there are
        too few rows. None: no such predictions are made, and outputs are not compared.
        A `FrozenEstimator` is not fitted again: it predicts the rows given to `fit`,
        which must not be those that it was trained on.
    row_order : {"auto", "time", "arbitrary"}, default="auto"
        In which order the training rows stand, where `cv` is an int. "time": folds are
        contiguous blocks, since neighbouring rows of a series resemble one another and
        shuffled folds would flatter the estimator. "arbitrary": folds are shuffled with
        a fixed seed, and stratified for classifiers. "auto": "time", unless the rows
        are sorted by the target or by a column that is no time.
    n_jobs : int or None, default=None
        How many folds are fitted at a time.
    importance : bool, default=False
        Whether to measure, once, how much the estimator uses each column: permutation
        importance on the rows of each fold. `assess` then reports first what drifted
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
        Counts of the training rows, and of their out-of-fold predictions.
    perturbation_ : Perturbation
        How far near neighbours in training lie apart, column by column.
    follows_proba_ : bool
        Whether a classifier always predicts its most probable class.
    importances_ : ndarray of float of shape (n_features_in_,) or None
        Share of each column in what the estimator uses, with `importance`.
    row_order_ : Bunch
        ``order``, "time" or "arbitrary": how the folds were split; ``reason``: why.
    threshold_ : float or None
        Decision threshold on the probability of ``classes_[1]``; None: the estimator's
        own predictions.
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
    >>> predictions, flags = model.predict(bad, return_flags=True)
    >>> flags.fallback
    array([ True, False, False])
    >>> bool(model.assess(X[400:] * 1.2))
    True
    """

    _constraints: ClassVar[Constraints] = {
        "min_confidence": [PROPORTION, None],
        "min_stability": [PROPORTION, None],
        "row_order": [Options("auto", "time", "arbitrary")],
        "n_jobs": [N_JOBS],
        "importance": [BOOLEAN],
    }

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
        row_order: str = "auto",
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
        self.row_order = row_order
        self.n_jobs = n_jobs
        self.importance = importance

    def assess(self, X: Any, y: Any = None, *, stability: bool = False) -> Assessment:
        """Compare a batch with training, and report what matters about it.

        The estimator scores the rows that no guard flags, once.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The batch.
        y : array-like of shape (n_samples,), default=None
            True targets, if they are known: the realised score is then part of the
            assessment.
        stability : bool, default=False
            Whether to score the stability of the model over the rows that no guard
            flags, or over a thousand of them: ten moved copies of each are predicted.

        Returns
        -------
        assessment : Assessment
            True when action is needed; `reasons` says why.
        """
        check_is_fitted(self)
        return Batch(self, X, lenient=True).assess(y, stability=stability)

    def score_stability(
        self,
        X: Any,
        *,
        n_copies: int = N_COPIES,
        size: float = SIZE,
        immutable: Any = (),
        limits: Mapping[Any, Any] | None = None,
        monotonic_cst: Mapping[Any, int] | None = None,
        tolerance: float = 1.0,
        random_state: int = 0,
    ) -> Floats:
        """Return for each row how stable the estimator's prediction is when it moves.

        Copies of a row are moved half as far as near neighbours in training lie apart.
        Its stability is the mean of the share of copies with the same prediction, and
        of the probability that they give to it. A regressor's predictions are the same
        if they differ by at most `tolerance` standard deviations of out-of-fold
        residuals.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. The estimator predicts a thousand of them and their copies at a time;
            where more than ten seconds remain after that, a line of the logger
            "resilient_estimator" reports it.
        n_copies : int, default=32
            Moved copies of each row: the estimator predicts all of them.
        size : float, default=0.5
            How far rows move: 1 is as far as near neighbours lie apart.
        immutable : sequence of str or int, default=()
            Columns that stay as they are.
        limits : dict of str or int to (float, float), default=None
            Smallest and largest value of numbers, None meaning no limit.
        monotonic_cst : dict of str or int to {1, 0, -1}, default=None
            Numbers that move only upwards (1), or only downwards (-1).
        tolerance : float, default=1.0
            Of regressors: by how much a prediction may change and still be the same.
        random_state : int, default=0
            Another seed gives other noise. The noise of a row follows from the seed and
            the row alone.

        Returns
        -------
        stability : ndarray of float of shape (n_samples,)
            In [0, 1]. NaN for rows that the guard defers to the fallback, if there is
            one.

        Raises
        ------
        InvalidParameterError
            If a parameter is out of its range, names a column that does not exist, or
            lets nothing move.

        See Also
        --------
        resilient_estimator.stability.StabilityScorer : The same for any fitted model.
        """
        check_is_fitted(self)
        check_tolerance(self, tolerance)
        neighbourhood = Neighbourhood.read(
            self,
            self.perturbation_.names,
            n_copies=n_copies,
            size=size,
            random_state=random_state,
            immutable=immutable,
            limits=limits,
            monotonic_cst=monotonic_cst,
        )
        batch = Batch(self, X)
        everything = np.ones(batch.n_samples, dtype=bool)
        chosen = everything if self.fallback_ is None else ~batch.guarded
        return batch.score_stability(neighbourhood, chosen, tolerance=tolerance)

    def profile(self, X: Any) -> Profile:
        """Count a batch, its flags and the estimator's predictions.

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
        return Batch(self, X, lenient=True).profile

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
            batch = Batch(self, X)
            other.recalibration_ = recalibrate_threshold(
                y,
                batch.answer("predict_proba")[:, 1],
                classes=self.classes_,
                predicted_positive=batch.predict() == self.classes_[1],
                old_threshold=0.5 if self.threshold_ is None else self.threshold_,
                scoring=scoring,
                cost=cost,
                confidence_level=confidence_level,
            )
            other.threshold_ = other.recalibration_.threshold
        return other
