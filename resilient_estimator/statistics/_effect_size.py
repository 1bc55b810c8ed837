"""How large a difference is, whatever the number of rows: parts of total variation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from resilient_estimator._typing import Counts, Floats
from resilient_estimator.statistics._ordered import (
    Ordered,
    largest_distance,
)

LEAST_SHARE = 0.02
OUTER_THIRD = (0.1587, 0.8413)  # one standard deviation off, if it is normal


def places_to_look(r_below: Floats) -> NDArray[np.intp]:
    """Return the boundaries at the reference's outer sixths and median.

    The shape is (n_columns, 3); that of `r_below` is (n_columns, n_boundaries).
    """
    shares = (OUTER_THIRD[0], 0.5, OUTER_THIRD[1])
    each = [np.abs(r_below - share).argmin(axis=-1) for share in shares]
    return np.stack(each, axis=-1)


class Severity(NamedTuple):
    """Lower estimate of total variation, and the largest distance as measured."""

    severity: Floats
    measured: Floats


def ordered_severity(
    both: Ordered, looks: NDArray[np.intp], n_columns: int, inflation: Any
) -> Severity:
    """Lower estimate of the total variation between two ordered samples.

    The largest of three lower bounds of total variation, each with what chance explains
    in the worst of `n_columns` clean columns taken away: Kolmogorov's distance, and the
    changes of the shares above the reference's median and in its outer third. The last
    two are fixed beforehand, so chance explains less of them. As the three go together
    by and large, twice the columns make up for the choice among them.
    """
    scale = both.scale / inflation
    n_columns = 2 * n_columns
    rows = np.arange(len(looks))[:, None]
    r_low, r_middle, r_high = both.r_below[rows, looks].T
    low, middle, high = both.distance[rows, looks].T
    changes = np.abs([largest_distance(both), middle, high - low])
    bias = np.empty_like(changes)
    bias[0] = kolmogorov_bias(scale, n_columns)
    bias[1] = share_bias(r_middle, scale, n_columns)
    bias[2] = share_bias(r_high - r_low, scale, n_columns)
    severity = debiased(changes, bias).max(axis=0)
    return Severity(np.asarray(severity), np.asarray(changes.max(axis=0)))


def kolmogorov_bias(scale: Any, n_columns: int) -> Any:
    """Distance that the worst of `n_columns` clean columns typically shows.

    `scale` is the effective number of rows ``m n / (m + n)``.
    """
    return special.kolmogi(1 / max(n_columns, 2)) / np.sqrt(scale)


def share_bias(share: Any, scale: Any, n_columns: int) -> Any:
    """Change of a share that the worst of `n_columns` clean columns typically shows."""
    quantile = -special.ndtri(1 / (2 * max(n_columns, 2)))
    return quantile * np.sqrt(share * (1 - share) / scale)


def total_variation(r: Counts, b: Counts) -> float:
    """Half the sum of the absolute differences of the shares."""
    return float(np.abs(r / r.sum() - b / b.sum()).sum() / 2)


def total_variation_bias(r: Counts, b: Counts, inflation: float = 1.0) -> float:
    """Total variation that a clean batch shows in nine of ten cases."""
    m, n = r.sum(), b.sum()
    q = (r + b) / (m + n)
    variance = q * (1 - q) * (1 / m + 1 / n) * inflation
    spread = np.sqrt((1 - 2 / np.pi) * variance.sum())
    return float((np.sqrt(2 / np.pi * variance).sum() + 1.28 * spread) / 2)


def debiased(distance: Any, bias: Any) -> Any:
    """Take the part of a distance away that chance alone explains."""
    return np.sqrt(np.maximum(0.0, distance**2 - bias**2))


def band(scale: Any, alpha: float) -> Any:
    """Half width of the Kolmogorov band around a distance, at level `alpha`.

    By McDiarmid's (1989) inequality total variation, too, exceeds what was measured by
    more than nearly this width with probability at most `alpha`.
    """
    return special.kolmogi(alpha) / np.sqrt(scale)


def surged_cells(r: Counts, b: Counts, alpha: float) -> NDArray[np.bool_]:
    """Return which cells at least doubled their share, and hold one row in fifty.

    The growth of the cell itself must be real: given its rows in both samples, those of
    the batch are binomial where the rates are equal, and their tail must be below
    `alpha` divided by the number of cells.
    """
    m, n = r.sum(), b.sum()
    doubled = (b * m >= 2 * r * n) & (b >= LEAST_SHARE * n) & (b > 0)
    tail = special.bdtrc(b - 1, r + b, n / (m + n))
    return np.asarray(doubled & (tail * len(r) < alpha))
