"""Differences between nearest neighbours in training; no row is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator.tabular._column import MISSING
from resilient_estimator.tabular._embedding import Embedding, numbers
from resilient_estimator.tabular._table import Table, read_table

Pairs = tuple[Positions, Positions]

N_NEIGHBORS = 5
MAX_QUERIES = 1_000
MAX_REFERENCE = 10_000
MAX_CELLS = 1 << 22  # of the reference rows
BLOCK = 256  # columns
MIN_COUNT = 10
MAX_LABELS = 256
N_STEPS = 32
STEP_LEVELS = (np.arange(N_STEPS) + 0.5) / N_STEPS
USUAL_LEVELS = np.array([0.005, 0.995])


class LabelExchange(NamedTuple):
    """Probabilities with which a label is exchanged for another one.

    Attributes
    ----------
    labels : list
        Labels that can be drawn.
    cumulative : ndarray of float of shape (n_labels + 1, n_labels)
        Cumulative probabilities, one row per label; the last row is for labels that are
        not in the list.
    """

    labels: list[Any]
    cumulative: Floats


def read_sample(X: Any) -> Table | None:
    """Return a random sample of the rows, smaller if there are many columns."""
    table = read_table(X)
    if table is None or not table.shape[0]:
        return None
    n_samples, n_features = table.shape
    n_chosen = max(min(MAX_REFERENCE, MAX_CELLS // max(n_features, 1)), 2)
    sample = table.take(np.random.default_rng(0).permutation(n_samples)[:n_chosen])
    return read_table(sample.matrix.toarray()) if sample.is_sparse else sample


def near_pairs(table: Table, n_neighbors: int) -> Pairs:
    """Return the positions of rows and of their neighbours, one pair per neighbour."""
    n_queries = min(table.shape[0], MAX_QUERIES)
    n_neighbors = min(n_neighbors, table.shape[0] - 1)
    queries = np.arange(n_queries)
    if n_neighbors < 1:
        return queries[:0], queries[:0]
    embedded = Embedding.learn(table).embed(table)
    search = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(embedded)
    found = search.kneighbors(embedded[:n_queries], return_distance=False)
    itself = found == queries[:, np.newaxis]
    itself[~itself.any(axis=1), -1] = True  # more duplicates than neighbours
    others = found[~itself]
    return np.repeat(queries, n_neighbors), others


def blocks_of(columns: Sequence[int]) -> list[Positions]:
    """Return the columns in blocks that are processed together."""
    n_blocks = -(-len(columns) // BLOCK)
    return np.array_split(np.array(columns, dtype=np.intp), n_blocks) if columns else []


def read_block(table: Table, columns: Positions) -> Floats:
    """Return numeric columns as one array of shape (n_samples, n_columns)."""
    if table.matrix is not None:
        return np.asarray(table.matrix[:, columns], dtype=np.float64)
    return np.column_stack([numbers(table, int(i)) for i in columns])


def learn_numbers(values: Floats, pairs: Pairs) -> tuple[Floats, Floats, Mask]:
    """Return how much numbers differ between neighbours, and their usual range.

    Parameters
    ----------
    values : ndarray of float of shape (n_samples, n_columns)
        Numeric columns.
    pairs : pair of ndarray of int of shape (n_pairs,)
        Positions of rows and of their neighbours.

    Returns
    -------
    steps : ndarray of float of shape (n_columns, n_steps)
        Quantiles of absolute differences, rounded to three digits.
    usual_range : ndarray of float of shape (n_columns, 2)
        Limits, rounded inwards, that one row in two hundred exceeds on either side.
    is_whole : ndarray of bool of shape (n_columns,)
        Whether all numbers are whole.
    """
    with np.errstate(all="ignore"):  # numbers near 1e308 or 1e-308
        gaps = np.abs(values[pairs[0]] - values[pairs[1]])
        steps = _rounded(_quantiles(gaps, STEP_LEVELS))
        is_whole = ((values == np.rint(values)) | ~np.isfinite(values)).all(axis=0)
        lower, upper = _quantiles(values, USUAL_LEVELS)
        usual_range = _round_inwards(lower, upper, is_whole)
    return steps.T, usual_range, is_whole


def _quantiles(values: Floats, levels: Floats) -> Floats:
    """Return quantiles of the finite values of each column, 0 if it has none."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)
    if not len(ordered):
        return np.zeros((len(levels), values.shape[1]))
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    ranks = levels[:, np.newaxis] * last
    below = np.floor(ranks).astype(np.intp)
    lower = np.take_along_axis(ordered, below, axis=0)
    upper = np.take_along_axis(ordered, np.minimum(below + 1, last), axis=0)
    between = lower + (ranks - below) * (upper - lower)
    return np.where(np.isfinite(between), between, 0.0)


