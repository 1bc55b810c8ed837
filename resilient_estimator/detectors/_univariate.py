"""Test many columns at once, each by itself, from their counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from resilient_estimator import statistics as st
from resilient_estimator._typing import Counts, Floats, Mask, Positions
from resilient_estimator.detectors._decision_rule import FamilyResult
from resilient_estimator.detectors._description import describe_change, describe_surge
from resilient_estimator.detectors._numeric_bins import NumericCells
from resilient_estimator.drift import ABSENT, NOT_JUDGED, TOO_FEW
from resilient_estimator.reference._bins import (
    N_ABSENT,
    Bins,
    CategoryBins,
    NumericBins,
)

QUADRATIC_TESTS: dict[str, Callable[[Floats], Floats]] = {
    "ad": st.anderson_darling_weight,
    "cvm": st.cramer_von_mises_weight,
}
GROUP_TESTS = {
    "chi2": st.chi_square,
    "psi": st.population_stability,
    "jensen-shannon": st.jensen_shannon,
}
TESTS = ("auto", "ks", *QUADRATIC_TESTS, *GROUP_TESTS, "wasserstein")
N_DIVERGENCE_GROUPS = 10
COARSE = ("auto", *QUADRATIC_TESTS)  # sums over cells, which gain nothing by fine ones
SIDE_WEIGHT = 0.1
SHAPE_WEIGHTS = (0.8, 0.2)  # of the Anderson-Darling test and of the test of spread


class _Results(NamedTuple):
    """Results of all columns, filled in kind by kind.

    `side_pvalues` are those of missing values and of unseen labels.
    """

    statistics: Floats
    pvalues: Floats
    severities: Floats
    upper_severities: Floats
    surged: Mask
    fixed_verdicts: list[str]
    side_pvalues: dict[int, list[float]]

    @classmethod
    def of(cls, n_columns: int) -> Self:
        """Return empty results, in which no column is tested."""
        return cls(
            np.full(n_columns, np.nan),
            np.full(n_columns, np.nan),
            np.zeros(n_columns),
            np.zeros(n_columns),
            np.zeros(n_columns, dtype=bool),
            [NOT_JUDGED] * n_columns,
            {},
        )

    def add_side_pvalue(self, i: int, pvalue: float) -> None:
        """Add a test of a column beside that of its values."""
        self.side_pvalues.setdefault(i, []).append(pvalue)


class UnivariateTests:
    """Tests of single columns of a reference, all columns at once.

    Parameters
    ----------
    part : str
        What the columns are: "features" or "outputs".
    bins : list of NumericBins, CategoryBins or OpaqueBins
        The cells of each column.
    offsets : ndarray of int of shape (n_columns + 1,)
        Where the cells of each column begin in the counts.
    reference : ndarray of int64 of shape (n_counts,)
        Counts of the reference.
    inflation : ndarray of float of shape (n_columns,)
        Factor by which dependence between rows multiplies variances.
    test : str
        One of TESTS.
    alpha : float
        Level of confidence bounds and surges.
    """

    def __init__(
        self,
        part: str,
        bins: Sequence[Bins],
        offsets: Positions,
        reference: Counts,
        inflation: Floats,
        *,
        test: str,
        alpha: float,
    ) -> None:
        self._part = part
        self._bins = list(bins)
        self._first, self._end = int(offsets[0]), int(offsets[-1])
        self._offsets = offsets - offsets[0]
        self._reference = self._own(reference)
        self._inflation = inflation
        self._test = test
        self._alpha = alpha
        self._names = tuple(each.name for each in self._bins)
        self._m = self._rows(self._reference)
        self._numeric = NumericCells.of(
            self._bins, self._offsets, self._reference, coarse=test in COARSE
        )
        numeric = self._numeric.columns
        self._others = sorted(set(range(len(self._bins))) - set(numeric.tolist()))
        if len(numeric):
            self._r = self._numeric.sums(self._reference)
            self._r_upto = np.cumsum(self._r, axis=-1)
            total = np.maximum(self._r_upto[:, -1:], 1)
            below = self._r_upto[:, :-1] / total
            self._boundaries = st.severity_boundaries(below)

    def compare(
        self, counts: Counts, n_samples: int, extra_inflation: Any = 0.0
    ) -> FamilyResult:
        """Compare a batch with the reference.

        Parameters
        ----------
        counts : ndarray of int64 of shape (n_counts,)
            Counts of the batch.
        n_samples : int
            Number of its rows.
        extra_inflation : float or ndarray of float of shape (n_columns,), default=0.0
            Further variance of means, in units of that of independent rows, in addition
            to the inflation by dependence between rows.
        """
        b = self._own(counts)
        n = self._rows(b)
        inflation = self._inflation + extra_inflation
        results = _Results.of(len(self._bins))
        with np.errstate(divide="ignore", invalid="ignore"):
            if len(self._numeric.columns):
                self._compare_numbers(b, inflation, results)
            for i in self._others:
                if self._m[i] and n[i]:
                    self._compare_labels(i, inflation[i], b, results)
        self._compare_presence(b, n, inflation, results)
        for i, side_pvalues in results.side_pvalues.items():
            results.pvalues[i] = _weighted_bonferroni(results.pvalues[i], side_pvalues)
        return self._family_result(results, b, n, n_samples)

    def _family_result(
        self, results: _Results, b: Counts, n: Counts, n_samples: int
    ) -> FamilyResult:
        """Return the results, with those of columns that either sample lacks."""
        absent = (n == 0) & (n_samples > 0) & (self._m > 0)
        severities = np.where(n > 0, results.severities, np.nan)
        pvalues = np.where(np.isnan(results.pvalues), 1.0, results.pvalues)
        verdicts = map(
            _fixed_verdict, self._m.tolist(), n.tolist(), absent, results.fixed_verdicts
        )
        return FamilyResult(
            part=self._part,
            features=self._names,
            statistics=results.statistics,
            pvalues=np.where((self._m > 0) & (n > 0), pvalues, np.nan),
            severities=np.where(absent, 1.0, severities),
            upper_severities=np.where(
                n > 0, np.minimum(results.upper_severities, 1.0), 1.0
            ),
            surged=results.surged,
            fixed_verdicts=tuple(verdicts),
            describe=lambda i: self._describe(i, b, surged=bool(results.surged[i])),
        )

    def n_rows(self, counts: Counts) -> Counts:
        """Return the number of rows that were counted in each column."""
        return self._rows(self._own(counts))

    def _own(self, counts: Counts) -> Counts:
        """Return the counts of these columns."""
        return counts[self._first : self._end]

    @property
    def n_reference_rows(self) -> Counts:
        """Number of reference rows that were counted in each column."""
        return self._m

    def _rows(self, own: Counts) -> Counts:
        if not self._bins:
            return np.empty(0, dtype=np.int64)
        return np.add.reduceat(own, self._offsets[:-1])

    def _cells_of(self, i: int, b: Counts) -> tuple[Counts, Counts]:
        """Return the counts of one column, of the reference and of the batch."""
        cells = slice(*self._offsets[i : i + 2].tolist())
        return self._reference[cells], b[cells]

    def _compare_numbers(
        self, b: Counts, inflations: Floats, results: _Results
    ) -> None:
        """Compare the values of all numeric columns at once."""
        columns = self._numeric.columns
        samples = st.OrderedSamples.from_counts(
            self._r, self._numeric.sums(b), self._r_upto
        )
        inflation = inflations[columns]
        statistic, pvalue = self._test_numbers(samples, columns, inflation)
        severity, distance = st.ordered_severity(
            samples, self._boundaries, len(self._bins), inflation
        )
        upper = distance + st.kolmogorov_band(samples.scale / inflation, self._alpha)
        known = (samples.m > 0) & (samples.n > 0)
        results.statistics[columns] = np.where(known, statistic, np.nan)
        results.pvalues[columns] = np.where(known, pvalue, np.nan)
        results.severities[columns] = np.where(known, severity, 0.0)
        results.upper_severities[columns] = np.where(known, upper, 1.0)
        for row in np.flatnonzero(known & samples.few_cells).tolist():
            surged = st.surged_cells(samples.r[row], samples.b[row], self._alpha)
            results.surged[columns[row]] = surged.any()
        for i, is_known, m in zip(columns.tolist(), known, samples.m, strict=True):
            untested = TOO_FEW if m else NOT_JUDGED
            results.fixed_verdicts[i] = "" if is_known else untested

    def _test_numbers(
        self, samples: st.OrderedSamples, columns: Positions, inflation: Floats
    ) -> st.SignificanceResult:
        """Return statistic and p-value of each numeric column."""
        if self._test == "auto":
            return _test_shape_and_spread(samples, inflation)
        if self._test in QUADRATIC_TESTS:
            weight_function = QUADRATIC_TESTS[self._test]
            return st.quadratic_test(samples, weight_function, inflation)
        if self._test == "ks":
            return st.kolmogorov_test(samples, inflation)
        rows = [
            self._test_one(i, r, b, float(each)) if r.any() and b.any() else (0.0, 1.0)
            for i, r, b, each in zip(
                columns.tolist(), samples.r, samples.b, inflation, strict=True
            )
        ]
        return st.SignificanceResult(*np.array(rows).T)

    def _test_one(
        self, i: int, r: Counts, b: Counts, inflation: float
    ) -> st.SignificanceResult:
        """Compare one numeric column by a test that takes one column at a time."""
        bins = self._bins[i]
        if self._test == "wasserstein" and isinstance(bins, NumericBins):
            n_cells = bins.n_cells - N_ABSENT
            places = _positions(bins.edges)
            r, b = r[:n_cells], b[:n_cells]
            return st.wasserstein(r, b, places, bins.scale, inflation)
        groups = st.equal_groups(r, b, N_DIVERGENCE_GROUPS)
        return GROUP_TESTS[self._test](*groups, inflation)

    def _compare_labels(
        self, i: int, inflation: float, b: Counts, results: _Results
    ) -> None:
        """Compare the labels of one column; dates and lists are not compared."""
        r, b = (each[1:] for each in self._cells_of(i, b))
        if not isinstance(self._bins[i], CategoryBins) or not r.sum():
            return
        results.fixed_verdicts[i] = TOO_FEW
        if not b.sum():
            return
        self._compare_unseen(i, inflation, r, b, results)
        if b[0] or self._test != "chi2":  # else the textbook's table, unchanged
            r, b = st.pool_rare_labels(r, b)
        if np.count_nonzero(r + b) < 2:
            results.upper_severities[i] = 1.0
            return
        results.fixed_verdicts[i] = ""
        statistic, pvalue = self._test_labels(r, b, inflation)
        results.statistics[i], results.pvalues[i] = statistic, pvalue
        self._measure_shares(i, r, b, inflation, results)

    def _compare_unseen(
        self, i: int, inflation: float, r: Counts, b: Counts, results: _Results
    ) -> None:
        """Test for unseen labels, and for labels that surged."""
        surged = st.surged_cells(r, b, self._alpha)
        pvalue = 1.0
        if b[0] or np.any(r[1:] + b[1:] == 1):
            results.severities[i], pvalue = st.unseen_labels(r, b, inflation)
            results.add_side_pvalue(i, pvalue)
        surged[0] &= pvalue < self._alpha
        results.surged[i] = surged.any()

    def _test_labels(
        self, r: Counts, b: Counts, inflation: float
    ) -> st.SignificanceResult:
        if self._test in GROUP_TESTS:
            return GROUP_TESTS[self._test](r, b, inflation)
        whole, one = st.category_tests(r, b, inflation)
        pvalues = np.array([whole.pvalue, one.pvalue])
        return st.SignificanceResult(whole.statistic, st.cauchy_combination(pvalues))

    def _measure_shares(
        self, i: int, r: Counts, b: Counts, inflation: float, results: _Results
    ) -> None:
        """Raise severity and upper bound to those of the differences of the shares."""
        distance = st.total_variation(r, b)
        bias = st.total_variation_bias(r, b, inflation)
        m, n = int(r.sum()), int(b.sum())
        upper = distance + st.kolmogorov_band(m * n / (m + n) / inflation, self._alpha)
        severity = st.debiased(distance, bias)
        results.severities[i] = max(results.severities[i], severity)
        results.upper_severities[i] = max(results.upper_severities[i], upper)

    def _compare_presence(
        self, b: Counts, n: Counts, inflations: Floats, results: _Results
    ) -> None:
        """Compare missing and unreadable values where there are any."""
        for i in self._incomplete(b).tolist():
            if not self._m[i] or not n[i]:
                continue
            n_absent = N_ABSENT if isinstance(self._bins[i], NumericBins) else 1
            r_own, b_own = (
                np.append(each[:n_absent], each[n_absent:].sum())
                for each in self._cells_of(i, b)
            )
            inflation = float(inflations[i])
            pvalue = st.chi_square(r_own, b_own, inflation).pvalue
            results.add_side_pvalue(i, pvalue)
            results.surged[i] |= st.surged_cells(r_own, b_own, self._alpha)[:-1].any()
            self._measure_shares(i, r_own, b_own, inflation, results)

    def _incomplete(self, b: Counts) -> Positions:
        """Return the columns in which either sample lacks values."""
        if not self._bins:
            return np.empty(0, dtype=np.intp)
        first = self._offsets[:-1]
        second = first[self._numeric.columns] + 1
        absent = self._reference[first] + b[first]
        absent[self._numeric.columns] += self._reference[second] + b[second]
        return np.flatnonzero(absent)

    def _describe(self, i: int, b: Counts, *, surged: bool) -> str:
        """Return the change of one column in words."""
        counts = self._cells_of(i, b)
        if surged:
            return describe_surge(self._bins[i], *counts, self._alpha)
        return describe_change(self._bins[i], *counts)


def _test_shape_and_spread(
    samples: st.OrderedSamples, inflation: Floats
) -> st.SignificanceResult:
    """Combine the Anderson-Darling test with the test of spread."""
    sparse = st.is_sparse(samples)
    shape = st.quadratic_test(
        samples, st.anderson_darling_weight, inflation, sparse=sparse
    )
    spread = np.where(sparse, np.nan, st.spread_test(samples, inflation).pvalue)
    pvalues = np.array([shape.pvalue, spread]).T
    combined = st.cauchy_combination(pvalues, SHAPE_WEIGHTS)
    return st.SignificanceResult(shape.statistic, combined)


def _fixed_verdict(m: int, n: int, absent: bool, untested: str) -> str:  # noqa: FBT001
    """Return the verdict that does not depend on the p-value, "" if there is none."""
    if not m:
        return NOT_JUDGED
    if not n:
        return ABSENT if absent else TOO_FEW
    return untested


def _weighted_bonferroni(pvalue: float, side_pvalues: list[float]) -> float:
    """Combine the tests of a column; nearly all of alpha is for its values.

    Which side tests there are depends only on the pooled counts, not on how the rows
    are split between the samples.
    """
    if np.isnan(pvalue):
        return min([1.0, *(p * len(side_pvalues) for p in side_pvalues)])
    weighted = [p / SIDE_WEIGHT for p in side_pvalues]
    return min(1.0, pvalue / (1 - SIDE_WEIGHT * len(weighted)), *weighted)


def _positions(edges: Floats) -> Floats:
    """Return one place on the axis for each cell from -inf to +inf."""
    if len(edges) == 0:
        return np.zeros(3)
    middles = edges[:-1] / 2 + edges[1:] / 2
    return np.concatenate([edges[[0, 0]], middles, edges[[-1, -1]]])
