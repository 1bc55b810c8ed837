"""The cells of one column: bins of numbers, labels of categories.

No row, no minimum and no maximum is stored: edges are rounded to a fraction of their
bin, and the text of a label is stored only if enough rows have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from resilient_estimator._typing import Counts, Floats, Mask, Positions
from resilient_estimator.tabular._column import MISSING
from resilient_estimator.tabular._row_hash import digest
from resilient_estimator.tabular._table import Table

MAX_CELLS = 1024
ROWS_PER_BIN = 5
MIN_BINS = 10
ENOUGH_BINS = 300
BINS_PER_ROOT = 1.6  # of the rows: finer bins cost time and reveal nothing more
TAIL_STEPS = np.array([0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0])
N_ABSENT = 2  # cells of missing and of unreadable numbers
FIRST_BIN = 3  # after the cells of missing, unreadable and -inf
NORMAL_MAD = 1.4826  # standard deviation over median absolute deviation, if normal


class _SortedColumn(NamedTuple):
    values: Floats
    n_missing: int
    n_unreadable: int
    n_zeros: int


class NumericBins:
    """Bins of a numeric column.

    In this order: missing, unreadable, -inf, the bins from low to high, +inf. Bin `k`
    holds ``edges[k - 1] < x <= edges[k]``.

    Parameters
    ----------
    name : str
        Name of the column.
    edges : ndarray of float of shape (n_bins - 1,)
        Increasing finite edges of the bins.
    scale : float
        Standard deviation of the reference (ddof 0), rounded to four digits; 0 if it
        cannot be computed.
    """

    kind = "numeric"

    def __init__(self, name: str, edges: Floats, scale: float) -> None:
        self.name = name
        self.edges = edges
        self.scale = scale

    @classmethod
    def learn(
        cls, name: str, table: Table, index: int, max_cells: int
    ) -> tuple[Self, Counts]:
        """Choose the bins from a reference column, and count its rows."""
        column = _sorted_column(table, index)
        finite = column.values[np.isfinite(column.values)]
        distinct, counts = _distinct(finite, column.n_zeros)
        edges = _edges_between(distinct, counts, max_cells)
        bins = cls(name, edges, _rounded_scale(distinct, counts))
        return bins, bins._count_sorted(column)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.edges) + 5

    def count(self, table: Table, index: int) -> Counts:
        """Count the rows of a column in each cell."""
        return self._count_sorted(_sorted_column(table, index))

    def locate(self, table: Table, index: int) -> Positions:
        """Return the cell of each row of a column."""
        column = table.numbers(index)
        if table.is_sparse:
            column = column._replace(values=table.dense(index))
        cell = FIRST_BIN + np.searchsorted(self.edges, column.values, side="left")
        cell += column.values == np.inf
        cell -= column.values == -np.inf
        cell[np.isnan(column.values)] = 0
        if column.unreadable is not None:
            cell[column.unreadable] = 1
        return np.asarray(cell, dtype=np.intp)

    def robust_scale(self, counts: Counts) -> float:
        """Return a robust standard deviation of a column from its counts.

        1.4826 times the median absolute deviation from the median, with values in the
        middle of their bins; for normal values this is their standard deviation.

        Parameters
        ----------
        counts : ndarray of int of shape (n_cells,)
            Rows in each cell.
        """
        if len(self.edges) < 2:
            return 0.0
        middles = (self.edges[:-1] + self.edges[1:]) / 2
        weights = counts[FIRST_BIN + 1 : -2]  # of the bins that have two edges
        centre = _weighted_median(middles, weights)
        return NORMAL_MAD * _weighted_median(np.abs(middles - centre), weights)

    def _count_sorted(self, column: _SortedColumn) -> Counts:
        ends = np.concatenate([[-np.inf], self.edges, [np.finfo(np.float64).max]])
        upto = np.searchsorted(column.values, ends, side="right")
        counts = np.diff(np.concatenate([[0], upto, [len(column.values)]]))
        counts[1 + np.searchsorted(self.edges, 0.0, side="left")] += column.n_zeros
        absent = [column.n_missing, column.n_unreadable]
        return np.concatenate([absent, counts]).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the bins as plain objects."""
        edges = self.edges.tolist()
        return {
            "kind": self.kind,
            "name": self.name,
            "edges": edges,
            "scale": self.scale,
        }


