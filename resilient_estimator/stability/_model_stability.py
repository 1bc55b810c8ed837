"""How stable a model is over rows like these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resilient_estimator.stability._row_stability import RowScores
from resilient_estimator.statistics._intervals import wilson

UNSTABLE = 0.75  # rows that refitted models often disagree about mostly lie below


@dataclass(frozen=True)
class Stability:
    """How stable a model's answers to some rows are, with an interval.

    Its value is the share of small changes that leave the answer as it is. Among models
    for the same rows this share goes with how often retrained models agree; the mean of
    the rows' own stability, which counts how sure the model is too, hardly does
    (`benchmarks/stability_churn.py`).

    Attributes
    ----------
    value : float
        Share of the moved copies that get the answer of their row, in [0, 1].
    low, high : float
        Interval of that share over all rows that such rows may be drawn from.
    n_samples : int
        Rows that were scored.
    n_copies : int
        Moved copies of each.
    share_unstable : float
        Share of the rows whose own stability is below .75.
    confidence : float
        Coverage of the interval.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.stability._row_stability import RowScores
    >>> from resilient_estimator.stability import Stability
    >>> stays = np.array([1.0, 0.9, 1.0, 0.5] * 25)
    >>> Stability.of(RowScores(stability=stays, stays=stays), n_copies=10)
    stability 0.850 [0.805, 0.886]: of small changes, 15.0 % flip the answer (100 rows)
    """

    value: float
    low: float
    high: float
    n_samples: int
    n_copies: int
    share_unstable: float
    confidence: float = 0.95

    @property
    def flip_rate(self) -> float:
        """Share of the copies that get another answer than their row."""
        return 1 - self.value

    @classmethod
    def of(
        cls, rows: RowScores, *, n_copies: int, confidence: float = 0.95
    ) -> Stability:
        """Summarise the stability of rows.

        The interval is Wilson's (1927), for as many independent rows as have the
        variance that was seen: at least half of the rows, at most all copies.

        Parameters
        ----------
        rows : RowScores
            Scores of each row.
        n_copies : int
            Moved copies of each row.
        confidence : float, default=0.95
            Coverage.
        """
        stays, n_samples = rows.stays, len(rows.stays)
        if not n_samples:
            return cls(np.nan, 0.0, 1.0, 0, n_copies, np.nan, confidence)
        value = float(stays.mean())
        variance = float(stays.var(ddof=min(1, n_samples - 1))) / n_samples
        most = n_samples * n_copies
        n_effective = value * (1 - value) / variance if variance > 0 else most
        n_effective = float(np.clip(n_effective, n_samples / 2, most))
        low, high = wilson(value, n_effective, confidence)
        share = float(np.mean(rows.stability < UNSTABLE))
        return cls(value, low, high, n_samples, n_copies, share, confidence)

    def __repr__(self) -> str:
        return (
            f"stability {self.value:.3f} [{self.low:.3f}, {self.high:.3f}]: of small "
            f"changes, {100 * self.flip_rate:.1f} % flip the answer "
            f"({self.n_samples:,} rows)"
        )
