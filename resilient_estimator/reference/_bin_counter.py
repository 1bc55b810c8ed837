"""Count the rows of a table in the cells of all its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Counts, Floats, Positions
from resilient_estimator.reference._bin_lookup import BinLookup, choose_scale
from resilient_estimator.reference._bins import Bins, NumericBins
from resilient_estimator.reference._normal_scores import PairedColumns
from resilient_estimator.tabular._table import Table

Places = Sequence[int | None]

GROUP = 64  # columns that are looked up together
MAX_KEPT = 1024  # columns whose look-up tables are kept
CHUNK_ROWS = 4096  # few enough for exact sums of products of scores in float32
CHUNK_VALUES = 1 << 18


class _Group(NamedTuple):
    """Numeric columns that are looked up together, and where their cells begin."""

    columns: Positions
    first_cell: int
    lookup: BinLookup


class BinCounter:
    """Counts the rows of batches in fixed cells.

    Parameters
    ----------
    bins : list of NumericBins, CategoryBins or OpaqueBins
        The cells of each column.
    offsets : ndarray of int of shape (n_columns + 1,)
        Position of each column's first cell; the last entry is the number of cells.
    pairs : PairedColumns
        Columns whose products are summed.
    """

    def __init__(
        self, bins: Sequence[Bins], offsets: Positions, pairs: PairedColumns
    ) -> None:
        self._bins = bins
        self._offsets = offsets
        self._pairs = pairs
        numeric = [i for i, each in enumerate(bins) if isinstance(each, NumericBins)]
        self._numeric = np.array(numeric, dtype=np.intp)
        self._score_of = np.zeros(offsets[-1], dtype=np.float32)
        self._slot = np.full(len(bins), -1)
        for slot, column in enumerate(pairs.columns):
            start, stop = offsets[column : column + 2]
            self._score_of[start:stop] = pairs.scores[slot]
            self._slot[column] = slot
        self._kept: list[_Group] = []

    def count(self, table: Table, places: Places, counts: Counts) -> None:
        """Add the rows of a table to the counts of cells and the sums of products.

        Parameters
        ----------
        table : Table
            The batch.
        places : list of int or None
            Position of each column in the table; None if the table lacks it.
        counts : ndarray of int64 of shape (n_counts,)
            Zeros, to which the rows are added.
        """
        dense = self._read(table, places)
        products: Any = 0
        for located in self._locate(dense):
            for group, found in located:
                own = counts[group.first_cell :][: group.lookup.end]
                own += np.bincount(found.ravel(), minlength=len(own))
            if self._pairs.n_pairs:
                z = self._score(located)
                products = products + z.T @ z
        self._count_others(table, places, counts, dense)
        if self._pairs.n_pairs and np.ndim(products):
            first = len(counts) - self._pairs.n_pairs
            counts[first:] += self._pairs.flatten(products).astype(np.int64)

    def _count_others(
        self, table: Table, places: Places, counts: Counts, dense: _Dense
    ) -> None:
        """Count the columns that are not looked up, one by one."""
        for i, (bins, place) in enumerate(zip(self._bins, places, strict=True)):
            if i not in dense.present:
                own = slice(*self._offsets[i : i + 2].tolist())
                counts[own] = 0 if place is None else bins.count(table, place)

    def scores(self, table: Table, places: Places) -> Iterator[NDArray[np.float32]]:
        """Yield the scores of the paired columns, a few thousand rows at a time."""
        return map(self._score, self._locate(self._read(table, places)))

    def _read(self, table: Table, places: Places) -> _Dense:
        """Read the columns to look up: of a sparse matrix only the paired ones."""
        wanted = self._pairs.columns if table.is_sparse else self._numeric.tolist()
        return _Dense(table, places, wanted)

    def _locate(self, dense: _Dense) -> Iterator[list[tuple[_Group, Positions]]]:
        """Yield the cells of all values to look up, chunk by chunk.

        Each chunk overwrites the previous one.
        """
        if not dense.present:
            return
        keep = len(self._numeric) <= MAX_KEPT
        groups = self._kept or list(self._groups(None if keep else dense.present))
        if keep:
            self._kept = groups
        n_columns = min(len(self._numeric), GROUP)
        n_rows = min(CHUNK_ROWS, CHUNK_VALUES // n_columns)
        found = [
            np.empty((min(n_rows, dense.n_rows), len(group.columns)), dtype=np.intp)
            for group in groups
        ]
        for start in range(0, dense.n_rows, n_rows):
            rows = slice(start, min(start + n_rows, dense.n_rows))
            yield [
                (group, group.lookup.locate(dense.block(group.columns, rows), out))
                for group, out in zip(groups, found, strict=True)
            ]

    def _score(self, located: list[tuple[_Group, Positions]]) -> NDArray[np.float32]:
        n_rows = len(located[0][1])
        z = np.zeros((n_rows, len(self._pairs.columns)), dtype=np.float32)
        for group, found in located:
            slot = self._slot[group.columns]
            paired = slot >= 0
            if paired.any():
                score_of = self._score_of[group.first_cell :]
                chosen = found if paired.all() else found[:, paired]
                z[:, slot[paired]] = score_of.take(chosen)
        return z

    def _groups(self, wanted: AbstractSet[int] | None) -> Iterator[_Group]:
        """Yield look-ups of up to 64 columns with the same scale."""
        chosen = [i for i in self._numeric.tolist() if wanted is None or i in wanted]
        edges = [_edges(self._bins[i]) for i in chosen]
        by_scale: tuple[list[int], list[int]] = [], []
        for start in range(0, len(edges), GROUP):
            scales = choose_scale(edges[start : start + GROUP])
            for i, logarithmic in enumerate(scales.tolist(), start):
                by_scale[logarithmic].append(i)
        for scale, members in enumerate(by_scale):
            for start in range(0, len(members), GROUP):
                some = members[start : start + GROUP]
                columns = np.array([chosen[i] for i in some], dtype=np.intp)
                first_cell = int(self._offsets[columns[0]])
                lookup = BinLookup(
                    [edges[i] for i in some],
                    self._offsets[columns] - first_cell,
                    logarithmic=bool(scale),
                )
                yield _Group(columns, first_cell, lookup)


def _edges(bins: Bins) -> Floats:
    return bins.edges if isinstance(bins, NumericBins) else np.empty(0)


class _Dense:
    """The numeric columns of a batch that can be looked up in blocks.

    Columns that are absent or partly unreadable are not `present`: they are replaced by
    missing values.
    """

    def __init__(self, table: Table, places: Places, wanted: Sequence[int]) -> None:
        self.n_rows = table.shape[0]
        self._matrix = None if table.is_sparse else table.matrix
        self._places: dict[int, int] = {}
        self._values: dict[int, Floats] = {}
        for i in wanted:
            place = places[i]
            if place is None:
                continue
            if self._matrix is not None:
                self._places[i] = place
                continue
            numbers = table.numbers(place)
            if numbers.unreadable is None:
                values = table.dense(place) if table.is_sparse else numbers.values
                self._values[i] = values
        self.present = self._places.keys() | self._values.keys()

    def block(self, columns: Positions, rows: slice) -> Floats:
        """Return some rows of some columns, in C order."""
        if self._matrix is not None:
            places = [self._places.get(i, -1) for i in columns.tolist()]
            block = _take_columns(self._matrix[rows], places)
            return np.ascontiguousarray(block, dtype=np.float64)
        block = np.full((rows.stop - rows.start, len(columns)), np.nan)
        for k, i in enumerate(columns.tolist()):
            if i in self._values:
                block[:, k] = self._values[i][rows]
        return block


def _take_columns(matrix: NDArray[Any], places: list[int]) -> NDArray[Any]:
    """Return columns of a matrix, with missing values for those at -1."""
    first, last = places[0], places[-1]
    if first >= 0 and places == list(range(first, last + 1)):
        return matrix[:, first : last + 1]
    block = matrix[:, places]
    lacking = [i for i, place in enumerate(places) if place < 0]
    if lacking:
        block = block.astype(np.float64)
        block[:, lacking] = np.nan
    return block
