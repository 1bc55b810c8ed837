"""Move rows as far as near neighbours differ, by noise that the row determines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Mask
from resilient_estimator.stability._constraints import PerturbationConstraints
from resilient_estimator.stability._neighbour_differences import (
    MIN_COUNT,
    N_NEIGHBORS,
    N_STEPS,
    STEP_LEVELS,
    LabelExchange,
    blocks_of,
    learn_labels,
    learn_numbers,
    near_pairs,
    read_block,
    read_sample,
)
from resilient_estimator.tabular._assign import Change, replace_columns
from resilient_estimator.tabular._column import MISSING, label_text
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._row_hash import (
    GOLDEN,
    Words,
    column_word,
    hash_rows,
    mix,
)
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import (
    Table,
    column_names,
    container_of,
    read_table,
)

DRAWS_PER_WORD = 4  # of 16 bits each
N_DRAWS = 1 << 16  # different values of a draw
N_QUANTILES = 1 << 10
DROPPED_BITS = np.uint16(6)  # from a draw to one of the quantiles


class RowNoise:
    """Pseudo-random numbers for the copies of rows.

    A counter-based generator: words are those of SplitMix64 (Steele, Lea and Flood,
    2014), started at a word that depends on the content of the row, on the column and
    on `random_state`. Hence a row has the same noise in any batch, order and container,
    and there is no state.

    Parameters
    ----------
    keys : ndarray of uint64 of shape (n_samples,)
        One word per row.
    n_copies : int
        Number of copies, and so of random numbers, per row.
    """

    def __init__(self, keys: Words, n_copies: int) -> None:
        self._keys = keys
        self._n_copies = n_copies

    @classmethod
    def of(
        cls,
        table: Table,
        places: Sequence[int | None],
        n_copies: int,
        random_state: int,
    ) -> Self:
        """Return the noise of rows, given the positions of the columns that count."""
        return cls(hash_rows(table, places, random_state), n_copies)

    def of_column(self, index: int) -> RowNoise:
        """Return the noise of one column, independent of that of the others."""
        return RowNoise(mix(self._keys + column_word(index)), self._n_copies)

    def mirrored(self, quantiles: Floats) -> Floats:
        """Return numbers of a symmetric distribution, of shape (n_samples, n_copies).

        They come in pairs of opposite sign, which balances the two sides of a row.

        Parameters
        ----------
        quantiles : ndarray of float of shape (1024,)
            Equally likely numbers in increasing order.
        """
        half = quantiles[self._draw(-(-self._n_copies // 2), stream=1) >> DROPPED_BITS]
        return np.concatenate([half, -half], axis=1)[:, : self._n_copies]

    def uniform(self) -> Floats:
        """Return uniform numbers in (0, 1), of shape (n_samples, n_copies)."""
        return np.asarray((self._draw(self._n_copies, stream=2) + 0.5) / N_DRAWS)

    def _draw(self, n_draws: int, stream: int) -> NDArray[np.uint16]:
        """Return uniform integers of shape (n_samples, n_draws)."""
        n_words = -(-n_draws // DRAWS_PER_WORD)
        steps = np.arange(n_words, dtype=np.uint64) + np.uint64(stream << 32)
        words = mix(self._keys[:, np.newaxis] + np.uint64(GOLDEN) * steps)
        return words.view(np.uint16)[:, :n_draws]


TINY = 1e-9


class Perturbation:
    """Perturb rows by differences that occur between near neighbours in training.

    A number moves up or down by the difference between two near neighbours; whole
    numbers are rounded up or down at random, so that small moves are not lost. A label
    is exchanged as often as neighbours differ in it, for the label of a neighbour that
    differs. Missing values stay missing.

    Parameters
    ----------
    names : list of str
        Names of the columns.
    has_names : bool
        Whether the training container had column names.
    rates : ndarray of float of shape (n_features,)
        Share of neighbours with different labels.
    steps : ndarray of float of shape (n_features, n_steps)
        Quantiles of the absolute difference of a number between neighbours.
    is_whole : ndarray of bool of shape (n_features,)
        Columns of whole numbers.
    usual_range : ndarray of float of shape (n_features, 2)
        Limits at which moves of numbers are reflected.
    exchanges : list of LabelExchange or None
        Exchange probabilities of labels; None for a column of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.stability import Perturbation
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
        has_names: bool,
        rates: Floats,
        steps: Floats,
        is_whole: Mask,
        usual_range: Floats,
        exchanges: list[LabelExchange | None],
    ) -> None:
        self.names = names
        self.has_names = has_names
        self.rates = rates
        self.steps = steps
        self.is_whole = is_whole
        self.usual_range = usual_range
        self.exchanges = exchanges

    @classmethod
    def learn(
        cls, X: Any, *, n_neighbors: int = N_NEIGHBORS, min_count: int = MIN_COUNT
    ) -> Self:
        """Measure differences between neighbours in the training rows.

        No row is kept. Neighbours of at most a thousand rows are searched for among at
        most ten thousand.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows. If X is not a table, there is nothing to perturb.
        n_neighbors : int, default=5
            Number of neighbours of each row.
        min_count : int, default=10
            Minimum number of rows for a label to be stored.

        Returns
        -------
        perturbation : Perturbation
            The measured differences.
        """
        table = read_sample(X)
        if table is None:
            return cls._still([], has_names=False)
        found = cls._still(column_names(table), has_names=table.names is not None)
        kinds = [table.kind(i) for i in range(table.shape[1])]
        pairs = near_pairs(table, n_neighbors)
        for block in blocks_of([i for i, k in enumerate(kinds) if k == "numeric"]):
            steps, usual_range, is_whole = learn_numbers(
                read_block(table, block), pairs
            )
            found.steps[block], found.usual_range[block] = steps, usual_range
            found.is_whole[block] = is_whole
        for i, kind in enumerate(kinds):
            if kind == "category":
                rate, exchange = learn_labels(table, i, pairs, min_count)
                found.rates[i], found.exchanges[i] = rate, exchange
        return found

    @classmethod
    def _still(cls, names: list[str], *, has_names: bool) -> Self:
        """Return a perturbation that moves no column yet."""
        n_features = len(names)
        return cls(
            names,
            has_names=has_names,
            rates=np.zeros(n_features),
            steps=np.zeros((n_features, N_STEPS)),
            is_whole=np.zeros(n_features, dtype=bool),
            usual_range=np.zeros((n_features, 2)),
            exchanges=[None] * n_features,
        )

    def move(
        self,
        X: Any,
        *,
        n_copies: int,
        size: float = 1.0,
        random_state: int = 0,
        constraints: PerturbationConstraints | None = None,
    ) -> Any:
        """Return each row followed by its perturbed copies.

        The noise of a row depends only on `random_state` and on the content of the row,
        so a row is perturbed alike in any batch and at any position.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        n_copies : int
            Number of perturbed copies of each row.
        size : float, default=1.0
            Size of the perturbation, in units of the differences between near
            neighbours.
        random_state : int, default=0
            Seed of the noise.
        constraints : PerturbationConstraints, default=None
            Columns that are fixed, limits and directions.

        Returns
        -------
        moved : as X, of shape (n_samples * (1 + n_copies), n_features)
            Row `i` of X at position ``i * (1 + n_copies)``, followed by its copies.

        Raises
        ------
        ValueError
            If `X` is not a table.
        """
        table = read_table(X)
        if table is None:
            raise ValueError(f"Expected a table of rows. Got {type(X).__name__}.")
        repeated = take_rows(
            container_of(X), np.repeat(np.arange(table.shape[0]), 1 + n_copies)
        )
        if not n_copies:
            return repeated
        constraints = constraints or PerturbationConstraints.none(len(self.names))
        noise = RowNoise.of(table, self._places(table), n_copies, random_state)
        changes = dict(self._changes(table, noise, size, constraints))
        return replace_columns(repeated, changes)

    def _places(self, table: Table) -> list[int | None]:
        """Return the positions of the columns that can move, None for the others."""
        can_move = self.steps[:, -1] > 0
        places = table.positions(self.names, named=self.has_names)
        return [
            place if can_move[i] or self.exchanges[i] is not None else None
            for i, place in enumerate(places)
        ]

    def _changes(
        self,
        table: Table,
        noise: RowNoise,
        size: float,
        constraints: PerturbationConstraints,
    ) -> Iterator[tuple[int, Change]]:
        """Yield for each column that can move the values of originals and copies."""
        for i, place in enumerate(self._places(table)):
            if place is None or constraints.immutable[i]:
                continue
            column, exchange = noise.of_column(i), self.exchanges[i]
            if exchange is not None:
                rate = size * self.rates[i]
                yield place, _exchange_labels(table, place, exchange, column, rate)
            else:
                values = numbers(table, place)[:, np.newaxis]
                step = column.mirrored(size * _symmetric(self.steps[i]))
                yield place, self._shift(values, i, step, column, constraints)

    def _shift(
        self,
        values: Floats,
        i: int,
        step: Floats,
        noise: RowNoise,
        constraints: PerturbationConstraints,
    ) -> Change:
        """Return numbers that moved by a step, within usual range and constraints."""
        turn: Callable[..., Floats] = _reflect
        direction, (lower, upper) = constraints.monotonic_cst[i], self.usual_range[i]
        if direction:
            step, turn = direction * np.abs(step), np.clip
        with np.errstate(over="ignore", invalid="ignore"):
            moved = values + step
            is_usual = (lower <= values) & (values <= upper)
            moved = np.where(is_usual, turn(moved, lower, upper), moved)
            if self.is_whole[i]:
                moved = np.floor(moved + noise.uniform())
            if np.isfinite(constraints.limits[i]).any():
                moved = np.clip(moved, *constraints.limits_around(i, values))
        return _after_original(moved, np.isfinite(moved))


