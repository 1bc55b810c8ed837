"""Evidence from bets on small p-values, after Shiryaev and Roberts, with forgetting."""

from __future__ import annotations

from itertools import accumulate
from math import ceil, inf, log, sqrt
from typing import NamedTuple

import numpy as np

from resilient_estimator._typing import Floats, Mask, Positions


class ShiryaevRoberts(NamedTuple):
    """Evidence ``R = (1 + forgetting_factor * R) * epsilon * p ** (epsilon - 1)``.

    Parameters
    ----------
    epsilon : float
        Exponent of the bets, in (0, 1).
    forgetting_factor : float
        Share of the evidence that is kept at the next p-value, in (0, 1].
    threshold : float
        Evidence that raises an alarm; it grows no further.
    """

    epsilon: float
    forgetting_factor: float
    threshold: float

    def accumulate(
        self, pvalues: Floats, fresh: Mask, evidence: float, *, in_alarm: bool
    ) -> tuple[Floats, Mask]:
        """Return the evidence after each query, and whether there is an alarm.

        Parameters
        ----------
        pvalues : ndarray of float of shape (n_fresh,)
            P-values of the queries that count.
        fresh : ndarray of bool of shape (n_samples,)
            Which queries these are.
        evidence : float
            Evidence before the first query.
        in_alarm : bool
            Whether there was an alarm then.

        Returns
        -------
        path : ndarray of float of shape (n_samples,)
            In [0, `threshold`].
        alarm : ndarray of bool of shape (n_samples,)
            True from the threshold on, until evidence is below its root.
        """
        bets = self.epsilon * pvalues ** (self.epsilon - 1)
        values = np.array(list(accumulate(bets.tolist(), self._bet, initial=evidence)))
        path = values[np.append(0, np.cumsum(fresh))]
        starts, ends = path >= self.threshold, path < sqrt(self.threshold)
        starts[0], ends[0] = in_alarm, not in_alarm
        return path[1:], (_last(starts) > _last(ends))[1:]

    def delay(self, n_distances: int) -> float:
        """Return how many of the least p-values in a row raise no alarm.

        Parameters
        ----------
        n_distances : int
            Number of reference distances, by which p-values are bounded.
        """
        factor = self.epsilon * (n_distances + 1) ** (1 - self.epsilon)
        growth = self.forgetting_factor * factor
        if growth <= 1:
            return inf
        h = factor / (growth - 1)
        start = self.epsilon / (1 - self.forgetting_factor * self.epsilon)
        return ceil(log((self.threshold + h) / (start + h)) / log(growth)) - 1.0

    def _bet(self, evidence: float, bet: float) -> float:
        return min((1 + self.forgetting_factor * evidence) * bet, self.threshold)


def _last(events: Mask) -> Positions:
    """Return where the last event up to each place was, -1 before the first."""
    return np.maximum.accumulate(np.where(events, np.arange(len(events)), -1))
