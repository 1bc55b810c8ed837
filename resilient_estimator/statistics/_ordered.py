"""Two-sample tests of ordered cells, for many columns at once.

Cells are in increasing order along the last axis; rows in the same cell are ties. Empty
cells change nothing, so columns of different lengths may be padded with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import special

from resilient_estimator._typing import Counts, Floats, Positions
from resilient_estimator.statistics._base import (
    MIN_EXPECTED,
    SignificanceResult,
    cumulative_shares,
    permutation_test,
    sum_groups,
)

MAX_GROUPS = 64
FEW_CELLS = 16
MIN_VARIANCE = 1e-12


class OrderedSamples(NamedTuple):
    """Counts of two samples over the same ordered cells, and what all tests need.

    `pooled` are the counts of both samples together, `upto` their cumulative counts.
    At the boundary above each cell but the last, `r_below`, `b_below` and `below` are
    the shares of the reference, of the batch and of both together that lie below.
    `few_cells` is whether so few cells hold rows that each may be a single value.
    """

    r: Counts
    b: Counts
    m: Floats
    n: Floats
    pooled: Counts
    upto: Counts
    r_below: Floats
    b_below: Floats
    below: Floats
    distance: Floats
    few_cells: Any

    @classmethod
    def from_counts(cls, r: Counts, b: Counts, r_upto: Counts | None = None) -> Self:
        """Prepare two samples for the tests.

        Parameters
        ----------
        r, b : ndarray of int of shape (..., n_cells)
            Counts of reference and batch.
        r_upto : ndarray of int of shape (..., n_cells), default=None
            Cumulative counts of the reference, if they are known.
        """
        r_upto = np.cumsum(r, axis=-1) if r_upto is None else r_upto
        b_upto = np.cumsum(b, axis=-1)
        upto = r_upto + b_upto
        m, n, total = (each[..., -1].astype(float) for each in (r_upto, b_upto, upto))
        r_below, b_below, below = (
            each[..., :-1] / rows[..., None]
            for each, rows in ((r_upto, m), (b_upto, n), (upto, total))
        )
        distance, pooled = r_below - b_below, r + b
        few = np.count_nonzero(pooled, axis=-1) <= FEW_CELLS
        return cls(r, b, m, n, pooled, upto, r_below, b_below, below, distance, few)

    @property
    def scale(self) -> Floats:
        """Effective number of rows ``m n / (m + n)``."""
        return np.asarray(self.m * self.n / (self.m + self.n))


def kolmogorov_test(
    samples: OrderedSamples, inflation: Any = 1.0
) -> SignificanceResult:
    """Run the Kolmogorov-Smirnov test with Stephens's (1970) correction.

    With ties the p-value is too large, so the test is conservative.
    """
    statistic = largest_distance(samples)
    root = np.sqrt(samples.scale / inflation)
    pvalue = special.kolmogorov((root + 0.12 + 0.11 / root) * statistic)
    return SignificanceResult(statistic, np.where(statistic > 0, pvalue, 1.0))


def largest_distance(samples: OrderedSamples) -> Floats:
    """Return Kolmogorov's distance, the largest between the distribution functions."""
    return np.asarray(np.abs(samples.distance).max(axis=-1, initial=0.0))


def anderson_darling_weight(t: Floats) -> Floats:
    """Weight a squared distance by the share `t` of all rows that lies below it."""
    return np.asarray(1 / (t * (1 - t)))


def cramer_von_mises_weight(t: Floats) -> Floats:
    """Weight all squared distances alike (Anderson 1962)."""
    return np.ones_like(t)


