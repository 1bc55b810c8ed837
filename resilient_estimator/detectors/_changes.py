"""Say in words how a column changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._cells import CategoryCells, Cells, NumericCells

Counts = NDArray[np.int64]


def describe_change(cells: Cells, r: Counts, b: Counts) -> str:
    """Return the largest change of a column, as in "missing 12 %, was 0 %"."""
    changes = [_share_change("missing", r, b, 0)]
    if isinstance(cells, NumericCells):
        changes.append(_share_change("unreadable", r, b, 1))
        changes.append(_median_change(cells, r[2:], b[2:]))
    if isinstance(cells, CategoryCells):
        names = ["", "unseen labels", *map(repr, cells.texts)]
        names += ["a rare label"] * len(cells.digests)
        gap = np.abs(b / b.sum() - r / r.sum())
        largest = int(np.argmax(gap[1:])) + 1
        changes.append(_share_change(names[largest], r, b, largest))
    changes = [change for change in changes if change[0] > 0]
    return max(changes)[1] if changes else ""


def _share_change(name: str, r: Counts, b: Counts, cell: int) -> tuple[float, str]:
    before, now = r[cell] / r.sum(), b[cell] / b.sum()
    return abs(now - before), f"{name} {percent(now)}, was {percent(before)}"


def _median_change(cells: NumericCells, r: Counts, b: Counts) -> tuple[float, str]:
    if not r.sum() or not b.sum() or not len(cells.edges):
        return 0.0, ""
    shares = np.cumsum(r) / r.sum() - np.cumsum(b) / b.sum()
    gap = float(np.abs(shares).max())
    before, now = _median(cells.edges, r), _median(cells.edges, b)
    if f"{before:.3g}" == f"{now:.3g}":
        return gap, "another spread or shape around the same median"
    return gap, f"median about {now:.3g}, was {before:.3g}"


def _median(edges: NDArray[np.float64], counts: Counts) -> float:
    """Interpolate the median between the edges of its bin."""
    share = np.cumsum(counts)[:-1] / counts.sum()
    bounds = np.concatenate([edges[:1], edges, edges[-1:]])
    return float(np.interp(0.5, share, bounds[: len(share)]))


def percent(share: float) -> str:
    """Return a share as a person would write it."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return (
        f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"
    )
