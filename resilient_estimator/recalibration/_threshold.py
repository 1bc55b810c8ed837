"""Find the decision threshold that is best on fresh labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer
from sklearn.utils import Bunch, check_consistent_length

from resilient_estimator._typing import Floats
from resilient_estimator._validation import parameter_error
from resilient_estimator.fallback import check_labels

Metric = Callable[[NDArray[np.bool_], NDArray[np.bool_]], float]
Cost = Callable[[Any, Any, Any, Any], Any]

N_FOLDS = 5
N_RESAMPLES = 300
MAX_CANDIDATES = 100


class _Answers(ClassifierMixin, BaseEstimator):
    """A classifier whose input is its answer, so that any scorer can judge answers."""

    def __init__(self, classes: NDArray[Any]) -> None:
        self.classes = classes

    @property
    def classes_(self) -> NDArray[Any]:
        return self.classes

    def predict(self, X: Any) -> NDArray[Any]:
        return np.asarray(self.classes[np.asarray(X)[:, 0].astype(int)])


def recalibrate_threshold(
    model: Any, X: Any, y: Any, *, scoring: Any, cost: Cost | None, confidence: float
) -> Bunch:
    """Return the record of the threshold that is best for a fitted binary classifier.

    Parameters
    ----------
    model : ResilientEstimator
        Fitted binary classifier.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Fresh rows.
    y : array-like of shape (n_samples,)
        Their labels.
    scoring : str or callable
        Scikit-learn scorer, used without `cost`.
    cost : callable or None
        Total cost as a function of tp, fp, fn, tn.
    confidence : float
        Coverage of the interval of the gain.

    Raises
    ------
    ValueError
        If there are unknown labels, or labels of one class only.
    """
    check_consistent_length(X, y)
    labels, classes = np.asarray(y), model.classes_
    check_labels(labels, classes, who="y holds")
    truth = labels == classes[1]
    if truth.all() or not truth.any():
        raise ValueError(
            f"recalibrate needs labels of both classes {classes.tolist()!r}. "
            f"Got only {np.unique(labels).tolist()!r}."
        )
    metric = scorer_metric(scoring, classes) if cost is None else cost_metric(cost)
    current = model.predict(X) == classes[1]
    scores = model.predict_proba(X)[:, 1]
    found = find_threshold(scores, truth, current, metric, confidence)
    return Bunch(
        old_threshold=0.5 if model.threshold_ is None else model.threshold_,
        metric=str(scoring) if cost is None else "minus cost per case",
        n_samples=len(truth),
        **found,
    )


def scorer_metric(scoring: Any, classes: NDArray[Any]) -> Metric:
    """Return a scikit-learn scorer as a function of true and predicted positives."""
    scorer = get_scorer(scoring)
    answers = _Answers(classes)
    try:
        scorer(answers, np.array([[0], [1]]), classes)
    except AttributeError:  # it asks for probabilities
        expected = "a scorer that judges labels, such as 'f1'"
        raise parameter_error("recalibrate", "scoring", expected, scoring) from None

    def metric(truth: NDArray[np.bool_], positive: NDArray[np.bool_]) -> float:
        return float(scorer(answers, positive[:, None], classes[truth.astype(int)]))

    return metric


def cost_metric(cost: Cost) -> Metric:
    """Return minus the cost per case as a function of true and predicted positives."""
    if not callable(cost):
        expected = "a function cost(tp, fp, fn, tn)"
        raise parameter_error("recalibrate", "cost", expected, cost)

    def metric(truth: NDArray[np.bool_], positive: NDArray[np.bool_]) -> float:
        tp, fp = np.sum(truth & positive), np.sum(~truth & positive)
        fn, tn = np.sum(truth & ~positive), np.sum(~truth & ~positive)
        return -float(cost(int(tp), int(fp), int(fn), int(tn))) / len(truth)

    return metric


def find_threshold(
    scores: Floats,
    truth: NDArray[np.bool_],
    current: NDArray[np.bool_],
    metric: Metric,
    confidence: float,
) -> Bunch:
    """Return the best threshold and what it gains over the current answers.

    The gain is measured on rows that did not choose the threshold: it is chosen on four
    fifths of the labels and judged on the rest, in turn. Its interval is a bootstrap of
    these rows, with a fixed seed.

    Parameters
    ----------
    scores : ndarray of float of shape (n_samples,)
        Probability of the positive class.
    truth : ndarray of bool of shape (n_samples,)
        Which rows are positive.
    current : ndarray of bool of shape (n_samples,)
        Which rows are called positive now.
    metric : callable
        Function of true and predicted positives; greater is better.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    found : Bunch
        ``threshold``, ``score_before``, ``score_after``, ``gain``, ``gain_interval``.
    """
    held_out = np.empty(len(scores), dtype=bool)
    fold = _stratified_folds(scores, truth)
    for k in range(N_FOLDS):
        chosen, judged = fold != k, fold == k
        if judged.any():
            threshold = _best_threshold(scores[chosen], truth[chosen], metric)
            held_out[judged] = scores[judged] >= threshold
    before, after = metric(truth, current), metric(truth, held_out)
    interval = _bootstrap_gain(truth, current, held_out, metric, confidence)
    return Bunch(
        threshold=_best_threshold(scores, truth, metric),
        score_before=before,
        score_after=after,
        gain=after - before,
        gain_interval=interval,
    )


def _best_threshold(scores: Floats, truth: NDArray[np.bool_], metric: Metric) -> float:
    """Return the middle of the best run of thresholds, between observed scores.

    Many candidates are thinned out first, then looked at closely around the best one.
    """
    candidates = _candidates(scores)
    coarse = _thinned(candidates)
    best = int(np.nanargmax([metric(truth, scores >= c) for c in coarse]))
    low, high = coarse[max(best - 1, 0)], coarse[min(best + 1, len(coarse) - 1)]
    near = _thinned(candidates[(candidates >= low) & (candidates <= high)])
    values = np.array([metric(truth, scores >= c) for c in near])
    run = np.flatnonzero(values >= np.nanmax(values) - 1e-12)
    return float(near[run[len(run) // 2]])


def _candidates(scores: Floats) -> Floats:
    distinct = np.unique(scores)
    between = (distinct[:-1] + distinct[1:]) / 2
    lowest, highest = distinct[0] / 2, (distinct[-1] + 1) / 2
    return np.unique(np.concatenate([[lowest], between, [highest]]))


def _thinned(candidates: Floats) -> Floats:
    n_kept = min(len(candidates), MAX_CANDIDATES)
    picked = np.linspace(0, len(candidates) - 1, n_kept).round().astype(int)
    return np.asarray(candidates[picked])


def _stratified_folds(scores: Floats, truth: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Deal the rows, in order of class and score, to the folds."""
    order = np.lexsort((scores, truth))
    fold = np.empty(len(scores), dtype=np.intp)
    fold[order] = np.arange(len(scores)) % N_FOLDS
    return fold


def _bootstrap_gain(
    truth: NDArray[np.bool_],
    current: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
    metric: Metric,
    confidence: float,
) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(N_RESAMPLES):
        rows = rng.integers(len(truth), size=len(truth))
        if truth[rows].any() and not truth[rows].all():
            before = metric(truth[rows], current[rows])
            gains.append(metric(truth[rows], held_out[rows]) - before)
    tail = (1 - confidence) / 2
    low, high = np.quantile(gains or [0.0], [tail, 1 - tail])
    return float(low), float(high)
