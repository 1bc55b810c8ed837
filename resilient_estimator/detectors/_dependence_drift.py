"""Compare how numeric columns depend on one another."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy import special

from resilient_estimator import statistics as st
from resilient_estimator._typing import Floats
from resilient_estimator._validation import BOOLEAN, Constraints
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._decision_rule import (
    RULE_CONSTRAINTS,
    FamilyResult,
)
from resilient_estimator.detectors._description import rose_or_fell
from resilient_estimator.drift import (
    CORRELATIONS,
    GIVEN_THE_OTHERS,
    RELATIONS,
    TOO_FEW,
)
from resilient_estimator.reference import Profile, Reference
from resilient_estimator.reference._normal_scores import STEPS

MIN_ROWS = 5
MIN_DEGREES_OF_FREEDOM = 20
RIDGE = 1e-3
LARGEST_CORRELATION = 0.99
PRIOR_ROWS = 50  # weight of the prior assumption that a pair is jointly normal


class _Moments(NamedTuple):
    """Number of rows, and mean and covariance of the scores of the paired columns."""

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


class _Samples(NamedTuple):
    """Moments of reference and batch, and how many independent rows they are worth."""

    r: _Moments
    b: _Moments
    m: float
    n: float
    names: list[str]


class DependenceDrift(CountDetector):
    """Compare how numeric columns depend on one another.

    Two properties are tested that no single column shows: whether columns moved *given
    the others* (a car that is heavier than its power suggests), and whether
    *correlations* changed. Both work from integer sums of normal scores, so profiles
    add up. The first 64 numeric columns that vary are compared.

    Parameters
    ----------
    alpha : float, default=0.05
        Probability of a false alarm for a batch without drift.
    min_severity : float, default=0.04
        Severity from which on a significant difference counts as drift.
    max_severity : float, default=0.20
        Severity that must be ruled out for the relationships to be called stable.
    time_ordered : bool, default=False
        Whether the rows of the reference are in the order of time; see `FeatureDrift`.

    Attributes
    ----------
    reference_ : Reference
        Counts of the training rows, and sums of products of their scores.

    Notes
    -----
    *Given the others*: with the difference `d` of the mean scores, the pooled
    covariance `S` and ``P = S^-1``, ``(P d)_j / sqrt(P_jj (1/m + 1/n))`` is Student's t
    of column `j` in a regression on all others (Hall and Jin 2010 call it innovated).
    It is sensitive to the shift of one among correlated columns.

    *Correlations*: the difference of Fisher's transforms ``atanh r``, divided by its
    standard error. This is estimated from the reference and not taken from the normal
    distribution: columns with simultaneous bursts would otherwise raise false alarms.

    The severity is the total variation between two normal distributions with the same
    difference: for a shift by `d` standard deviations ``2 Phi(d / 2) - 1``, for a
    change of ``atanh r`` by `z` about ``z / pi``. What chance alone explains is
    subtracted.

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

    _constraints: ClassVar[Constraints] = {
        **RULE_CONSTRAINTS,
        "time_ordered": [BOOLEAN],
    }

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
            Present for API consistency.

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
            own = profile.counts[layout.cells_of(column)]
            sums.append(int(own @ score.astype(np.int64)))
            squares.append(int(own @ score.astype(np.int64) ** 2))
        products = profile.counts[layout.offsets[-1] :]
        second = layout.pairs.unflatten(products) + np.diag(squares)
        n = max(profile.n_samples, 1)
        mean = np.array(sums) / n / STEPS
        covariance = second / n / STEPS**2 - np.outer(mean, mean)
        return _Moments(profile.n_samples, mean, covariance)

    def _find(self, profile: Profile) -> list[FamilyResult]:
        pairs = self.reference_.layout.pairs
        if pairs.n_pairs == 0:
            return []
        r, b = self._prepared, self._moments(profile)
        names = [self.reference_.layout.names[i] for i in pairs.columns]
        inflation = float(self._inflation(slice(None))[pairs.columns].max())
        m, n = r.n / inflation, b.n / inflation
        if m + n - len(names) < MIN_DEGREES_OF_FREEDOM or min(m, n) < MIN_ROWS:
            return [_too_few(GIVEN_THE_OTHERS), _too_few(CORRELATIONS)]
        samples = _Samples(r, b, m, n, names)
        variance = self.reference_.correlation_variance
        return [
            _compare_means(samples, self.alpha),
            _compare_correlations(samples, variance, self.alpha),
        ]


def _compare_means(samples: _Samples, alpha: float) -> FamilyResult:
    """Test for shifts of columns given the others."""
    names = samples.names
    pvalues, shift, variance = shifts_given_others(*samples[:4])
    largest = _largest_change(shift, variance, alpha)
    severity, upper = (2 * special.ndtr(each / 2) - 1 for each in largest)
    worst = int(np.argmin(pvalues))
    direction = "higher" if shift[worst] > 0 else "lower"
    text = (
        f"given the other columns, {names[worst]} is {direction} by "
        f"{abs(shift[worst]):.2f} standard deviations"
    )
    return _family_result(GIVEN_THE_OTHERS, pvalues, severity, upper, text)


