"""Report how long a slow computation will still take."""

from __future__ import annotations

import logging
import math
from time import monotonic

PATIENCE = 10.0  # seconds

LOGGER = logging.getLogger("resilient_estimator")


class Progress:
    """Log a line every ten seconds while more than ten seconds remain.

    Lines are warnings of the logger "resilient_estimator", which Python prints to
    stderr unless logging is configured differently.

    Parameters
    ----------
    what : str
        Name of the computation, for example "score_stability".
    total : int
        Number of steps.
    unit : str, default="rows"
        What the steps are, in the plural.

    Examples
    --------
    >>> from resilient_estimator._progress import Progress
    >>> Progress("score_stability", total=1000).step(500)  # fast: logs nothing
    """

    def __init__(self, what: str, total: int, unit: str = "rows") -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._start = monotonic()
        self._last = -math.inf

    def step(self, done: int) -> None:
        """Log how many steps are done, if it is time to."""
        now = monotonic()
        pace = (now - self._start) / max(done, 1)
        remaining = pace * (self._total - done)
        if remaining <= PATIENCE or now - self._last < PATIENCE:
            return
        self._last = now
        LOGGER.warning(
            "%s: %s of %s %s done; the model is slow (%s per %s), about %s left",
            self._what,
            f"{done:,}",
            f"{self._total:,}",
            self._unit,
            _duration(pace),
            self._unit.removesuffix("s"),
            _duration(remaining),
        )


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
