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


class Comparison(NamedTuple):
    """Statistic and p-value of one test."""

    statistic: float
    pvalue: float


def anderson_darling(r: Counts, b: Counts) -> Comparison:
    r"""Two-sample Anderson-Darling test of binned samples.

    With `M_i` reference rows and `B_i` rows of both up to cell `i` of `l_i` rows,
    ``A2 = sum_i l_i (M_i N - m B_i)^2 / (B_i (N - B_i)) / (m n)`` (Pettitt 1976; ties
    as in Scholz and Stephens 1987). Under the permutation null, A2 is a quadratic form
    whose first three cumulants are known for any pattern of ties; its tail is that of
    the shifted chi-square with these cumulants (Hall 1983; Buckley, Eagleson 1988).
    """
    distance, t, weight = _bridge(r, b)
    if len(t) == 0:
        return Comparison(0.0, 1.0)
    if _is_sparse_table(r, b):
        return _simulated(_anderson_statistic, r, b)
    statistic = float(np.sum(weight * distance**2 / (t * (1 - t))))
    scale = r.sum() * b.sum() / (r.sum() + b.sum())
    return Comparison(
        statistic * scale, _quadratic_form_pvalue(statistic * scale, weight, t)
    )


def cramer_von_mises(r: Counts, b: Counts) -> Comparison:
    """Two-sample Cramer-von Mises test, with the tail of `anderson_darling`."""
    distance, t, weight = _bridge(r, b)
    if len(t) == 0:
        return Comparison(0.0, 1.0)
    if _is_sparse_table(r, b):
        return _simulated(_cramer_statistic, r, b)
    scale = r.sum() * b.sum() / (r.sum() + b.sum())
    statistic = float(np.sum(weight * distance**2)) * scale
    pvalue = _quadratic_form_pvalue(statistic, weight * t * (1 - t), t)
    return Comparison(statistic, pvalue)


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
    """Compute the population stability index over ten groups of the reference.

    Under the null, ``PSI / (1/m + 1/n)`` is chi-square distributed (Yurdakul 2018).
    Empty groups count as half a row.
    """
    r, b = _merge_rarest(*_nonempty(r, b))
    p, q = np.maximum(r, 0.5) / r.sum(), np.maximum(b, 0.5) / b.sum()
    statistic = float(np.sum((q - p) * np.log(q / p)))
    return Comparison(statistic, _divergence_pvalue(statistic, r, b))


def jensen_shannon(r: Counts, b: Counts) -> Comparison:
    """Jensen-Shannon distance: the root of the divergence in nats.

    For nearby distributions eight times the divergence is their chi-square distance
    (Lin 1991), which gives the p-value.
    """
    r, b = _nonempty(r, b)
    p, q = r / r.sum(), b / b.sum()
    middle = (p + q) / 2
    divergence = float(
        np.sum(special.rel_entr(p, middle) + special.rel_entr(q, middle))
    )
    divergence = max(divergence / 2, 0.0)
    pvalue = _divergence_pvalue(8 * divergence, r, b)
    return Comparison(float(np.sqrt(divergence)), pvalue)


def wasserstein(r: Counts, b: Counts, positions: Floats, scale: float) -> Comparison:
    """First Wasserstein distance in units of the reference's standard deviation.

    The p-value is simulated on at most 64 groups of cells, with a fixed seed.
    """

    def distance(r: Counts, b: Counts, steps: Floats) -> Floats:
        gap = _cumulative_shares(r) - _cumulative_shares(b)
        return np.asarray(np.abs(gap[..., :-1]) @ steps)

    statistic = float(distance(r, b, np.diff(positions) / (scale or np.inf)))
    used = (r + b) > 0
    r, b, positions = r[used], b[used], positions[used]
    group = _quantile_groups(r + b, MAX_SIMULATED_CELLS)
    r_sums, b_sums = sum_groups(r, group), sum_groups(b, group)
    middle = np.bincount(group, (r + b) * positions) / (r_sums + b_sums)
    steps = np.diff(middle) / (scale or np.inf)
    pvalue = _simulated(lambda r, b: distance(r, b, steps), r_sums, b_sums).pvalue
    return Comparison(statistic, pvalue)


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


def _bridge(r: Counts, b: Counts) -> tuple[Floats, Floats, Floats]:
    """Return F - G, pooled share and weight at each cell but the last used one."""
    r, b = _nonempty(r, b)
    pooled = r + b
    n_pooled = pooled.sum()
    t = np.cumsum(pooled)[:-1] / n_pooled
    distance = np.cumsum(r)[:-1] / r.sum() - np.cumsum(b)[:-1] / b.sum()
    return distance, t, pooled[:-1] / (n_pooled - 1)


def _anderson_statistic(r: Counts, b: Counts) -> Floats:
    pooled = r + b
    t = _cumulative_shares(pooled)[..., :-1]
    distance = (_cumulative_shares(r) - _cumulative_shares(b))[..., :-1]
    return np.asarray(np.sum(pooled[..., :-1] * distance**2 / (t * (1 - t)), axis=-1))


def _cramer_statistic(r: Counts, b: Counts) -> Floats:
    distance = (_cumulative_shares(r) - _cumulative_shares(b))[..., :-1]
    return np.asarray(np.sum((r + b)[..., :-1] * distance**2, axis=-1))


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
    r, b = _nonempty(r, b)
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


def _divergence_pvalue(divergence: float, r: Counts, b: Counts) -> float:
    if len(r) < 2:
        return 1.0
    scaled = divergence / (1 / r.sum() + 1 / b.sum())
    return float(special.chdtrc(len(r) - 1, scaled))


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
