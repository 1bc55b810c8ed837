"""Compare how numeric columns depend on one another."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from scipy import special

from resilient_estimator import statistics as st
from resilient_estimator._typing import Floats
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._multiple_testing import Findings
from resilient_estimator.drift import (
    CORRELATIONS,
    GIVEN_THE_OTHERS,
    RELATIONS,
    TOO_FEW,
)
from resilient_estimator.reference import Profile, Reference
from resilient_estimator.reference._normal_scores import STEPS

FEWEST_FREE = 20
RIDGE = 1e-3
LARGEST_CORRELATION = 0.99
NORMAL_ROWS = 50  # rows' worth of belief that a pair is jointly normal


class _Moments(NamedTuple):
    """Number of rows, and mean and covariance of the scores of some columns."""

    n: int
    mean: Floats
    covariance: Floats

    @property
    def correlation(self) -> Floats:
        """Correlations; zero where a column does not vary."""
        scale = np.sqrt(np.diag(self.covariance))
        scale = np.where(scale > 0, scale, np.inf)
        limit = LARGEST_CORRELATION
        correlation = self.covariance / np.outer(scale, scale)
        return np.asarray(np.clip(correlation, -limit, limit))


class DependenceDrift(CountDetector):
    """Compare how numeric columns depend on one another.

    Two things are looked at that no column shows by itself: whether columns moved
    *given the others* (a car that is heavier than its power lets expect), and whether
    *correlations* changed. Both work from integer sums of normal scores, so profiles
    add up. The first 64 numeric columns that vary are compared.

    Parameters
    ----------
    alpha : float, default=0.05
        Chance of a false alarm for a batch.
    min_severity : float, default=0.04
        Severity from which on a real difference is reported as drift.
    max_severity : float, default=0.20
        Severity that must be ruled out to call the relations stable.
    time_ordered : bool, default=False
        Whether the reference's rows stand in the order of time; see `FeatureDrift`.

    Attributes
    ----------
    reference_ : Reference
        Counts of the training rows, and sums of products of their scores.

    Notes
    -----
    *Given the others*: with the difference `d` of the mean scores, the pooled
    covariance `S` and ``P = S^-1``, ``(P d)_j / sqrt(P_jj (1/m + 1/n))`` is Student's t
    of column `j` in a regression on all others (Hall and Jin 2010 call it innovated).
    A shift of one among correlated columns stands out in it.

    *Correlations*: the difference of Fisher's transforms ``atanh r``, divided by its
    standard error, which is estimated from the reference and not taken from the normal
    distribution: columns that vary together in bursts would raise false alarms.

    Severity is the total variation of two normal distributions that differ as much: for
    a shift by `d` standard deviations ``2 Phi(d / 2) - 1``, for a change of ``atanh r``
    by `z` about ``z / pi``; each with what chance alone explains taken away.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.detectors import DependenceDrift
    >>> rng = np.random.default_rng(0)
    >>> alike = rng.normal(size=(2000, 1)) + rng.normal(size=(2000, 2))
    >>> detector = DependenceDrift().fit(alike)
    >>> shuffled = np.column_stack([alike[:500, 0], alike[500:1000, 1]])
    >>> detector.compare(shuffled).verdicts
    ('stable', 'drifted')
    """

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        min_severity: float = 0.04,
        max_severity: float = 0.20,
        time_ordered: bool = False,
    ) -> None:
        self.alpha = alpha
        self.min_severity = min_severity
        self.max_severity = max_severity
        self.time_ordered = time_ordered

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Summarise training rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : DependenceDrift
            The fitted detector.
        """
        self._check_parameters()
        reference = Reference.learn(X, pairs=True, time_ordered=self.time_ordered)
        return self.fit_reference(reference)

    def _prepare(self) -> _Moments:
        return self._moments(self.reference_.profile)

    def _moments(self, profile: Profile) -> _Moments:
        """Return mean and covariance of the scores, in standard deviations."""
        layout = self.reference_.layout
        sums, squares = [], []
        for column, score in zip(*layout.pairs, strict=True):
            own = profile.counts[slice(*layout.offsets[column : column + 2])]
            sums.append(int(own @ score.astype(np.int64)))
            squares.append(int(own @ score.astype(np.int64) ** 2))
        products = profile.counts[layout.offsets[-1] :]
        second = layout.pairs.unflatten(products) + np.diag(squares)
        n = max(profile.n_samples, 1)
        mean = np.array(sums) / n / STEPS
        covariance = second / n / STEPS**2 - np.outer(mean, mean)
        return _Moments(profile.n_samples, mean, covariance)

    def _find(self, profile: Profile) -> list[Findings]:
        pairs = self.reference_.layout.pairs
        if pairs.n_pairs == 0:
            return []
        times = self._inflation(slice(None))[pairs.columns]
        r, b = self._prepared, self._moments(profile)
        names = [self.reference_.layout.names[i] for i in pairs.columns]
        inflation = float(times.max())
        worth = r.n / inflation, b.n / inflation
        if min(worth) + max(worth) - len(names) < FEWEST_FREE or min(worth) < 5:
            return [_too_few(GIVEN_THE_OTHERS), _too_few(CORRELATIONS)]
        noise = self.reference_.correlation_variance
        return [
            self._compare_means(r, b, worth, names),
            self._compare_correlations(r, b, worth, names, noise),
        ]

    def _compare_means(
        self, r: _Moments, b: _Moments, worth: tuple[float, float], names: list[str]
    ) -> Findings:
        pvalues, shift, variance = shifts_given_others(r, b, worth)
        quantile = -special.ndtri(1 / (2 * max(len(names), 2)))
        severity = 2 * special.ndtr(
            st.debiased(np.abs(shift), quantile * np.sqrt(variance)) / 2
        )
        limit = np.abs(shift) - special.ndtri(self.alpha / 2) * np.sqrt(variance)
        worst = int(np.argmin(pvalues))
        direction = "higher" if shift[worst] > 0 else "lower"
        change = (
            f"given the other columns, {names[worst]} is {direction} by "
            f"{abs(shift[worst]):.2f} standard deviations"
        )
        upper = float(2 * special.ndtr(limit.max() / 2) - 1)
        return _finding(
            GIVEN_THE_OTHERS, pvalues, float(severity.max() - 1), upper, change
        )

    def _compare_correlations(
        self,
        r: _Moments,
        b: _Moments,
        worth: tuple[float, float],
        names: list[str],
        noise: Floats | None,
    ) -> Findings:
        rows, columns = np.triu_indices(len(names), 1)
        before, now = r.correlation[rows, columns], b.correlation[rows, columns]
        varies = (np.diag(r.covariance) > 0) & (np.diag(b.covariance) > 0)
        # A column that is absent or constant has no correlations to compare.
        known = varies[rows] & varies[columns]
        change = np.where(known, np.arctanh(now) - np.arctanh(before), 0.0)
        m, n = worth
        assumed = np.ones(len(rows)) if noise is None else noise[rows, columns]
        spread = (m * assumed + NORMAL_ROWS) / (m + NORMAL_ROWS)
        variance = spread * (1 / (m - 3) + 1 / (n - 3))
        pvalues = 2 * special.ndtr(-np.abs(change) / np.sqrt(variance))
        quantile = -special.ndtri(1 / (2 * max(len(rows), 2)))
        found = st.debiased(np.abs(change), quantile * np.sqrt(variance))
        limit = np.abs(change) - special.ndtri(self.alpha / 2) * np.sqrt(variance)
        worst = int(np.argmin(pvalues))
        text = (
            f"correlation of {names[rows[worst]]} and {names[columns[worst]]} "
            f"{now[worst]:.2f}, was {before[worst]:.2f}"
        )
        severity = min(float(found.max() / np.pi), 1.0)
        upper = min(float(limit.max() / np.pi), 1.0)
        return _finding(CORRELATIONS, pvalues, severity, upper, text)


