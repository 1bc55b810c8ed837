"""The result of comparing a batch with the reference, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from resilient_estimator._results import NoTruthValue
from resilient_estimator._typing import Floats, Mask, Positions

DRIFTED = "drifted"
IMMATERIAL = "real but immaterial"
STABLE = "stable"
TOO_FEW = "too few rows to say"
ABSENT = "absent"
NOT_JUDGED = "not judged"

FEATURES = "features"
OUTPUTS = "outputs"
RELATIONS = "relations"
FLAGS = "flags"

# Names of the two kinds of relations.
GIVEN_THE_OTHERS = "columns given the others"
CORRELATIONS = "correlations between columns"

WORDS = ("none", "slight", "moderate", "strong", "severe")
WORD_LIMITS = (0.04, 0.08, 0.20, 0.31)


def severity_word(severity: float) -> str:
    """Return the word for a severity in [0, 1].

    The limits .04, .08, .20 and .31 are the Kolmogorov distances between two normal
    distributions whose means are .1, .2, .5 and .8 standard deviations apart, the
    conventional effect sizes.

    Examples
    --------
    >>> from resilient_estimator.drift import severity_word
    >>> severity_word(0.01), severity_word(0.25)
    ('none', 'strong')
    """
    if np.isnan(severity):
        return "unknown"
    return WORDS[int(np.searchsorted(WORD_LIMITS, severity, side="right"))]


@dataclass(frozen=True, eq=False)
class Drift(NoTruthValue):
    """What a detector found in one batch.

    A Drift has no truth value of its own: see `detected`.

    Attributes
    ----------
    features : tuple of str
        Names of the columns.
    statistics : ndarray of float of shape (n_features,)
        Test statistic of each column; NaN where there is none.
    pvalues : ndarray of float of shape (n_features,)
        p-values, corrected for the number of columns.
    severities : ndarray of float of shape (n_features,)
        Share of the batch's rows that the reference cannot explain, in [0, 1]: a lower
        estimate of the total variation distance, debiased for both sample sizes.
    verdicts : tuple of str
        "drifted", "real but immaterial", "stable", "too few rows to say", "absent" (the
        batch lacks the column) or "not judged" (the reference has no numbers or labels
        to compare with).
    changes : tuple of str
        What changed, in words; "" where there is nothing to report.
    n_reference, n_samples : int
        Number of rows in the reference and in the batch.
    alpha : float
        Probability of a false alarm in the whole batch.
    min_severity : float
        Severity from which a real difference counts as drift.
    parts : tuple of str, default=()
        What each entry belongs to: "features", "outputs", "relations" or "flags".
        Empty: all are features.
    upper_severities : ndarray of float of shape (n_features,), default=None
        Upper confidence bounds of the severities: what the batch cannot rule out.
    surged : ndarray of bool of shape (n_features,), default=None
        Whether a label or the missing values at least doubled their share and now make
        up at least one row in fifty, which is material whatever the severity.
    batch_pvalue : float, default=None
        p-value of the whole batch. If None, the smallest p-value of the columns.
    batch_drifted : bool, default=False
        Whether the batch as a whole drifted, even if no single column stands out.
    """

    _instead: ClassVar[str] = "detected"

    features: tuple[str, ...]
    statistics: Floats
    pvalues: Floats
    severities: Floats
    verdicts: tuple[str, ...]
    changes: tuple[str, ...]
    n_reference: int
    n_samples: int
    alpha: float
    min_severity: float
    parts: tuple[str, ...] = ()
    upper_severities: Floats | None = None
    surged: Mask | None = None
    batch_pvalue: float | None = None
    batch_drifted: bool = False

    def of(self, part: str) -> Positions:
        """Return the positions of the entries that belong to a part: ndarray of int."""
        parts = self.parts or (FEATURES,) * len(self.features)
        return np.flatnonzero(np.array(parts, dtype=object) == part)

    @property
    def drifted(self) -> Mask:
        """Which columns drifted: ndarray of bool of shape (n_features,)."""
        return np.array([v in (DRIFTED, ABSENT) for v in self.verdicts], dtype=bool)

    @property
    def detected(self) -> bool:
        """Whether the batch drifted, that is, a difference is real and material.

        The difference can be spread over so many columns that no single one stands out.
        """
        return bool(self.drifted.any() or self.batch_drifted)

    @property
    def pvalue(self) -> float:
        """p-value of the whole batch."""
        if self.batch_pvalue is not None:
            return self.batch_pvalue
        known = self.pvalues[~np.isnan(self.pvalues)]
        return float(known.min()) if len(known) else 1.0

    @property
    def severity(self) -> float:
        """Severity of the worst column."""
        known = self.severities[~np.isnan(self.severities)]
        return float(known.max()) if len(known) else 0.0

    @property
    def words(self) -> tuple[str, ...]:
        """Word for the severity of each column."""
        return tuple(severity_word(severity) for severity in self.severities)

    @property
    def word(self) -> str:
        """Word for the severity of the worst column."""
        return severity_word(self.severity)

    @property
    def share(self) -> float:
        """Share of the columns that drifted."""
        features = self.drifted[self.of(FEATURES)]
        return float(features.mean()) if len(features) else 0.0

    @property
    def verdict(self) -> str:
        """Verdict on the whole batch, which is that of the worst column.

        If nothing drifted, only features decide whether there are too few rows to say
        or whether a real difference is immaterial.
        """
        if self.detected:
            return DRIFTED
        columns = self.of(FEATURES)
        known = [self.verdicts[i] for i in columns] or self.verdicts
        for verdict in (TOO_FEW, IMMATERIAL, STABLE):
            if verdict in known:
                return verdict
        return NOT_JUDGED

    @property
    def n_drifted(self) -> int:
        """Number of columns that drifted."""
        return int(self.drifted[self.of(FEATURES)].sum())

    @property
    def n_columns(self) -> int:
        """Number of columns that were compared."""
        return len(self.of(FEATURES))

    @property
    def order(self) -> Positions:
        """Positions of the columns, worst first: drifted columns, then by severity."""
        severity = np.nan_to_num(self.severities, nan=-1.0)
        return np.lexsort((-severity, ~self.drifted))

    @property
    def worst(self) -> str | None:
        """Name of the worst column; None if there are no columns."""
        return self.features[self.order[0]] if self.features else None

    def to_dict(self) -> dict[str, list[Any]]:
        """Return a dict of lists, with one item per column."""
        n_entries = len(self.features)
        upper = self.upper_severities
        return {
            "part": list(self.parts or (FEATURES,) * n_entries),
            "feature": list(self.features),
            "statistic": self.statistics.tolist(),
            "pvalue": self.pvalues.tolist(),
            "severity": self.severities.tolist(),
            "upper": (np.full(n_entries, np.nan) if upper is None else upper).tolist(),
            "word": list(self.words),
            "verdict": list(self.verdicts),
            "detected": self.drifted.tolist(),
            "change": list(self.changes),
        }

    def __repr__(self) -> str:
        return (
            f"Drift({self.verdict}: {self.n_drifted} of {self.n_columns} columns, "
            f"severity={self.severity:.2f}, p={self.pvalue:.2g})"
        )
