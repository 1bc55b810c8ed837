"""Predict for the rows that a model can read, whatever the others hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing, indexable

from resilient_estimator._typing import Mask, Positions
from resilient_estimator.tabular._rows import count_rows
from resilient_estimator.tabular._table import Table, container_of, read_table

UNREADABLE = (TypeError, ValueError, ArithmeticError)  # too large an integer, a Decimal


def find_columns(
    X: Any, names: Sequence[str], *, named: bool
) -> tuple[Table, list[int]] | None:
    """Return `X` as a table, and where the columns of training are; None without them.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    names : list of str
        Columns of training.
    named : bool
        Whether they are names of the container's own.
    """
    table = read_table(X)
    if table is None:
        return None
    places = table.positions(names, named=named)
    return None if None in places else (table, cast("list[int]", places))


def in_training_order(X: Any, table: Table, names: list[str], *, named: bool) -> Any:
    """Return `X` with the columns of training in their order, as the model expects."""
    (X,) = indexable(container_of(X))
    if named and table.names not in (None, names):
        return _safe_indexing(X, names, axis=1)
    return X


def valid_cells(table: Table, index: int, *, numeric: bool) -> Mask:
    """Return where a column of numbers is finite, or one of labels is not missing."""
    if table.is_sparse:
        valid = np.ones(table.shape[0], dtype=bool)
        start, stop = table.matrix.indptr[index : index + 2]
        invalid = ~np.isfinite(table.matrix.data[start:stop])
        valid[table.matrix.indices[start:stop][invalid]] = False
        return valid
    if numeric:
        return np.isfinite(table.numbers(index).values)
    return ~table.missing(index)


def valid_rows(table: Table, places: Sequence[int], numeric: Sequence[bool]) -> Mask:
    """Return which rows have valid cells in some columns.

    Parameters
    ----------
    table : Table
        Rows.
    places : sequence of int
        Positions of the columns.
    numeric : sequence of bool
        Which of them hold numbers.
    """
    if table.matrix is not None and not table.is_sparse:  # all at once
        block = table.matrix[:, np.asarray(places, dtype=np.intp)]
        return np.asarray(np.isfinite(block).all(axis=1))
    valid = np.ones(table.shape[0], dtype=bool)
    for place, is_number in zip(places, numeric, strict=True):
        valid &= valid_cells(table, place, numeric=is_number)
    return valid


def predict_readable(
    predict: Callable[[Any], Any], X: Any, rows: Positions
) -> tuple[NDArray[Any], Positions]:
    """Predict for those rows that a model can read.

    A batch that cannot be read is halved until the unreadable rows stand alone, so that
    none of them takes away the predictions of the others.

    Parameters
    ----------
    predict : callable
        Method of a fitted model.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    rows : ndarray of int
        Which of them to predict for.

    Returns
    -------
    predictions : ndarray of shape (n_readable,)
        Predictions; finite where they are numbers.
    readable : ndarray of int of shape (n_readable,)
        The rows that they belong to.
    """
    parts = _predict_by_halves(predict, X, rows)
    if not parts:
        return np.empty(0), rows[:0]
    predictions = np.concatenate([part for part, _ in parts])
    readable = np.concatenate([part for _, part in parts])
    if predictions.dtype.kind == "f":
        finite = np.isfinite(predictions)
        return predictions[finite], readable[finite]
    return predictions, readable


def _predict_by_halves(
    predict: Callable[[Any], Any], X: Any, rows: Positions
) -> list[tuple[NDArray[Any], Positions]]:
    if len(rows) == 0:
        return []
    try:
        batch = X if len(rows) == count_rows(X) else _safe_indexing(X, rows)
        with np.errstate(all="ignore"):
            return [(np.asarray(predict(batch)), rows)]
    except NotFittedError:  # not the fault of the rows
        raise
    except UNREADABLE:
        if len(rows) == 1:
            return []
    halves = np.array_split(rows, 2)
    return [part for half in halves for part in _predict_by_halves(predict, X, half)]
