"""The ordered cells of all numeric columns, side by side in one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from resilient_estimator._typing import Counts, Positions
from resilient_estimator.reference._bins import N_ABSENT, Bins, NumericBins

N_GROUPS = 100


class NumericCells(NamedTuple):
    """Where the ordered cells of the numeric columns are among the counts.

    Attributes
    ----------
    columns : ndarray of int of shape (n_numeric,)
        Positions of the numeric columns.
    starts : ndarray of int of shape (n_all_groups,)
        Where each group of cells begins, in the counts of all columns.
    groups : ndarray of int of shape (n_numeric, n_groups)
        Which of these groups are the ordered ones of each numeric column. Shorter
        columns are padded with an empty group after the last.
    """

    columns: Positions
    starts: Positions
    groups: Positions

    @classmethod
    def of(
        cls, bins: Sequence[Bins], offsets: Positions, r: Counts, *, coarse: bool
    ) -> Self:
        """Group the ordered cells of the numeric columns.

        Parameters
        ----------
        bins : list of NumericBins, CategoryBins or OpaqueBins
            The cells of all columns.
        offsets : ndarray of int of shape (n_columns + 1,)
            Where the cells of each column begin in `r`; the first is 0.
        r : ndarray of int of shape (n_cells,)
            Counts of the reference.
        coarse : bool
            Whether to merge cells to about a hundred groups per column.
        """
        starts: list[Positions] = []
        groups: list[Positions] = []
        columns: list[int] = []
        n_starts = 0
        for i, each in enumerate(bins):
            own = offsets[i : i + 1]
            if isinstance(each, NumericBins):
                first = own[0] + N_ABSENT
                steps = first + _group_starts(r[first : offsets[i + 1]], coarse=coarse)
                groups.append(n_starts + 1 + np.arange(len(steps)))
                own = np.append(own, steps)
                columns.append(i)
            starts.append(own)
            n_starts += len(own)
        return cls(
            np.array(columns, dtype=np.intp),
            np.concatenate([*starts, np.empty(0, dtype=np.intp)]),
            _pad(groups, n_starts),
        )

    def sums(self, counts: Counts) -> Counts:
        """Return the rows in each group, of shape (n_numeric, n_groups)."""
        return np.append(np.add.reduceat(counts, self.starts), 0)[self.groups]


def _group_starts(r: Counts, *, coarse: bool) -> Positions:
    """Return where groups of ordered cells begin: those of equal reference share.

    Cells below all rows of the reference stay apart from those with rows.
    """
    if not coarse or len(r) <= N_GROUPS:
        return np.arange(len(r))
    upto = np.cumsum(r)
    group = np.floor((upto - r) * (N_GROUPS / max(upto[-1], 1))).astype(np.intp)
    group[upto == 0] = -1
    return np.flatnonzero(np.diff(group, prepend=-2))


def _pad(rows: list[Positions], value: int) -> Positions:
    """Return one row per array, padded on the right."""
    widest = max((len(each) for each in rows), default=1)
    padded = np.full((len(rows), widest), value)
    for row, each in zip(padded, rows, strict=True):
        row[: len(each)] = each
    return padded
