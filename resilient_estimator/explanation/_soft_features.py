"""Soft features: the columns that people can change, what it costs, and the edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import (
    POSITIVE,
    Constraints,
    Options,
    Satisfies,
    check_argument,
    parameter_error,
    position_of,
)
from resilient_estimator.explanation._marginal_distributions import (
    Marginal,
    read_marginals,
)
from resilient_estimator.explanation._value_format import as_table, label_objects
from resilient_estimator.tabular._assign import replace_columns
from resilient_estimator.tabular._column import label_text
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import Table, column_names


def _is_list(value: Any) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)


_CONSTRAINTS: Constraints = {
    "cost": [POSITIVE],
    "direction": [Options("up", "down"), None],
    "values": [Satisfies(_is_list, "a list of values"), None],
}


class SoftFeature(NamedTuple):
    """How a column can be changed.

    Parameters
    ----------
    cost : float, default=1.0
        Cost of changing a number by one interquartile range, or a label to another.
    direction : {"up", "down"}, default=None
        Whether numbers can only be increased, or only be decreased.
    values : sequence, default=None
        Values to try. None: 25 quantiles of the reference between 2 % and 98 %, or the
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


def read_soft_features(
    owner: str, soft: Any, names: Sequence[str]
) -> dict[int, SoftFeature]:
    """Return the soft features by position.

    Parameters
    ----------
    owner : str
        The calling function, named in errors.
    soft : mapping of column to cost or SoftFeature, or sequence of columns
        Columns by name or position.
    names : sequence of str
        Names of all columns.
    """
    if not isinstance(soft, Mapping) and not _is_list(soft):
        expected = "a list of columns, or a dict of columns to costs"
        raise parameter_error(owner, "soft", expected, soft)
    if not len(soft):
        raise parameter_error(owner, "soft", "at least one column", soft)
    found = {}
    for column in soft:
        value = soft[column] if isinstance(soft, Mapping) else SoftFeature()
        feature = value if isinstance(value, SoftFeature) else SoftFeature(cost=value)
        for name, constraints in _CONSTRAINTS.items():
            check_argument(feature, name, getattr(feature, name), *constraints)
        found[position_of(owner, "soft", column, names)] = feature
    return found


LEVELS = np.linspace(0.02, 0.98, 25)
MIN_SHARE = 0.01
NO_EDIT = -1


class Edits:
    """All single edits of the soft features.

    Parameters
    ----------
    features : list of str
        Names of the soft features.
    positions : list of int
        Their positions in the rows.
    soft : list of SoftFeature
        How they can be changed.
    units : list of float
        Interquartile range of each number, or the range from 2 % to 98 % if that is
        zero; 0 for labels.
    candidates : list of ndarray
        Values to try for each of them.

    Attributes
    ----------
    column : ndarray of int of shape (n_edits,)
        Index of the soft feature that an edit changes.
    value : ndarray of object of shape (n_edits,)
        Its new value.
    """

    def __init__(
        self,
        features: list[str],
        positions: list[int],
        soft: list[SoftFeature],
        units: list[float],
        candidates: list[NDArray[Any]],
    ) -> None:
        self.features = features
        self.positions = positions
        self.soft = soft
        self.units = units
        self.candidates = candidates
        sizes = [len(values) for values in candidates]
        self.column = np.repeat(np.arange(len(sizes)), sizes)
        self.value = np.concatenate(
            [np.empty(0, object), *(c.astype(object) for c in candidates)]
        )

    @classmethod
    def from_reference(
        cls, X: Any, soft: Mapping[int, SoftFeature], reference: Any
    ) -> Self:
        """Choose the values to try.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to edit.
        soft : dict of int to SoftFeature
            Soft features by position.
        reference : Reference, array-like, sparse matrix or data frame
            Source of the values.

        Raises
        ------
        TypeError, ValueError
            If a direction or a value does not suit the type of its column, or there is
            no other value to try.
        """
        names = column_names(as_table(X))
        marginals = read_marginals(reference, X, soft)
        choices = [
            _candidates(X, position, feature, marginal)
            for (position, feature), marginal in zip(
                soft.items(), marginals, strict=True
            )
        ]
        edits = cls(
            [names[position] for position in soft],
            list(soft),
            list(soft.values()),
            [unit for unit, _ in choices],
            [values for _, values in choices],
        )
        if not len(edits.column):
            raise ValueError(
                f"None of the soft columns {edits.features!r} has another value to "
                "take: they are constant, or neither numbers nor labels. Give "
                "SoftFeature(values=...)."
            )
        return edits

    def costs(self, X: Any) -> Floats:
        """Return the cost of each edit for each row, infinite if it is not possible.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        costs : ndarray of float of shape (n_samples, n_edits)
            Imputing a missing cell costs one unit.
        """
        table = as_table(X)
        columns = zip(
            self.positions, self.soft, self.units, self.candidates, strict=True
        )
        blocks = [
            _number_costs(numbers(table, position), values, unit, feature)
            if unit
            else _label_costs(table, position, values, feature)
            for position, feature, unit, values in columns
        ]
        return np.concatenate(blocks, axis=1)

    def apply(self, X: Any, edits: Positions) -> Any:
        """Return edited rows, in the container of `X`.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows, which are not changed.
        edits : ndarray of int of shape (n_samples, n_edits_per_row)
            Edits of each row, on different columns; -1 for none.
        """
        changes = {}
        edits = np.ascontiguousarray(edits.T)
        column = np.append(self.column, NO_EDIT)[edits]
        for k, position in enumerate(self.positions):
            chosen = np.where(column == k, edits, NO_EDIT).max(axis=0)
            where = chosen != NO_EDIT
            if where.any():
                dtype = self.candidates[k].dtype
                values = np.empty(len(where), dtype=dtype)
                values[where] = self.value[chosen[where]].astype(dtype)
                changes[position] = values, where
        return replace_columns(X, changes) if changes else X

    def changed_columns(self, edits: Positions) -> Mask:
        """Return which soft features are changed.

        Parameters
        ----------
        edits : ndarray of int of shape (n_samples, n_edits_per_row)
            Edits of each row; -1 for none.

        Returns
        -------
        changed : ndarray of bool of shape (n_samples, n_soft)
        """
        column = np.append(self.column, NO_EDIT)[edits]
        every = np.arange(len(self.features))
        return np.asarray((column[:, :, np.newaxis] == every).any(axis=1))


