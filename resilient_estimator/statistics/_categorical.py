"""Two-sample tests of unordered cells, one column at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from resilient_estimator._typing import Counts, Floats
from resilient_estimator.statistics._effect_size import debiased
from resilient_estimator.statistics._permutation import (
    ENOUGH_EXPECTED,
    Comparison,
    Statistic,
    nonempty,
    simulated,
    smallest_expected,
    sum_groups,
)

MAX_SIMULATED_CELLS = 64
SURELY_SEEN = 5


class CategoryTests(NamedTuple):
    """A test of all cells together, and one of the cell that gained most."""

    chi_square: Comparison
    surplus: Comparison


def category_tests(r: Counts, b: Counts, inflation: float = 1.0) -> CategoryTests:
    """Chi-square test of homogeneity and test of the largest surplus.

    Both condition on the rows of both samples together, so both margins are random.
    The chi-square statistic sees many small changes; the largest standardised surplus
    sees one rare label that grows, which the chi-square test dilutes over all labels.

    Where a cell expects fewer than ten rows, the p-values are those of the permutation
    distribution, simulated with a fixed seed (Patefield 1981). Else they are those of
    the chi-square distribution, and of the largest of independent normal variables
    (Sidak 1967).
    """
    r, b = _merge_rarest(r, b)
    if len(r) < 2:
        none = Comparison(0.0, 1.0)
        return CategoryTests(none, none)
    if smallest_expected(r, b) < ENOUGH_EXPECTED:
        both = [_chi_square_statistic, _largest_surplus]
        result = simulated(both, r, b, inflation=inflation)
        first, second = map(Comparison, result.statistic, result.pvalue)
        return CategoryTests(first, second)
    statistic = float(_chi_square_statistic(r, b))
    largest = float(_largest_surplus(r, b))
    all_cells = float(special.chdtrc(len(r) - 1, statistic / inflation))
    tail = special.ndtr(-np.sqrt(largest / inflation))
    one_cell = float(-np.expm1(len(r) * np.log1p(-tail)))
    return CategoryTests(
        Comparison(statistic, all_cells), Comparison(largest, one_cell)
    )


def chi_square(r: Counts, b: Counts, inflation: float = 1.0) -> Comparison:
    """Chi-square test of homogeneity with both margins random.

    Of two cells the statistic has Yates' (1934) correction, as is customary. Where a
    cell expects fewer than ten rows, the p-value is simulated, as in `category_tests`.
    """
    r, b = _merge_rarest(r, b)
    if len(r) < 2:
        return Comparison(0.0, 1.0)
    statistic = _yates_statistic if len(r) == 2 else _chi_square_statistic
    if smallest_expected(r, b) < ENOUGH_EXPECTED:
        result = simulated([statistic], r, b, inflation=inflation)
        return Comparison(result.statistic[0], result.pvalue[0])
    observed = float(statistic(r, b))
    return Comparison(observed, float(special.chdtrc(len(r) - 1, observed / inflation)))


def population_stability(r: Counts, b: Counts, inflation: float = 1.0) -> Comparison:
    """Compute the population stability index; empty cells count as half a row.

    Under the null, ``PSI / (1/m + 1/n)`` is chi-square distributed (Yurdakul 2018).
    """
    return _divergence_test(_stability_index, 1, *_merge_rarest(r, b), inflation)


def jensen_shannon(r: Counts, b: Counts, inflation: float = 1.0) -> Comparison:
    """Jensen-Shannon distance: the root of the divergence in nats.

    For nearby distributions eight times the divergence is their chi-square distance
    (Lin 1991), which gives the p-value.
    """
    statistic = float(np.sqrt(_shannon_divergence(r, b)))
    merged = _merge_rarest(r, b)
    test = _divergence_test(_shannon_divergence, 8, *merged, inflation)
    return Comparison(statistic, test.pvalue)


def unseen_labels(r: Counts, b: Counts, inflation: float = 1.0) -> Comparison:
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
    together = inflation * (1 + b[1:][once].mean() if n_once else 1.0)
    if n_unseen == 0 or r[0]:
        return Comparison(0.0, 1.0)
    pvalue = special.betainc(n_unseen / together, n_once + 1, n / (n + together * m))
    rate = (n_unseen + n_once) / (m + n)
    bias = 1.28 * np.sqrt(rate * (together / n + 1 / m))
    excess = max(n_unseen / n - n_once / m, 0.0)
    return Comparison(float(debiased(excess, bias)), float(pvalue))


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


def _chi_square_statistic(r: Counts, b: Counts) -> Floats:
    pooled = r + b
    m, n = r.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)
    surplus = (b - pooled * (n / (m + n))) ** 2
    return np.asarray(np.sum(surplus / (pooled * (m * n / (m + n) ** 2)), axis=-1))


def _yates_statistic(r: Counts, b: Counts) -> Floats:
    """Chi-square statistic of two cells, each deviation half a row smaller."""
    pooled = r + b
    m, n = r.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)
    deviation = np.maximum(np.abs(b - pooled * (n / (m + n))) - 0.5, 0.0)
    return np.asarray(np.sum(deviation**2 / (pooled * (m * n / (m + n) ** 2)), axis=-1))


def _largest_surplus(r: Counts, b: Counts) -> Floats:
    """Square of the largest standardised surplus of the batch (hypergeometric)."""
    pooled = r + b
    m, n = r.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)
    total = m + n
    expected = pooled * (n / total)
    variance = expected * (1 - pooled / total) * (m / np.maximum(total - 1, 1))
    surplus = np.maximum(b - expected, 0) ** 2
    return np.asarray((surplus / np.maximum(variance, 1e-12)).max(axis=-1))


def _merge_rarest(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Keep the cells with most rows in both samples together, merge the others.

    The pooled counts do not change when rows are permuted between the samples, so
    choosing by them leaves the test exact.
    """
    r, b = nonempty(r, b)
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
    divergence: Statistic, factor: int, r: Counts, b: Counts, inflation: float
) -> Comparison:
    """Test by a divergence whose `factor`-fold is nearly the chi-square distance."""
    if len(r) < 2:
        return Comparison(0.0, 1.0)
    if smallest_expected(r, b) < ENOUGH_EXPECTED:
        result = simulated([divergence], r, b, inflation=inflation)
        return Comparison(result.statistic[0], result.pvalue[0])
    observed = float(divergence(r, b))
    scaled = factor * observed / (1 / r.sum() + 1 / b.sum()) / inflation
    return Comparison(observed, float(special.chdtrc(len(r) - 1, scaled)))
