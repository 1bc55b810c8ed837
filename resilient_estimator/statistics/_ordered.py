"""Two-sample tests of ordered cells, for many columns at once.

Cells stand in increasing order along the last axis; rows in one cell are ties. Empty
cells change nothing, so columns of different lengths may be padded with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from resilient_estimator._typing import Counts, Floats
from resilient_estimator.statistics._permutation import (
    ENOUGH_EXPECTED,
    Comparison,
    cumulative_shares,
    simulated,
    sum_groups,
)

MAX_GROUPS = 64
FEW_CELLS = 16
LARGEST_SKEWNESS = 2.0


class Ordered(NamedTuple):
    """Both samples over the same ordered cells, with what all tests need.

    `pooled` are the rows of both, `upto` their number up to each cell. At the boundary
    above each cell but the last, `r_below`, `b_below` and `below` are the shares of the
    samples and of both together that lie below. `few_cells` is whether so few hold rows
    that each may be one value.
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

    @property
    def scale(self) -> Floats:
        """Effective number of rows ``m n / (m + n)``."""
        return np.asarray(self.m * self.n / (self.m + self.n))


def compare_ordered(r: Counts, b: Counts, r_upto: Counts | None = None) -> Ordered:
    """Put two samples side by side; the shape of both is (..., n_cells).

    `r_upto` are the cumulated counts of the reference, where they are known.
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
    return Ordered(r, b, m, n, pooled, upto, r_below, b_below, below, distance, few)


def anderson_darling(r: Counts, b: Counts, inflation: Any = 1.0) -> Comparison:
    """Two-sample Anderson-Darling test of binned samples.

    With `M_i` reference rows and `B_i` rows of both up to cell `i`,
    ``A2 = sum_i l_i (M_i N - m B_i)^2 / (B_i (N - B_i)) / (m n)`` (Pettitt 1976), where
    `l_i` is the mean size of the cells on both sides: one row, if there are no ties.
    Under the permutation null, A2 is a quadratic form whose first three cumulants are
    known for any pattern of ties; its tail is that of the shifted chi-square with these
    cumulants (Hall 1983; Buckley, Eagleson 1988).
    """
    return quadratic_test(compare_ordered(r, b), anderson_darling_emphasis, inflation)


def cramer_von_mises(r: Counts, b: Counts, inflation: Any = 1.0) -> Comparison:
    """Two-sample Cramer-von Mises test (Anderson 1962), as `anderson_darling`."""
    return quadratic_test(compare_ordered(r, b), np.ones_like, inflation)


def kolmogorov_smirnov(r: Counts, b: Counts, inflation: Any = 1.0) -> Comparison:
    """Two-sample Kolmogorov-Smirnov test, with Stephens' (1970) correction.

    On ties the p-value is too large: the test is then conservative.
    """
    return kolmogorov_test(compare_ordered(r, b), inflation)


def kolmogorov_test(both: Ordered, inflation: Any = 1.0) -> Comparison:
    """Kolmogorov-Smirnov test of two samples that stand side by side."""
    statistic = largest_distance(both)
    root = np.sqrt(both.scale / inflation)
    pvalue = special.kolmogorov((root + 0.12 + 0.11 / root) * statistic)
    return Comparison(statistic, np.where(statistic > 0, pvalue, 1.0))


def largest_distance(both: Ordered) -> Floats:
    """Kolmogorov's distance: the largest between the distribution functions."""
    return np.asarray(np.abs(both.distance).max(axis=-1, initial=0.0))


def anderson_darling_emphasis(t: Floats) -> Floats:
    """Weight of the squared distance where the share `t` of all rows lies below."""
    return np.asarray(1 / (t * (1 - t)))


def quadratic_test(
    both: Ordered,
    emphasis: Callable[[Floats], Floats],
    inflation: Any = 1.0,
    *,
    sparse: Any = None,
) -> Comparison:
    """Sum the squared distances of the distribution functions over both samples.

    Each distance counts for half the rows of the cells on both sides. So the test is
    the same from either end of the axis, and a distance does not count for more just
    where the full cell below has made it large. Few and sparse cells (`sparse`, where
    that is known already) have no smooth tail: their p-value is simulated.
    """
    total = (both.m + both.n)[..., None]
    inside = (both.below > 0) & (both.below < 1)
    t = np.where(inside, both.below, 0.5)
    rows = (both.pooled[..., :-1] + both.pooled[..., 1:]) * inside
    weight = rows * emphasis(t) / (2 * total)
    observed = both.scale * np.einsum(
        "...i,...i,...i->...", *[both.distance] * 2, weight
    )
    variance = weight * (t * (1 - t)) * (total / np.maximum(total - 1, 1))
    pvalue = quadratic_form_pvalue(observed / inflation, variance, t)
    result = Comparison(observed, np.asarray(pvalue))
    sparse = is_sparse(both) if sparse is None else sparse
    for i in np.flatnonzero(sparse).tolist():
        _simulate_row(both, i, emphasis, inflation, result)
    return result


def is_sparse(both: Ordered) -> Any:
    """Whether ordered cells are so few and so empty that the tail is not smooth."""
    few = both.few_cells
    if not np.any(few):
        return few
    smallest = np.where(both.pooled > 0, both.pooled, np.inf).min(axis=-1)
    fewer = np.minimum(both.m, both.n) / (both.m + both.n)
    return few & (smallest * fewer < ENOUGH_EXPECTED)


