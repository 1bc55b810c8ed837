"""Two-sample statistics and p-values as pure functions of counts.

`r` and `b` are counts of the reference and of the batch over the same cells, of shape
(n_cells,). Cells of ordered tests stand in increasing order; rows in one cell are ties.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_SIMULATED_CELLS = 64
N_SIMULATIONS = 1999
ENOUGH_EXPECTED = 10
ENOUGH_EXCEEDING = 10
SURELY_SEEN = 5


class Comparison(NamedTuple):
    """Statistic and p-value of one test."""

    statistic: float
    pvalue: float


def anderson_darling(r: Counts, b: Counts) -> Comparison:
    """Two-sample Anderson-Darling test of binned samples.

    With `M_i` reference rows and `B_i` rows of both up to cell `i`,
    ``A2 = sum_i l_i (M_i N - m B_i)^2 / (B_i (N - B_i)) / (m n)`` (Pettitt 1976), where
    `l_i` is the mean size of the cells on both sides: one row, if there are no ties.
    Under the permutation null, A2 is a quadratic form whose first three cumulants are
    known for any pattern of ties; its tail is that of the shifted chi-square with these
    cumulants (Hall 1983; Buckley, Eagleson 1988).
    """
    return _quadratic_test(r, b, lambda t: 1 / (t * (1 - t)))


def cramer_von_mises(r: Counts, b: Counts) -> Comparison:
    """Two-sample Cramer-von Mises test (Anderson 1962), as `anderson_darling`."""
    return _quadratic_test(r, b, np.ones_like)


def kolmogorov_smirnov(r: Counts, b: Counts) -> Comparison:
    """Two-sample Kolmogorov-Smirnov test, with Stephens' (1970) correction.

    On ties the p-value is too large: the test is then conservative.
    """
    statistic = kolmogorov_distance(r, b)
    root = np.sqrt(r.sum() * b.sum() / (r.sum() + b.sum()))
    pvalue = special.kolmogorov((root + 0.12 + 0.11 / root) * statistic)
    return Comparison(statistic, float(pvalue) if statistic else 1.0)


def chi_square(r: Counts, b: Counts) -> Comparison:
    """Chi-square test of homogeneity with both margins random.

    Where a cell expects fewer than ten rows, the p-value is that of the permutation
    distribution, simulated with a fixed seed (Patefield 1981): the same counts always
    get the same p-value.
    """
    r, b = _merge_rarest(r, b)
    if len(r) < 2:
        return Comparison(0.0, 1.0)
    if _smallest_expected(r, b) < ENOUGH_EXPECTED:
        return _simulated(_chi_square_statistic, r, b)
    statistic = float(_chi_square_statistic(r, b))
    return Comparison(statistic, float(special.chdtrc(len(r) - 1, statistic)))


def population_stability(r: Counts, b: Counts) -> Comparison:
    """Compute the population stability index; empty cells count as half a row.

    Under the null, ``PSI / (1/m + 1/n)`` is chi-square distributed (Yurdakul 2018).
    """
    return _divergence_test(_stability_index, 1, *_merge_rarest(r, b))


def jensen_shannon(r: Counts, b: Counts) -> Comparison:
    """Jensen-Shannon distance: the root of the divergence in nats.

    For nearby distributions eight times the divergence is their chi-square distance
    (Lin 1991), which gives the p-value.
    """
    statistic = float(np.sqrt(_shannon_divergence(r, b)))
    test = _divergence_test(_shannon_divergence, 8, *_merge_rarest(r, b))
    return Comparison(statistic, test.pvalue)


def wasserstein(r: Counts, b: Counts, positions: Floats, scale: float) -> Comparison:
    """First Wasserstein distance in units of the reference's standard deviation.

    Where that is zero or unknown, the unit is the largest absolute position.
    The p-value is simulated on at most 64 groups of cells, with a fixed seed.
    """

    def distance(r: Counts, b: Counts, steps: Floats) -> Floats:
        gap = _cumulative_shares(r) - _cumulative_shares(b)
        return np.asarray(np.abs(gap[..., :-1]) @ steps)

    positions = positions / (scale or np.abs(positions).max() or 1.0)
    statistic = float(distance(r, b, np.diff(positions)))
    used = (r + b) > 0
    r, b, positions = r[used], b[used], positions[used]
    group = _quantile_groups(r + b, MAX_SIMULATED_CELLS)
    r_sums, b_sums = sum_groups(r, group), sum_groups(b, group)
    middle = np.bincount(group, (r + b) * positions) / (r_sums + b_sums)
    steps = np.diff(middle)
    pvalue = _simulated(lambda r, b: distance(r, b, steps), r_sums, b_sums).pvalue
    return Comparison(statistic, pvalue)


def unseen_labels(r: Counts, b: Counts) -> Comparison:
    """Test whether the first cell, labels that the reference lacks, is too full.

    A clean batch brings such labels as often as the reference has labels that occur
    only once: ``E[unseen] / n = E[once] / m`` (Good 1953). Rows of one label come
    together; how many at once is told by the batch's rows of the labels that the
    reference has once. So ``unseen / together`` counts labels, and its tail given
    both counts is binomial. The statistic is the unseen share beyond what is expected.
    """
    m, n = r.sum(), b.sum()
    once = r[1:] == 1
    n_once, n_unseen = int(once.sum()), int(b[0])
    together = 1 + b[1:][once].mean() if n_once else 1.0
    if n_unseen == 0 or r[0]:
        return Comparison(0.0, 1.0)
    pvalue = special.betainc(n_unseen / together, n_once + 1, n / (n + together * m))
    rate = (n_unseen + n_once) / (m + n)
    bias = 1.28 * np.sqrt(rate * (together / n + 1 / m))
    return Comparison(
        debiased(max(n_unseen / n - n_once / m, 0.0), bias), float(pvalue)
    )


def pool_rare_labels(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Pool the labels without a cell, which come first, with those that are as rare.

    They must not stand alone: they have no cell because the reference lacks them or,
    where it has too many labels, holds few of them. A label joins them if, by its rows
    in both samples together, its place in the reference was not sure. As this does not
    see how the rows are split, a permutation test remains one: a clean label breaks the
    rule, with no cell although it has more rows, with probability below ``exp(-5)``.
    """
    pooled = r + b
    fewest = r[1:].min() if r[0] else 0
    enough = special.pdtri(fewest, np.exp(-SURELY_SEEN))  # 5 if the reference lacks it
    rare = pooled * r.sum() < enough * pooled.sum()
    rare[0] = True
    return (
        np.append(r[rare].sum(), r[~rare]),
        np.append(b[rare].sum(), b[~rare]),
    )


