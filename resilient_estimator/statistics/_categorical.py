"""Two-sample tests of unordered cells, one column at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from resilient_estimator._typing import Counts, Floats
from resilient_estimator.statistics._base import (
    MIN_EXPECTED,
    SignificanceResult,
    Statistic,
    nonempty,
    permutation_test,
    smallest_expected,
    sum_groups,
)
from resilient_estimator.statistics._severity import Z_90, debiased

MAX_TESTED_CELLS = 64
MISS_PROBABILITY = np.exp(-5)
NO_DIFFERENCE = SignificanceResult(0.0, 1.0)


class CategoryTests(NamedTuple):
    """A test of all cells together, and one of the cell that gained most."""

    chi_square: SignificanceResult
    surplus: SignificanceResult


def category_tests(r: Counts, b: Counts, inflation: float = 1.0) -> CategoryTests:
    """Run the chi-square test of homogeneity and the test of the largest surplus.

    The chi-square statistic is sensitive to many small changes; the largest
    standardised surplus to a single rare label that grows, which the chi-square test
    dilutes over all labels. Both are conditional on the pooled counts.

    Where the smallest expected count is below ten, the p-values are those of the
    permutation distribution, simulated with a fixed seed. Otherwise they are those of
    the chi-square distribution, and of the largest of independent normal variables
    (Sidak 1967).
    """
    r, b = _merge_rarest(r, b)
    if len(r) < 2:
        return CategoryTests(NO_DIFFERENCE, NO_DIFFERENCE)
    if smallest_expected(r, b) < MIN_EXPECTED:
        both = [_chi_square_statistic, _largest_surplus]
        result = permutation_test(both, r, b, inflation=inflation)
        first, second = map(SignificanceResult, result.statistic, result.pvalue)
        return CategoryTests(first, second)
    statistic = float(_chi_square_statistic(r, b))
    largest = float(_largest_surplus(r, b))
    all_cells = float(special.chdtrc(len(r) - 1, statistic / inflation))
    tail = special.ndtr(-np.sqrt(largest / inflation))
    one_cell = float(-np.expm1(len(r) * np.log1p(-tail)))
    return CategoryTests(
        SignificanceResult(statistic, all_cells), SignificanceResult(largest, one_cell)
    )


def chi_square(r: Counts, b: Counts, inflation: float = 1.0) -> SignificanceResult:
    """Run the chi-square test of homogeneity, conditional on the pooled counts.

    For two cells the statistic has Yates's (1934) continuity correction. Where the
    smallest expected count is below ten, the p-value is simulated, as in
    `category_tests`.
    """
    r, b = _merge_rarest(r, b)
    if len(r) < 2:
        return NO_DIFFERENCE
    statistic = _yates_statistic if len(r) == 2 else _chi_square_statistic
    if smallest_expected(r, b) < MIN_EXPECTED:
        return _permute(statistic, r, b, inflation)
    observed = float(statistic(r, b))
    pvalue = float(special.chdtrc(len(r) - 1, observed / inflation))
    return SignificanceResult(observed, pvalue)


def population_stability(
    r: Counts, b: Counts, inflation: float = 1.0
) -> SignificanceResult:
    """Return the population stability index and its p-value.

    Empty cells count as half a row. Under the null hypothesis, ``PSI / (1/m + 1/n)``
    has a chi-square distribution (Yurdakul 2018).
    """
    return _divergence_test(_stability_index, 1, *_merge_rarest(r, b), inflation)


def jensen_shannon(r: Counts, b: Counts, inflation: float = 1.0) -> SignificanceResult:
    """Return the Jensen-Shannon distance, the root of the divergence in nats.

    For similar distributions eight times the divergence is close to their chi-square
    distance (Lin 1991), which gives the p-value.
    """
    statistic = float(np.sqrt(_shannon_divergence(r, b)))
    merged = _merge_rarest(r, b)
    test = _divergence_test(_shannon_divergence, 8, *merged, inflation)
    return SignificanceResult(statistic, test.pvalue)


def unseen_labels(r: Counts, b: Counts, inflation: float = 1.0) -> SignificanceResult:
    """Test whether the batch has too many labels that the reference lacks.

    They are counted in the first cell. A clean batch has as many rows of such labels as
    the reference has of labels that occur only once: ``E[unseen] / n = E[once] / m``
    (Good 1953). Rows with the same label come together: how many at a time is estimated
    from the batch's rows of the labels that occur once in the reference. So ``unseen /
    rows_per_label`` counts labels, and given both counts its tail is binomial.

    The statistic is the share of unseen labels in excess of the expected one.
    """
    m, n = r.sum(), b.sum()
    once = r[1:] == 1
    n_once, n_unseen = int(once.sum()), int(b[0])
    rows_per_label = inflation * (1 + b[1:][once].mean() if n_once else 1.0)
    if n_unseen == 0 or r[0]:
        return NO_DIFFERENCE
    pvalue = special.betainc(
        n_unseen / rows_per_label, n_once + 1, n / (n + rows_per_label * m)
    )
    rate = (n_unseen + n_once) / (m + n)
    bias = Z_90 * np.sqrt(rate * (rows_per_label / n + 1 / m))
    excess = max(n_unseen / n - n_once / m, 0.0)
    return SignificanceResult(float(debiased(excess, bias)), float(pvalue))


def pool_rare_labels(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Pool the first cell, of labels without one of their own, with labels as rare.

    It must not stand alone: its labels have no cell because the reference lacks them
    or, where it has too many labels, holds only few of their rows. Another label is
    pooled with them if, given its rows in both samples together, it might as well have
    lacked a cell. This rule does not depend on how the rows are split between the
    samples, so a permutation test stays valid: it fails for a clean label, which has no
    cell although it has more rows, with probability below ``exp(-5)``.
    """
    pooled = r + b
    fewest = r[1:].min() if r[0] else 0
    enough = special.pdtri(fewest, MISS_PROBABILITY)  # 5 if the reference lacks it
    rare = pooled * r.sum() < enough * pooled.sum()
    rare[0] = True
    return (
        np.append(r[rare].sum(), r[~rare]),
        np.append(b[rare].sum(), b[~rare]),
    )