def _simulate_row(
    both: Ordered,
    i: int,
    emphasis: Callable[[Floats], Floats],
    inflation: Any,
    result: Comparison,
) -> None:
    """Replace the p-value of one column by a simulated one."""
    r, b = (np.atleast_2d(each)[i] for each in (both.r, both.b))
    used = (r + b) > 0
    r, b = r[used], b[used]
    if len(r) < 2:
        np.atleast_1d(result.pvalue)[i] = 1.0
        return
    pooled = r + b
    total, t = pooled.sum(), np.cumsum(pooled)[:-1] / pooled.sum()
    weight = (pooled[:-1] + pooled[1:]) / (2 * total) * emphasis(t)

    def statistic(r: Counts, b: Counts) -> Floats:
        distance = (cumulative_shares(r) - cumulative_shares(b))[..., :-1]
        return np.asarray(distance**2 @ weight)

    each = float(np.broadcast_to(inflation, np.atleast_1d(result.pvalue).shape)[i])
    (pvalue,) = simulated([statistic], r, b, inflation=each).pvalue
    np.atleast_1d(result.pvalue)[i] = pvalue


def quadratic_form_pvalue(x: Any, c: Floats, t: Floats) -> Floats:
    """Tail of ``sum_j c_j Z_j^2`` where Z is a standardised Brownian bridge at `t`.

    For ``i < j`` the correlation is ``sqrt(o_i / o_j)`` with odds ``o = t / (1 - t)``,
    so that the traces in the cumulants are running sums.
    """
    odds = t / (1 - t)
    share = c / odds
    carried = c * odds
    below = np.cumsum(carried, axis=-1) - carried
    squares = c * carried
    below_square = np.cumsum(squares, axis=-1) - squares
    pairs = c * below
    below_pair = np.cumsum(pairs, axis=-1) - pairs
    k1 = c.sum(axis=-1)
    k2 = 2 * np.sum(c * c + 2 * share * below, axis=-1)
    triple = c * c * c + 3 * share * (below_square + pairs + 2 * below_pair)
    k3 = 8 * np.sum(triple, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 8 * k2**3 / k3**2
        shifted = df + (x - k1) * np.sqrt(2 * df / k2)
        pvalue = special.chdtrc(df, np.maximum(shifted, 0.0))
    return np.where(k2 > 0, pvalue, 1.0)


def spread_test(both: Ordered, inflation: Any = 1.0) -> Comparison:
    """Mood's (1954) test of spread, on mid-ranks; the statistic is standardised.

    The score of a cell is ``(u - 1/2)^2`` with the mid-rank `u` among all rows. Given
    the rows of both samples together, mean and variance of the batch's mean score are
    those of a sample without replacement; its tail is corrected for the skewness of
    the scores (Wilson, Hilferty 1931).
    """
    n_all = both.m + both.n
    share = both.pooled / n_all[..., None]
    u = both.upto / n_all[..., None] - share / 2 - 0.5
    score = u * u
    score -= np.einsum("...i,...i->...", share, score)[..., None]
    spread = share * score * score
    variance = spread.sum(axis=-1)
    third = np.einsum("...i,...i->...", spread, score)
    observed = np.einsum("...i,...i->...", both.b, score) / both.n
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = both.m / (both.n * (n_all - 1)) * inflation
        z = observed / np.sqrt(variance * factor)
        skewness = third / variance**1.5 * (n_all - 2 * both.n)
        skewness = skewness / np.sqrt(both.m * both.n * n_all)
        pvalue = 2 * special.ndtr(-np.abs(_symmetric(z, skewness)))
    known = variance > 1e-12
    return Comparison(np.where(known, z, 0.0), np.where(known, pvalue, 1.0))


def _symmetric(z: Floats, skewness: Floats) -> Floats:
    """Turn a standardised variable with a skewness into a nearly normal one."""
    g = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness)
    return np.asarray(6 / g * (np.cbrt(g * z / 2 + 1) - 1) + g / 6)


def wasserstein(
    r: Counts, b: Counts, positions: Floats, scale: float, inflation: float = 1.0
) -> Comparison:
    """First Wasserstein distance in units of the reference's standard deviation.

    Where that is zero or unknown, the unit is the largest absolute position.
    The p-value is simulated on at most 64 groups of cells, with a fixed seed.
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
    (pvalue,) = simulated(
        [lambda r, b: distance(r, b, steps)], r_sums, b_sums, inflation=inflation**0.5
    ).pvalue
    return Comparison(statistic, pvalue)


def equal_groups(r: Counts, b: Counts, n_groups: int) -> tuple[Counts, Counts]:
    """Merge neighbouring cells into about `n_groups` of equal reference share."""
    group = quantile_groups(r, n_groups)
    return sum_groups(r, group), sum_groups(b, group)


def quantile_groups(counts: Counts, n_groups: int) -> Any:
    """Return a group number for each ordered cell, all of about equal share."""
    middle = np.cumsum(counts) - counts / 2
    group = np.floor(middle / max(counts.sum(), 1) * n_groups).astype(np.intp)
    return np.unique(np.minimum(group, n_groups - 1), return_inverse=True)[1]
