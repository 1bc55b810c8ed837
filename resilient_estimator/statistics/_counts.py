"""The result of a test, and the sums of counts that several tests share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from resilient_estimator._typing import Counts, Floats, Positions

MIN_EXPECTED = 10  # rows per cell, below which p-values are simulated


class SignificanceResult(NamedTuple):
    """Statistic and p-value of one test, or of one test per column."""

    statistic: Any
    pvalue: Any


def nonempty(r: Counts, b: Counts) -> tuple[Counts, Counts]:
    """Drop the cells that are empty in both samples."""
    used = (r + b) > 0
    return r[used], b[used]


def sum_groups(counts: Counts, group: Positions) -> Counts:
    """Sum the counts of the cells in each group."""
    return np.bincount(group, counts).astype(np.int64)


def cumulative_shares(counts: Counts) -> Floats:
    """Return the distribution function at the upper end of each cell."""
    total = np.cumsum(counts, axis=-1)
    return np.asarray(total / np.maximum(total[..., -1:], 1))


def smallest_expected(r: Counts, b: Counts) -> float:
    """Return the smallest expected count of a cell in the smaller sample."""
    fewer = min(r.sum(), b.sum())
    return float((r + b).min() * fewer / (r.sum() + b.sum()))
