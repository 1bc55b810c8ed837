"""Shapley values: exact over all coalitions, or by antithetic permutation sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator.explanation._black_box import row_chunks
from resilient_estimator.tabular._assign import replace_columns
from resilient_estimator.tabular._rows import count_rows, take_rows

MAX_EXACT = 10_000  # evaluations per row; all coalitions are evaluated up to this
MAX_EVALUATIONS = 2_000_000  # held in memory at a time


class Coalitions(NamedTuple):
    """Sets of columns that keep the values of a row, each with a background row.

    Parameters
    ----------
    ranks : ndarray of int of shape (n_orders, n_features)
        Rank of each column in a permutation of the columns.
    order : ndarray of int of shape (n_coalitions,)
        The permutation that starts with the members of the coalition.
    size : ndarray of int of shape (n_coalitions,)
        Columns whose rank is below the size are members.
    background : ndarray of int of shape (n_coalitions,)
        Position of the background row that supplies the other columns.
    n_members : ndarray of int of shape (n_coalitions,)
        Number of members.
    weights : sparse matrix of shape (n_features, n_coalitions)
        Contributions are these linear combinations of the outputs.
    """

    ranks: Positions
    order: Positions
    size: Positions
    background: Positions
    n_members: Positions
    weights: Any

    def members(self, which: Positions) -> Mask:
        """Return which columns are members of some of the coalitions."""
        return self.ranks[self.order[which]] < self.size[which][:, np.newaxis]


def choose_coalitions(
    n_features: int, n_background: int, n_orders: int, rng: np.random.Generator
) -> Coalitions:
    """Return coalitions, and the weights that turn their outputs into Shapley values.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_background : int
        Number of background rows; each is used equally often.
    n_orders : int
        Minimum number of random permutations, if there are too many coalitions to
        evaluate them all. Each one is also used in reverse.
    rng : Generator
        Source of randomness.
    """
    if 2.0**n_features * n_background <= MAX_EXACT:
        return _all_coalitions(n_features, n_background)
    n_rounds = -(-n_orders // n_background)
    return _random_orders(n_features, n_background, n_rounds, rng)


def _all_coalitions(p: int, n_background: int) -> Coalitions:
    """Apply Shapley's formula: the gain of joining s columns weighs s!(p-s-1)!/p!."""
    subset = np.arange(2**p)
    member = (subset[:, np.newaxis] >> np.arange(p)) & 1 == 1
    size = member.sum(axis=1)
    joining = np.array([1 / (p * comb(p - 1, s)) for s in range(p)] + [0.0])
    weights = np.where(member, joining[size - 1][:, np.newaxis], 0.0)
    weights -= np.where(member, 0.0, joining[size][:, np.newaxis])
    order = np.tile(subset, n_background)
    return Coalitions(
        ranks=np.where(member, 0, 1),
        order=order,
        size=np.ones(len(order), dtype=np.intp),
        background=np.repeat(np.arange(n_background), len(subset)),
        n_members=np.tile(size, n_background),
        weights=sparse.csr_matrix(np.tile(weights.T, n_background) / n_background),
    )


def _random_orders(
    p: int, n_background: int, n_rounds: int, rng: np.random.Generator
) -> Coalitions:
    """Sample permutations; a column contributes what the output gains when it joins."""
    forwards = np.array([rng.permutation(p) for _ in range(n_rounds * n_background)])
    orders = np.concatenate([forwards, forwards[:, ::-1]])
    n_orders = len(orders)
    ranks = np.argsort(orders, axis=1)
    end = np.arange(n_orders * (p + 1)).reshape(n_orders, p + 1)
    before, after = end[:, :-1].ravel(), end[:, 1:].ravel()
    ones = np.full(len(before), 1 / n_orders)
    column = np.tile(orders.ravel(), 2)
    entries = np.concatenate([ones, -ones]), (column, np.append(after, before))
    size = np.tile(np.arange(p + 1), n_orders)
    return Coalitions(
        ranks=ranks,
        order=np.repeat(np.arange(n_orders), p + 1),
        size=size,
        n_members=size,
        background=np.repeat(np.arange(n_orders) % n_background, p + 1),
        weights=sparse.csr_matrix(entries, shape=(p, end.size)),
    )


def shapley_values(
    evaluate: Callable[[Any, Positions], Floats],
    X: Any,
    background: Mapping[int, NDArray[Any]],
    coalitions: Coalitions,
) -> tuple[Floats, Floats, Floats]:
    """Return the contributions of the columns, the base and the outputs.

    Parameters
    ----------
    evaluate : callable
        Takes modified rows, and the positions in `X` of the original ones. Returns one
        number per row.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    background : dict of int to ndarray of shape (n_background,)
        Values of the background rows, by column. Other columns are never replaced.
    coalitions : Coalitions
        The coalitions to evaluate.

    Returns
    -------
    contributions : ndarray of float of shape (n_samples, n_features)
    base, outputs : ndarray of float of shape (n_samples,)
        Mean output on the background, and output of each row.
    """
    n_samples, n_coalitions = count_rows(X), len(coalitions.order)
    step, parts = max(1, MAX_EVALUATIONS // n_coalitions), []
    progress = Progress("explain", n_samples)
    grand = int(coalitions.n_members.argmax())
    for start in range(0, max(n_samples, 1), step):  # once if there are no rows
        stop = min(start + step, n_samples)
        rows = np.arange(start, stop)
        values = _evaluate_coalitions(evaluate, X, rows, background, coalitions)
        base = values[:, coalitions.n_members == 0].mean(axis=1)
        contributions = np.asarray(coalitions.weights @ values.T).T
        parts.append((contributions, base, values[:, grand]))
        progress.step(stop)
    contributions, bases, outputs = map(np.concatenate, zip(*parts, strict=True))
    return contributions, bases, outputs


def _evaluate_coalitions(
    evaluate: Callable[[Any, Positions], Floats],
    X: Any,
    rows: Positions,
    background: Mapping[int, NDArray[Any]],
    coalitions: Coalitions,
) -> Floats:
    """Return the output of each row for each coalition."""
    n_features, n_coalitions = coalitions.ranks.shape[1], len(coalitions.order)
    outputs = np.empty(len(rows) * n_coalitions)
    for part in row_chunks(len(outputs), n_features):
        row, which = np.divmod(np.arange(part.start, part.stop), n_coalitions)
        outside = ~coalitions.members(which)
        filled = coalitions.background[which]
        changes = {
            j: (values[filled], outside[:, j]) for j, values in background.items()
        }
        modified = replace_columns(take_rows(X, rows[row]), changes)
        outputs[part] = evaluate(modified, rows[row])
    return outputs.reshape(len(rows), n_coalitions)
