"""The moves that somebody may make: other values of soft columns, and their costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Positions
from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import is_number
from resilient_estimator.explanation._marginals import (
    Marginal,
    as_table,
    label_objects,
    learn_marginals,
)
from resilient_estimator.tabular._assign import replace_columns
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import column_names, label_text

LEVELS = np.linspace(0.02, 0.98, 25)
MIN_SHARE = 0.01
STAY = -1


class SoftFeature(NamedTuple):
    """How a column may be tweaked.

    Parameters
    ----------
    cost : float, default=1.0
        Of one interquartile range of a number, or of one other label.
    direction : {"up", "down"}, default=None
        Whether numbers can only be raised or lowered.
    values : sequence, default=None
        Values to try. None: 25 quantiles of the reference between 2 and 98 %, or the
        labels of at least 1 % of its rows.

    Examples
    --------
    >>> from resilient_estimator.explanation import SoftFeature
    >>> SoftFeature(cost=2, direction="down")
    SoftFeature(cost=2, direction='down', values=None)
    """

    cost: float = 1.0
    direction: str | None = None
    values: Sequence[Any] | None = None


class SoftMoves:
    """Every single move: one column set to one value.

    Parameters
    ----------
    features : list of str
        Names of the soft columns.
    places : list of int
        Where they stand in the rows.
    softs : list of SoftFeature
        How they may be tweaked.
    units : list of float
        Interquartile range of each number; the width between the 2 % and the 98 %
        quantile where half of the cells are the same; 0 for labels.
    candidates : list of ndarray
        Values of each column.

    Attributes
    ----------
    column : ndarray of int of shape (n_moves,)
        Which soft column a move changes.
    value : ndarray of object of shape (n_moves,)
        What it is set to.
    """

    def __init__(
        self,
        features: list[str],
        places: list[int],
        softs: list[SoftFeature],
        units: list[float],
        candidates: list[NDArray[Any]],
    ) -> None:
        self.features = features
        self.places = places
        self.softs = softs
        self.units = units
        self.candidates = candidates
        sizes = [len(values) for values in candidates]
        self.column = np.repeat(np.arange(len(sizes)), sizes)
        self.value = np.concatenate(
            [np.empty(0, object), *(c.astype(object) for c in candidates)]
        )

    @classmethod
    def learn(cls, owner: str, X: Any, soft: Any, reference: Any) -> Self:
        """Choose the candidate values of the soft columns.

        Parameters
        ----------
        owner : str
            Who asks; named in errors.
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows that are to be tweaked.
        soft : mapping of column to cost or SoftFeature, or sequence of columns
            Columns by name or position.
        reference : Reference, array-like, sparse matrix or data frame
            Where the values come from.

        Raises
        ------
        TypeError, ValueError
            If a column is unknown, a cost, a direction or a value is none, or no
            column has another value to take.
        """
        softs = read_soft(owner, soft, column_names(as_table(X)))
        places, names = list(softs), column_names(as_table(X))
        columns = [
            _candidates(owner, X, i, softs[i], marginal)
            for i, marginal in zip(
                places, learn_marginals(reference, X, places), strict=True
            )
        ]
        moves = cls(
            [names[i] for i in places],
            places,
            [softs[i] for i in places],
            [unit for unit, _ in columns],
            [values for _, values in columns],
        )
        if not len(moves.column):
            raise ValueError(
                f"None of the soft columns {moves.features!r} has another value to "
                "take: they are constant, or neither numbers nor labels. Give "
                "SoftFeature(values=...)."
            )
        return moves

    def costs(self, X: Any) -> Floats:
        """Return the cost of each move for each row, infinite where it is none.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of float of shape (n_samples, n_moves)
            In units of the columns' costs. What is missing costs one unit to fill.
        """
        table = as_table(X)
        blocks = []
        for place, soft, unit, values in zip(
            self.places, self.softs, self.units, self.candidates, strict=True
        ):
            if unit == 0:
                codes, texts = table.labels(place)
                theirs = np.array([*texts, None], dtype=object)[codes]
                other = np.array([label_text(v) for v in values.tolist()], dtype=object)
                differs = theirs[:, np.newaxis] != other[np.newaxis]
                blocks.append(np.where(differs, soft.cost, np.inf))
            else:
                blocks.append(_number_costs(numbers(table, place), values, unit, soft))
        return np.concatenate(blocks, axis=1)

    def apply(self, X: Any, moves: Positions) -> Any:
        """Return rows after some moves each, in the container of `X`.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. They stay as they are.
        moves : ndarray of int of shape (n_samples, n_moves)
            SoftMoves of each row, on different columns; -1 for none.
        """
        changes = {}
        moves = np.ascontiguousarray(moves.T)
        column = np.append(self.column, STAY)[moves]
        for k, place in enumerate(self.places):
            chosen = np.where(column == k, moves, STAY).max(axis=0)
            where = chosen != STAY
            if where.any():
                kind = self.candidates[k].dtype
                values = np.empty(len(where), dtype=kind)
                values[where] = self.value[chosen[where]].astype(kind)
                changes[place] = values, where
        return replace_columns(X, changes) if changes else X

    def columns_of(self, moves: Positions) -> NDArray[np.bool_]:
        """Return which soft columns some moves change.

        Parameters
        ----------
        moves : ndarray of int of shape (n_samples, n_moves)
            SoftMoves of each row; -1 for none.

        Returns
        -------
        ndarray of bool of shape (n_samples, n_soft)
        """
        column = np.append(self.column, STAY)[moves]
        each = np.arange(len(self.features))
        return np.asarray((column[:, :, np.newaxis] == each).any(axis=1))


def read_soft(owner: str, soft: Any, names: list[str]) -> dict[int, SoftFeature]:
    """Return how the columns at some positions may be tweaked."""
    if isinstance(soft, str) or not isinstance(soft, (Mapping, Sequence, np.ndarray)):
        expected = "a list of columns, or a dict of columns to costs"
        raise parameter_error(owner, "soft", expected, soft)
    if not len(soft):
        raise parameter_error(owner, "soft", "at least one column", soft)
    softs = {}
    for column in soft:
        value = soft[column] if isinstance(soft, Mapping) else SoftFeature()
        found = value if isinstance(value, SoftFeature) else SoftFeature(cost=value)
        softs[position(owner, "soft", column, names)] = _checked(owner, found)
    return softs


def position(owner: str, parameter: str, column: Any, names: list[str]) -> int:
    """Return where a column stands that is called by its name or position."""
    if isinstance(column, str) and column in names:
        return names.index(column)
    whole = isinstance(column, (int, np.integer)) and not isinstance(column, bool)
    if whole and -len(names) <= column < len(names):
        return int(column) % len(names)
    known = names if len(names) <= 20 else [*names[:20], "..."]
    raise ValueError(
        f"The {parameter!r} parameter of {owner} names the column {column!r}, which X "
        f"does not have. Its columns are {known!r}."
    )


def _checked(owner: str, soft: SoftFeature) -> SoftFeature:
    if not is_number(soft.cost) or not 0 < soft.cost < np.inf:
        expected = "a dict of columns to costs that are finite and greater than 0"
        raise parameter_error(owner, "soft", expected, soft.cost)
    if soft.direction not in (None, "up", "down"):
        expected = "of direction 'up', 'down' or None"
        raise parameter_error(owner, "soft", expected, soft.direction)
    values = soft.values
    listed = isinstance(values, (Sequence, np.ndarray)) and not isinstance(values, str)
    if values is not None and not listed:
        expected = "with a list of values"
        raise parameter_error(owner, "soft", expected, values)
    return soft


def _candidates(
    owner: str, X: Any, place: int, soft: SoftFeature, marginal: Marginal
) -> tuple[float, NDArray[Any]]:
    """Return the unit of a column, 0 for labels, and its candidate values."""
    if marginal.kind != "numeric":
        if soft.direction is not None:
            expected = "of a direction only where the column is a number"
            raise parameter_error(owner, "soft", expected, soft.direction)
        return 0.0, _labels(X, place, soft, marginal)
    unit = marginal.width
    if soft.values is None:
        return unit or 1.0, np.unique(marginal.quantiles(LEVELS)) if unit else np.empty(
            0
        )
    try:
        values = np.unique(np.asarray(soft.values, dtype=np.float64))
    except (TypeError, ValueError):
        expected = "of numbers as values where the column is a number"
        raise parameter_error(owner, "soft", expected, soft.values) from None
    return unit or 1.0, values[np.isfinite(values)]


def _labels(X: Any, place: int, soft: SoftFeature, marginal: Marginal) -> NDArray[Any]:
    if soft.values is not None:
        values = list(dict.fromkeys(soft.values))
    else:
        known = label_objects(X, place)
        texts = marginal.values[marginal.shares >= MIN_SHARE].tolist()
        is_text = [text in known or not text.startswith("<") for text in texts]
        texts = [text for text, ok in zip(texts, is_text, strict=True) if ok]
        values = [known.get(text, text) for text in texts]
    labels = np.empty(len(values), dtype=object)
    labels[:] = values
    return labels


def _number_costs(x: Floats, values: Floats, unit: float, soft: SoftFeature) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        step = (values[np.newaxis] - x[:, np.newaxis]) / unit
    if soft.direction is not None:
        step[(step < 0) == (soft.direction == "up")] = np.inf
    costs = np.abs(step) * soft.cost
    costs[np.abs(step) < 1e-9] = np.inf
    costs[np.isnan(x)] = soft.cost
    return np.asarray(costs)
