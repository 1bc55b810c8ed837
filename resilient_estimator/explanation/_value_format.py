"""Read cells as plain Python values, and format them for a report."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, indexable

from resilient_estimator.tabular._column import is_missing, label_text
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import Table, read_table


def as_table(X: Any) -> Table:
    """Return rows as a Table.

    Raises
    ------
    ValueError
        If X is not a table.
    """
    table = read_table(X)
    if table is None:
        raise ValueError(
            f"Expected a table of rows. Got {type(X).__name__} instead. Reshape one "
            "row with X.reshape(1, -1); collect a lazy frame first."
        )
    return table


def label_objects(X: Any, position: int) -> dict[str, Any]:
    """Return the labels in a column by their texts.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    position : int
        Position of the column.

    Returns
    -------
    labels : dict of str to object
        For example ``{"<1>": 1, "clerk": "clerk"}``.
    """
    (X,) = indexable(X)
    if isinstance(X, list):
        X = np.array(X, dtype=object)
    column = np.asarray(_safe_indexing(X, position, axis=1), dtype=object)
    distinct = dict.fromkeys(column.ravel().tolist())
    return {label_text(value): value for value in distinct if not is_missing(value)}


def cell_values(X: Any, positions: Sequence[int]) -> NDArray[Any]:
    """Return columns as plain numbers and labels, with None for missing cells.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    positions : sequence of int
        Positions of the columns.

    Returns
    -------
    values : ndarray of object of shape (n_samples, n_positions)
    """
    table = as_table(X)
    values = np.empty((table.shape[0], len(positions)), dtype=object)
    for k, position in enumerate(positions):
        if table.kind(position) == "numeric":
            column = numbers(table, position)
            values[:, k] = column
            values[np.isnan(column), k] = None
        else:
            codes, texts = table.labels(position)
            known = label_objects(X, position)
            labels = np.empty(len(texts) + 1, dtype=object)  # the last one is missing
            labels[:-1] = [known.get(text, text) for text in texts]
            values[:, k] = labels[codes]
    return values


def format_value(value: Any) -> str:
    """Return a number with at most five digits, or a label unchanged.

    Examples
    --------
    >>> from resilient_estimator.explanation._value_format import format_value
    >>> format_value(3900.0), format_value(0.123456), format_value("nurse")
    ('3,900', '0.12346', 'nurse')
    """
    if is_missing(value):
        return "missing"
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    number = float(value)
    is_whole = abs(number) < 1e15 and number.is_integer()
    return f"{number:,.0f}" if is_whole else f"{number:,.5g}"


def format_edit(feature: str, before: Any, after: Any) -> str:
    """Return an edit as text, for example ``amount 5,000 -> 3,900``."""
    return f"{feature} {format_value(before)} -> {format_value(after)}"
