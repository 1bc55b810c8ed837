"""How much more a column varies than independent rows of one source would."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

Floats = NDArray[np.float64]

MAX_LABELS = 16
LEVEL = 0.005  # at which few folds are made up for


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
    >>> from resilient_estimator._noise import correlation_time
    >>> rng = np.random.default_rng(0)
    >>> correlation_time(rng.integers(0, 9, 5000), ordered=True) < 1.3
    True
    >>> correlation_time(np.repeat(rng.integers(0, 9, 500), 10), ordered=True) > 8
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


def fold_noise(
    codes: NDArray[np.intp], folds: NDArray[np.intp], *, ordered: bool
) -> float:
    """Return the variance between the models of the folds, in units of that of a row.

    The outputs of each fold are those of another model. Means of their ranks, and of
    the squared ranks around the middle, differ between the folds by the noise of the
    rows and by that of the models; the latter does not vanish with many rows. Few folds
    tell little about it, so their variance is multiplied by what Student's t at level
    .005 makes up for, and by ``1 + 1 / n_folds``, as for one more model beside them;
    then the rows' own noise is taken away.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Cell of each output.
    folds : ndarray of int of shape (n_samples,)
        Fold of each row.
    ordered : bool
        Whether the order of the cells means something.

    Returns
    -------
    noise : float
        Zero where there is one fold only.
    """
    sizes = np.bincount(folds)
    sizes = sizes[sizes > 0]
    if len(sizes) < 2:
        return 0.0
    if ordered:
        rank = _ranks(codes) - 0.5
        series = np.stack([rank, rank**2])
    else:
        series = _indicators(codes)
    variance = series.var(axis=1)
    series = series[variance > 0]
    if not len(series):
        return 0.0
    _, folds = np.unique(folds, return_inverse=True)
    means = np.stack([np.bincount(folds, each) / sizes for each in series])
    between = means.var(axis=1, ddof=1) / variance[variance > 0]
    n_folds = len(sizes)
    t, z = special.stdtrit(n_folds - 1, LEVEL / 2), special.ndtri(LEVEL / 2)
    noise = (t / z) ** 2 * (1 + 1 / n_folds) * between - np.mean(1 / sizes)
    return float(max(noise.max(), 0.0))
