"""Say in words how a column changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resilient_estimator import statistics as st
from resilient_estimator._format import percent
from resilient_estimator._typing import Counts
from resilient_estimator.reference._bins import Bins, CategoryBins, NumericBins


def describe_change(cells: Bins, r: Counts, b: Counts) -> str:
    """Return the largest change of a column, as in "missing 12 %, was 0 %"."""
    changes = [_share_change("missing", r, b, 0)]
    if isinstance(cells, NumericBins):
        changes.append(_share_change("unreadable", r, b, 1))
        changes.append(_value_change(cells.edges, r[2:], b[2:]))
    if isinstance(cells, CategoryBins):
        names = _label_names(cells)
        gain = b[1:] * r.sum() - r[1:] * b.sum()
        largest = 1 + int(np.argmax(2 * np.abs(gain) + (gain > 0)))
        changes.append(_share_change(names[largest], r, b, largest))
    changes = [change for change in changes if change[0] > 0]
    return max(changes)[1] if changes else ""


def describe_surge(cells: Bins, r: Counts, b: Counts, alpha: float) -> str:
    """Return how the cell grew that at least doubled, the largest if several did."""
    surged = st.surged_cells(r, b, alpha)
    largest = int(np.argmax(np.where(surged, b, -1)))
    if not surged.any():
        return describe_change(cells, r, b)
    if isinstance(cells, CategoryBins):
        name = _label_names(cells)[largest]
    elif largest < 2 or not isinstance(cells, NumericBins):
        name = ("missing", "unreadable")[largest]
    else:
        name = _interval(cells.edges, largest - 2)
    return _share_change(name, r, b, largest)[1]


def _label_names(cells: CategoryBins) -> list[str]:
    names = ["missing", "unseen labels", *map(_quoted, cells.texts)]
    return names + ["a rare label"] * len(cells.digests)


def _quoted(text: str) -> str:
    """Return a label in quotes, a number as it is."""
    is_number = text.startswith("<") and text.endswith(">")
    return text[1:-1] if is_number else repr(text)


def _share_change(name: str, r: Counts, b: Counts, cell: int) -> tuple[float, str]:
    before, now = r[cell] / r.sum(), b[cell] / b.sum()
    return abs(now - before), f"{name} {percent(now)}, was {percent(before)}"


def _value_change(
    edges: NDArray[np.float64], r: Counts, b: Counts
) -> tuple[float, str]:
    """Tell the bin that gained most if it explains the change, else the median."""
    if not r.sum() or not b.sum() or not len(edges):
        return 0.0, ""
    gain = b / b.sum() - r / r.sum()
    gap = float(np.abs(np.cumsum(gain)).max())
    fullest = int(np.argmax(gain))
    if gain[fullest] > gap / 2:
        return gap, _share_change(_interval(edges, fullest), r, b, fullest)[1]
    before, now = _median(edges, r), _median(edges, b)
    below = np.cumsum(r) / r.sum(), np.cumsum(gain)
    moved = abs(float(below[1][np.abs(below[0] - 0.5).argmin()]))
    if moved < gap / 2 or f"{before:.3g}" == f"{now:.3g}":
        return gap, "another spread or shape around the same median"
    return gap, f"median about {now:.3g}, was {before:.3g}"


def _interval(edges: NDArray[np.float64], cell: int) -> str:
    """Name one of the cells -inf, the bins from low to high, +inf."""
    if cell in (0, len(edges) + 2):
        return "infinite values"
    if not len(edges):
        return "finite values"
    if cell == 1:
        return f"values up to {edges[0]:.6g}:"
    if cell == len(edges) + 1:
        return f"values above {edges[-1]:.6g}:"
    middle = edges[cell - 2] / 2 + edges[cell - 1] / 2
    return f"values near {middle:.3g}:"


def _median(edges: NDArray[np.float64], counts: Counts) -> float:
    """Interpolate the median between the edges of its bin."""
    share = np.cumsum(counts)[:-1] / counts.sum()
    bounds = np.concatenate([edges[:1], edges, edges[-1:]])
    return float(np.interp(0.5, share, bounds[: len(share)]))
