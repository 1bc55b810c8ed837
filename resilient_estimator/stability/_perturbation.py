"""Move rows as far as their near neighbours in training lie apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator.stability._constraints import Constraints
from resilient_estimator.stability._neighbour_differences import (
    LEVELS,
    MIN_COUNT,
    N_NEIGHBORS,
    N_STEPS,
    Levels,
    blocks_of,
    learn_labels,
    learn_numbers,
    near_pairs,
    read_block,
    read_sample,
)
from resilient_estimator.tabular._assign import Change, replace_columns
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._row_hash import N_QUANTILES, RowNoise
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import (
    MISSING,
    Table,
    column_names,
    label_text,
    read_table,
)

TINY = 1e-9


class Perturbation:
    """How far near neighbours in training lie apart, column by column.

    A number moves by a difference as it occurs between near neighbours, up or down;
    whole numbers are rounded up or down at random, so that small moves are not lost. A
    label is exchanged as often as neighbours differ in it, for the label of a neighbour
    that differs. What is missing stays missing.

    Parameters
    ----------
    names : list of str
        Columns.
    named : bool
        Whether they are names of the container's own.
    rates : ndarray of float of shape (n_features,)
        Share of neighbours that differ in a label.
    steps : ndarray of float of shape (n_features, n_steps)
        Quantiles of the absolute difference of a number between neighbours.
    whole : ndarray of bool of shape (n_features,)
        Which numbers are whole.
    usual : ndarray of float of shape (n_features, 2)
        Between which limits numbers are reflected.
    levels : list of Levels or None
        Of the labels.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.stability._perturbation import Perturbation
    >>> X = np.random.default_rng(0).normal(size=(500, 2)) * [1, 100]
    >>> perturbation = Perturbation.learn(X)
    >>> moved = perturbation.move(X[:1], n_copies=4)
    >>> moved.shape, bool((moved[0] == X[0]).all())
    ((5, 2), True)
    """

    def __init__(
        self,
        names: list[str],
        *,
        named: bool,
        rates: Floats,
        steps: Floats,
        whole: NDArray[np.bool_],
        usual: Floats,
        levels: list[Levels | None],
    ) -> None:
        self.names = names
        self.named = named
        self.rates = rates
        self.steps = steps
        self.whole = whole
        self.usual = usual
        self.levels = levels

    @classmethod
    def learn(
        cls, X: Any, *, n_neighbors: int = N_NEIGHBORS, min_count: int = MIN_COUNT
    ) -> Self:
        """Measure neighbour differences in reference rows; no row is kept.

        Neighbours of a thousand rows are sought among ten thousand at most.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The reference. What is not a table gives nothing that can be moved.
        n_neighbors : int, default=5
            How many neighbours of each row.
        min_count : int, default=10
            Fewest rows for which a label is stored.
        """
        table = read_sample(X)
        n_features = 0 if table is None else table.shape[1]
        steps, usual = np.zeros((n_features, N_STEPS)), np.zeros((n_features, 2))
        whole, rates = np.zeros(n_features, dtype=bool), np.zeros(n_features)
        levels: list[Levels | None] = [None] * n_features
        if table is None:
            return cls(
                [],
                named=False,
                rates=rates,
                steps=steps,
                whole=whole,
                usual=usual,
                levels=levels,
            )
        kinds = [table.kind(i) for i in range(n_features)]
        pairs = near_pairs(table, n_neighbors)
        for block in blocks_of([i for i in range(n_features) if kinds[i] == "numeric"]):
            learnt = learn_numbers(read_block(table, block), pairs)
            steps[block], usual[block], whole[block] = learnt
        for i in range(n_features):
            if kinds[i] == "category":
                rates[i], levels[i] = learn_labels(table, i, pairs, min_count)
        return cls(
            column_names(table),
            named=table.names is not None,
            rates=rates,
            steps=steps,
            whole=whole,
            usual=usual,
            levels=levels,
        )

    def move(
        self,
        X: Any,
        *,
        n_copies: int,
        size: float = 1.0,
        seed: int = 0,
        constraints: Constraints | None = None,
    ) -> Any:
        """Return each row followed by its moved copies.

        The noise of a row follows from the seed and from what stands in the row: it is
        the same wherever and beside whatever else the row stands.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        n_copies : int
            Moved copies of each row.
        size : float, default=1.0
            How far: 1 is as far as near neighbours lie apart.
        seed : int, default=0
            Another seed gives other noise.
        constraints : Constraints, default=None
            What may not move, or not everywhere.

        Returns
        -------
        moved : as X, of shape (n_samples * (1 + n_copies), n_features)
            Row `i` is row ``i * (1 + n_copies)``, its copies come next.

        Raises
        ------
        ValueError
            If `X` is not a table.
        """
        table = read_table(X)
        if table is None:
            raise ValueError(f"Expected a table of rows. Got {type(X).__name__}.")
        repeated = take_rows(X, np.repeat(np.arange(table.shape[0]), 1 + n_copies))
        if not n_copies:
            return repeated
        limits = constraints or Constraints.none(len(self.names))
        noise = RowNoise.of(table, self._places(table), n_copies, seed)
        changes = dict(self._changes(table, noise, size, limits))
        return replace_columns(repeated, changes)

    def _places(self, table: Table) -> list[int | None]:
        """Return where the columns that can move stand, None for the others."""
        can_move = self.steps[:, -1] > 0
        places = table.positions(self.names, named=self.named)
        return [
            place if can_move[i] or self.levels[i] is not None else None
            for i, place in enumerate(places)
        ]

    def _changes(
        self, table: Table, noise: RowNoise, size: float, limits: Constraints
    ) -> Iterator[tuple[int, Change]]:
        """Yield, for each column that can move, new values of originals and copies."""
        for i, place in enumerate(self._places(table)):
            if place is None or limits.immutable[i]:
                continue
            column, levels = noise.of_column(i), self.levels[i]
            if levels is not None:
                rate = size * self.rates[i]
                yield place, _exchange(table, place, levels, column, rate)
            else:
                values = numbers(table, place)[:, np.newaxis]
                step = column.mirrored(size * _symmetric(self.steps[i]))
                yield place, self._shift(values, i, step, column, limits)

    def _shift(
        self,
        values: Floats,
        i: int,
        step: Floats,
        noise: RowNoise,
        limits: Constraints,
    ) -> Change:
        turn: Callable[..., Floats] = _reflect
        if limits.direction[i]:
            step, turn = limits.direction[i] * np.abs(step), np.clip
        with np.errstate(over="ignore", invalid="ignore"):
            moved = values + step
            usual = (self.usual[i, 0] <= values) & (values <= self.usual[i, 1])
            moved = np.where(usual, turn(moved, *self.usual[i]), moved)
            if self.whole[i]:
                moved = np.floor(moved + noise.uniform())
            if np.isfinite(limits.bounds[i]).any():
                moved = np.clip(moved, *limits.bounds_about(i, values))
        return _after_original(moved, np.isfinite(moved))


def _exchange(
    table: Table, place: int, levels: Levels, noise: Any, rate: float
) -> Change:
    """Return other labels, each exchanged with the given probability."""
    codes, texts = table.labels(place)
    index = {label_text(value): code for code, value in enumerate(levels.values)}
    other = len(levels.values)
    known = np.array([*(index.get(text, other) for text in texts), other])[codes]
    draw = noise.uniform()
    where = (draw < rate) & (codes != MISSING)[:, np.newaxis]
    share = draw / max(min(rate, 1.0), TINY)  # below the rate, it is uniform again
    row = np.broadcast_to(known[:, np.newaxis], share.shape)
    ends = levels.cumulative + np.arange(other + 1)[:, np.newaxis]  # row after row
    chosen = np.searchsorted(ends.ravel(), row + share, side="right") - other * row
    values = np.array(levels.values, dtype=object)
    return _after_original(values[np.clip(chosen, 0, other - 1)], where)


def _symmetric(steps: Floats) -> Floats:
    """Return quantiles of differences up and down from those of absolute ones."""
    up = np.interp(
        (np.arange(N_QUANTILES // 2) + 0.5) / (N_QUANTILES // 2), LEVELS, steps
    )
    return np.concatenate([-up[::-1], up])


def _reflect(moved: Floats, low: float, high: float) -> Floats:
    """Turn moves back at the ends of a range."""
    if low == -np.inf:
        return moved
    moved = low + np.abs(moved - low)
    moved = high - np.abs(high - moved)
    return np.maximum(moved, low, out=moved)


def _after_original(moved: NDArray[Any], where: NDArray[np.bool_]) -> Change:
    """Put the original, which is not changed, before the copies of each row."""
    values = np.concatenate([moved[:, :1], moved], axis=1).ravel()
    first = np.zeros((len(moved), 1), dtype=bool)
    return values, np.concatenate([first, where], axis=1).ravel()
