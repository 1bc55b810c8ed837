"""The stability of a model over a set of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resilient_estimator.exceptions import ambiguous_truth
from resilient_estimator.stability._row_stability import RowScores
from resilient_estimator.statistics._intervals import wilson

UNSTABLE = 0.75  # refitted models often disagree about rows below


@dataclass(frozen=True)
class Stability:
    """Stability of a model over a set of rows, with a confidence interval.

    Its value is the share of small changes that leave the prediction unchanged. Among
    models for the same rows this share follows how often retrained models agree. The
    mean of the rows' own stability, which also depends on how confident the model is,
    hardly does (`benchmarks/stability_churn.py`).

    A Stability has no truth value: compare `value` with a limit of your own.

    Attributes
    ----------
    value : float
        Share of the perturbed copies that get the prediction of their row, in [0, 1].
    lower, upper : float
        Confidence interval of that share, over the population of the rows.
    n_samples : int
        Number of rows that were scored.
    n_copies : int
        Number of perturbed copies of each row.
    share_unstable : float
        Share of the rows whose own stability is below .75.
    confidence_level : float
        Confidence level of the interval.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.stability._row_stability import RowScores
    >>> from resilient_estimator.stability import Stability
    >>> stays = np.array([1.0, 0.9, 1.0, 0.5] * 25)
    >>> stability = Stability.of(RowScores(stability=stays, stays=stays), n_copies=10)
    >>> print(f"{stability.value:.2f} [{stability.lower:.3f}, {stability.upper:.3f}]")
    0.85 [0.805, 0.886]
    """

    value: float
    lower: float
    upper: float
    n_samples: int
    n_copies: int
    share_unstable: float
    confidence_level: float = 0.95

    @property
    def flip_rate(self) -> float:
        """Share of the copies whose prediction differs from that of their row."""
        return 1 - self.value

    @classmethod
    def of(
        cls, rows: RowScores, *, n_copies: int, confidence_level: float = 0.95
    ) -> Stability:
        """Summarise the stability of rows.

        The interval is Wilson's (1927), for the number of independent copies that would
        have the observed variance: at least half the number of rows, at most the number
        of copies.

        Parameters
        ----------
        rows : RowScores
            Scores of each row.
        n_copies : int
            Number of perturbed copies of each row.
        confidence_level : float, default=0.95
            Confidence level of the interval.
        """
        stays, n_samples = rows.stays, len(rows.stays)
        if not n_samples:
            return cls(np.nan, 0.0, 1.0, 0, n_copies, np.nan, confidence_level)
        value = float(stays.mean())
        variance = float(stays.var(ddof=min(1, n_samples - 1))) / n_samples
        most = n_samples * n_copies
        n_effective = value * (1 - value) / variance if variance > 0 else most
        n_effective = float(np.clip(n_effective, n_samples / 2, most))
        lower, upper = wilson(value, n_effective, confidence_level)
        share = float(np.mean(rows.stability < UNSTABLE))
        return cls(value, lower, upper, n_samples, n_copies, share, confidence_level)

    def __bool__(self) -> bool:
        raise ambiguous_truth(self, "value")

    def __repr__(self) -> str:
        return (
            f"stability {self.value:.3f} [{self.lower:.3f}, {self.upper:.3f}]: "
            f"{100 * self.flip_rate:.1f} % of small changes flip the prediction "
            f"({self.n_samples:,} rows)"
        )