class CategoryBins:
    """Cells of a column of labels.

    In this order: missing, unseen, one per stored text, one per fingerprint. Labels
    with fewer than `min_count` reference rows are stored as fingerprints only. They
    keep cells of their own: pooling them because they happen to be rare in *this*
    reference would make every later batch look different (regression to the mean).

    Parameters
    ----------
    name : str
        Name of the column.
    texts : list of str
        Labels stored as text, most frequent first.
    digests : ndarray of int64 of shape (n_rare_labels,)
        Fingerprints of the other labels, in increasing order.
    """

    kind = "category"

    def __init__(self, name: str, texts: list[str], digests: Counts) -> None:
        self.name = name
        self.texts = texts
        self.digests = digests

    @classmethod
    def learn(
        cls, name: str, table: Table, index: int, max_cells: int, min_count: int
    ) -> tuple[Self, Counts]:
        """Choose the labels from a reference column, and count its rows."""
        codes, texts = table.labels(index)
        counts = np.bincount(codes[codes != MISSING], minlength=len(texts))
        order = np.argsort(-counts, kind="stable")[:max_cells]
        order = order[counts[order] > 0]
        kept = [texts[i] for i in order if counts[i] >= min_count]
        rare = sorted(digest(texts[i]) for i in order if counts[i] < min_count)
        bins = cls(name, kept, np.array(rare, dtype=np.int64))
        return bins, bins.count(table, index)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.texts) + len(self.digests) + 2

    def cell_of(self, texts: Sequence[str]) -> Positions:
        """Return the cell of each text; 1 for labels that the reference lacks."""
        known = {text: cell for cell, text in enumerate(self.texts, start=2)}
        first = 2 + len(self.texts)
        rare = {int(key): cell for cell, key in enumerate(self.digests, start=first)}
        cells = [known[t] if t in known else rare.get(digest(t), 1) for t in texts]
        return np.array(cells, dtype=np.intp)

    def locate(self, table: Table, index: int) -> Positions:
        """Return the cell of each row of a column."""
        codes, texts = table.labels(index)
        cells = np.append(self.cell_of(texts), 0)  # the code MISSING is -1, the last
        return np.asarray(cells[codes])

    def count(self, table: Table, index: int) -> Counts:
        """Count the rows of a column in each cell."""
        cells = self.locate(table, index)
        return np.bincount(cells, minlength=self.n_cells).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the bins as plain objects."""
        digests = self.digests.tolist()
        return {
            "kind": self.kind,
            "name": self.name,
            "texts": self.texts,
            "digests": digests,
        }


class OpaqueBins:
    """Cells of a column of dates, lists or nothing at all: missing, present."""

    kind = "opaque"
    n_cells = 2

    def __init__(self, name: str) -> None:
        self.name = name

    def count(self, table: Table, index: int) -> Counts:
        """Count the rows of a column in each cell."""
        n_missing = int(np.count_nonzero(table.missing(index)))
        return np.array([n_missing, table.shape[0] - n_missing], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the bins as plain objects."""
        return {"kind": self.kind, "name": self.name}


Bins = NumericBins | CategoryBins | OpaqueBins


def learn_bins(
    name: str, table: Table, index: int, max_cells: int, min_count: int
) -> tuple[Bins, Counts]:
    """Choose the cells of a reference column according to its kind; count its rows."""
    kind = table.kind(index)
    if kind == "numeric":
        return NumericBins.learn(name, table, index, max_cells)
    if kind == "category":
        return CategoryBins.learn(name, table, index, max_cells, min_count)
    bins = OpaqueBins(name)
    return bins, bins.count(table, index)


def bins_from_dict(state: dict[str, Any]) -> Bins:
    """Return the bins that `to_dict` described."""
    if state["kind"] == "numeric":
        edges = np.array(state["edges"], dtype=np.float64)
        return NumericBins(state["name"], edges, state["scale"])
    if state["kind"] == "category":
        digests = np.array(state["digests"], dtype=np.int64)
        return CategoryBins(state["name"], state["texts"], digests)
    return OpaqueBins(state["name"])


def _sorted_column(table: Table, index: int) -> _SortedColumn:
    column = table.numbers(index)
    ordered = np.sort(column.values)  # NaN last
    n_nan = int(np.count_nonzero(np.isnan(ordered)))
    unreadable = column.unreadable
    n_unreadable = 0 if unreadable is None else int(np.count_nonzero(unreadable))
    values = ordered[: len(ordered) - n_nan]
    return _SortedColumn(values, n_nan - n_unreadable, n_unreadable, column.n_zeros)


def bin_edges(values: Floats, max_bins: int = MAX_CELLS) -> Floats:
    """Return edges near the quantiles of finite values; none of them is a value.

    A value that is frequent enough to fill a bin gets one of its own. Edges are rounded
    to a fraction of their bin; beyond the outer ones there are empty bins of growing
    width, so that distances of a batch outside the reference's range are still
    measured.

    Parameters
    ----------
    values : ndarray of float of shape (n_samples,)
        Finite numbers in increasing order.
    max_bins : int, default=1024
        Largest number of bins within the range of the values.

    Returns
    -------
    edges : ndarray of float of shape (n_edges,)
        Increasing edges; empty if there are no values.
    """
    return _edges_between(*_distinct(values), max_bins)


