"""Which rows are held out together."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import KFold

from resilient_estimator._typing import Positions

Split = tuple[Positions, Positions]


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
