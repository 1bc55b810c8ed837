"""Parse one column, of whatever container, as numbers or as labels.

Parsing is lenient: what is not a number is marked as unreadable, and never raises.
"""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Mask, Positions

NUMBERS = frozenset("biuf")
TEXT = frozenset("OSTU")
MISSING = -1
# NumPy converts these to floats that are not the number in the cell.
NOT_NUMBERS = (np.datetime64, np.timedelta64, np.complexfloating, np.ndarray)
WIDE = "Int128"  # numbers of 128 bits, for which NumPy has no type


class Numbers(NamedTuple):
    """A column as float64; `n_zeros` counts zeros a sparse matrix does not store."""

    values: Floats
    unreadable: Mask | None
    n_zeros: int


class Labels(NamedTuple):
    """A column as codes into `texts`; MISSING where there is no value."""

    codes: Positions
    texts: list[str]


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


def column_kind(column: Any) -> str:
    """Return "numeric", "category" or "opaque" (neither number nor label)."""
    if not _is_categorical(column):
        values = _plain(column)
        if values.dtype.kind in NUMBERS:
            return "numeric"
        if values.dtype.kind not in TEXT:
            return "opaque"
    try:
        distinct = [v for v in factorize(column)[1] if not is_missing(v)]
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


def parse_numbers(column: Any) -> Numbers:
    """Return a column as numbers, NaN where it is missing or unreadable."""
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


def factorize(column: Any) -> tuple[Positions, list[Any]]:
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


def parse_labels(column: Any) -> Labels:
    """Return a column as codes and the texts of its distinct values."""
    try:
        codes, distinct = factorize(column)
    except (TypeError, NotImplementedError):  # values that cannot be hashed
        texts = np.frompyfunc(_text_or_none, 1, 1)(_plain(column).astype(object))
        codes, distinct = factorize(texts)
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


def plain_value(value: Any) -> Any:
    """Return a NumPy scalar as a Python object, anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _plain_number(value: Any) -> Any:
    """Return a whole number as an int, another one as a float if that is exact."""
    try:
        if value == int(value):
            return int(value)
        return float(value) if value == float(value) else value
    except (ValueError, OverflowError, ArithmeticError):  # infinite; signalling NaN
        return value
