"""How near neighbours in training differ, column by column; no row is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from resilient_estimator._typing import Floats
from resilient_estimator.tabular._embedding import Embedding, numbers
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import MISSING, Table, read_table

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]

N_NEIGHBORS = 5
MAX_QUERIES = 1_000
MAX_REFERENCE = 10_000
MAX_CELLS = 1 << 22  # of the rows that neighbours are sought among
BLOCK = 256  # columns
MIN_COUNT = 10
MAX_LEVELS = 256
N_STEPS = 32
LEVELS = (np.arange(N_STEPS) + 0.5) / N_STEPS
USUAL = np.array([0.005, 0.995])  # shares of rows below the usual range of a number


class Levels(NamedTuple):
    """How a label turns into another: cumulative shares, one row per label.

    The last row is for labels that are not among the values.
    """

    values: list[Any]
    cumulative: Floats


def read_sample(X: Any) -> Table | None:
    """Return rows to learn from: fewer where there are many columns."""
    table = read_table(X)
    if table is None or not table.shape[0]:
        return None
    n_samples, n_features = table.shape
    n_chosen = max(min(MAX_REFERENCE, MAX_CELLS // max(n_features, 1)), 2)
    rows = take_rows(X, np.random.default_rng(0).permutation(n_samples)[:n_chosen])
    is_sparse = bool(sparse.issparse(rows))
    return read_table(rows.toarray() if is_sparse else rows)


def near_pairs(table: Table, n_neighbors: int) -> Pairs:
    """Return rows and, for each of them, a near neighbour; each row several times."""
    n_queries = min(table.shape[0], MAX_QUERIES)
    n_neighbors = min(n_neighbors, table.shape[0] - 1)
    queries = np.arange(n_queries)
    if n_neighbors < 1:
        return queries[:0], queries[:0]
    embedded = Embedding.learn(table).embed(table)
    search = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(embedded)
    found = search.kneighbors(embedded[:n_queries], return_distance=False)
    itself = found == queries[:, np.newaxis]
    itself[~itself.any(axis=1), -1] = True  # more twins than neighbours
    others = found[~itself]
    return np.repeat(queries, n_neighbors), others


def blocks_of(columns: Sequence[int]) -> list[NDArray[np.intp]]:
    """Return columns in blocks that are looked at together."""
    n_blocks = -(-len(columns) // BLOCK)
    return np.array_split(np.array(columns, dtype=np.intp), n_blocks) if columns else []


def read_block(table: Table, columns: NDArray[np.intp]) -> Floats:
    """Return columns of numbers side by side."""
    if table.matrix is not None:
        return np.asarray(table.matrix[:, columns], dtype=np.float64)
    return np.column_stack([numbers(table, int(i)) for i in columns])


def learn_numbers(
    values: Floats, pairs: Pairs
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return how numbers differ between neighbours, and where they usually lie.

    Parameters
    ----------
    values : ndarray of float of shape (n_samples, n_columns)
        Columns.
    pairs : pair of ndarray of int
        Rows, and a neighbour of each.

    Returns
    -------
    steps : ndarray of float of shape (n_columns, n_steps)
        Quantiles of absolute differences, to three digits.
    usual : ndarray of float of shape (n_columns, 2)
        Limits that one row in two hundred is beyond, rounded inwards.
    whole : ndarray of bool of shape (n_columns,)
        Whether all numbers are whole.
    """
    with np.errstate(all="ignore"):  # numbers near 1e308 or 1e-308
        gaps = np.abs(values[pairs[0]] - values[pairs[1]])
        steps = _rounded(_quantiles(gaps, LEVELS))
        whole = ((values == np.rint(values)) | ~np.isfinite(values)).all(axis=0)
        low, high = _quantiles(values, USUAL)
        usual = _round_inwards(low, high, whole)
    return steps.T, usual, whole


def _quantiles(values: Floats, levels: Floats) -> Floats:
    """Return quantiles of the finite values of each column, 0 where there are none."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)
    if not len(ordered):
        return np.zeros((len(levels), values.shape[1]))
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    ranks = levels[:, np.newaxis] * last
    below = np.floor(ranks).astype(np.intp)
    low = np.take_along_axis(ordered, below, axis=0)
    high = np.take_along_axis(ordered, np.minimum(below + 1, last), axis=0)
    between = low + (ranks - below) * (high - low)
    return np.where(np.isfinite(between), between, 0.0)


def _rounded(values: Floats) -> Floats:
    """Round to three significant digits: no difference between two rows is kept."""
    with np.errstate(divide="ignore"):
        step = 10.0 ** (np.floor(np.log10(values)) - 2)
    return np.where(values > 0, np.rint(values / step) * step, 0.0)


def _round_inwards(low: Floats, high: Floats, whole: NDArray[np.bool_]) -> Floats:
    """Round limits, so that they are not values of the reference; whole ones to 1."""
    spread = high - low
    varies = (spread > 0) & np.isfinite(spread)
    step = 10.0 ** np.floor(np.log10(np.where(varies, spread, 1.0) / 20))
    step = np.where(whole, np.maximum(step, 1.0), step)
    limits = np.array([np.ceil(low / step) * step, np.floor(high / step) * step])
    return np.where(varies, limits, np.array([[-np.inf], [np.inf]])).T


def learn_labels(
    table: Table, index: int, pairs: Pairs, min_count: int
) -> tuple[float, Levels | None]:
    """Return how often neighbours differ in a label, and how labels are exchanged."""
    codes, values = table.levels(index)
    counts = np.bincount(codes[codes != MISSING], minlength=len(values))
    order = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    kept = [int(i) for i in order if counts[i] >= min_count]
    plain = all(isinstance(values[i], (str, int, float)) for i in kept)
    if len(kept) < 2 or not plain:  # intervals, dates among labels: they stay
        return 0.0, None
    recoded = np.full(len(values) + 1, MISSING)
    recoded[kept] = np.arange(len(kept))
    here, there = codes[pairs[0]], codes[pairs[1]]
    known = (here != MISSING) & (there != MISSING)
    differ = float(np.mean((here != there)[known])) if known.any() else 0.0
    here, there = recoded[here], recoded[there]
    swapped = (here != there) & (here != MISSING) & (there != MISSING)
    exchanges = np.zeros((len(kept) + 1, len(kept)))
    np.add.at(exchanges, (here[swapped], there[swapped]), 1.0)
    cumulative = _cumulative_shares(exchanges, counts[kept].astype(float))
    return float(f"{differ:.4g}"), Levels([values[i] for i in kept], cumulative)


def _cumulative_shares(exchanges: Floats, frequency: Floats) -> Floats:
    """Return cumulative shares; by frequency where no neighbour ever differed."""
    others = np.tile(frequency, (len(exchanges), 1))
    np.fill_diagonal(others, 0.0)
    never = exchanges.sum(axis=1) == 0
    shares = np.where(never[:, np.newaxis], others, exchanges)
    return np.asarray(np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True))