def _compare_correlations(
    samples: _Samples, variances: Floats | None, alpha: float
) -> FamilyResult:
    """Test for changes of correlations, with estimated variances."""
    r, b, m, n, names = samples
    rows, columns = np.triu_indices(len(names), 1)
    before, now = r.correlation[rows, columns], b.correlation[rows, columns]
    varies = (np.diag(r.covariance) > 0) & (np.diag(b.covariance) > 0)
    # A column that is absent or constant has no correlations to compare.
    known = varies[rows] & varies[columns]
    change = np.where(known, np.arctanh(now) - np.arctanh(before), 0.0)
    estimated = np.ones(len(rows)) if variances is None else variances[rows, columns]
    inflation = (m * estimated + PRIOR_ROWS) / (m + PRIOR_ROWS)
    variance = inflation * (1 / (m - 3) + 1 / (n - 3))
    pvalues = 2 * special.ndtr(-np.abs(change) / np.sqrt(variance))
    largest = _largest_change(change, variance, alpha)
    severity, upper = (min(each / np.pi, 1.0) for each in largest)
    worst = int(np.argmin(pvalues))
    pair = f"{names[rows[worst]]} and {names[columns[worst]]}"
    verb = rose_or_fell(before[worst], now[worst])
    text = (
        f"the correlation of {pair} {verb} from {before[worst]:.2f} to {now[worst]:.2f}"
    )
    return _family_result(CORRELATIONS, pvalues, severity, upper, text)


def _largest_change(
    change: Floats, variance: Floats, alpha: float
) -> tuple[float, float]:
    """Return the largest debiased change, and the largest upper confidence bound."""
    quantile = -special.ndtri(1 / (2 * max(len(change), 2)))
    debiased = st.debiased(np.abs(change), quantile * np.sqrt(variance))
    upper = np.abs(change) - special.ndtri(alpha / 2) * np.sqrt(variance)
    return float(debiased.max()), float(upper.max())


def shifts_given_others(
    r: Any, b: Any, m: float, n: float
) -> tuple[Floats, Floats, Floats]:
    """Return p-value, size and variance of each column's shift given the others.

    Parameters
    ----------
    r, b : object
        Samples with the attributes `mean`, of shape (n_columns,), and `covariance`, of
        shape (n_columns, n_columns).
    m, n : float
        Number of independent rows that either sample is worth.

    Returns
    -------
    pvalues, shift, variance : ndarray of float of shape (n_columns,)
        Shifts are in standard deviations of the column given the others.
    """
    n_columns = len(r.mean)
    pooled = (m * r.covariance + n * b.covariance) / (m + n - 2)
    scale = np.sqrt(np.diag(pooled))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = pooled / np.outer(scale, scale)
    # The matrix is singular without the ridge if a column is a copy of another.
    inverse = np.linalg.inv(correlation + RIDGE * np.eye(n_columns))
    moved = inverse @ ((b.mean - r.mean) / scale)
    own = np.einsum("ij,jk,ki->i", inverse, correlation, inverse)
    free = m + n - 1 - n_columns
    shift = moved / np.sqrt(np.maximum(own, 1e-12))
    # The distance by chance between the other columns adds to the variance.
    others = np.maximum(moved @ ((b.mean - r.mean) / scale) - shift**2, 0.0)
    variance = (1 / m + 1 / n + others / (m + n - 2)) * (m + n - 2) / free
    pvalues = 2 * special.stdtr(free, -np.abs(shift) / np.sqrt(variance))
    return pvalues, shift, variance


def _family_result(
    name: str, pvalues: Floats, severity: float, upper: float, text: str
) -> FamilyResult:
    """Combine all tests of one kind to a single entry."""
    return FamilyResult(
        part=RELATIONS,
        features=(name,),
        statistics=np.array([np.nan]),
        pvalues=np.array([float(st.cauchy_combination(pvalues))]),
        severities=np.array([severity]),
        upper_severities=np.array([upper]),
        surged=np.zeros(1, dtype=bool),
        fixed_verdicts=("",),
        describe=lambda _: text,
    )


def _too_few(name: str) -> FamilyResult:
    unknown = np.array([np.nan])
    return FamilyResult(
        part=RELATIONS,
        features=(name,),
        statistics=unknown,
        pvalues=unknown,
        severities=unknown,
        upper_severities=np.ones(1),
        surged=np.zeros(1, dtype=bool),
        fixed_verdicts=(TOO_FEW,),
        describe=lambda _: "",
    )
