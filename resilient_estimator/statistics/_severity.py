"""How large a difference is, whatever the number of rows: bounds of total variation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from resilient_estimator._typing import Counts, Floats, Mask, Positions
from resilient_estimator.statistics._ordered import OrderedSamples, largest_distance

MIN_SURGED_SHARE = 0.02
OUTER_SIXTHS = (0.1587, 0.8413)  # one standard deviation off if the values are normal
Z_90 = 1.28  # normal quantile: nine of ten clean batches stay below


class Severity(NamedTuple):
    """Lower estimate of the total variation, and the largest distance as measured."""

    severity: Floats
    measured: Floats


def severity_boundaries(r_below: Floats) -> Positions:
    """Return the boundaries nearest to the reference's outer sixths and median.

    Parameters
    ----------
    r_below : ndarray of float of shape (n_columns, n_boundaries)
        Share of the reference below each boundary between cells.

    Returns
    -------
    boundaries : ndarray of int of shape (n_columns, 3)
        Position of the boundary at the lower sixth, the median, the upper sixth.
    """
    shares = (OUTER_SIXTHS[0], 0.5, OUTER_SIXTHS[1])
    nearest = [np.abs(r_below - share).argmin(axis=-1) for share in shares]
    return np.stack(nearest, axis=-1)


def ordered_severity(
    samples: OrderedSamples, boundaries: Positions, n_columns: int, inflation: Any
) -> Severity:
    """Estimate the total variation between two ordered samples from below.

    The severity is the largest of three lower bounds of the total variation, each
    debiased by what chance explains in the worst of `n_columns` clean columns:
    Kolmogorov's distance, and the changes of the shares above the reference's median
    and in its outer sixths together. The boundaries of the last two are fixed in
    advance, so chance explains less of them. As the three are strongly dependent,
    doubling the number of columns accounts for the choice among them.

    Parameters
    ----------
    samples : OrderedSamples
        Both samples, of shape (n_columns, n_cells).
    boundaries : ndarray of int of shape (n_columns, 3)
        As returned by `severity_boundaries`.
    n_columns : int
        Number of columns tested together.
    inflation : float or ndarray of float of shape (n_columns,)
        Factor by which dependence between successive rows multiplies variances.
    """
    scale = samples.scale / inflation
    n_columns = 2 * n_columns
    rows = np.arange(len(boundaries))[:, None]
    r_lower, r_middle, r_upper = samples.r_below[rows, boundaries].T
    lower, middle, upper = samples.distance[rows, boundaries].T
    changes = np.abs([largest_distance(samples), middle, upper - lower])
    bias = [
        kolmogorov_bias(scale, n_columns),
        share_bias(r_middle, scale, n_columns),
        share_bias(r_upper - r_lower, scale, n_columns),
    ]
    severity = debiased(changes, np.array(bias)).max(axis=0)
    return Severity(np.asarray(severity), np.asarray(changes.max(axis=0)))


def kolmogorov_bias(scale: Any, n_columns: int) -> Any:
    """Return the distance that the worst of `n_columns` clean columns typically has.

    `scale` is the effective number of rows ``m n / (m + n)``.
    """
    return special.kolmogi(1 / max(n_columns, 2)) / np.sqrt(scale)


def share_bias(share: Any, scale: Any, n_columns: int) -> Any:
    """Return the change of a share that the worst of `n_columns` clean columns has."""
    quantile = -special.ndtri(1 / (2 * max(n_columns, 2)))
    return quantile * np.sqrt(share * (1 - share) / scale)


def total_variation(r: Counts, b: Counts) -> float:
    """Return half the sum of the absolute differences of the shares."""
    return float(np.abs(r / r.sum() - b / b.sum()).sum() / 2)


def total_variation_bias(r: Counts, b: Counts, inflation: float = 1.0) -> float:
    """Return the total variation that nine of ten clean batches stay below."""
    m, n = r.sum(), b.sum()
    q = (r + b) / (m + n)
    variance = q * (1 - q) * (1 / m + 1 / n) * inflation
    spread = np.sqrt((1 - 2 / np.pi) * variance.sum())
    return float((np.sqrt(2 / np.pi * variance).sum() + Z_90 * spread) / 2)


def debiased(distance: Any, bias: Any) -> Any:
    """Return the part of a distance that chance alone does not explain."""
    return np.sqrt(np.maximum(0.0, distance**2 - bias**2))


def kolmogorov_band(scale: Any, alpha: float) -> Any:
    """Return the half width of the Kolmogorov band around a distance at level `alpha`.

    By McDiarmid's (1989) inequality the total variation, too, exceeds the measured one
    by more than about this width with probability at most `alpha`.
    """
    return special.kolmogi(alpha) / np.sqrt(scale)


def surged_cells(r: Counts, b: Counts, alpha: float) -> Mask:
    """Return which cells at least doubled their share and hold one row in fifty.

    The growth of the cell itself must be significant: given its rows in both samples,
    those of the batch are binomial if the rates are equal, and their tail must be below
    `alpha` divided by the number of cells.
    """
    m, n = r.sum(), b.sum()
    doubled = (b * m >= 2 * r * n) & (b >= MIN_SURGED_SHARE * n) & (b > 0)
    tail = special.bdtrc(b - 1, r + b, n / (m + n))
    return np.asarray(doubled & (tail * len(r) < alpha))