def _chi_square_statistic(r: Counts, b: Counts) -> Floats:
    return _pearson_statistic(r, b, correction=0.0)


def _yates_statistic(r: Counts, b: Counts) -> Floats:
    return _pearson_statistic(r, b, correction=0.5)


def _pearson_statistic(r: Counts, b: Counts, correction: float) -> Floats:
    """Sum the squared deviations from the expected counts, each less a correction."""
    pooled = r + b
    m, n = r.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)
    deviation = np.maximum(np.abs(b - pooled * (n / (m + n))) - correction, 0.0)
    return np.asarray(np.sum(deviation**2 / (pooled * (m * n / (m + n) ** 2)), axis=-1))


def _largest_surplus(r: Counts, b: Counts) -> Floats:
    """Square the largest standardised surplus of the batch (hypergeometric)."""
    pooled = r + b
    m, n = r.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)
    total = m + n
    expected = pooled * (n / total)
    variance = expected * (1 - pooled / total) * (m / np.maximum(total - 1, 1))
    surplus = np.maximum(b - expected, 0) ** 2
    return np.asarray((surplus / np.maximum(variance, 1e-12)).max(axis=-1))


def _merge_rarest(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Keep the cells with most rows in both samples together, merge the others.

    The pooled counts do not change when rows are exchanged between the samples, so
    the test stays exact.
    """
    r, b = nonempty(r, b)
    if len(r) <= MAX_TESTED_CELLS:
        return r, b
    order = np.argsort(-(r + b), kind="stable")
    group = np.empty(len(r), dtype=np.intp)
    group[order] = np.minimum(np.arange(len(r)), MAX_TESTED_CELLS - 1)
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
) -> SignificanceResult:
    """Test a divergence, `factor` times which is close to the chi-square distance."""
    if len(r) < 2:
        return NO_DIFFERENCE
    if smallest_expected(r, b) < MIN_EXPECTED:
        return _permute(divergence, r, b, inflation)
    observed = float(divergence(r, b))
    scaled = factor * observed / (1 / r.sum() + 1 / b.sum()) / inflation
    return SignificanceResult(observed, float(special.chdtrc(len(r) - 1, scaled)))


def _permute(
    statistic: Statistic, r: Counts, b: Counts, inflation: float
) -> SignificanceResult:
    """Run the permutation test of a single statistic."""
    result = permutation_test([statistic], r, b, inflation=inflation)
    return SignificanceResult(result.statistic[0], result.pvalue[0])