def kolmogorov_distance(r: Counts, b: Counts) -> float:
    """Largest distance between the distribution functions."""
    return float(np.max(np.abs(_cumulative_shares(r) - _cumulative_shares(b))))


def total_variation(r: Counts, b: Counts) -> float:
    """Half the sum of the absolute differences of the shares."""
    return float(np.abs(r / r.sum() - b / b.sum()).sum() / 2)


def kolmogorov_bias(n_reference: int, n_samples: int, n_features: int) -> float:
    """Distance that the worst of `n_features` clean columns typically shows."""
    root = np.sqrt(1 / n_reference + 1 / n_samples)
    return float(special.kolmogi(1 / n_features) * root)


def total_variation_bias(r: Counts, b: Counts) -> float:
    """Total variation that a clean batch shows in nine of ten cases."""
    m, n = r.sum(), b.sum()
    q = (r + b) / (m + n)
    variance = q * (1 - q) * (1 / m + 1 / n)
    spread = np.sqrt((1 - 2 / np.pi) * variance.sum())
    return float((np.sqrt(2 / np.pi * variance).sum() + 1.28 * spread) / 2)


def debiased(distance: float, bias: float) -> float:
    """Take the part of a distance away that chance alone explains."""
    return float(np.sqrt(max(0.0, distance**2 - bias**2)))


