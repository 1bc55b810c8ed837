"""The unit in which a regressor's answers differ: how far off they usually are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator.reference import Reference
from resilient_estimator.reference._bins import NumericBins

NORMAL_MAD = 1.4826  # standard deviation of a normal over its median deviation


def residual_scales(residuals: Reference) -> Floats:
    """Return a robust standard deviation of each target's residuals, from counts.

    1.4826 times the median absolute deviation from the median, with residuals in the
    middle of their bins; the factor makes it the standard deviation of a normal.
    """
    layout, counts = residuals.layout, residuals.profile.counts
    return np.array(
        [
            _scale_of(cells, counts[layout.offsets[i] : layout.offsets[i + 1]])
            for i, cells in enumerate(layout.columns)
            if isinstance(cells, NumericBins)
        ]
    )


def _scale_of(cells: NumericBins, counts: NDArray[np.int64]) -> float:
    if len(cells.edges) < 2:
        return 0.0
    middles = (cells.edges[:-1] + cells.edges[1:]) / 2
    weights = counts[4:-2]  # of the bins that have two ends
    center = _weighted_median(middles, weights)
    return NORMAL_MAD * _weighted_median(np.abs(middles - center), weights)


def _weighted_median(values: Floats, weights: NDArray[np.int64]) -> float:
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(upto, upto[-1] / 2)])
