"""Compare every column of a batch with the reference."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._cells import CategoryCells, Cells, NumericCells, OpaqueCells
from resilient_estimator.detectors import _statistics as st
from resilient_estimator.detectors._changes import describe_change
from resilient_estimator.drift import (
    ABSENT,
    DRIFTED,
    IMMATERIAL,
    NOT_JUDGED,
    STABLE,
    TOO_FEW,
    WORD_LIMITS,
    Drift,
)
from resilient_estimator.exceptions import is_number, parameter_error
from resilient_estimator.reference import Profile, Reference

NUMBER_TESTS = {
    "auto": st.anderson_darling,
    "ad": st.anderson_darling,
    "ks": st.kolmogorov_smirnov,
    "cvm": st.cramer_von_mises,
}
GROUP_TESTS = {
    "chi2": st.chi_square,
    "psi": st.population_stability,
    "jensen-shannon": st.jensen_shannon,
}
TESTS = (*NUMBER_TESTS, *GROUP_TESTS, "wasserstein")
N_DIVERGENCE_GROUPS = 10
# What matters: a batch whose band reaches "strong" is too small to be called stable.
MATTERS = WORD_LIMITS[2]
SIDE_WEIGHT = 0.1


class _Column(NamedTuple):
    """Result of one column before the correction for many columns."""

    statistic: float = np.nan
    pvalue: float = np.nan
    severity: float = np.nan
    n_reference: int = 0
    n_samples: int = 0
    unjudged: str = ""  # verdict where no values could be compared


class FeatureDrift(BaseEstimator):
    """Compare each column of a batch with the training data.

    All tests work from integer counts over the cells of the reference, so a batch in
    memory and the summed profiles of its parts give the same result. A column has
    drifted when the difference is real (p-value below `alpha` after Holm's correction
    for the number of columns) *and* material (severity at least `min_severity`).

    Parameters
    ----------
    test : str, default="auto"
        Test of the values. Missing values and unseen categories always have tests of
        their own.

        - "auto": Anderson-Darling for numbers, chi-square for categories;
        - "ad", "ks", "cvm", "wasserstein": for numbers; categories get chi-square;
        - "chi2", "psi", "jensen-shannon": for both; numbers are put into ten groups of
          equal reference share.
    alpha : float, default=0.05
        Chance of a false alarm for a batch, over all columns together.
    min_severity : float, default=0.04
        Severity from which on a real difference is reported as drift.

    Attributes
    ----------
    reference_ : Reference
        Counts of the training rows.

    See Also
    --------
    ResilientEstimator.assess : Compare a batch, with flags and reasons.

    Notes
    -----
    Severity is the largest of the Kolmogorov distance (numbers), the total variation
    and the share of unseen labels beyond the expected one (categories), and the
    difference in the share of missing values, each with what chance alone explains
    taken away: ``sqrt(max(0, s^2 - s0^2))``. All of them are lower bounds of the total
    variation between the two distributions, so severity reads as the share of
    production rows that the reference cannot explain.

    Labels that are rare in both samples together are compared as one: the reference
    holds too few of their rows to tell them from labels that it lacks.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import FeatureDrift
    >>> rng = np.random.default_rng(0)
    >>> detector = FeatureDrift().fit(rng.normal(size=(2000, 2)))
    >>> batch = rng.normal(size=(500, 2)) + [0, 1]
    >>> detector.compare(batch).verdicts
    ('stable', 'drifted')
    """

    def __init__(
        self, test: str = "auto", *, alpha: float = 0.05, min_severity: float = 0.04
    ) -> None:
        self.test = test
        self.alpha = alpha
        self.min_severity = min_severity

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Summarise training rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows. What is not a table gives a detector without columns.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : FeatureDrift
            The fitted detector.
        """
        return self.fit_reference(Reference.learn(X))

    def fit_reference(self, reference: Reference) -> Self:
        """Use counts that were made already.

        Parameters
        ----------
        reference : Reference
            Layout and profile of the training rows.

        Returns
        -------
        self : FeatureDrift
            The fitted detector.
        """
        self._check_parameters()
        self.reference_ = reference
        return self

    def compare(self, X: Any) -> Drift:
        """Compare a batch with the training rows.

        Parameters
        ----------
        X : array-like, sparse matrix, data frame or Profile
            The batch, or the counts of it.

        Returns
        -------
        drift : Drift
            One verdict per column and one for the batch.

        Raises
        ------
        ValueError
            If `X` is not a table or has another number of columns, or is a profile over
            another layout.
        """
        check_is_fitted(self)
        reference, profile = self.reference_.profile, self._profile(X)
        parts = self._split(profile)
        columns = [self._compare_column(*part) for part in parts]
        pvalues = st.holm(np.array([column.pvalue for column in columns]))
        verdicts = [
            self._verdict(column, pvalue, profile.n_samples)
            for column, pvalue in zip(columns, pvalues, strict=True)
        ]
        told = [
            describe_change(*part) if verdict == DRIFTED else ""
            for part, verdict in zip(parts, verdicts, strict=True)
        ]
        absent = np.array([verdict == ABSENT for verdict in verdicts], dtype=bool)
        severities = np.array([column.severity for column in columns], dtype=float)
        return Drift(
            features=tuple(self.reference_.layout.names),
            statistics=np.array([column.statistic for column in columns], dtype=float),
            pvalues=pvalues,
            severities=np.where(absent, 1.0, severities),
            verdicts=tuple(verdicts),
            changes=tuple(told),
            n_reference=reference.n_samples,
            n_samples=profile.n_samples,
            alpha=self.alpha,
            min_severity=self.min_severity,
        )

    def _profile(self, X: Any) -> Profile:
        layout = self.reference_.layout
        profile = X if isinstance(X, Profile) else layout.profile(X)
        if profile.layout_id != layout.layout_id:
            raise ValueError(
                f"The profile was counted over the layout {profile.layout_id!r}, but "
                f"this detector's layout is {layout.layout_id!r}."
            )
        return profile

    def _split(self, profile: Profile) -> list[tuple[Cells, st.Counts, st.Counts]]:
        """Return cells, reference counts and batch counts of each column."""
        layout, reference = self.reference_.layout, self.reference_.profile
        counts = (
            np.split(p.counts, layout.offsets[1:-1]) for p in (reference, profile)
        )
        return list(
            zip(layout.cells, *counts, strict=False)
        )  # no columns: one empty part

    def _check_parameters(self) -> None:
        if self.test not in TESTS:
            expected = "one of " + ", ".join(map(repr, TESTS))
            raise ValueError(parameter_error(self, "test", expected, self.test))
        if not is_number(self.alpha) or not 0 < self.alpha < 1:
            expected = "a float in the range (0, 1)"
            raise ValueError(parameter_error(self, "alpha", expected, self.alpha))
        if not is_number(self.min_severity) or not 0 <= self.min_severity <= 1:
            expected = "a float in the range [0, 1]"
            got = self.min_severity
            raise ValueError(parameter_error(self, "min_severity", expected, got))

    def _compare_column(
        self, cells: Cells, r: NDArray[np.int64], b: NDArray[np.int64]
    ) -> _Column:
        """Test values and missingness of a column; the smaller p-value counts.

        Bonferroni with fixed weights: nearly all of alpha stays with the values.
        """
        n_reference, n_samples = int(r.sum()), int(b.sum())
        if n_reference == 0 or n_samples == 0:
            return _Column(n_reference=n_reference, n_samples=n_samples)
        n_absent = 2 if isinstance(cells, NumericCells) else 1  # missing, unreadable
        sides = _compare_presence(r, b, n_absent)
        r, b = r[n_absent:], b[n_absent:]
        has_values = bool(r.sum() and b.sum())
        if isinstance(cells, CategoryCells) and has_values:
            if b[0] or np.any(r[1:] + b[1:] == 1):
                sides.append(st.unseen_labels(r, b))
            r, b = st.pool_rare_labels(r, b)
        severities = [0.0, *(side.statistic for side in sides)]
        statistic, pvalue = np.nan, np.nan
        if has_values and len(r) > 1:
            statistic, pvalue = self._test(cells, r, b)
            severities.append(self._severity(cells, r, b))
            unjudged = ""
        else:
            opaque = isinstance(cells, OpaqueCells) or r.sum() == 0
            unjudged = NOT_JUDGED if opaque else TOO_FEW
        pvalue = _weighted_bonferroni(pvalue, [side.pvalue for side in sides])
        severity = max(severities)
        return _Column(statistic, pvalue, severity, n_reference, n_samples, unjudged)

    def _severity(
        self, cells: Cells, r: NDArray[np.int64], b: NDArray[np.int64]
    ) -> float:
        if isinstance(cells, CategoryCells):
            return _excess_variation(r, b)
        n_features = len(self.reference_.layout.cells)
        bias = st.kolmogorov_bias(int(r.sum()), int(b.sum()), n_features)
        return st.debiased(st.kolmogorov_distance(r, b), bias)

    def _test(
        self, cells: Cells, r: NDArray[np.int64], b: NDArray[np.int64]
    ) -> st.Comparison:
        if isinstance(cells, CategoryCells):
            return GROUP_TESTS.get(self.test, st.chi_square)(r, b)
        if not isinstance(cells, NumericCells):
            return st.Comparison(np.nan, 1.0)
        if self.test in GROUP_TESTS:
            return GROUP_TESTS[self.test](*st.equal_groups(r, b, N_DIVERGENCE_GROUPS))
        if self.test == "wasserstein":
            return st.wasserstein(r, b, _positions(cells.edges), cells.scale)
        return NUMBER_TESTS[self.test](r, b)

    def _verdict(self, column: _Column, pvalue: float, n_samples: int) -> str:
        if column.n_reference == 0:
            return NOT_JUDGED
        if column.n_samples == 0:
            return ABSENT if n_samples else TOO_FEW
        if pvalue < self.alpha:
            return DRIFTED if column.severity >= self.min_severity else IMMATERIAL
        if column.unjudged:
            return column.unjudged
        band = st.band(column.n_reference, column.n_samples, self.alpha)
        return STABLE if column.severity + band < MATTERS else TOO_FEW


