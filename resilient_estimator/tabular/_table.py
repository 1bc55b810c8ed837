"""Read whatever scikit-learn accepts as X, once, into a table of columns.

Reading is lenient: what is not a table gives None. The wrapped estimator, not this
module, raises errors about malformed input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator.tabular._column import (
    MISSING,
    NUMBERS,
    TEXT,
    WIDE,
    Labels,
    Numbers,
    column_kind,
    factorize,
    is_missing,
    label_text,
    parse_labels,
    parse_numbers,
    plain_value,
)
from resilient_estimator.tabular._rows import take_rows


class Table:
    """A read-only view of X, column by column.

    A column is parsed at most once, whichever parts look at it.

    Parameters
    ----------
    names : list of str or None
        Unique column names, None where the container has none.
    shape : (n_samples, n_features)
    matrix : ndarray or CSC matrix of numbers, or None
        The whole table where all of it is numeric.
    columns : sequence
        The single columns where it is not.
    rows : object, default=None
        The container that the table was read from.
    """

    __slots__ = ("_columns", "_kinds", "_labels", "matrix", "names", "rows", "shape")

    def __init__(
        self,
        names: list[str] | None,
        shape: tuple[int, int],
        *,
        matrix: Any = None,
        columns: Sequence[Any] = (),
        rows: Any = None,
    ) -> None:
        self.names = names
        self.shape = shape
        self.matrix = matrix
        self.rows = rows
        self._columns = columns
        self._kinds: dict[int, str] = {}
        self._labels: dict[int, Labels] = {}

    @property
    def is_sparse(self) -> bool:
        """Whether the matrix is sparse, with implicit zeros."""
        return self.matrix is not None and sparse.issparse(self.matrix)

    def kind(self, index: int) -> str:
        """Return "numeric", "category" or "opaque" (neither number nor label)."""
        if self.matrix is not None:
            return "numeric"
        if index not in self._kinds:
            self._kinds[index] = column_kind(self._columns[index])
        return self._kinds[index]

    def numbers(self, index: int) -> Numbers:
        """Return the column as numbers, NaN where it is missing or unreadable."""
        if self.is_sparse:
            start, stop = self.matrix.indptr[index : index + 2]
            stored = self.matrix.data[start:stop].astype(np.float64)
            return Numbers(stored, None, self.shape[0] - len(stored))
        if self.matrix is not None:
            values = self.matrix[:, index].astype(np.float64, copy=False)
            return Numbers(values, None, 0)
        return parse_numbers(self._columns[index])

    def dense(self, index: int) -> Floats:
        """Return a column of a sparse matrix with its zeros."""
        column = self.matrix[:, [index]].toarray().ravel()
        return np.asarray(column, dtype=np.float64)

    def labels(self, index: int) -> Labels:
        """Return the column as codes and the texts of its distinct values."""
        if self.is_sparse:
            return parse_labels(self.dense(index))
        if self.matrix is not None:
            return parse_labels(self.matrix[:, index])
        if index not in self._labels:
            self._labels[index] = parse_labels(self._columns[index])
        return self._labels[index]

    def levels(self, index: int) -> tuple[Positions, list[Any]]:
        """Return the column as codes, and one plain value for each distinct text."""
        column = (
            self.matrix[:, index] if self.matrix is not None else self._columns[index]
        )
        codes, texts = self.labels(index)
        try:
            distinct = factorize(column)[1]
        except (TypeError, NotImplementedError):  # values that cannot be hashed
            return codes, list(texts)
        values = {label_text(v): plain_value(v) for v in distinct if not is_missing(v)}
        return codes, [values[text] for text in texts]

    def missing(self, index: int) -> Mask:
        """Return where the column has no value."""
        return np.asarray(self.labels(index).codes == MISSING)

    def take(self, rows: Mask | Positions) -> Table:
        """Return some of the rows as a table, without reading the container again.

        Parameters
        ----------
        rows : ndarray of bool of shape (n_samples,) or ndarray of int
            Which rows, or their positions.
        """
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return Table(
            self.names,
            (len(rows), self.shape[1]),
            matrix=None if self.matrix is None else self.matrix[rows],
            columns=[_safe_indexing(column, rows) for column in self._columns],
            rows=None if self.rows is None else take_rows(self.rows, rows),
        )

    def positions(self, names: Sequence[str], *, named: bool) -> list[int | None]:
        """Return where the columns called `names` stand in this table.

        Columns are found by name if both sides have names, else by position. Without
        names, a table of another width shows none of them: any of them may be shifted.
        """
        if named and self.names is not None:
            index = {name: i for i, name in enumerate(self.names)}
            return [index.get(name) for name in names]
        same = self.shape[1] == len(names)
        return [i if same else None for i in range(len(names))]


def read_table(X: Any) -> Table | None:
    """Return `X` as a Table, None if it is not two-dimensional tabular data.

    A Table is returned as it is.
    """
    if isinstance(X, Table):
        return X
    table = _read(X)
    if table is not None:
        table.rows = X
    return table


def read_rows(X: Any) -> Any:
    """Return `X` as a Table, as it came if it is no table."""
    table = read_table(X)
    return X if table is None else table


def container_of(X: Any) -> Any:
    """Return the container that a Table was read from, anything else as it is."""
    return X.rows if isinstance(X, Table) else X


def _read(X: Any) -> Table | None:
    if isinstance(X, np.ndarray):
        return _read_array(X)
    if sparse.issparse(X):
        return _read_sparse(X)
    if any(hasattr(X, name) for name in ("collect", "column_names", "columns")):
        return _read_frame(X)
    try:
        array = np.asarray(X)
        if array.dtype.kind in TEXT:  # numbers beside text would all become text
            array = np.asarray(X, dtype=object)
    except (ValueError, TypeError):  # ragged, or a frame that must be collected first
        return None
    return _read_array(array)


def column_names(table: Table) -> list[str]:
    """Return the names of the columns, "x0", "x1" ... where there are none."""
    return table.names or [f"x{i}" for i in range(table.shape[1])]


def _read_sparse(X: Any) -> Table | None:
    if X.ndim != 2 or X.dtype.kind not in NUMBERS:
        return None
    matrix = X.tocsc()
    if len(matrix.data) and not _has_unique_entries(matrix):
        matrix = matrix.copy()  # it may be X itself
        matrix.sum_duplicates()
    return Table(None, X.shape, matrix=matrix)


def _has_unique_entries(matrix: Any) -> bool:
    """Whether rows increase within each column, without a note in the matrix itself."""
    increases = matrix.indices[1:] > matrix.indices[:-1]
    starts = matrix.indptr[1:-1]
    increases[starts[(starts > 0) & (starts < len(matrix.indices))] - 1] = True
    return bool(increases.all())


def _read_array(X: NDArray[Any]) -> Table | None:
    if X.ndim != 2:
        return None
    if np.ma.isMaskedArray(X):
        X = _fill_masked(X)
    X = np.asarray(X)
    if X.dtype.kind in NUMBERS:
        return Table(None, X.shape, matrix=X)
    return Table(None, X.shape, columns=list(X.T))


def _fill_masked(X: Any) -> NDArray[Any]:
    if X.dtype.kind in NUMBERS:
        return np.asarray(X.astype(np.float64).filled(np.nan))
    return np.asarray(X.astype(object).filled(None))


def _read_frame(X: Any) -> Table | None:
    if hasattr(X, "collect"):  # lazy: it has no rows yet
        return None
    names = list(X.column_names if hasattr(X, "column_names") else X.columns)
    unique = len(set(names)) == len(names) and all(isinstance(n, str) for n in names)
    names_or_none = [str(name) for name in names] if unique else None
    shape = (len(X), len(names))
    matrix = _frame_matrix(X)
    if matrix is not None:
        return Table(names_or_none, shape, matrix=matrix)
    if hasattr(X, "iloc"):
        columns = [X.iloc[:, i] for i in range(len(names))]
    elif hasattr(X, "to_series"):
        columns = [X.to_series(i) for i in range(len(names))]
    elif hasattr(X, "column"):
        columns = [X.column(i).to_pandas() for i in range(len(names))]
    else:
        return None
    return Table(names_or_none, shape, columns=columns)


def _frame_matrix(X: Any) -> NDArray[Any] | None:
    """Return an all-numeric frame as one block, which is far faster than by column."""
    dtypes = list(getattr(X, "dtypes", []))
    if not dtypes:
        return None
    if all(isinstance(dtype, np.dtype) and dtype.kind in NUMBERS for dtype in dtypes):
        same = all(dtype == dtypes[0] for dtype in dtypes)
        return np.asarray(X.to_numpy() if same else X.to_numpy(dtype=np.float64))
    if all(getattr(dtype, "is_numeric", bool)() for dtype in dtypes) and not any(
        WIDE in str(dtype) for dtype in dtypes
    ):
        block = np.asarray(X.to_numpy())
        return block if block.dtype.kind in NUMBERS else None
    return None