def _candidates(
    X: Any, position: int, feature: SoftFeature, marginal: Marginal
) -> tuple[float, NDArray[Any]]:
    """Return the unit of a column, 0 for labels, and the values to try."""
    if marginal.kind != "numeric":
        if feature.direction is not None:
            expected = "None if the column is not numeric"
            raise parameter_error(feature, "direction", expected, feature.direction)
        return 0.0, _candidate_labels(X, position, feature, marginal)
    unit = marginal.width
    if feature.values is None:
        values = np.unique(marginal.quantiles(LEVELS)) if unit else np.empty(0)
        return unit or 1.0, values
    try:
        values = np.unique(np.asarray(feature.values, dtype=np.float64))
    except (TypeError, ValueError):
        expected = "numbers if the column is numeric"
        raise parameter_error(feature, "values", expected, feature.values) from None
    return unit or 1.0, values[np.isfinite(values)]


def _candidate_labels(
    X: Any, position: int, feature: SoftFeature, marginal: Marginal
) -> NDArray[Any]:
    if feature.values is not None:
        values = list(dict.fromkeys(feature.values))
    else:
        known = label_objects(X, position)
        texts = marginal.values[marginal.shares >= MIN_SHARE].tolist()
        # The text of a label that is no string cannot be turned into the label.
        usable = [text for text in texts if text in known or not text.startswith("<")]
        values = [known.get(text, text) for text in usable]
    labels = np.empty(len(values), dtype=object)
    labels[:] = values
    return labels


def _number_costs(
    x: Floats, values: Floats, unit: float, feature: SoftFeature
) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        step = (values[np.newaxis] - x[:, np.newaxis]) / unit
    if feature.direction is not None:
        step[(step < 0) == (feature.direction == "up")] = np.inf
    costs = np.abs(step) * feature.cost
    costs[np.abs(step) < 1e-9] = np.inf
    costs[np.isnan(x)] = feature.cost
    return np.asarray(costs)


def _label_costs(
    table: Table, position: int, values: NDArray[Any], feature: SoftFeature
) -> Floats:
    codes, texts = table.labels(position)
    own = np.array([*texts, None], dtype=object)[codes]
    other = np.array([label_text(value) for value in values.tolist()], dtype=object)
    differs = own[:, np.newaxis] != other[np.newaxis]
    return np.where(differs, feature.cost, np.inf)