def _compare_presence(
    r: NDArray[np.int64], b: NDArray[np.int64], n_absent: int
) -> list[st.Comparison]:
    """Compare missing, unreadable and present values; nothing where all are present."""
    if r[:n_absent].sum() + b[:n_absent].sum() == 0:
        return []
    r = np.append(r[:n_absent], r[n_absent:].sum())
    b = np.append(b[:n_absent], b[n_absent:].sum())
    return [st.Comparison(_excess_variation(r, b), st.chi_square(r, b).pvalue)]


def _excess_variation(r: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    return st.debiased(st.total_variation(r, b), st.total_variation_bias(r, b))


def _weighted_bonferroni(pvalue: float, side_pvalues: list[float]) -> float:
    """Join the tests of a column; nearly all of alpha stays with the values.

    Which side tests there are depends only on both samples together, never on how the
    rows are split between them.
    """
    if np.isnan(pvalue):
        return min([1.0, *(p * len(side_pvalues) for p in side_pvalues)])
    weighted = [p / SIDE_WEIGHT for p in side_pvalues]
    return min(1.0, pvalue / (1 - SIDE_WEIGHT * len(weighted)), *weighted)


def _positions(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one place on the axis for each cell between -inf and +inf."""
    if len(edges) == 0:
        return np.zeros(3)
    middles = edges[:-1] / 2 + edges[1:] / 2
    return np.concatenate([edges[[0, 0]], middles, edges[[-1, -1]]])
