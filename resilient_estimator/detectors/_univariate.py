"""Test many columns at once, each by itself, from their counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator import statistics as st
from resilient_estimator._typing import Counts, Floats
from resilient_estimator.detectors._description import describe_change, describe_surge
from resilient_estimator.detectors._multiple_testing import Findings
from resilient_estimator.drift import ABSENT, NOT_JUDGED, TOO_FEW
from resilient_estimator.reference._bins import Bins, CategoryBins, NumericBins

NUMBER_TESTS: dict[str, Callable[[Floats], Floats]] = {
    "ad": st.anderson_darling_weight,
    "cvm": st.cramer_von_mises_weight,
}
GROUP_TESTS = {
    "chi2": st.chi_square,
    "psi": st.population_stability,
    "jensen-shannon": st.jensen_shannon,
}
TESTS = ("auto", "ks", *NUMBER_TESTS, *GROUP_TESTS, "wasserstein")
N_DIVERGENCE_GROUPS = 10
COARSE = ("auto", *NUMBER_TESTS)  # sums over the cells, to which fine ones add nothing
N_GROUPS = 100
SIDE_WEIGHT = 0.1
SHAPE_WEIGHTS = (0.8, 0.2)  # of Anderson-Darling's test and of the test of spread
N_ABSENT = 2  # cells of missing and unreadable numbers


class _Ordered(NamedTuple):
    """How the counts of all numeric columns are laid side by side, one row each.

    `starts` is where each group of cells begins in the counts of all columns, `groups`
    which of the groups are the ordered ones of each numeric column; shorter columns
    are padded with a group behind the last, which is empty.
    """

    columns: NDArray[np.intp]
    starts: NDArray[np.intp]
    groups: NDArray[np.intp]

    def sums(self, counts: Counts) -> Counts:
        """Return the rows in each group, of shape (n_columns, n_groups)."""
        return np.append(np.add.reduceat(counts, self.starts), 0)[self.groups]


class _Found(NamedTuple):
    """Results of all columns, filled in by one kind of column after the other."""

    statistics: Floats
    pvalues: Floats
    severities: Floats
    uppers: Floats
    surged: NDArray[np.bool_]
    unjudged: list[str]
    sides: dict[int, list[float]]  # p-values of missingness and of unseen labels


class ColumnTests:
    """The tests of some columns of a reference.

    Parameters
    ----------
    part : str
        What the columns are: "features" or "outputs".
    cells : list of cells
        One per column.
    offsets : ndarray of int of shape (n_columns + 1,)
        Where the cells of each column begin in the counts.
    reference : ndarray of int64
        Counts of the reference.
    inflation : ndarray of float of shape (n_columns,)
        By what dependence between rows multiplies variances.
    test : str
        One of TESTS.
    alpha : float
        Level of the bands and of surges.
    """

    def __init__(
        self,
        part: str,
        cells: Sequence[Bins],
        offsets: NDArray[np.intp],
        reference: Counts,
        inflation: Floats,
        *,
        test: str,
        alpha: float,
    ) -> None:
        self._part = part
        self._cells = list(cells)
        self._offsets = offsets
        self._reference = reference
        self._inflation = inflation
        self._test = test
        self._alpha = alpha
        self._names = tuple(c.name for c in self._cells)
        self._m = self.rows(reference)
        self._ordered = self._lay_out()
        numeric = self._ordered.columns
        self._others = sorted(set(range(len(self._cells))) - set(numeric.tolist()))
        if len(numeric):
            self._r = self._ordered.sums(self._own(reference))
            self._r_upto = np.cumsum(self._r, axis=-1)
            total = np.maximum(self._r_upto[:, -1:], 1)
            self._looks = st.severity_boundaries(self._r_upto[:, :-1] / total)

    def find(self, counts: Counts, n_samples: int, noise: Any = 0.0) -> Findings:
        """Compare a batch with the reference.

        Parameters
        ----------
        counts : ndarray of int64
            Counts of the batch.
        n_samples : int
            Number of its rows.
        noise : float or ndarray of float of shape (n_columns,), default=0.0
            What is added to the variance of means, in units of that of independent
            rows, besides the dependence between rows.
        """
        inflation = self._inflation + noise
        n_columns = len(self._cells)
        found = _Found(
            np.full(n_columns, np.nan),
            np.full(n_columns, np.nan),
            np.zeros(n_columns),
            np.zeros(n_columns),
            np.zeros(n_columns, dtype=bool),
            [NOT_JUDGED] * n_columns,
            {},
        )
        n = self.rows(counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            if len(self._ordered.columns):
                self._compare_numbers(counts, inflation, found)
            for i in self._others:
                if self._m[i] and n[i]:
                    self._compare_labels(i, inflation[i], counts, found)
        self._compare_presence(counts, n, inflation, found)
        for i, sides in found.sides.items():
            found.pvalues[i] = _weighted_bonferroni(found.pvalues[i], sides)
        absent = (n == 0) & (n_samples > 0) & (self._m > 0)
        return Findings(
            part=self._part,
            features=self._names,
            statistics=found.statistics,
            pvalues=np.where((self._m > 0) & (n > 0), _known(found.pvalues), np.nan),
            severities=np.where(absent, 1.0, np.where(n > 0, found.severities, np.nan)),
            uppers=np.where(n > 0, np.minimum(found.uppers, 1.0), 1.0),
            surged=found.surged,
            fixed=tuple(
                map(_fixed, self._m.tolist(), n.tolist(), absent, found.unjudged)
            ),
            describe=lambda i: self._describe(i, counts, surged=bool(found.surged[i])),
        )

    def rows(self, counts: Counts) -> Counts:
        """Return the number of rows counted in each column."""
        if not self._cells:
            return np.empty(0, dtype=np.int64)
        first, end = self._offsets[0], self._offsets[-1]
        return np.add.reduceat(counts[first:end], self._offsets[:-1] - first)

    def _split(self, i: int, counts: Counts) -> tuple[Counts, Counts]:
        own = slice(*self._offsets[i : i + 2].tolist())
        return self._reference[own], counts[own]

    def _lay_out(self) -> _Ordered:
        """Group the ordered cells of numeric columns, finely enough for the test."""
        first = self._offsets[0]
        numeric = [i for i, c in enumerate(self._cells) if isinstance(c, NumericBins)]
        starts: list[NDArray[np.intp]] = []
        groups: list[NDArray[np.intp]] = []
        n_starts = 0
        for i in range(len(self._cells)):
            begin = self._offsets[i] - first
            own = np.array([begin], dtype=np.intp)
            if i in numeric:
                r = self._reference[self._offsets[i] + N_ABSENT : self._offsets[i + 1]]
                steps = begin + N_ABSENT + self._group_starts(r)
                groups.append(n_starts + 1 + np.arange(len(steps)))
                own = np.append(own, steps)
            starts.append(own)
            n_starts += len(own)
        widest = max((len(each) for each in groups), default=1)
        padded = np.full((len(groups), widest), n_starts)
        for row, each in zip(padded, groups, strict=True):
            row[: len(each)] = each
        joined = np.concatenate([*starts, np.empty(0, dtype=np.intp)])
        return _Ordered(np.array(numeric, dtype=np.intp), joined, padded)

    def _group_starts(self, r: Counts) -> NDArray[np.intp]:
        """Return where groups of ordered cells begin: those of equal reference share.

        Bins beyond all rows of the reference stay apart from those with some.
        """
        if self._test not in COARSE or len(r) <= N_GROUPS:
            return np.arange(len(r))
        upto = np.cumsum(r)
        group = np.floor((upto - r) * (N_GROUPS / max(upto[-1], 1))).astype(np.intp)
        group[upto == 0] = -1
        return np.flatnonzero(np.diff(group, prepend=-2))

    def _own(self, counts: Counts) -> Counts:
        """Return the counts of these columns."""
        return counts[self._offsets[0] : self._offsets[-1]]

    def _compare_numbers(
        self, counts: Counts, inflations: Floats, found: _Found
    ) -> None:
        """Compare the values of all numeric columns at once."""
        columns, looks = self._ordered.columns, self._looks
        b = self._ordered.sums(self._own(counts))
        both = st.OrderedSamples.from_counts(self._r, b, self._r_upto)
        inflation = inflations[columns]
        statistic, pvalue = self._test_numbers(both, columns, inflation)
        has_values = (both.m > 0) & (both.n > 0)
        severity, distance = st.ordered_severity(
            both, looks, len(self._cells), inflation
        )
        band = st.kolmogorov_band(both.scale / inflation, self._alpha)
        found.statistics[columns] = np.where(has_values, statistic, np.nan)
        found.pvalues[columns] = np.where(has_values, pvalue, np.nan)
        found.severities[columns] = np.where(has_values, severity, 0.0)
        found.uppers[columns] = np.where(has_values, distance + band, 1.0)
        for row in np.flatnonzero(has_values & both.few_cells).tolist():
            surged = st.surged_cells(both.r[row], both.b[row], self._alpha)
            found.surged[columns[row]] = surged.any()
        for i, known, m in zip(
            columns.tolist(), has_values.tolist(), both.m.tolist(), strict=True
        ):
            found.unjudged[i] = "" if known else TOO_FEW if m else NOT_JUDGED

    def _test_numbers(
        self, both: st.OrderedSamples, columns: NDArray[np.intp], inflation: Floats
    ) -> st.SignificanceResult:
        if self._test == "auto":
            sparse = st.is_sparse(both)
            emphasis = NUMBER_TESTS["ad"]
            shape = st.quadratic_test(both, emphasis, inflation, sparse=sparse)
            spread = st.spread_test(both, inflation).pvalue
            spread = np.where(sparse, np.nan, spread)
            pvalues = np.array([shape.pvalue, spread]).T
            return st.SignificanceResult(
                shape.statistic, st.cauchy_combination(pvalues, SHAPE_WEIGHTS)
            )
        if self._test in NUMBER_TESTS:
            return st.quadratic_test(both, NUMBER_TESTS[self._test], inflation)
        if self._test == "ks":
            return st.kolmogorov_test(both, inflation)
        rows = [
            self._test_one(i, r, b, float(each)) if r.any() and b.any() else (0.0, 1.0)
            for i, r, b, each in zip(
                columns.tolist(), both.r, both.b, inflation, strict=True
            )
        ]
        return st.SignificanceResult(*np.array(rows).T)

    def _test_one(
        self, i: int, r: Counts, b: Counts, inflation: float
    ) -> st.SignificanceResult:
        """Compare one numeric column by a test that has no form for many."""
        cells = self._cells[i]
        if self._test == "wasserstein" and isinstance(cells, NumericBins):
            n_cells = cells.n_cells - N_ABSENT
            places = _positions(cells.edges)
            r, b = r[:n_cells], b[:n_cells]
            return st.wasserstein(r, b, places, cells.scale, inflation)
        groups = st.equal_groups(r, b, N_DIVERGENCE_GROUPS)
        return GROUP_TESTS[self._test](*groups, inflation)

    def _compare_labels(
        self, i: int, inflation: float, counts: Counts, found: _Found
    ) -> None:
        """Compare the labels of one column; dates and lists are not compared."""
        r, b = (each[1:] for each in self._split(i, counts))
        if not isinstance(self._cells[i], CategoryBins) or not r.sum():
            return
        found.unjudged[i] = TOO_FEW
        if not b.sum():
            return
        if b[0] or np.any(r[1:] + b[1:] == 1):
            unseen = st.unseen_labels(r, b, inflation)
            found.sides.setdefault(i, []).append(unseen.pvalue)
            found.severities[i] = unseen.statistic
        surged = st.surged_cells(r, b, self._alpha)
        surged[0] &= found.sides.get(i, [1.0])[0] < self._alpha
        found.surged[i] = surged.any()
        if b[0] or self._test != "chi2":  # else the textbook's table, as it is
            r, b = st.pool_rare_labels(r, b)
        if np.count_nonzero(r + b) < 2:
            found.uppers[i] = 1.0
            return
        found.unjudged[i] = ""
        statistic, pvalue = self._test_labels(r, b, inflation)
        found.statistics[i], found.pvalues[i] = statistic, pvalue
        self._measure_cells(i, r, b, inflation, found)

    def _test_labels(
        self, r: Counts, b: Counts, inflation: float
    ) -> st.SignificanceResult:
        if self._test in GROUP_TESTS:
            return GROUP_TESTS[self._test](r, b, inflation)
        whole, one = st.category_tests(r, b, inflation)
        return st.SignificanceResult(
            whole.statistic, st.cauchy_combination(np.array([whole.pvalue, one.pvalue]))
        )

    def _measure_cells(
        self, i: int, r: Counts, b: Counts, inflation: float, found: _Found
    ) -> None:
        distance = st.total_variation(r, b)
        bias = st.total_variation_bias(r, b, inflation)
        m, n = int(r.sum()), int(b.sum())
        band = st.kolmogorov_band(m * n / (m + n) / inflation, self._alpha)
        found.severities[i] = max(found.severities[i], st.debiased(distance, bias))
        found.uppers[i] = max(found.uppers[i], distance + band)

    def _compare_presence(
        self, counts: Counts, n: Counts, inflations: Floats, found: _Found
    ) -> None:
        """Compare missing and unreadable values where there are any."""
        for i in self._incomplete(counts).tolist():
            if not self._m[i] or not n[i]:
                continue
            n_absent = N_ABSENT if isinstance(self._cells[i], NumericBins) else 1
            r, b = (
                np.append(each[:n_absent], each[n_absent:].sum())
                for each in self._split(i, counts)
            )
            inflation = float(inflations[i])
            found.sides.setdefault(i, []).append(st.chi_square(r, b, inflation).pvalue)
            found.surged[i] |= st.surged_cells(r, b, self._alpha)[:-1].any()
            self._measure_cells(i, r, b, inflation, found)

    def _incomplete(self, counts: Counts) -> NDArray[np.intp]:
        """Return the columns in which either sample lacks values."""
        if not self._cells:
            return np.empty(0, dtype=np.intp)
        starts = self._offsets[:-1]
        lacking = self._reference[starts] + counts[starts]
        second = starts[self._ordered.columns] + 1
        lacking[self._ordered.columns] += self._reference[second] + counts[second]
        return np.flatnonzero(lacking)

    def _describe(self, i: int, counts: Counts, *, surged: bool) -> str:
        r, b = self._split(i, counts)
        if surged:
            return describe_surge(self._cells[i], r, b, self._alpha)
        return describe_change(self._cells[i], r, b)


def _known(pvalues: Floats) -> Floats:
    """Take a column whose values cannot be compared for no evidence of drift."""
    return np.where(np.isnan(pvalues), 1.0, pvalues)


def _fixed(m: int, n: int, absent: bool, unjudged: str) -> str:  # noqa: FBT001
    """Return the verdict that does not depend on the p-value, if there is one."""
    if not m:
        return NOT_JUDGED
    if not n:
        return ABSENT if absent else TOO_FEW
    return unjudged


def _weighted_bonferroni(pvalue: float, side_pvalues: list[float]) -> float:
    """Join the tests of a column; nearly all of alpha stays with the values.

    Which side tests there are depends only on both samples together, never on how the
    rows are split between them.
    """
    if np.isnan(pvalue):
        return min([1.0, *(p * len(side_pvalues) for p in side_pvalues)])
    weighted = [p / SIDE_WEIGHT for p in side_pvalues]
    return min(1.0, pvalue / (1 - SIDE_WEIGHT * len(weighted)), *weighted)


def _positions(edges: Floats) -> Floats:
    """Return one place on the axis for each cell between -inf and +inf."""
    if len(edges) == 0:
        return np.zeros(3)
    middles = edges[:-1] / 2 + edges[1:] / 2
    return np.concatenate([edges[[0, 0]], middles, edges[[-1, -1]]])
