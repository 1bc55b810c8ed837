"""Whether rows stand in the order of time, or are sorted by something that is no time.

Held out in contiguous blocks, rows show how a model does on what comes next. In a file
that is sorted by a column such as age they would show how it extrapolates to ages that
it was never trained on, which no one needs to know.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.tabular._table import Table, column_names

SORTED = 0.98  # share of steps in the prevailing direction, less that of the others
LAG = 20
LOCAL = 0.3  # series: .65 and more; sorted files: .12 and less
MAX_ROWS = 20_000
MAX_COLUMNS = 64


class RowOrder(NamedTuple):
    """In which order the rows stand, "time" or "arbitrary", and why that is assumed."""

    order: str
    reason: str


def find_row_order(table: Table | None, target: Any) -> RowOrder:
    """Find out whether rows are sorted by the target or by a column that is no time.

    A sort key rises or falls in nearly all of its steps. It is no time if, in most
    other columns, neighbouring rows are hardly more alike than rows twenty apart. The
    first 20,000 rows and 64 columns are examined.

    Parameters
    ----------
    table : Table or None
        The rows; None where they are no table.
    target : array-like of shape (n_samples,) or None
        What is predicted.

    Returns
    -------
    order : RowOrder
        "time" unless the rows are sorted by something else.
    """
    if target is not None and monotonicity(_codes_of(target)) >= SORTED:
        return RowOrder("arbitrary", "the rows are sorted by the target")
    if table is None or table.is_sparse:
        return RowOrder("time", "nothing else is known")
    names = column_names(table)
    series = {
        names[i]: codes
        for i in range(min(table.shape[1], MAX_COLUMNS))
        if (codes := _codes(table, i)) is not None
    }
    keys = [name for name, codes in series.items() if monotonicity(codes) >= SORTED]
    if not keys:
        return RowOrder("time", "the rows are not sorted")
    others = [locality(codes) for name, codes in series.items() if name not in keys]
    if others and np.median(others) < LOCAL:
        return RowOrder("arbitrary", f"the rows are sorted by {keys[0]!r}")
    return RowOrder("time", f"{keys[0]!r} rises or falls as time does")


def monotonicity(codes: Floats | Positions) -> float:
    """Return how far steps up outweigh steps down, or the reverse, in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.tabular._row_order import monotonicity
    >>> monotonicity(np.array([1.0, 1.0, 2.0, 5.0])), monotonicity(np.array([1, 3, 2]))
    (1.0, 0.0)
    """
    steps = np.sign(np.diff(codes))
    n_steps = np.count_nonzero(steps)
    return float(abs(steps.sum()) / n_steps) if n_steps else 0.0


def locality(codes: Floats | Positions) -> float:
    """Return by how much neighbouring rows are more alike than rows twenty apart.

    Zero for rows in random order, near one for a series that changes slowly.
    """
    if len(codes) <= 2 * LAG:
        return 0.0
    rank = np.unique(codes, return_inverse=True)[1].astype(float)
    near, far = (np.abs(rank[lag:] - rank[:-lag]).mean() for lag in (1, LAG))
    return float(1 - near / far) if far else 0.0


def _codes(table: Table, index: int) -> Floats | Positions | None:
    """Return a column in the order of its values; None for dates and constants.

    Labels are numbered in the order in which they first appear: rows sorted by a label
    then rise, whatever its spelling.
    """
    kind = table.kind(index)
    if kind == "numeric":
        values = table.numbers(index).values[:MAX_ROWS]
        codes: Any = values[~np.isnan(values)]
    elif kind == "category":
        codes = _first_seen(table.labels(index).codes[:MAX_ROWS])
    else:
        return None
    return codes if len(codes) and np.any(codes != codes[0]) else None


def _codes_of(target: Any) -> Floats | Positions:
    values = np.asarray(target)
    if values.ndim != 1:  # several targets are sorted by none of them
        return np.zeros(1)
    values = values[:MAX_ROWS]
    if values.dtype.kind == "f":
        return np.asarray(values[~np.isnan(values)])
    return _first_seen(np.unique(values.astype(str), return_inverse=True)[1])


def _first_seen(codes: Positions) -> Positions:
    """Renumber codes in the order in which they first appear."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