def _distinct(values: Floats, n_zeros: int = 0) -> tuple[Floats, Positions]:
    """Return the distinct values among sorted ones and zeros, and their counts."""
    starts = np.flatnonzero(values[1:] > values[:-1]) + 1
    starts = np.append(np.zeros(min(len(values), 1), dtype=np.intp), starts)
    distinct, counts = values[starts], np.diff(np.append(starts, len(values)))
    if n_zeros:
        place = int(np.searchsorted(distinct, 0.0))
        if place == len(distinct) or distinct[place] != 0:
            distinct = np.insert(distinct, place, 0.0)
            counts = np.insert(counts, place, 0)
        counts[place] += n_zeros
    return distinct, counts


def _edges_between(distinct: Floats, counts: Positions, max_bins: int) -> Floats:
    if len(distinct) == 0:
        return np.empty(0)
    with np.errstate(over="ignore", invalid="ignore"):  # values near 1e308
        points, room = _cut_points(distinct, counts, max_bins)
        edges = _rounded(points, room, distinct)
        spread = edges[-1] - edges[0] if len(edges) > 1 else max(abs(edges[0]), 1.0)
        tails = np.append(
            edges[0] - TAIL_STEPS * spread, edges[-1] + TAIL_STEPS * spread
        )
        room = np.full(len(tails), spread * TAIL_STEPS[0])
        edges = np.unique(np.append(_rounded(tails, room, distinct), edges))
    return edges[np.isfinite(edges) & ~_are_among(edges, distinct)]


def _cut_points(
    distinct: Floats, counts: Positions, max_bins: int
) -> tuple[Floats, Floats]:
    """Return the cut points, and how far each may be moved by rounding."""
    largest = np.abs(distinct).max()
    if distinct[-1] - distinct[0] <= 8 * np.spacing(largest / 2):
        # A single value, or adjacent floats with no room for an edge between them.
        width = max(0.001 * (largest or 1.0), float(np.finfo(np.float64).tiny))
        points = np.array([distinct[0] - width, distinct[-1] + width])
        return points, np.full(2, width)
    n_samples = int(counts.sum())
    n_bins = _choose_n_bins(n_samples, max_bins)
    half_gap = np.diff(distinct / 2)  # halves: the difference itself may overflow
    atom = counts * n_bins >= n_samples
    beside_atom = atom[:-1] | atom[1:]
    ranks = np.arange(1, n_bins) * (n_samples / n_bins)
    quantile = np.searchsorted(np.cumsum(counts), ranks)
    gaps = np.union1d(
        np.flatnonzero(beside_atom), quantile[quantile < len(distinct) - 1]
    )
    points = distinct[gaps] / 2 + distinct[gaps + 1] / 2
    room = np.where(beside_atom[gaps], half_gap[gaps], np.inf)
    if atom[0]:
        points = np.insert(points, 0, distinct[0] - half_gap[0])
        room = np.insert(room, 0, half_gap[0])
    if atom[-1]:
        points = np.append(points, distinct[-1] + half_gap[-1])
        room = np.append(room, half_gap[-1])
    return points, _room_between(points, room, half_gap[gaps[0]])


def _choose_n_bins(n_samples: int, max_bins: int) -> int:
    """Return the number of bins for a column with this many finite values."""
    fine = min(n_samples / ROWS_PER_BIN, ENOUGH_BINS)
    enough = max(fine, BINS_PER_ROOT * np.sqrt(n_samples))
    return int(np.clip(min(enough, n_samples / ROWS_PER_BIN), MIN_BINS, max_bins))


def _room_between(points: Floats, room: Floats, default: float) -> Floats:
    """Limit the room of each point to half the distance to its neighbours."""
    spacing = np.diff(points, prepend=-np.inf, append=np.inf)
    room = np.minimum(room, np.minimum(spacing[:-1], spacing[1:]) / 2)
    return np.where(np.isfinite(room), room, default)


def _rounded(points: Floats, room: Floats, values: Floats) -> Floats:
    """Round each point by less than half its room, but never onto a value."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        step = 10.0 ** np.floor(np.log10(room / 2))
        rounded = np.rint(points / step) * step
    rounded = np.where(np.isfinite(rounded), rounded, points)
    return np.where(_are_among(rounded, values), rounded + step / 3, rounded)


def _are_among(points: Floats, values: Floats) -> Mask:
    """Return which points are among the sorted values."""
    nearest = np.minimum(np.searchsorted(values, points), len(values) - 1)
    return np.asarray(values[nearest] == points)


def _rounded_scale(distinct: Floats, counts: Positions) -> float:
    n_samples = max(int(counts.sum()), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = (distinct @ counts) / n_samples
        scale = float(np.sqrt(((distinct - mean) ** 2 @ counts) / n_samples))
    return float(f"{scale:.4g}") if np.isfinite(scale) else 0.0


def _weighted_median(values: Floats, weights: Counts) -> float:
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(upto, upto[-1] / 2)])
