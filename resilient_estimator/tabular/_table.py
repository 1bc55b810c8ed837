"""Read the columns of whatever scikit-learn accepts as X.

Reading is lenient: what is not a table gives None, what is not a number is said to be
unreadable. The wrapped estimator, not this module, complains about malformed input.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing

from resilient_estimator._typing import Mask, Positions
from resilient_estimator.tabular._rows import take_rows

NUMBERS = frozenset("biuf")
TEXT = frozenset("OSTU")
MISSING = -1
# NumPy makes floats of these, which are not the number that stands there.
NOT_NUMBERS = (np.datetime64, np.timedelta64, np.complexfloating, np.ndarray)
WIDE = "Int128"  # numbers of 128 bits, for which NumPy has no type


class Numbers(NamedTuple):
    """A column as float64; `n_zeros` counts zeros a sparse matrix does not store."""

    values: NDArray[np.float64]
    unreadable: NDArray[np.bool_] | None
    n_zeros: int


class Labels(NamedTuple):
    """A column as codes into `texts`; MISSING where there is no value."""

    codes: NDArray[np.intp]
    texts: list[str]


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
            self._kinds[index] = _kind(self._columns[index])
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
        return _numbers(self._columns[index])

    def dense(self, index: int) -> NDArray[np.float64]:
        """Return a column of a sparse matrix with its zeros."""
        column = self.matrix[:, [index]].toarray().ravel()
        return np.asarray(column, dtype=np.float64)

    def labels(self, index: int) -> Labels:
        """Return the column as codes and the texts of its distinct values."""
        if self.is_sparse:
            return _labels(self.dense(index))
        if self.matrix is not None:
            return _labels(self.matrix[:, index])
        if index not in self._labels:
            self._labels[index] = _labels(self._columns[index])
        return self._labels[index]

    def levels(self, index: int) -> tuple[NDArray[np.intp], list[Any]]:
        """Return the column as codes, and one plain value for each distinct text."""
        column = (
            self.matrix[:, index] if self.matrix is not None else self._columns[index]
        )
        codes, texts = self.labels(index)
        try:
            distinct = _codes(column)[1]
        except (TypeError, NotImplementedError):  # values that cannot be hashed
            return codes, list(texts)
        values = {label_text(v): _plain_value(v) for v in distinct if not is_missing(v)}
        return codes, [values[text] for text in texts]

    def missing(self, index: int) -> NDArray[np.bool_]:
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


def _plain(column: Any) -> NDArray[Any]:
    """Return a column as an ndarray of numbers or of objects."""
    if not isinstance(column, np.ndarray):
        column = _series_to_array(column)
    return np.asarray(column, dtype=object if column.dtype.kind == "T" else None)


def _series_to_array(column: Any) -> NDArray[Any]:
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return np.asarray(column.to_numpy())
    if getattr(dtype, "kind", None) in NUMBERS:  # pandas nullable
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if getattr(dtype, "is_nested", bool)() or WIDE in str(dtype):
        return np.fromiter(column.to_list(), dtype=object, count=len(column))
    return np.asarray(column.to_numpy())


def _is_categorical(column: Any) -> bool:
    return str(getattr(column, "dtype", "")) == "category" and hasattr(column, "cat")


def _kind(column: Any) -> str:
    if not _is_categorical(column):
        values = _plain(column)
        if values.dtype.kind in NUMBERS:
            return "numeric"
        if values.dtype.kind not in TEXT:
            return "opaque"
    try:
        distinct = [v for v in _codes(column)[1] if not is_missing(v)]
    except (TypeError, NotImplementedError):  # lists, dicts and the like
        return "opaque"
    if not distinct or any(map(_is_date, distinct)):
        return "opaque"
    if not _is_categorical(column) and all(map(_is_number, distinct)):
        return "numeric"
    return "category"


def _is_date(value: Any) -> bool:
    dates = (np.datetime64, np.timedelta64)
    return isinstance(value, dates) or hasattr(value, "isoformat")


def _is_number(value: Any) -> bool:
    return isinstance(value, (Real, Decimal, np.bool_))


def _numbers(column: Any) -> Numbers:
    values = _plain(column)
    if values.dtype.kind in NUMBERS:
        return Numbers(values.astype(np.float64, copy=False), None, 0)
    if values.dtype.kind not in TEXT:
        nothing = np.full(len(values), np.nan)
        return Numbers(nothing, np.ones(len(values), dtype=bool), 0)
    if values.dtype.kind == "O" and any(
        issubclass(kind, NOT_NUMBERS) for kind in set(map(type, values.tolist()))
    ):
        return _numbers_one_by_one(values)
    try:
        return Numbers(values.astype(np.float64), None, 0)
    except (TypeError, ValueError, OverflowError):
        return _numbers_one_by_one(values)


def _numbers_one_by_one(values: NDArray[Any]) -> Numbers:
    read = np.frompyfunc(_to_float, 1, 2)(values)
    return Numbers(read[0].astype(np.float64), read[1].astype(bool), 0)


def _to_float(value: Any) -> tuple[float, bool]:
    """Return the value as a float, and whether it could not be read."""
    if isinstance(value, NOT_NUMBERS):
        return np.nan, not is_missing(value)
    try:
        return float(value), False
    except OverflowError:
        return (np.inf if value > 0 else -np.inf), False
    except (TypeError, ValueError):
        return np.nan, not is_missing(value)


def _codes(column: Any) -> tuple[NDArray[np.intp], list[Any]]:
    """Return codes and the distinct values they stand for (MISSING is a code)."""
    if _is_categorical(column):
        return column.cat.codes.to_numpy().astype(np.intp), list(column.cat.categories)
    if hasattr(column, "factorize"):
        codes, distinct = column.factorize()
        return np.asarray(codes, dtype=np.intp), list(distinct)
    values = _plain(column).tolist()
    index = {value: code for code, value in enumerate(dict.fromkeys(values))}
    codes = np.fromiter(
        map(index.__getitem__, values), dtype=np.intp, count=len(values)
    )
    return codes, list(index)


def _labels(column: Any) -> Labels:
    try:
        codes, distinct = _codes(column)
    except (TypeError, NotImplementedError):  # values that cannot be hashed
        texts = np.frompyfunc(_text_or_none, 1, 1)(_plain(column).astype(object))
        codes, distinct = _codes(texts)
    index: dict[str, int] = {}
    recoded = np.full(len(distinct) + 1, MISSING, dtype=np.intp)  # last one: code -1
    for code, value in enumerate(distinct):
        if not is_missing(value):
            recoded[code] = index.setdefault(label_text(value), len(index))
    return Labels(recoded[codes], list(index))


def _text_or_none(value: Any) -> str | None:
    return None if is_missing(value) else label_text(value)


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT, NA or a not-a-number Decimal."""
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124
    except TypeError:  # pandas.NA refuses to be true or false
        return True
    except (ValueError, ArithmeticError):  # an array in a cell; a signalling NaN
        return False


def label_text(value: Any) -> str:
    """Return the text of a label; what is not text is set in angle brackets.

    Equal numbers have the same text whatever their type: pandas turns the integers of a
    column into floats as soon as one value is missing.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (Real, Decimal)):
        value = _plain_number(value)
    return f"<{value!r}>"


def _plain_value(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _plain_number(value: Any) -> Any:
    """Return a whole number as an int, another one as a float if that is exact."""
    try:
        if value == int(value):
            return int(value)
        return float(value) if value == float(value) else value
    except (ValueError, OverflowError, ArithmeticError):  # infinite; signalling NaN
        return value
