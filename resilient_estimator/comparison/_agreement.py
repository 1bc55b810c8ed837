"""How often the predictions of several models agree."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Mask
from resilient_estimator.statistics._intervals import effective_wilson


def agree(a: Any, b: Any, tolerance: float | None) -> Mask:
    """Return which predictions are equal; numbers may differ by the tolerance."""
    return np.asarray(a == b if tolerance is None else np.abs(a - b) <= tolerance)


def disagreement(predictions: NDArray[Any], tolerance: float | None) -> Floats:
    """Return the share of pairs of models that disagree on each row.

    Parameters
    ----------
    predictions : ndarray of shape (n_models, n_samples)
        Predictions of each model.
    tolerance : float or None
        Largest difference at which numbers count as equal.

    Returns
    -------
    disagreement : ndarray of float of shape (n_samples,)
        In [0, 1].
    """
    n_models = len(predictions)
    counts = [
        np.sum(~agree(own, predictions, tolerance), axis=0) for own in predictions
    ]
    return np.asarray(np.sum(counts, axis=0) / (n_models * (n_models - 1)))


def disagreement_interval(
    predictions: NDArray[Any],
    by_row: Floats,
    *,
    tolerance: float | None,
    confidence_level: float,
) -> tuple[float, float]:
    """Return a confidence interval of the mean disagreement.

    It covers the randomness of the rows and that of the models: its variance is that of
    a mean over rows, plus the delete-one jackknife over models.

    Parameters
    ----------
    predictions : ndarray of shape (n_models, n_samples)
        Predictions of each model.
    by_row : ndarray of float of shape (n_samples,)
        Disagreement on each row.
    tolerance : float or None
        Largest difference at which numbers count as equal.
    confidence_level : float
        Coverage.

    Returns
    -------
    lower, upper : float
    """
    n_models, n_samples = predictions.shape
    pairs = np.array(
        [np.mean(~agree(own, predictions, tolerance), axis=1) for own in predictions]
    )
    variance = by_row.var(ddof=1) / n_samples if n_samples > 1 else 0.0
    if n_models > 2:
        without_one = (pairs.sum() - 2 * pairs.sum(axis=1)) / (n_models - 1)
        without_one /= n_models - 2
        variance += (n_models - 1) * without_one.var()
    mean = float(by_row.mean())
    return effective_wilson(mean, variance, n_samples, confidence_level)


def median_difference(predictions: Floats) -> float:
    """Return the median absolute difference of two models, averaged over pairs.

    Parameters
    ----------
    predictions : ndarray of float of shape (n_models, n_samples)
        Predictions of each model.
    """
    n_models = len(predictions)
    sums = [np.median(np.abs(own - predictions), axis=1).sum() for own in predictions]
    return float(np.sum(sums) / (n_models * (n_models - 1)))
