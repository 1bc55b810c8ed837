"""Find the decision threshold that scores best on fresh labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer
from sklearn.utils import Bunch, check_consistent_length

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import Satisfies, check_argument, parameter_error
from resilient_estimator.fallback import check_labels

Metric = Callable[[Mask, Mask], float]
Cost = Callable[[Any, Any, Any, Any], Any]

N_FOLDS = 5
N_RESAMPLES = 300
MAX_CANDIDATES = 100
COST = Satisfies(callable, "a callable cost(tp, fp, fn, tn)")


class _Precomputed(ClassifierMixin, BaseEstimator):
    """A classifier whose input is its predictions, so that any scorer can score them.

    The input has one column: the position of the predicted class in `classes`.
    """

    def __init__(self, classes: NDArray[Any]) -> None:
        self.classes = classes

    @property
    def classes_(self) -> NDArray[Any]:
        return self.classes

    def predict(self, X: Any) -> NDArray[Any]:
        return np.asarray(self.classes[np.asarray(X)[:, 0].astype(int)])


def recalibrate_threshold(
    y: Any,
    proba: Floats,
    *,
    classes: NDArray[Any],
    predicted_positive: Mask,
    old_threshold: float,
    scoring: Any,
    cost: Cost | None,
    confidence_level: float,
) -> Bunch:
    """Find the decision threshold of a binary classifier that fits fresh labels best.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Fresh labels.
    proba : ndarray of float of shape (n_samples,)
        Probability of the positive class, ``classes[1]``.
    classes : ndarray of shape (2,)
        Class labels.
    predicted_positive : ndarray of bool of shape (n_samples,)
        Rows that are predicted positive so far.
    old_threshold : float
        Threshold used so far.
    scoring : str or callable
        Scikit-learn scorer, used without `cost`.
    cost : callable or None
        Total cost as a function of tp, fp, fn, tn.
    confidence_level : float
        Confidence level of the interval of the gain.

    Returns
    -------
    record : Bunch
        Old and new threshold, scores and gain.

    Raises
    ------
    ValueError
        If there are unknown labels, or labels of one class only.
    """
    check_consistent_length(proba, y)
    truth = _positives(np.asarray(y), classes)
    metric = scorer_metric(scoring, classes) if cost is None else cost_metric(cost)
    found = find_threshold(proba, truth, predicted_positive, metric, confidence_level)
    return Bunch(
        old_threshold=old_threshold,
        metric=str(scoring) if cost is None else "negative cost per case",
        n_samples=len(truth),
        **found,
    )


def _positives(labels: NDArray[Any], classes: NDArray[Any]) -> Mask:
    check_labels(labels, classes, subject="y contains")
    truth = np.asarray(labels == classes[1])
    if truth.all() or not truth.any():
        raise ValueError(
            f"recalibrate needs labels of both classes {classes.tolist()!r}. "
            f"Got only {np.unique(labels).tolist()!r}."
        )
    return truth


def scorer_metric(scoring: Any, classes: NDArray[Any]) -> Metric:
    """Return a scikit-learn scorer as a function of true and predicted positives."""
    scorer = get_scorer(scoring)
    precomputed = _Precomputed(classes)
    try:
        scorer(precomputed, np.array([[0], [1]]), classes)
    except AttributeError:  # the scorer needs probabilities
        expected = "a scorer of predicted labels, such as 'f1'"
        raise parameter_error("recalibrate", "scoring", expected, scoring) from None

    def metric(truth: Mask, positive: Mask) -> float:
        labels = classes[truth.astype(int)]
        return float(scorer(precomputed, positive[:, None], labels))

    return metric


def cost_metric(cost: Cost) -> Metric:
    """Return minus the cost per case as a function of true and predicted positives."""
    check_argument("recalibrate", "cost", cost, COST)

    def metric(truth: Mask, positive: Mask) -> float:
        tp, fp = np.sum(truth & positive), np.sum(~truth & positive)
        fn, tn = np.sum(truth & ~positive), np.sum(~truth & ~positive)
        return -float(cost(int(tp), int(fp), int(fn), int(tn))) / len(truth)

    return metric


def find_threshold(
    proba: Floats,
    truth: Mask,
    predicted_positive: Mask,
    metric: Metric,
    confidence_level: float,
) -> Bunch:
    """Return the best threshold and its gain over the current predictions.

    The gain is measured on rows that were not used to choose the threshold: by
    cross-validation, the threshold is chosen on four fifths of the labels and evaluated
    on the rest. Its interval is a bootstrap over these rows, with a fixed seed.

    Parameters
    ----------
    proba : ndarray of float of shape (n_samples,)
        Probability of the positive class.
    truth : ndarray of bool of shape (n_samples,)
        Rows that are positive.
    predicted_positive : ndarray of bool of shape (n_samples,)
        Rows that are predicted positive so far.
    metric : callable
        Function of true and predicted positives; greater is better.
    confidence_level : float
        Confidence level of the interval.

    Returns
    -------
    found : Bunch
        ``threshold``, ``score_before``, ``score_after``, ``gain``, ``gain_interval``.
    """
    held_out = _held_out_positives(proba, truth, metric)
    before, after = metric(truth, predicted_positive), metric(truth, held_out)
    interval = _bootstrap_gain(
        truth, predicted_positive, held_out, metric, confidence_level
    )
    return Bunch(
        threshold=_best_threshold(proba, truth, metric),
        score_before=before,
        score_after=after,
        gain=after - before,
        gain_interval=interval,
    )


def _held_out_positives(proba: Floats, truth: Mask, metric: Metric) -> Mask:
    """Return positives by thresholds that were chosen on the other folds."""
    held_out = np.empty(len(proba), dtype=bool)
    fold = _stratified_folds(proba, truth)
    for k in range(N_FOLDS):
        train, test = fold != k, fold == k
        if test.any():
            threshold = _best_threshold(proba[train], truth[train], metric)
            held_out[test] = proba[test] >= threshold
    return held_out


def _best_threshold(proba: Floats, truth: Mask, metric: Metric) -> float:
    """Return the middle of the best run of thresholds, between observed probabilities.

    If there are many candidates, a coarse grid is searched first, then all candidates
    near its best point.
    """
    candidates = _candidates(proba)
    coarse = _thinned(candidates)
    best = int(np.nanargmax([metric(truth, proba >= c) for c in coarse]))
    lower, upper = coarse[max(best - 1, 0)], coarse[min(best + 1, len(coarse) - 1)]
    near = _thinned(candidates[(candidates >= lower) & (candidates <= upper)])
    values = np.array([metric(truth, proba >= c) for c in near])
    run = np.flatnonzero(values >= np.nanmax(values) - 1e-12)
    return float(near[run[len(run) // 2]])


def _candidates(proba: Floats) -> Floats:
    distinct = np.unique(proba)
    between = (distinct[:-1] + distinct[1:]) / 2
    lowest, highest = distinct[0] / 2, (distinct[-1] + 1) / 2
    return np.unique(np.concatenate([[lowest], between, [highest]]))


def _thinned(candidates: Floats) -> Floats:
    n_kept = min(len(candidates), MAX_CANDIDATES)
    picked = np.linspace(0, len(candidates) - 1, n_kept).round().astype(int)
    return np.asarray(candidates[picked])


def _stratified_folds(proba: Floats, truth: Mask) -> Positions:
    """Return the fold of each row, dealt in the order of class and probability."""
    order = np.lexsort((proba, truth))
    fold = np.empty(len(proba), dtype=np.intp)
    fold[order] = np.arange(len(proba)) % N_FOLDS
    return fold


def _bootstrap_gain(
    truth: Mask,
    predicted_positive: Mask,
    held_out: Mask,
    metric: Metric,
    confidence_level: float,
) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(N_RESAMPLES):
        rows = rng.integers(len(truth), size=len(truth))
        if truth[rows].any() and not truth[rows].all():
            before = metric(truth[rows], predicted_positive[rows])
            gains.append(metric(truth[rows], held_out[rows]) - before)
    tail = (1 - confidence_level) / 2
    lower, upper = np.quantile(gains or [0.0], [tail, 1 - tail])
    return float(lower), float(upper)
