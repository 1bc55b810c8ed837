"""How many independent rows dependent ones are worth, and how much models differ."""

from __future__ import annotations

import numpy as np
from scipy import fft, special

from resilient_estimator._typing import Floats, Positions

MAX_LABELS = 16
LEVEL = 0.01  # of all outputs together, for the uncertainty of a variance of few models


def autocorrelation_time(codes: Positions, *, ordered: bool) -> float:
    """Return the factor by which dependence between rows inflates a variance.

    `n` such rows determine a mean as precisely as ``n / time`` independent rows. It is
    ``time = 1 + 2 sum_k rho_k`` with the autocorrelations of the ranks, or of the
    indicators of the labels together, summed as long as the sums of adjacent pairs are
    positive (Geyer's initial positive sequence, 1992).

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Cell of each row, with the rows in the order of time.
    ordered : bool
        Whether the cells are ordered, as bins of numbers are.

    Returns
    -------
    time : float
        At least 1.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.reference._variance_inflation import (
    ...     autocorrelation_time,
    ... )
    >>> rng = np.random.default_rng(0)
    >>> codes = rng.integers(0, 9, 500)
    >>> autocorrelation_time(codes, ordered=True) < 1.3
    True
    >>> autocorrelation_time(np.repeat(codes, 10), ordered=True) > 8
    True
    """
    n_samples = len(codes)
    if n_samples < 3:
        return 1.0
    series = _ranks(codes)[np.newaxis] if ordered else _indicators(codes)
    covariance = np.sum([_autocovariance(x - x.mean()) for x in series], axis=0)
    if covariance[0] <= 0:
        return 1.0
    rho = covariance / covariance[0]
    pairs = rho[: len(rho) // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    last = ends[0] if len(ends) else len(pairs)
    return float(max(2 * pairs[:last].sum() - 1, 1.0))


def _ranks(codes: Positions) -> Floats:
    counts = np.bincount(codes)
    return (np.cumsum(counts) - counts / 2)[codes] / len(codes)


def _indicators(codes: Positions) -> Floats:
    frequent = np.argsort(-np.bincount(codes), kind="stable")[:MAX_LABELS]
    return np.asarray((codes == frequent[:, np.newaxis]).astype(float))


def _autocovariance(x: Floats) -> Floats:
    n_samples = len(x)
    padded = fft.next_fast_len(2 * n_samples, real=True)
    power = np.abs(fft.rfft(x, padded)) ** 2
    return np.asarray(fft.irfft(power, padded)[: n_samples // 2] / n_samples)


def between_model_variance(
    codes: Positions, folds: Positions, *, ordered: bool, n_outputs: int = 1
) -> float:
    """Return the variance of mean predictions between models, relative to that of rows.

    All models of a cross-validation predict the same rows. For each model, the mean
    prediction for the rows that it was not trained on is compared with the other
    models' mean prediction for these rows: the difference would be the same for all
    models if they differed by the sampling of rows only. Its variance does not vanish
    with more rows. Few models give an uncertain estimate, so it is multiplied by the
    squared ratio of the quantiles of Student's t and the normal distribution, at level
    .01 divided by the number of outputs, and by ``1 + 1 / n_models`` for one more
    model.

    Parameters
    ----------
    codes : ndarray of int of shape (n_models, n_samples)
        Cell of each model's prediction for each row.
    folds : ndarray of int of shape (n_samples,)
        Which model was not trained on the row.
    ordered : bool
        Whether the cells are ordered, as bins of numbers are.
    n_outputs : int, default=1
        Number of outputs that are tested together.

    Returns
    -------
    variance : float
        In units of the variance between rows; zero if there is only one model.
    """
    n_models = len(codes)
    if n_models < 2 or not codes.size:
        return 0.0
    series = _moments(codes.ravel()) if ordered else _indicators(codes.ravel())
    variance = series.var(axis=1)
    series = series.reshape(len(series), *codes.shape)
    differences = [
        series[:, i, folds == i].mean(axis=1)
        - np.delete(series[:, :, folds == i], i, axis=1).mean(axis=(1, 2))
        for i in range(n_models)
        if np.any(folds == i)
    ]
    if len(differences) < 2:
        return 0.0
    between = np.var(differences, axis=0, ddof=1) * (1 - 1 / n_models)
    relative = between / np.where(variance > 0, variance, np.inf)
    tail = LEVEL / n_outputs / 2
    t, z = special.stdtrit(len(differences) - 1, tail), special.ndtri(tail)
    return float((t / z) ** 2 * (1 + 1 / n_models) * relative.max())


def _moments(codes: Positions) -> Floats:
    """Return the centred ranks and their squares: location and spread."""
    rank = _ranks(codes) - 0.5
    return np.stack([rank, rank**2])