def shifts_given_others(
    r: Any, b: Any, worth: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    """Return p-value, size and variance of each column's shift given the others.

    Sizes are in standard deviations of the column given the others. `worth` is how many
    independent rows either sample is worth.
    """
    m, n = worth
    n_columns = len(r.mean)
    pooled = (m * r.covariance + n * b.covariance) / (m + n - 2)
    scale = np.sqrt(np.diag(pooled))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = pooled / np.outer(scale, scale)
    # Columns that are copies of one another have no inverse without the ridge.
    inverse = np.linalg.inv(correlation + RIDGE * np.eye(n_columns))
    moved = inverse @ ((b.mean - r.mean) / scale)
    own = np.einsum("ij,jk,ki->i", inverse, correlation, inverse)
    free = m + n - 1 - n_columns
    shift = moved / np.sqrt(np.maximum(own, 1e-12))
    # How far apart the other columns are by chance adds to the variance.
    others = np.maximum(moved @ ((b.mean - r.mean) / scale) - shift**2, 0.0)
    variance = (1 / m + 1 / n + others / (m + n - 2)) * (m + n - 2) / free
    pvalues = 2 * special.stdtr(free, -np.abs(shift) / np.sqrt(variance))
    return pvalues, shift, variance


def _finding(
    name: str, pvalues: Floats, severity: float, upper: float, change: str
) -> Findings:
    joined = float(st.cauchy_combination(pvalues))
    return Findings(
        part=RELATIONS,
        features=(name,),
        statistics=np.array([np.nan]),
        pvalues=np.array([joined]),
        severities=np.array([severity]),
        uppers=np.array([upper]),
        surged=np.zeros(1, dtype=bool),
        fixed=("",),
        describe=lambda _: change,
    )


def _too_few(name: str) -> Findings:
    nothing = np.array([np.nan])
    return Findings(
        part=RELATIONS,
        features=(name,),
        statistics=nothing,
        pvalues=nothing,
        severities=nothing,
        uppers=np.ones(1),
        surged=np.zeros(1, dtype=bool),
        fixed=(TOO_FEW,),
        describe=lambda _: "",
    )
