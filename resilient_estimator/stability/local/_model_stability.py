"""How stable a model is over rows like these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resilient_estimator.stability._intervals import wilson
from resilient_estimator.stability.local._scoring import RowScores

UNSTABLE = 0.75  # rows that refitted models often disagree about mostly lie below


@dataclass(frozen=True)
class Stability:
    """How stable a model's answers to some rows are, with an interval.

    Attributes
    ----------
    value : float
        Mean stability of the rows, in [0, 1].
    low, high : float
        Interval of the mean over all rows that such rows may be drawn from.
    n_samples : int
        Rows that were scored.
    n_copies : int
        Moved copies of each.
    flip_rate : float
        Share of the copies that get another answer than their row. Among models for the
        same rows it goes with how often retrained models disagree.
    share_unstable : float
        Share of the rows whose stability is below .75.
    confidence : float
        Coverage of the interval.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.stability import RowScores, Stability
    >>> scores = np.array([1.0, 0.9, 1.0, 0.5] * 25)
    >>> Stability.of(RowScores(scores, scores), n_copies=10)
    stability 0.850 [0.805, 0.886] on 100 rows; 15.0 % of small changes flip the answer
    """

    value: float
    low: float
    high: float
    n_samples: int
    n_copies: int
    flip_rate: float
    share_unstable: float
    confidence: float = 0.95

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
            Stability of each row.
        n_copies : int
            Moved copies of each row.
        confidence : float, default=0.95
            Coverage.
        """
        scores, n_samples = rows.stability, len(rows.stability)
        if not n_samples:
            return cls(np.nan, 0.0, 1.0, 0, n_copies, np.nan, np.nan, confidence)
        value = float(scores.mean())
        variance = float(scores.var(ddof=min(1, n_samples - 1))) / n_samples
        most = n_samples * n_copies
        n_effective = value * (1 - value) / variance if variance > 0 else most
        n_effective = float(np.clip(n_effective, n_samples / 2, most))
        low, high = wilson(value, n_effective, confidence)
        flips = 1 - float(rows.stays.mean())
        share = float(np.mean(scores < UNSTABLE))
        return cls(value, low, high, n_samples, n_copies, flips, share, confidence)

    def __repr__(self) -> str:
        return (
            f"stability {self.value:.3f} [{self.low:.3f}, {self.high:.3f}] on "
            f"{self.n_samples:,} rows; {100 * self.flip_rate:.1f} % of small changes "
            "flip the answer"
        )
