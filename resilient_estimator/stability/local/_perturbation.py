"""Move rows as far as their near neighbours in training lie apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from resilient_estimator._columns import (
    MISSING,
    Table,
    column_names,
    label_text,
    read_table,
)
from resilient_estimator.stability._edits import Change, repeat, replace_columns
from resilient_estimator.stability._row_noise import Floats, RowNoise
from resilient_estimator.stability._space import Space, numbers
from resilient_estimator.stability.local._constraints import Constraints

N_NEIGHBORS = 5
MAX_QUERIES = 1_000
MAX_REFERENCE = 10_000
MAX_CELLS = 1 << 24  # of the rows that neighbours are sought among
MIN_COUNT = 10
MAX_LEVELS = 256
TINY = 1e-9
USUAL = (0.005, 0.995)  # shares of training rows below the usual range of a number

N_STEPS = 32
LEVELS = (np.arange(N_STEPS) + 0.5) / N_STEPS
NO_STEPS = np.zeros(N_STEPS)

FIXED, NUMERIC, WHOLE, CATEGORY = "fixed", "numeric", "whole", "category"


class Levels(NamedTuple):
    """How a label turns into another: cumulative shares, one row per label.

    The last row is for labels that are not among the values.
    """

    values: list[Any]
    cumulative: Floats


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
    kinds : list of str
        "numeric", "whole", "category" or "fixed".
    rates : ndarray of float of shape (n_features,)
        Share of neighbours that differ in a label.
    steps : ndarray of float of shape (n_features, n_steps)
        Quantiles of the absolute difference of a number between neighbours.
    usual : ndarray of float of shape (n_features, 2)
        Between which limits numbers are reflected.
    levels : list of Levels or None
        Of the labels.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.stability.local._perturbation import Perturbation
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
        kinds: list[str],
        rates: Floats,
        steps: Floats,
        usual: Floats,
        levels: list[Levels | None],
    ) -> None:
        self.names = names
        self.named = named
        self.kinds = kinds
        self.rates = rates
        self.steps = steps
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
        table = read_table(X)
        if table is not None:
            table = read_table(_sample(X, table.shape))
        if table is None or not table.shape[0]:
            return cls(
                [],
                named=False,
                kinds=[],
                rates=np.empty(0),
                steps=np.empty((0, N_STEPS)),
                usual=np.empty((0, 2)),
                levels=[],
            )
        pairs = _neighbour_pairs(table, n_neighbors)
        learnt = [
            _learn_column(table, i, pairs, min_count) for i in range(table.shape[1])
        ]
        return cls(
            column_names(table),
            named=table.names is not None,
            kinds=[each.kind for each in learnt],
            rates=np.array([each.rate for each in learnt]),
            steps=np.array([each.steps for each in learnt]),
            usual=np.array([each.usual for each in learnt]).reshape(-1, 2),
            levels=[each.levels for each in learnt],
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
        """
        table = read_table(X)
        n_samples = 0 if table is None else table.shape[0]
        rows = np.repeat(np.arange(n_samples), 1 + n_copies)
        repeated = repeat(X, rows)
        if table is None or not n_copies:
            return repeated
        limits = constraints or Constraints.none(len(self.names))
        noise = RowNoise.of(table, n_copies, seed)
        changes = dict(self._changes(table, noise, size, limits))
        return replace_columns(repeated, changes)

    def _changes(
        self, table: Table, noise: RowNoise, size: float, limits: Constraints
    ) -> Iterator[tuple[int, Change]]:
        """Yield, for each column that can move, new values of originals and copies."""
        for i, place in enumerate(table.positions(self.names, named=self.named)):
            if place is None or limits.immutable[i]:
                continue
            column, levels = noise.of_column(i), self.levels[i]
            if levels is not None:
                rate = size * self.rates[i]
                yield place, _exchange(table, place, levels, column, rate)
            elif self.steps[i, -1] > 0:
                values = numbers(table, place)[:, np.newaxis]
                step = _steps(column.two_sided(), size * self.steps[i])
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
            if self.kinds[i] == WHOLE:
                moved = np.floor(moved + noise.uniform())
            moved = np.clip(moved, *limits.bounds_about(i, values))
        return _after_original(moved, np.isfinite(moved) & np.isfinite(values))


class _Learnt(NamedTuple):
    """What is learnt of one column."""

    kind: str
    rate: float = 0.0
    steps: Floats = NO_STEPS
    usual: tuple[float, float] = (-np.inf, np.inf)
    levels: Levels | None = None


