"""Permutation p-values of counts, and the small sums that all statistics share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from resilient_estimator._typing import Counts, Floats

Statistic = Callable[[Counts, Counts], Floats]

N_SIMULATIONS = 1999
ENOUGH_EXPECTED = 10
ENOUGH_EXCEEDING = 10


class Comparison(NamedTuple):
    """Statistic and p-value of one test, of each column where there are many."""

    statistic: Any
    pvalue: Any


def simulated(
    statistics: Sequence[Statistic], r: Counts, b: Counts, *, inflation: float = 1.0
) -> Comparison:
    """Permutation p-values of statistics of counts, simulated with a fixed seed.

    The same counts always get the same p-values. Below ten exceedances the tail is that
    of the Pearson type III distribution with the simulated mean, variance and skewness:
    a p-value of 1 / 2000 could never be significant among a thousand columns.

    Parameters
    ----------
    statistics : list of callable
        Functions of the counts of both samples, of shape (..., n_cells).
    r, b : ndarray of int of shape (n_cells,)
        Counts of reference and batch.
    inflation : float, default=1.0
        By what dependence between successive rows multiplies the statistics.

    Returns
    -------
    result : Comparison
        One statistic and one p-value per function.
    """
    r, b = nonempty(r, b)
    pooled = r + b
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_hypergeometric(
        pooled, b.sum(), N_SIMULATIONS, method="marginals"
    )
    observed = [float(statistic(r, b)) for statistic in statistics]
    pvalues = [
        _tail(seen / inflation, statistic(pooled - drawn, drawn))
        for seen, statistic in zip(observed, statistics, strict=True)
    ]
    return Comparison(observed, pvalues)


def _tail(observed: float, null: Floats) -> float:
    n_exceeding = int(np.count_nonzero(null >= observed * (1 - 1e-9)))
    pvalue = (n_exceeding + 1) / (len(null) + 1)
    if n_exceeding < ENOUGH_EXCEEDING:
        pvalue = min(pvalue, _pearson_tail(observed, null))
    return pvalue


def _pearson_tail(x: float, sample: Floats) -> float:
    mean, sd = sample.mean(), sample.std()
    if sd == 0:
        return 1.0
    skewness = max(float(np.mean(((sample - mean) / sd) ** 3)), 0.1)
    shape = 4 / skewness**2
    return float(
        special.gammaincc(shape, max(shape + (x - mean) / sd * 2 / skewness, 0))
    )


def nonempty(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Leave out the cells that neither sample fills."""
    used = (r + b) > 0
    return r[used], b[used]


def sum_groups(counts: Counts, group: NDArray[np.intp]) -> Counts:
    """Add up the counts of the cells of each group."""
    return np.bincount(group, counts).astype(np.int64)


def cumulative_shares(counts: Counts) -> Floats:
    """Return the distribution function at the upper end of each cell."""
    total = np.cumsum(counts, axis=-1)
    return np.asarray(total / np.maximum(total[..., -1:], 1))


def smallest_expected(r: Counts, b: Counts) -> float:
    """Return the smallest number of rows that a cell expects in the smaller sample."""
    fewer = min(r.sum(), b.sum())
    return float((r + b).min() * fewer / (r.sum() + b.sum()))
