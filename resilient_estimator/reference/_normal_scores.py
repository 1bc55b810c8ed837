"""Integer normal scores of numeric columns, and the sums of their products.

The score of a cell is the normal quantile of its mid-rank in the reference (van der
Waerden 1952), in sixteenths and rounded: so sums of scores and of products are exact
integers that add up over batches, and neither units nor outliers matter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from resilient_estimator._typing import Counts
from resilient_estimator.reference._bins import N_ABSENT

STEPS = 16
LARGEST = 3.5  # standard deviations
MAX_PAIRED = 64  # columns


class PairedColumns(NamedTuple):
    """The columns whose products are counted, and the normal scores of their cells.

    `columns` are positions among the features; `scores` has one array per column, of
    shape (n_cells,), with the score of each of its cells.
    """

    columns: list[int]
    scores: list[NDArray[np.int8]]

    @property
    def n_pairs(self) -> int:
        """Number of pairs of columns, and of products."""
        return len(self.columns) * (len(self.columns) - 1) // 2

    def flatten(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return the upper triangle of a matrix of products, one entry per pair."""
        return np.asarray(matrix[np.triu_indices(len(self.columns), 1)])

    def unflatten(self, products: NDArray[Any]) -> NDArray[Any]:
        """Return the symmetric matrix of the products, with zeros on the diagonal."""
        n = len(self.columns)
        matrix = np.zeros((n, n), dtype=products.dtype)
        matrix[np.triu_indices(n, 1)] = products
        return matrix + matrix.T


def normal_scores(counts: Counts) -> NDArray[np.int8]:
    """Return the score of each cell of a numeric column.

    Parameters
    ----------
    counts : ndarray of int of shape (n_cells,)
        The reference's counts: missing, unreadable, the cells in increasing order.

    Returns
    -------
    scores : ndarray of int8 of shape (n_cells,)
        In sixteenths of a standard deviation; all zero if there are no values.
    """
    ordered = counts[N_ABSENT:]
    total = ordered.sum()
    if not total:
        return np.zeros(len(counts), dtype=np.int8)
    rank = (np.cumsum(ordered) - ordered / 2) / total
    score = np.clip(special.ndtri(rank), -LARGEST, LARGEST)
    absent = np.zeros(N_ABSENT)
    return np.asarray(np.rint(STEPS * np.append(absent, score)), dtype=np.int8)


def choose_paired_columns(numeric: list[int], counts: list[Counts]) -> PairedColumns:
    """Choose the first numeric columns that vary freely, at most 64.

    None of their cells may hold more than half of the rows: sums of products of nearly
    constant columns are far from normal.

    Parameters
    ----------
    numeric : list of int
        Positions of the numeric columns.
    counts : list of ndarray of int
        The reference's counts of each of them.
    """
    chosen: list[tuple[int, NDArray[np.int8]]] = []
    for column, each in zip(numeric, counts, strict=True):
        if each.max() <= each.sum() / 2 and len(chosen) < MAX_PAIRED:
            chosen.append((column, normal_scores(each)))
    return PairedColumns([c for c, _ in chosen], [s for _, s in chosen])
