"""Write changed rows in the container that the rows came in."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from resilient_estimator.tabular._column import NUMBERS, TEXT

INTEGERS = ("int8", "int16", "int32", "int64")

Change = tuple[NDArray[Any], NDArray[np.bool_]]


def replace_columns(X: Any, changes: Mapping[int, Change]) -> Any:
    """Return another X in which some cells of some columns are others.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows. They stay as they are.
    changes : dict of int to (ndarray, ndarray of bool), each of shape (n_samples,)
        For the position of a column: new values, and where they are to stand. Numbers
        for a column of numbers, labels for a column of labels. Whole numbers stay
        whole.

    Returns
    -------
    edited : as X
        A list of lists becomes an array.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.tabular._assign import replace_columns
    >>> X = np.array([[1, 2], [3, 4]])
    >>> replace_columns(X, {1: (np.array([9.0, 9.0]), np.array([True, False]))})
    array([[1, 9],
           [3, 4]])
    """
    is_sparse = bool(sparse.issparse(X))
    if is_sparse:
        return type(X)(_replace_in_array(X.toarray(), changes))
    if hasattr(X, "with_columns"):
        return _replace_in_polars(X, changes)
    if hasattr(X, "iloc"):
        return _replace_in_pandas(X, changes)
    return _replace_in_array(X, changes)


def _replace_in_array(X: Any, changes: Mapping[int, Change]) -> NDArray[Any]:
    array = np.array(X)
    labels = any(_are_labels(values[where]) for values, where in changes.values())
    if labels or array.dtype.kind in "US":  # fixed widths would cut longer labels
        array = np.array(X, dtype=object)
    if array.dtype.kind in "biu" and not all(
        _is_whole(values[where]) for values, where in changes.values()
    ):
        array = array.astype(np.float64)
    for place, (values, where) in changes.items():
        with np.errstate(invalid="ignore"):  # of cells that stay
            clipped = _clipped(values, array.dtype)
            np.copyto(array[:, place], clipped, where=where, casting="unsafe")
    return array


def _replace_in_pandas(X: Any, changes: Mapping[int, Change]) -> Any:
    frame = X.copy()
    for place, change in changes.items():
        column = frame.iloc[:, place]
        frame.isetitem(place, _pandas_column(column, *change))
    return frame


def _pandas_column(column: Any, values: Any, where: NDArray[np.bool_]) -> Any:
    if hasattr(column, "cat"):
        known = list(column.cat.categories)
        new = [v for v in dict.fromkeys(values[where].tolist()) if v not in known]
        column = column.cat.add_categories(new)
        index = {value: code for code, value in enumerate(column.cat.categories)}
        codes = column.cat.codes.to_numpy().copy()
        codes[where] = [index[value] for value in values[where].tolist()]
        categorical = type(column.array).from_codes(codes, dtype=column.dtype)
        return type(column)(categorical, index=column.index)
    labels = _are_labels(values[where])
    is_plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in NUMBERS
    if is_plain and not labels:
        edited = _replace_in_array(
            column.to_numpy()[:, np.newaxis], {0: (values, where)}
        )
        return type(column)(edited[:, 0], index=column.index)
    edited = column.astype(object).to_numpy().copy()
    edited[where] = _clipped(values[where], column.dtype)
    edited = type(column)(edited, index=column.index, dtype=object)
    fits = column.dtype != object and _keeps_whole(column.dtype, values[where])
    fits = fits and not (labels and column.dtype.kind not in TEXT)
    if fits and column.dtype.kind == "b":  # pandas takes no number for a truth value
        edited[where] = values[where].astype(bool)
    return edited.astype(column.dtype) if fits else edited


def _replace_in_polars(X: Any, changes: Mapping[int, Change]) -> Any:
    columns = []
    for place, (values, where) in changes.items():
        column = X.to_series(place)
        new = type(column)("", _clipped(values[where], column.dtype))
        if _are_labels(values[where]):
            fits = str(column.dtype).startswith(("String", "Categorical", "Enum"))
        else:
            is_number = column.dtype.is_numeric()
            fits = not is_number or _keeps_whole(column.dtype, values[where])
        if fits:
            new = new.cast(column.dtype)
        else:
            column = column.cast(new.dtype)
        columns.append(column.scatter(np.flatnonzero(where), new))
    return X.with_columns(columns)


def _keeps_whole(dtype: Any, values: NDArray[Any]) -> bool:
    """Whether the values fit a column's type: no fractions among whole numbers."""
    name = str(dtype).lower()
    return not ("int" in name or "bool" in name) or _is_whole(values)


def _are_labels(values: NDArray[Any]) -> bool:
    """Whether some of the values are no numbers."""
    return values.dtype.kind == "O" and not all(
        isinstance(value, (Real, np.bool_)) for value in values.tolist()
    )


def _clipped(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Clip numbers to what a type of whole numbers holds: a cast would wrap around."""
    name = str(getattr(dtype, "name", dtype)).lower().split("[")[0]
    if values.dtype.kind != "f" or name.lstrip("u") not in INTEGERS:
        return values
    limits = np.iinfo(name)
    return np.asarray(np.clip(values, limits.min, limits.max))


def _is_whole(values: NDArray[Any]) -> bool:
    if values.dtype.kind != "f":
        return True
    return bool((values == np.rint(values)).all())
