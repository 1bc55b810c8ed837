"""Which rows are held out together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold

from resilient_estimator._typing import Positions
from resilient_estimator.tabular._row_order import RowOrder, find_row_order
from resilient_estimator.tabular._rows import count_rows, ravel_column
from resilient_estimator.tabular._table import read_table

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
    clustered = RowOrder("arbitrary", "all rows of a class stand together")
    if labels is None or min(known, default=n_classes) == n_classes:
        return [Folds(blocks, order)]
    if min(known) < 2:
        return [Folds(shuffled, clustered)]
    return [Folds(blocks, order), Folds(shuffled, clustered)]
