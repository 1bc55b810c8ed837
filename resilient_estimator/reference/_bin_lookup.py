"""Find the bins of many numeric columns at once, without sorting.

A guide table divides the range of a column into small cells of equal width and stores
how many edges lie below each cell and which edge, if any, lies inside (Chen, Asau
1974). So finding the bin of a value takes one multiplication, one look-up and one
comparison, whatever the number of bins. Values that the table does not settle (missing,
infinite, far out, or in a cell with several edges) are located by bisection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from resilient_estimator._typing import Counts, Floats, Mask, Positions
from resilient_estimator.reference._bins import FIRST_BIN

CELLS_PER_BIN = 4
BLOCK = 1 << 15  # values looked up at a time, so that they stay in the cache
N_OUTER_EDGES = 5  # too far apart for cells of equal width
MAX_CROWDED = 0.3
ALL_BUT_SIGN = np.int64(np.iinfo(np.int64).max)
ONES = 2.0**52  # from here on the last bit of a float is worth one
BITS_OF_ONES = np.float64(ONES).view(np.int64)


class _Scratch(NamedTuple):
    """Arrays that are overwritten block by block."""

    values: Floats
    cells: Counts
    above: Mask


class BinLookup:
    """Guide tables of a group of numeric columns.

    Parameters
    ----------
    edges : list of ndarray of float
        Increasing finite edges of each column.
    starts : ndarray of int of shape (n_columns,)
        Position of the first cell of each column; its cells are missing, unreadable,
        -inf, the bins in increasing order, +inf.
    logarithmic : bool, default=False
        Whether the guide cells have equal width on a logarithmic axis.

    Attributes
    ----------
    crowded : ndarray of float of shape (n_columns,)
        Share of each column's edges that the guide table does not settle.
    """

    def __init__(
        self, edges: Sequence[Floats], starts: Positions, *, logarithmic: bool = False
    ) -> None:
        self._logarithmic = logarithmic
        self._starts = starts
        self._n_edges = np.array([len(e) for e in edges], dtype=np.intp)
        owner = np.repeat(np.arange(len(edges)), self._n_edges)
        flat = np.concatenate([*edges, np.empty(0)])
        self._edges = _by_column(owner, flat)
        # The edges of earlier columns lie before those of a value's own column.
        earlier = np.cumsum(self._n_edges) - self._n_edges
        self._behind = starts + FIRST_BIN - earlier
        self._width = CELLS_PER_BIN * (int(self._n_edges.max()) + 1) + 2
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self._affine = self._affine_maps(edges)
            own = tuple(each[owner] for each in self._affine)
            at = np.empty(len(flat), dtype=np.int64)
            _guide_cells(self._key(flat), own, np.empty(len(flat)), at)
        self._fill_tables(flat, at)
        self._tiles: tuple[Floats, ...] = ()

    def _affine_maps(self, edges: Sequence[Floats]) -> tuple[Floats, ...]:
        """Return scale, shift and the limits of each column's map to guide cells."""
        first = np.arange(len(edges)) * float(self._width)
        inner = [
            _inner_range(self._key(e[e > 0] if self._logarithmic else e)) for e in edges
        ]
        lower, upper = np.array(inner).T
        scale = (self._width - 2) / (upper - lower)
        # Without a range every value is mapped to one cell, that of all the edges.
        scale[~np.isfinite(scale)] = 0.0
        shift = first + 1 - lower * scale
        last = first + self._width - 1
        affine = scale, shift + ONES, first + ONES, last + ONES
        return tuple(np.asarray(each, dtype=np.float64) for each in affine)

    def _fill_tables(self, edges: Floats, at: Positions) -> None:
        """Store for each guide cell the edges below it and the one inside it."""
        n_columns = len(self._starts)
        inside = np.bincount(at, minlength=n_columns * self._width)
        inside = inside.reshape(n_columns, self._width)
        below = np.cumsum(inside, axis=1) - inside
        position = self._starts[:, np.newaxis] + FIRST_BIN + below
        self._unsettled = int((self._starts + self._n_edges).max()) + FIRST_BIN + 2
        settled = inside <= 1
        settled[:, [0, -1]] = False
        settled[self._affine[0] == 0] = False
        self.crowded = np.where(settled, 0, inside)[:, 1:-1].sum(axis=1) / np.maximum(
            self._n_edges, 1
        )
        edge = np.full(inside.size, np.inf)
        edge[at] = edges
        self._edge = np.where(settled.ravel(), edge, np.inf)
        self._position = np.where(settled, position, self._unsettled).ravel()

    @property
    def end(self) -> int:
        """Position after the last cell."""
        return self._unsettled

    def locate(self, x: Floats, out: Positions | None = None) -> Positions:
        """Return the position of the cell of each value.

        Parameters
        ----------
        x : ndarray of float of shape (n_rows, n_columns)
            The columns of the group, in C order.
        out : ndarray of int of shape (>= n_rows, n_columns), default=None
            Array to write the positions to.

        Returns
        -------
        positions : ndarray of int of shape (n_rows, n_columns)
            Position of each value's cell in the counts.
        """
        found = np.empty(x.shape, dtype=np.intp) if out is None else out[: len(x)]
        n_rows = max(BLOCK // x.shape[1], 1)
        shape = min(n_rows, len(x)), x.shape[1]
        scratch = _Scratch(
            np.empty(shape), np.empty(shape, np.int64), np.empty(shape, bool)
        )
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(x), n_rows):
                rows = slice(start, start + n_rows)
                self._look_up(x[rows], found[rows], scratch)
        flat, values = found.ravel(), x.ravel()
        rest = np.flatnonzero(flat == self._unsettled)
        if len(rest):
            flat[rest] = self._bisect(values[rest], rest % x.shape[1])
        return found

    def _look_up(self, x: Floats, found: Positions, scratch: _Scratch) -> None:
        n_rows = len(x)
        u, cells = scratch.values[:n_rows], scratch.cells[:n_rows]
        above = scratch.above[:n_rows]
        _guide_cells(self._key(x), self._tiled(n_rows), u, cells)
        np.take(self._edge, cells, mode="clip", out=u)
        np.greater(x, u, out=above)
        np.take(self._position, cells, mode="clip", out=found)
        np.add(found, above, out=found)
        if self._logarithmic:  # infinity shares its guide cell with numbers
            found[~np.isfinite(x)] = self._unsettled

    def _tiled(self, n_rows: int) -> tuple[Floats, ...]:
        """Return the maps of the columns, repeated for each row of a block.

        Operations on arrays of equal shape are three times as fast as broadcasting over
        few columns.
        """
        n_columns = len(self._starts)
        if not self._tiles:
            shape = (max(BLOCK // n_columns, 1), n_columns)
            self._tiles = tuple(
                np.ascontiguousarray(np.broadcast_to(each, shape))
                for each in self._affine
            )
        return tuple(each[:n_rows] for each in self._tiles)

    def _key(self, x: Floats) -> Floats:
        return order_key(x) if self._logarithmic else x

    def _bisect(self, x: Floats, column: Positions) -> Positions:
        """Return the positions of single values by a search among all edges at once."""
        position = self._behind[column] + np.searchsorted(
            self._edges, _by_column(column, x)
        )
        position[x == np.inf] += 1
        position[x == -np.inf] -= 1
        return np.where(np.isnan(x), self._starts[column], position)


def choose_scale(edges: Sequence[Floats]) -> Mask:
    """Return which columns need guide cells of equal width on a logarithmic axis.

    If too many edges share their cell on either axis, most values are located by
    bisection, which is slower and just as exact.

    Parameters
    ----------
    edges : list of ndarray of float
        Increasing finite edges of each column.

    Returns
    -------
    logarithmic : ndarray of bool of shape (n_columns,)
        Whether the logarithmic axis settles more edges, where many need it.
    """
    crowded = np.empty((2, len(edges)))
    starts = np.zeros(len(edges), dtype=np.intp)
    for i, logarithmic in enumerate((False, True)):
        crowded[i] = BinLookup(edges, starts, logarithmic=logarithmic).crowded
    return np.asarray((crowded[0] > MAX_CROWDED) & (crowded[1] < crowded[0]))


def _guide_cells(
    x: Floats, affine: tuple[Floats, ...], u: Floats, cells: Counts
) -> None:
    """Map values to guide cells; edges are mapped in the same way.

    Each step may round, but never reverses the order of two values, so no value is
    misplaced. From 2^52 on floats are whole numbers and the integer can be read from
    their bits, which is twice as fast as a conversion.
    """
    scale, shift, first, last = affine
    np.multiply(x, scale, out=u)
    np.add(u, shift, out=u)
    np.fmax(u, first, out=u)  # also for NaN
    np.fmin(u, last, out=u)
    np.subtract(u.view(np.int64), BITS_OF_ONES, out=cells)


def _by_column(column: Positions, x: Floats) -> Any:
    """Return complex numbers, which are sorted by column first and then by value."""
    place = np.empty(len(x), dtype=np.complex128)
    place.real, place.imag = column, x
    return place


def _inner_range(edges: Floats) -> tuple[float, float]:
    """Return the range of the edges, without the outer ones if there are enough."""
    if len(edges) == 0:
        return 0.0, 0.0
    skip = N_OUTER_EDGES if len(edges) > 4 * N_OUTER_EDGES else 0
    return float(edges[skip]), float(edges[-1 - skip])


def order_key(x: Floats) -> Floats:
    """Return keys in the order of `x`, for positive numbers nearly their logarithm.

    The bits of a float, read as an integer, grow with it (IEEE 754): the exponent comes
    first.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.reference._bin_lookup import order_key
    >>> bool(np.all(np.diff(order_key(np.array([-np.inf, -2, 0, 1e-9, 5]))) > 0))
    True
    """
    bits = np.ascontiguousarray(x).view(np.int64)
    return np.where(bits < 0, bits ^ ALL_BUT_SIGN, bits).astype(np.float64)