def _rounded(values: Floats) -> Floats:
    """Round to three significant digits, so that no exact difference is kept."""
    with np.errstate(divide="ignore"):
        step = 10.0 ** (np.floor(np.log10(values)) - 2)
    return np.where(values > 0, np.rint(values / step) * step, 0.0)


def _round_inwards(lower: Floats, upper: Floats, is_whole: Mask) -> Floats:
    """Round limits, so that they are not training values; whole ones to integers."""
    spread = upper - lower
    varies = (spread > 0) & np.isfinite(spread)
    step = 10.0 ** np.floor(np.log10(np.where(varies, spread, 1.0) / 20))
    step = np.where(is_whole, np.maximum(step, 1.0), step)
    limits = np.array([np.ceil(lower / step) * step, np.floor(upper / step) * step])
    return np.where(varies, limits, np.array([[-np.inf], [np.inf]])).T


def learn_labels(
    table: Table, index: int, pairs: Pairs, min_count: int
) -> tuple[float, LabelExchange | None]:
    """Return how often neighbours differ in a label, and how labels are exchanged.

    Parameters
    ----------
    table : Table
        Rows.
    index : int
        Position of a column of labels.
    pairs : pair of ndarray of int of shape (n_pairs,)
        Positions of rows and of their neighbours.
    min_count : int
        Minimum number of rows for a label to be stored.

    Returns
    -------
    rate : float
        Share of neighbours with different labels.
    exchange : LabelExchange or None
        Exchange probabilities; None if the column cannot be perturbed.
    """
    codes, labels = table.levels(index)
    counts = np.bincount(codes[codes != MISSING], minlength=len(labels))
    order = np.argsort(-counts, kind="stable")[:MAX_LABELS]
    kept = [int(i) for i in order if counts[i] >= min_count]
    is_plain = all(isinstance(labels[i], (str, int, float)) for i in kept)
    if len(kept) < 2 or not is_plain:  # intervals and dates are left unchanged
        return 0.0, None
    here, there = codes[pairs[0]], codes[pairs[1]]
    known = (here != MISSING) & (there != MISSING)
    rate = float(np.mean((here != there)[known])) if known.any() else 0.0
    recoded = np.full(len(labels) + 1, MISSING)
    recoded[kept] = np.arange(len(kept))
    exchanges = _count_exchanges(recoded[here], recoded[there], len(kept))
    cumulative = _cumulative_shares(exchanges, counts[kept].astype(float))
    exchange = LabelExchange([labels[i] for i in kept], cumulative)
    return float(f"{rate:.4g}"), exchange


def _count_exchanges(here: Positions, there: Positions, n_labels: int) -> Floats:
    """Count for each pair of labels how often neighbours have these two."""
    exchanged = (here != there) & (here != MISSING) & (there != MISSING)
    exchanges = np.zeros((n_labels + 1, n_labels))
    np.add.at(exchanges, (here[exchanged], there[exchanged]), 1.0)
    return exchanges


def _cumulative_shares(exchanges: Floats, frequency: Floats) -> Floats:
    """Return cumulative shares, by frequency for labels never exchanged in training."""
    others = np.tile(frequency, (len(exchanges), 1))
    np.fill_diagonal(others, 0.0)
    never = exchanges.sum(axis=1) == 0
    shares = np.where(never[:, np.newaxis], others, exchanges)
    return np.asarray(np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True))
