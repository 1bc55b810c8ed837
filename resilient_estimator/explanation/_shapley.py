"""Shapley values: which columns to switch to the background, and how to weigh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Floats, Positions
from resilient_estimator.explanation._oracle import in_chunks
from resilient_estimator.tabular._assign import replace_columns
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import count_rows

MAX_EXACT = 10_000  # questions per row up to which all coalitions are asked about
ANSWERS_AT_ONCE = 2_000_000


class Coalitions(NamedTuple):
    """Sets of columns that keep the cells of a row, each with a background row.

    Parameters
    ----------
    ranks : ndarray of int of shape (n_orders, n_features)
        Place of each column in an order.
    order : ndarray of int of shape (n_coalitions,)
        Which order a coalition is the beginning of.
    size : ndarray of int of shape (n_coalitions,)
        The columns of rank below the size are members.
    background : ndarray of int of shape (n_coalitions,)
        Which background row fills the others.
    n_members : ndarray of int of shape (n_coalitions,)
        How many columns are members.
    weights : sparse matrix of shape (n_features, n_coalitions)
        By which a column's contribution is a sum over the model's answers.
    """

    ranks: Positions
    order: Positions
    size: Positions
    background: Positions
    n_members: Positions
    weights: Any

    def members(self, which: Positions) -> NDArray[np.bool_]:
        """Return which columns keep their cells in some of the coalitions."""
        return self.ranks[self.order[which]] < self.size[which][:, np.newaxis]


def choose_coalitions(
    n_features: int, n_background: int, n_orders: int, rng: np.random.Generator
) -> Coalitions:
    """Return coalitions whose weighted answers are Shapley values.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_background : int
        Number of background rows, each of which is used equally often.
    n_orders : int
        How many random orders of the columns to follow at least, if there are too many
        coalitions to ask about all; each one is also followed backwards.
    rng : Generator
        Where the orders come from.
    """
    if 2.0**n_features * n_background <= MAX_EXACT:
        return _all_coalitions(n_features, n_background)
    n_rounds = -(-n_orders // n_background)
    return _random_orders(n_features, n_background, n_rounds, rng)


def _all_coalitions(p: int, n_background: int) -> Coalitions:
    """Shapley's formula: a gain by joining s of p columns weighs s!(p-s-1)!/p!."""
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
    """Follow orders of the columns, and count what each adds where it joins."""
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
    ask: Callable[[Any, Positions], Floats],
    X: Any,
    background: Mapping[int, NDArray[Any]],
    coalitions: Coalitions,
) -> tuple[Floats, Floats, Floats]:
    """Return the contributions of the columns of rows, the base and the outputs.

    Parameters
    ----------
    ask : callable
        Takes rows and which rows of `X` they are copies of; returns a number per row.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    background : dict of int to ndarray of shape (n_background,)
        Cells of the background rows, by column. Other columns are never switched.
    coalitions : Coalitions
        What to ask.

    Returns
    -------
    contributions : ndarray of float of shape (n_samples, n_features)
    base, outputs : ndarray of float of shape (n_samples,)
        Mean output of the background, and output of the rows.
    """
    n_samples, n_coalitions = count_rows(X), len(coalitions.order)
    step, parts = max(1, ANSWERS_AT_ONCE // n_coalitions), []
    progress = Progress("explain", n_samples)
    whole = int(coalitions.n_members.argmax())
    for start in range(0, max(n_samples, 1), step):  # once for no rows
        stop = min(start + step, n_samples)
        rows = np.arange(start, stop)
        answers = _answers(ask, X, rows, background, coalitions)
        base = answers[:, coalitions.n_members == 0].mean(axis=1)
        shares = np.asarray(coalitions.weights @ answers.T).T
        parts.append((shares, base, answers[:, whole]))
        progress.step(stop)
    contributions, bases, outputs = map(np.concatenate, zip(*parts, strict=True))
    return contributions, bases, outputs


def _answers(
    ask: Callable[[Any, Positions], Floats],
    X: Any,
    rows: Positions,
    background: Mapping[int, NDArray[Any]],
    coalitions: Coalitions,
) -> Floats:
    """Return the answer for each row and coalition."""
    n_features, n_coalitions = coalitions.ranks.shape[1], len(coalitions.order)
    answers = np.empty(len(rows) * n_coalitions)
    for part in in_chunks(len(answers), n_features):
        row, which = np.divmod(np.arange(part.start, part.stop), n_coalitions)
        outside = ~coalitions.members(which)
        filled = coalitions.background[which]
        changes = {j: (cells[filled], outside[:, j]) for j, cells in background.items()}
        masked = replace_columns(take_rows(X, rows[row]), changes)
        answers[part] = ask(masked, rows[row])
    return answers.reshape(len(rows), n_coalitions)
