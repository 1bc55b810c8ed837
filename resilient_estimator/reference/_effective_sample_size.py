"""How much more a column varies than independent rows of one source would."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from resilient_estimator._typing import Floats

MAX_LABELS = 16
LEVEL = 0.01  # of all outputs together, at which few models are made up for


def correlation_time(codes: NDArray[np.intp], *, ordered: bool) -> float:
    """Return by what dependence between successive rows multiplies a variance.

    ``n`` such rows say as much about a mean as ``n / time`` independent ones:
    ``time = 1 + 2 sum_k rho_k`` with the autocorrelations of the ranks, or of the
    indicators of the labels together, summed as long as the sums of neighbouring pairs
    are positive (Geyer's initial positive sequence, 1992).

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Cell of each row, in the order of time.
    ordered : bool
        Whether the order of the cells means something.

    Returns
    -------
    time : float
        At least 1.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.reference import _effective_sample_size as ess
    >>> rng = np.random.default_rng(0)
    >>> ess.correlation_time(rng.integers(0, 9, 5000), ordered=True) < 1.3
    True
    >>> ess.correlation_time(np.repeat(rng.integers(0, 9, 500), 10), ordered=True) > 8
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


def _ranks(codes: NDArray[np.intp]) -> Floats:
    counts = np.bincount(codes)
    return (np.cumsum(counts) - counts / 2)[codes] / len(codes)


def _indicators(codes: NDArray[np.intp]) -> Floats:
    frequent = np.argsort(-np.bincount(codes), kind="stable")[:MAX_LABELS]
    return np.asarray((codes == frequent[:, np.newaxis]).astype(float))


def _autocovariance(x: Floats) -> Floats:
    n_samples = len(x)
    padded = fft.next_fast_len(2 * n_samples, real=True)
    power = np.abs(fft.rfft(x, padded)) ** 2
    return np.asarray(fft.irfft(power, padded)[: n_samples // 2] / n_samples)


def model_noise(
    codes: NDArray[np.intp],
    folds: NDArray[np.intp],
    *,
    ordered: bool,
    n_outputs: int = 1,
) -> float:
    """Return the variance between models, in units of the variance between rows.

    All models are asked about the same rows. A model's mean answer to the rows that it
    did not learn from, less that of the other models to the same rows, would be the
    same for all models if nothing but the rows differed: how it varies is the noise of
    the models, which does not vanish with many rows. Few models tell little about it,
    so it is multiplied by what Student's t makes up for at level .01 divided by the
    number of outputs, and by ``1 + 1 / n_models``, as for one more model beside them.

    Parameters
    ----------
    codes : ndarray of int of shape (n_models, n_samples)
        Cell of the answer of each model to each row.
    folds : ndarray of int of shape (n_samples,)
        Which model did not learn from the row.
    ordered : bool
        Whether the order of the cells means something.
    n_outputs : int, default=1
        Number of outputs that are judged together.

    Returns
    -------
    noise : float
        Zero where there is one model only.
    """
    n_models = len(codes)
    if n_models < 2 or not codes.size:
        return 0.0
    flat = codes.ravel()
    if ordered:
        rank = _ranks(flat) - 0.5
        series = np.stack([rank, rank**2])
    else:
        series = _indicators(flat)
    variance = series.var(axis=1)
    series = series.reshape(len(series), *codes.shape)
    own = [
        series[:, i, folds == i].mean(axis=1)
        - np.delete(series[:, :, folds == i], i, axis=1).mean(axis=(1, 2))
        for i in range(n_models)
        if np.any(folds == i)
    ]
    if len(own) < 2:
        return 0.0
    between = np.var(own, axis=0, ddof=1) * (1 - 1 / n_models)
    noise = between / np.where(variance > 0, variance, np.inf)
    tail = LEVEL / n_outputs / 2
    t, z = special.stdtrit(len(own) - 1, tail), special.ndtri(tail)
    return float((t / z) ** 2 * (1 + 1 / n_models) * noise.max())
