"""What several tests share: their result, sums of counts, Monte Carlo p-values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from resilient_estimator._typing import Counts, Floats, Positions

MIN_EXPECTED = 10  # rows per cell, below which p-values are simulated


class SignificanceResult(NamedTuple):
    """Statistic and p-value of one test, or of one test per column."""

    statistic: Any
    pvalue: Any


def nonempty(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Drop the cells that are empty in both samples."""
    used = (r + b) > 0
    return r[used], b[used]


def sum_groups(counts: Counts, group: Positions) -> Counts:
    """Sum the counts of the cells in each group."""
    return np.bincount(group, counts).astype(np.int64)


def cumulative_shares(counts: Counts) -> Floats:
    """Return the distribution function at the upper end of each cell."""
    total = np.cumsum(counts, axis=-1)
    return np.asarray(total / np.maximum(total[..., -1:], 1))


def smallest_expected(r: Counts, b: Counts) -> float:
    """Return the smallest expected count of a cell in the smaller sample."""
    fewer = min(r.sum(), b.sum())
    return float((r + b).min() * fewer / (r.sum() + b.sum()))


Statistic = Callable[[Counts, Counts], Floats]

N_RESAMPLES = 1999
MIN_EXCEEDANCES = 10
MIN_SKEWNESS = 0.1


def permutation_test(
    statistics: Sequence[Statistic], r: Counts, b: Counts, *, inflation: float = 1.0
) -> SignificanceResult:
    """Return Monte Carlo permutation p-values of statistics of counts.

    Counts of permuted samples have a multivariate hypergeometric distribution, so they
    are drawn from it directly. The seed is fixed: the same counts always get the same
    p-values. Below ten exceedances the tail is that of the Pearson type III
    distribution with the mean, variance and skewness of the resampled statistics: a
    p-value of at least 1 / 2000 could never be significant among a thousand columns.

    Parameters
    ----------
    statistics : list of callable
        Functions of the counts of both samples, of shape (..., n_cells).
    r, b : ndarray of int of shape (n_cells,)
        Counts of reference and batch.
    inflation : float, default=1.0
        Factor by which dependence between successive rows multiplies the statistics.

    Returns
    -------
    result : SignificanceResult
        One statistic and one p-value per function.
    """
    r, b = nonempty(r, b)
    pooled = r + b
    rng = np.random.default_rng(0)
    resampled = rng.multivariate_hypergeometric(
        pooled, b.sum(), N_RESAMPLES, method="marginals"
    )
    observed = [float(statistic(r, b)) for statistic in statistics]
    pvalues = [
        _tail(value / inflation, statistic(pooled - resampled, resampled))
        for value, statistic in zip(observed, statistics, strict=True)
    ]
    return SignificanceResult(observed, pvalues)


def _tail(observed: float, null: Floats) -> float:
    """Return the share of the null distribution at or above the observed value."""
    n_exceeding = int(np.count_nonzero(null >= observed * (1 - 1e-9)))
    pvalue = (n_exceeding + 1) / (len(null) + 1)
    if n_exceeding < MIN_EXCEEDANCES:
        pvalue = min(pvalue, _pearson_tail(observed, null))
    return pvalue


def _pearson_tail(x: float, sample: Floats) -> float:
    """Return the tail above `x` of the Pearson type III distribution of a sample."""
    mean, sd = sample.mean(), sample.std()
    if sd == 0:
        return 1.0
    skewness = max(float(np.mean(((sample - mean) / sd) ** 3)), MIN_SKEWNESS)
    shape = 4 / skewness**2
    return float(
        special.gammaincc(shape, max(shape + (x - mean) / sd * 2 / skewness, 0))
    )