def _exchange_labels(
    table: Table, place: int, exchange: LabelExchange, noise: RowNoise, rate: float
) -> Change:
    """Return labels, each exchanged for another one with the given probability."""
    codes, texts = table.labels(place)
    index = {label_text(label): code for code, label in enumerate(exchange.labels)}
    other = len(exchange.labels)
    known = np.array([*(index.get(text, other) for text in texts), other])[codes]
    draw = noise.uniform()
    where = (draw < rate) & (codes != MISSING)[:, np.newaxis]
    share = draw / max(min(rate, 1.0), TINY)  # uniform again, given that draw < rate
    row = np.broadcast_to(known[:, np.newaxis], share.shape)
    ends = exchange.cumulative + np.arange(other + 1)[:, np.newaxis]  # row after row
    chosen = np.searchsorted(ends.ravel(), row + share, side="right") - other * row
    labels = np.array(exchange.labels, dtype=object)
    return _after_original(labels[np.clip(chosen, 0, other - 1)], where)


def _symmetric(steps: Floats) -> Floats:
    """Return quantiles of signed differences from those of absolute ones."""
    up = np.interp(
        (np.arange(N_QUANTILES // 2) + 0.5) / (N_QUANTILES // 2), STEP_LEVELS, steps
    )
    return np.concatenate([-up[::-1], up])


def _reflect(moved: Floats, lower: float, upper: float) -> Floats:
    """Reflect numbers at the ends of a range."""
    if lower == -np.inf:
        return moved
    moved = lower + np.abs(moved - lower)
    moved = upper - np.abs(upper - moved)
    return np.maximum(moved, lower, out=moved)


def _after_original(moved: NDArray[Any], where: Mask) -> Change:
    """Insert the unchanged original before the copies of each row."""
    values = np.concatenate([moved[:, :1], moved], axis=1).ravel()
    first = np.zeros((len(moved), 1), dtype=bool)
    return values, np.concatenate([first, where], axis=1).ravel()