def quadratic_test(
    samples: OrderedSamples,
    weight_function: Callable[[Floats], Floats],
    inflation: Any = 1.0,
    *,
    sparse: Any = None,
) -> SignificanceResult:
    """Test the weighted sum of squared distances of the distribution functions.

    With `M_i` reference rows and `B_i` rows of both samples up to cell `i`, the
    Anderson-Darling statistic is ``A2 = sum_i l_i (M_i N - m B_i)^2 / (B_i (N - B_i))
    / (m n)`` (Pettitt 1976), where `l_i` is the mean size of the cells on both sides:
    one row if there are no ties. So the test is the same from either end of the axis,
    and a full cell does not emphasise the distance that it has caused itself.

    Under the permutation null the statistic is a quadratic form whose first three
    cumulants are known for any pattern of ties; its tail is that of the shifted
    chi-square distribution with these cumulants (Hall 1983; Buckley, Eagleson 1988).
    Few sparse cells have no smooth tail: their p-value is simulated.

    Parameters
    ----------
    samples : OrderedSamples
        Both samples.
    weight_function : callable
        Weight of a squared distance, given the share of all rows that lies below.
    inflation : float or ndarray of float of shape (n_columns,), default=1.0
        Factor by which dependence between successive rows multiplies the statistic.
    sparse : ndarray of bool of shape (n_columns,), default=None
        Which columns to simulate. None: those that `is_sparse` returns.
    """
    total = (samples.m + samples.n)[..., None]
    inside = (samples.below > 0) & (samples.below < 1)
    t = np.where(inside, samples.below, 0.5)
    rows = (samples.pooled[..., :-1] + samples.pooled[..., 1:]) * inside
    weight = rows * weight_function(t) / (2 * total)
    observed = samples.scale * np.einsum(
        "...i,...i,...i->...", *[samples.distance] * 2, weight
    )
    variance = weight * (t * (1 - t)) * (total / np.maximum(total - 1, 1))
    pvalue = np.array(quadratic_form_pvalue(observed / inflation, variance, t), ndmin=1)
    sparse = is_sparse(samples) if sparse is None else sparse
    inflations = np.broadcast_to(inflation, pvalue.shape)
    for i in np.flatnonzero(sparse).tolist():
        r, b = (np.atleast_2d(each)[i] for each in (samples.r, samples.b))
        pvalue[i] = _quadratic_permutation(r, b, weight_function, float(inflations[i]))
    return SignificanceResult(observed, pvalue.reshape(np.shape(observed)))


def is_sparse(samples: OrderedSamples) -> Any:
    """Return where the cells are so few and so empty that the tail is not smooth."""
    few = samples.few_cells
    if not np.any(few):
        return few
    smallest = np.where(samples.pooled > 0, samples.pooled, np.inf).min(axis=-1)
    fewer = np.minimum(samples.m, samples.n) / (samples.m + samples.n)
    return few & (smallest * fewer < MIN_EXPECTED)


def _quadratic_permutation(
    r: Counts, b: Counts, weight_function: Callable[[Floats], Floats], inflation: float
) -> float:
    """Return the permutation p-value of the quadratic statistic of one column."""
    used = (r + b) > 0
    r, b = r[used], b[used]
    if len(r) < 2:
        return 1.0
    pooled = r + b
    total, t = pooled.sum(), np.cumsum(pooled)[:-1] / pooled.sum()
    weight = (pooled[:-1] + pooled[1:]) / (2 * total) * weight_function(t)

    def statistic(r: Counts, b: Counts) -> Floats:
        distance = (cumulative_shares(r) - cumulative_shares(b))[..., :-1]
        return np.asarray(distance**2 @ weight)

    return float(permutation_test([statistic], r, b, inflation=inflation).pvalue[0])