def band(n_reference: int, n_samples: int, alpha: float) -> float:
    """Half width of the Kolmogorov band around a distance, at level `alpha`."""
    return float(special.kolmogi(alpha) * np.sqrt(1 / n_reference + 1 / n_samples))


def holm(pvalues: Floats) -> Floats:
    """Holm's (1979) correction; NaN stays and is not counted.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.detectors._statistics import holm
    >>> holm(np.array([0.01, 0.04, np.nan])).tolist()
    [0.02, 0.04, nan]
    """
    corrected = np.full(len(pvalues), np.nan)
    known = np.flatnonzero(~np.isnan(pvalues))
    order = known[np.argsort(pvalues[known], kind="stable")]
    steps = pvalues[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def sum_groups(counts: Counts, group: NDArray[np.intp]) -> Counts:
    """Add up the counts of the cells of each group."""
    return np.bincount(group, counts).astype(np.int64)


def equal_groups(r: Counts, b: Counts, n_groups: int) -> tuple[Counts, Counts]:
    """Merge neighbouring cells into about `n_groups` of equal reference share."""
    group = _quantile_groups(r, n_groups)
    return sum_groups(r, group), sum_groups(b, group)


def _quantile_groups(counts: Counts, n_groups: int) -> NDArray[np.intp]:
    middle = np.cumsum(counts) - counts / 2
    group = np.floor(middle / max(counts.sum(), 1) * n_groups).astype(np.intp)
    return np.unique(np.minimum(group, n_groups - 1), return_inverse=True)[1]


def _cumulative_shares(counts: Counts) -> Floats:
    total = np.cumsum(counts, axis=-1)
    return np.asarray(total / np.maximum(total[..., -1:], 1))


def _nonempty(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    used = (r + b) > 0
    return r[used], b[used]


def _quadratic_test(
    r: Counts, b: Counts, emphasis: Callable[[Floats], Floats]
) -> Comparison:
    """Sum the squared distances of the distribution functions over both samples.

    Each distance counts for half the rows of the cells on both sides. So the test is
    the same from either end of the axis, and a distance does not count for more just
    where the full cell below has made it large.
    """
    r, b = _nonempty(r, b)
    if len(r) < 2:
        return Comparison(0.0, 1.0)
    pooled, total = r + b, int(r.sum() + b.sum())
    t = np.cumsum(pooled)[:-1] / total
    weight = (pooled[:-1] + pooled[1:]) / (2 * total) * emphasis(t)
    scale = r.sum() / total * b.sum()

    def statistic(r: Counts, b: Counts) -> Floats:
        distance = (_cumulative_shares(r) - _cumulative_shares(b))[..., :-1]
        return np.asarray(scale * distance**2 @ weight)

    if _is_sparse_table(r, b):
        return _simulated(statistic, r, b)
    observed = float(statistic(r, b))
    variance = t * (1 - t) * total / (total - 1)
    return Comparison(observed, _quadratic_form_pvalue(observed, weight * variance, t))


def _chi_square_statistic(r: Counts, b: Counts) -> Floats:
    pooled = r + b
    m, n = r.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)
    surplus = (b - pooled * (n / (m + n))) ** 2
    return np.asarray(np.sum(surplus / (pooled * (m * n / (m + n) ** 2)), axis=-1))


def _quadratic_form_pvalue(x: float, c: Floats, t: Floats) -> float:
    """Tail of ``sum_j c_j Z_j^2`` where Z is a standardised Brownian bridge at `t`.

    For ``i < j`` the correlation is ``sqrt(o_i / o_j)`` with odds ``o = t / (1 - t)``,
    so that the traces in the cumulants are running sums.
    """
    odds = t / (1 - t)
    below = np.cumsum(c * odds) - c * odds
    below_square = np.cumsum(c**2 * odds) - c**2 * odds
    below_pair = np.cumsum(c * below) - c * below
    k1 = c.sum()
    k2 = 2 * np.sum(c**2 + 2 * c / odds * below)
    triple = 3 * c / odds * below_square + 3 * c**2 / odds * below
    k3 = 8 * np.sum(c**3 + triple + 6 * c / odds * below_pair)
    df = 8 * k2**3 / k3**2
    return float(special.chdtrc(df, max(df + (x - k1) * np.sqrt(2 * df / k2), 0.0)))


def _smallest_expected(r: Counts, b: Counts) -> float:
    fewer = min(r.sum(), b.sum())
    return float((r + b).min() * fewer / (r.sum() + b.sum()))


def _is_sparse_table(r: Counts, b: Counts) -> bool:
    """Whether ordered cells are so few and so empty that the tail is not smooth."""
    return len(r) <= 16 and _smallest_expected(r, b) < ENOUGH_EXPECTED


def _merge_rarest(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Keep the cells with most rows in both samples together, merge the others.

    The pooled counts do not change when rows are permuted between the samples, so
    choosing by them leaves the test exact.
    """
    r, b = _nonempty(r, b)
    if len(r) <= MAX_SIMULATED_CELLS:
        return r, b
    order = np.argsort(-(r + b), kind="stable")
    group = np.empty(len(r), dtype=np.intp)
    group[order] = np.minimum(np.arange(len(r)), MAX_SIMULATED_CELLS - 1)
    return sum_groups(r, group), sum_groups(b, group)


def _stability_index(r: Counts, b: Counts) -> Floats:
    p = np.maximum(r, 0.5) / r.sum(axis=-1, keepdims=True)
    q = np.maximum(b, 0.5) / b.sum(axis=-1, keepdims=True)
    return np.asarray(np.sum((q - p) * np.log(q / p), axis=-1))


def _shannon_divergence(r: Counts, b: Counts) -> Floats:
    p, q = (x / x.sum(axis=-1, keepdims=True) for x in (r, b))
    middle = (p + q) / 2
    terms = special.rel_entr(p, middle) + special.rel_entr(q, middle)
    return np.asarray(np.maximum(terms.sum(axis=-1) / 2, 0.0))


def _divergence_test(
    divergence: Callable[[Counts, Counts], Floats], factor: int, r: Counts, b: Counts
) -> Comparison:
    """Test by a divergence whose `factor`-fold is nearly the chi-square distance."""
    if len(r) < 2:
        return Comparison(0.0, 1.0)
    if _smallest_expected(r, b) < ENOUGH_EXPECTED:
        return _simulated(divergence, r, b)
    observed = float(divergence(r, b))
    scaled = factor * observed / (1 / r.sum() + 1 / b.sum())
    return Comparison(observed, float(special.chdtrc(len(r) - 1, scaled)))


def _simulated(
    statistic: Callable[[Counts, Counts], Floats], r: Counts, b: Counts
) -> Comparison:
    """Permutation p-value of a statistic of counts, simulated with a fixed seed.

    Below ten exceedances the tail is that of the Pearson type III distribution with the
    simulated mean, variance and skewness: a p-value of 1 / 2000 could never be
    significant among a thousand columns.
    """
    r, b = _nonempty(r, b)
    pooled = r + b
    rng = np.random.default_rng(0)
    simulated = rng.multivariate_hypergeometric(
        pooled, b.sum(), N_SIMULATIONS, method="marginals"
    )
    null = statistic(pooled - simulated, simulated)
    observed = float(statistic(r, b))
    n_exceeding = int(np.count_nonzero(null >= observed * (1 - 1e-9)))
    pvalue = (n_exceeding + 1) / (N_SIMULATIONS + 1)
    if n_exceeding < ENOUGH_EXCEEDING:
        pvalue = min(pvalue, _pearson_tail(observed, null))
    return Comparison(observed, pvalue)


def _pearson_tail(x: float, sample: Floats) -> float:
    mean, sd = sample.mean(), sample.std()
    if sd == 0:
        return 1.0
    skewness = max(float(np.mean(((sample - mean) / sd) ** 3)), 0.1)
    shape = 4 / skewness**2
    return float(
        special.gammaincc(shape, max(shape + (x - mean) / sd * 2 / skewness, 0))
    )