def _sample(X: Any, shape: tuple[int, int]) -> Any:
    """Return rows to learn from: fewer where there are many columns."""
    n_samples, n_features = shape
    n_chosen = max(min(MAX_REFERENCE, MAX_CELLS // max(n_features, 1)), 2)
    return repeat(X, np.random.default_rng(0).permutation(n_samples)[:n_chosen])


def _neighbour_pairs(
    table: Table, n_neighbors: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and, for each of them, a near neighbour; each row several times."""
    n_queries = min(table.shape[0], MAX_QUERIES)
    n_neighbors = min(n_neighbors, table.shape[0] - 1)
    queries = np.arange(n_queries)
    if n_neighbors < 1:
        return queries[:0], queries[:0]
    embedded = Space.learn(table).embed(table)
    search = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(embedded)
    found = search.kneighbors(embedded[:n_queries], return_distance=False)
    itself = found == queries[:, np.newaxis]
    itself[~itself.any(axis=1), -1] = True  # more twins than neighbours
    others = found[~itself]
    return np.repeat(queries, n_neighbors), others


def _learn_column(
    table: Table,
    index: int,
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    min_count: int,
) -> _Learnt:
    kind = table.kind(index)
    if kind == "category":
        return _learn_category(table, index, pairs, min_count)
    return _learn_number(table, index, pairs) if kind == "numeric" else _Learnt(FIXED)


def _learn_number(
    table: Table, index: int, pairs: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> _Learnt:
    values = numbers(table, index)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return _Learnt(FIXED)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = (float(q) for q in np.quantile(finite, USUAL))
        gaps = np.abs(values[pairs[0]] - values[pairs[1]])
        gaps = gaps[np.isfinite(gaps)]
        steps = np.quantile(gaps, LEVELS) if len(gaps) else NO_STEPS
    whole = bool((finite == np.rint(finite)).all())
    return _Learnt(
        WHOLE if whole else NUMERIC,
        steps=_rounded(steps),
        usual=_round_inwards(low, high, whole=whole),
    )


def _rounded(values: Floats) -> Floats:
    """Round to three significant digits: no difference between two rows is kept."""
    return np.array([float(f"{value:.3g}") for value in values])


def _round_inwards(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """Round limits, so that they are not values of the reference; whole ones to 1."""
    spread = high - low
    if not 0 < spread < np.inf:
        return -np.inf, np.inf
    step = 10.0 ** np.floor(np.log10(spread / 20))
    step = max(step, 1.0) if whole else step
    return float(np.ceil(low / step) * step), float(np.floor(high / step) * step)


def _learn_category(
    table: Table,
    index: int,
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    min_count: int,
) -> _Learnt:
    codes, values = table.levels(index)
    counts = np.bincount(codes[codes != MISSING], minlength=len(values))
    order = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    kept = [int(i) for i in order if counts[i] >= min_count]
    if len(kept) < 2:
        return _Learnt(FIXED)
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
    return _Learnt(
        CATEGORY,
        rate=float(f"{differ:.4g}"),
        levels=Levels([values[i] for i in kept], cumulative),
    )


def _cumulative_shares(exchanges: Floats, frequency: Floats) -> Floats:
    """Return cumulative shares; by frequency where no neighbour ever differed."""
    others = np.tile(frequency, (len(exchanges), 1))
    np.fill_diagonal(others, 0.0)
    never = exchanges.sum(axis=1) == 0
    shares = np.where(never[:, np.newaxis], others, exchanges)
    return np.asarray(np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True))


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
    cumulative = levels.cumulative[known]
    chosen = (share[:, :, np.newaxis] >= cumulative[:, np.newaxis, :]).sum(axis=2)
    values = np.array(levels.values, dtype=object)
    return _after_original(values[np.minimum(chosen, other - 1)], where)


def _steps(draws: Floats, steps: Floats) -> Floats:
    """Return differences as they occur, up for positive draws and down for others."""
    return np.asarray(np.sign(draws) * np.interp(np.abs(draws), LEVELS, steps))


def _reflect(moved: Floats, low: float, high: float) -> Floats:
    """Turn moves back at the ends of a range."""
    moved = np.where(moved < low, 2 * low - moved, moved)
    moved = np.where(moved > high, 2 * high - moved, moved)
    return np.clip(moved, low, high)


def _after_original(moved: NDArray[Any], where: NDArray[np.bool_]) -> Change:
    """Put the original, which is not changed, before the copies of each row."""
    values = np.concatenate([moved[:, :1], moved], axis=1).ravel()
    first = np.zeros((len(moved), 1), dtype=bool)
    return values, np.concatenate([first, where], axis=1).ravel()