def quadratic_form_pvalue(x: Any, weights: Floats, t: Floats) -> Floats:
    """Return the tail of ``sum_j w_j Z_j^2``, Z a standardised Brownian bridge at `t`.

    For ``i < j`` the correlation is ``sqrt(o_i / o_j)`` with the odds ``o = t / (1 -
    t)``, so that the traces in the cumulants are running sums.
    """
    odds = t / (1 - t)
    share = weights / odds
    carried = weights * odds
    below = np.cumsum(carried, axis=-1) - carried
    squares = weights * carried
    below_square = np.cumsum(squares, axis=-1) - squares
    pairs = weights * below
    below_pair = np.cumsum(pairs, axis=-1) - pairs
    k1 = weights.sum(axis=-1)
    k2 = 2 * np.sum(weights * weights + 2 * share * below, axis=-1)
    triple = weights * weights * weights
    triple = triple + 3 * share * (below_square + pairs + 2 * below_pair)
    k3 = 8 * np.sum(triple, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 8 * k2**3 / k3**2
        shifted = df + (x - k1) * np.sqrt(2 * df / k2)
        pvalue = special.chdtrc(df, np.maximum(shifted, 0.0))
    return np.where(k2 > 0, pvalue, 1.0)


def spread_test(samples: OrderedSamples, inflation: Any = 1.0) -> SignificanceResult:
    """Run Mood's (1954) test of spread on mid-ranks; the statistic is standardised.

    The score of a cell is ``(u - 1/2)^2`` with the mid-rank `u` among all rows. Given
    the pooled counts, mean and variance of the batch's mean score are those of a sample
    drawn without replacement; its tail is corrected for the skewness of the scores
    (Wilson, Hilferty 1931).
    """
    n_all = samples.m + samples.n
    share = samples.pooled / n_all[..., None]
    u = samples.upto / n_all[..., None] - share / 2 - 0.5
    score = u * u
    score -= np.einsum("...i,...i->...", share, score)[..., None]
    spread = share * score * score
    variance = spread.sum(axis=-1)
    third = np.einsum("...i,...i->...", spread, score)
    observed = np.einsum("...i,...i->...", samples.b, score) / samples.n
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = samples.m / (samples.n * (n_all - 1)) * inflation
        z = observed / np.sqrt(variance * factor)
        skewness = third / variance**1.5 * (n_all - 2 * samples.n)
        skewness = skewness / np.sqrt(samples.m * samples.n * n_all)
        pvalue = 2 * special.ndtr(-np.abs(_symmetric(z, skewness)))
    known = variance > MIN_VARIANCE
    return SignificanceResult(np.where(known, z, 0.0), np.where(known, pvalue, 1.0))


def _symmetric(z: Floats, skewness: Floats) -> Floats:
    """Transform a standardised skewed variable to a nearly normal one."""
    g = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness)
    return np.asarray(6 / g * (np.cbrt(g * z / 2 + 1) - 1) + g / 6)


def wasserstein(
    r: Counts, b: Counts, positions: Floats, scale: float, inflation: float = 1.0
) -> SignificanceResult:
    """Return the first Wasserstein distance in standard deviations of the reference.

    If the standard deviation is zero or unknown, the unit is the largest absolute
    position. The p-value is simulated on at most 64 groups of cells, with a fixed seed.

    Parameters
    ----------
    r, b : ndarray of int of shape (n_cells,)
        Counts of reference and batch.
    positions : ndarray of float of shape (n_cells,)
        Where the cells lie on the axis.
    scale : float
        Standard deviation of the reference; 0 if it is unknown.
    inflation : float, default=1.0
        Factor by which dependence between successive rows multiplies variances.
    """

    def distance(r: Counts, b: Counts, steps: Floats) -> Floats:
        gap = cumulative_shares(r) - cumulative_shares(b)
        return np.asarray(np.abs(gap[..., :-1]) @ steps)

    positions = positions / (scale or np.abs(positions).max() or 1.0)
    statistic = float(distance(r, b, np.diff(positions)))
    used = (r + b) > 0
    r, b, positions = r[used], b[used], positions[used]
    group = quantile_groups(r + b, MAX_GROUPS)
    r_sums, b_sums = sum_groups(r, group), sum_groups(b, group)
    middle = np.bincount(group, (r + b) * positions) / (r_sums + b_sums)
    steps = np.diff(middle)
    (pvalue,) = permutation_test(
        [lambda r, b: distance(r, b, steps)], r_sums, b_sums, inflation=inflation**0.5
    ).pvalue
    return SignificanceResult(statistic, pvalue)


def equal_groups(r: Counts, b: Counts, n_groups: int) -> tuple[Counts, Counts]:
    """Merge neighbouring cells into about `n_groups` of equal reference share."""
    group = quantile_groups(r, n_groups)
    return sum_groups(r, group), sum_groups(b, group)


def quantile_groups(counts: Counts, n_groups: int) -> Positions:
    """Return a group number for each ordered cell; groups hold about equal shares."""
    middle = np.cumsum(counts) - counts / 2
    group = np.floor(middle / max(counts.sum(), 1) * n_groups).astype(np.intp)
    return np.unique(np.minimum(group, n_groups - 1), return_inverse=True)[1]
