"""Folds: contiguous where rows stand in the order of time, else shuffled.

Held out in contiguous blocks, rows show how a model does on what comes next. In a file
that is sorted by a column such as age they would show how it extrapolates to ages that
it was never trained on, which no one needs to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.tabular._rows import count_rows, ravel_column
from resilient_estimator.tabular._table import Table, column_names, read_table

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
    """Find out whether rows are sorted by the target or by a column that is not a time.

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
        return RowOrder("time", "the order is unknown")
    names = column_names(table)
    series = {
        names[i]: codes
        for i in range(min(table.shape[1], MAX_COLUMNS))
        if (codes := _codes(table, i)) is not None
    }
    keys = [name for name, codes in series.items() if monotonicity(codes) >= SORTED]
    if not keys:
        return RowOrder("time", "no column sorts the rows")
    others = [locality(codes) for name, codes in series.items() if name not in keys]
    if others and np.median(others) < LOCAL:
        return RowOrder("arbitrary", f"the rows are sorted by {keys[0]!r}")
    return RowOrder("time", f"{keys[0]!r} increases or decreases like a time")


def monotonicity(codes: Floats | Positions) -> float:
    """Return how far steps up outweigh steps down, or the reverse, in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.tabular._folds import monotonicity
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


Split = tuple[Positions, Positions]


class Folds(NamedTuple):
    """Training and held-out rows of each fold, and the order that they rest on."""

    splits: Sequence[Split]
    row_order: RowOrder


def contiguous_folds(n_splits: int, n_samples: int) -> list[Split]:
    """Hold out blocks of successive rows: at most `n_splits`, none if there is one row.

    Returns
    -------
    splits : list of (ndarray of int, ndarray of int)
        Training and held-out rows of each fold.
    """
    n_splits = min(n_splits, n_samples)
    return list(KFold(n_splits).split(np.zeros(n_samples))) if n_splits > 1 else []


def dealt_folds(n_splits: int, classes: Any, *, random_state: int = 0) -> list[Split]:
    """Deal shuffled rows to the folds, class by class.

    Each fold has its share of every class, and the rows of a rare one lie in as many
    folds as it has rows.

    Parameters
    ----------
    n_splits : int
        Most folds: there are no more than the second most frequent class has rows.
    classes : ndarray of shape (n_samples,)
        Class of each row; all the same for a regressor.
    random_state : int, default=0
        Seed of the shuffling.

    Returns
    -------
    splits : list of (ndarray of int, ndarray of int)
        Training and held-out rows of each fold; none where there are too few rows.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.tabular._folds import dealt_folds
    >>> classes = np.array(["a", "a", "a", "a", "b", "b"])
    >>> [classes[test].tolist() for _, test in dealt_folds(5, classes)]
    [['a', 'a', 'b'], ['a', 'a', 'b']]
    """
    codes, counts = np.unique(classes, return_inverse=True, return_counts=True)[1:]
    most = len(codes) if len(counts) == 1 else int(np.sort(counts)[-2])
    n_splits = min(n_splits, most)
    if n_splits < 2:
        return []
    order = np.random.default_rng(random_state).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.intp)
    fold[order] = np.arange(len(codes)) % n_splits
    return [
        (np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_splits)
    ]


def ordered_folds(
    n_splits: int, row_order: str, X: Any, y: Any, *, classify: bool
) -> list[Folds]:
    """Return contiguous folds, or shuffled ones where the order means nothing.

    A class all of whose rows lie in one block is unknown to the model that predicts
    it: for estimators that fail for that reason, shuffled folds come second.

    Parameters
    ----------
    n_splits : int
        Most folds, at least 2.
    row_order : {"auto", "time", "arbitrary"}
        In which order the rows stand.
    X : Table, array-like, sparse matrix or data frame
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_targets), or None
        Targets.
    classify : bool
        Whether the targets are classes.

    Returns
    -------
    folds : list of Folds
        Ways to split the rows, the best one first; none of a way may be possible.
    """
    n_samples = count_rows(X)
    target = None if y is None else ravel_column(y)
    order = RowOrder(row_order, "as given by 'row_order'")
    if row_order == "auto":
        order = find_row_order(read_table(X), target)
    labels = target if classify and target is not None and target.ndim == 1 else None
    classes = np.zeros(n_samples) if labels is None else labels
    shuffled = dealt_folds(n_splits, classes)
    if order.order == "arbitrary":
        return [Folds(shuffled, order)]
    blocks = contiguous_folds(n_splits, n_samples)
    n_classes = len(np.unique(classes))
    if labels is not None and n_classes < 2:
        return [Folds([], order)]
    known = [len(np.unique(classes[train])) for train, _ in blocks]
    clustered = RowOrder("arbitrary", "all rows of a class are in one block")
    if labels is None or min(known, default=n_classes) == n_classes:
        return [Folds(blocks, order)]
    if min(known) < 2:
        return [Folds(shuffled, clustered)]
    return [Folds(blocks, order), Folds(shuffled, clustered)]
