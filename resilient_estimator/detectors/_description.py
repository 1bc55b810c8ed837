"""Describe in words how a column changed."""

from __future__ import annotations

import numpy as np

from resilient_estimator import statistics as st
from resilient_estimator._results import percent
from resilient_estimator._typing import Counts, Floats
from resilient_estimator.reference._bins import (
    N_ABSENT,
    Bins,
    CategoryBins,
    NumericBins,
)

SAME_MEDIAN = "different spread or shape around the same median"


def describe_change(bins: Bins, r: Counts, b: Counts) -> str:
    """Return the largest change of a column in words.

    Parameters
    ----------
    bins : NumericBins, CategoryBins or OpaqueBins
        The cells of the column.
    r, b : ndarray of int of shape (n_cells,)
        Counts of reference and batch.

    Returns
    -------
    change : str
        Such as "missing values rose from 0 % to 12 %"; "" if nothing changed.
    """
    changes = [_share_change("missing values", r, b, 0)]
    if isinstance(bins, NumericBins):
        changes.append(_share_change("unreadable values", r, b, 1))
        changes.append(_value_change(bins.edges, r[N_ABSENT:], b[N_ABSENT:]))
    if isinstance(bins, CategoryBins):
        gain = b[1:] * r.sum() - r[1:] * b.sum()
        largest = 1 + int(np.argmax(2 * np.abs(gain) + (gain > 0)))
        changes.append(_share_change(_label_name(bins, largest), r, b, largest))
    changes = [change for change in changes if change[0] > 0]
    return max(changes)[1] if changes else ""


def describe_surge(bins: Bins, r: Counts, b: Counts, alpha: float) -> str:
    """Return the growth of the fullest cell that at least doubled in words.

    Parameters
    ----------
    bins : NumericBins, CategoryBins or OpaqueBins
        The cells of the column.
    r, b : ndarray of int of shape (n_cells,)
        Counts of reference and batch.
    alpha : float
        Level at which the growth must be significant.
    """
    surged = st.surged_cells(r, b, alpha)
    if not surged.any():
        return describe_change(bins, r, b)
    largest = int(np.argmax(np.where(surged, b, -1)))
    return _share_change(_cell_name(bins, largest), r, b, largest)[1]


def rose_or_fell(before: float, now: float) -> str:
    """Return the verb for a change from one number to another."""
    return "rose" if now > before else "fell"


def _cell_name(bins: Bins, cell: int) -> str:
    if isinstance(bins, CategoryBins):
        return _label_name(bins, cell)
    if isinstance(bins, NumericBins) and cell >= N_ABSENT:
        return _interval(bins.edges, cell - N_ABSENT)
    return ("missing values", "unreadable values")[cell]


def _label_name(bins: CategoryBins, cell: int) -> str:
    names = ["missing values", "unseen labels", *map(_share_of, bins.texts)]
    return names[cell] if cell < len(names) else "a rare label"


def _share_of(text: str) -> str:
    """Return the name of a label's share: in quotes, unless the label is a number."""
    is_number = text.startswith("<") and text.endswith(">")
    return f"share of {text[1:-1] if is_number else repr(text)}"


def _share_change(name: str, r: Counts, b: Counts, cell: int) -> tuple[float, str]:
    before, now = r[cell] / r.sum(), b[cell] / b.sum()
    verb = rose_or_fell(before, now)
    text = f"{name} {verb} from {percent(before)} to {percent(now)}"
    return abs(now - before), text


def _value_change(edges: Floats, r: Counts, b: Counts) -> tuple[float, str]:
    """Describe the bin that gained most if it explains the change, else the median."""
    if not r.sum() or not b.sum() or not len(edges):
        return 0.0, ""
    gain = b / b.sum() - r / r.sum()
    distance = float(np.abs(np.cumsum(gain)).max())
    fullest = int(np.argmax(gain))
    if gain[fullest] > distance / 2:
        return distance, _share_change(_interval(edges, fullest), r, b, fullest)[1]
    before, now = _median(edges, r), _median(edges, b)
    r_below = np.cumsum(r) / r.sum()
    moved = abs(float(np.cumsum(gain)[np.abs(r_below - 0.5).argmin()]))
    if moved < distance / 2 or f"{before:.3g}" == f"{now:.3g}":
        return distance, SAME_MEDIAN
    verb = rose_or_fell(before, now)
    return distance, f"median {verb} from about {before:.3g} to about {now:.3g}"


def _interval(edges: Floats, cell: int) -> str:
    """Return the name of one of the cells -inf, the bins in increasing order, +inf."""
    if cell in (0, len(edges) + 2):
        return "infinite values"
    if not len(edges):
        return "finite values"
    if cell == 1:
        return f"share of values up to {edges[0]:.6g}"
    if cell == len(edges) + 1:
        return f"share of values above {edges[-1]:.6g}"
    middle = edges[cell - 2] / 2 + edges[cell - 1] / 2
    return f"share of values near {middle:.3g}"


def _median(edges: Floats, counts: Counts) -> float:
    """Interpolate the median between the edges of its bin."""
    share = np.cumsum(counts)[:-1] / counts.sum()
    ends = np.concatenate([edges[:1], edges, edges[-1:]])
    return float(np.interp(0.5, share, ends[: len(share)]))
