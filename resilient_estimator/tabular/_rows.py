"""Count and take rows of X, and of whatever has one entry per row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, indexable

from resilient_estimator._typing import Mask, Positions


def count_rows(X: Any) -> int:
    """Return the number of rows of any array-like, 0 where it has none."""
    shape = getattr(X, "shape", None)
    if shape is None:
        shape = (len(X),) if hasattr(X, "__len__") else np.asarray(X).shape
    return int(shape[0]) if shape else 0


def take_rows(X: Any, rows: Mask | Positions) -> Any:
    """Return rows in the container of X.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n_samples, ...)
        Rows or targets.
    rows : ndarray of bool of shape (n_samples,), or ndarray of int
        A mask, or positions, which may repeat.

    Returns
    -------
    taken : as X

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.tabular._rows import take_rows
    >>> take_rows([["a"], ["b"], ["c"]], np.array([2, 0, 0]))
    [['c'], ['a'], ['a']]
    >>> take_rows([["a"], ["b"], ["c"]], np.array([True, False, True]))
    [['a'], ['c']]
    """
    if isinstance(X, np.ndarray):
        return X[rows]
    (X,) = indexable(X)  # some array-likes and sparse formats cannot be sliced
    return _safe_indexing(X, np.flatnonzero(rows) if rows.dtype == bool else rows)


def take_fit_params(
    fit_params: Mapping[str, Any], rows: Mask | Positions, n_samples: int
) -> dict[str, Any]:
    """Return the parameters of `fit` that belong to some of the rows.

    Parameters
    ----------
    fit_params : dict
        Metadata such as ``{"sample_weight": w}``. What has one entry per row is
        reduced to `rows`; the rest stays as it is.
    rows : ndarray of bool of shape (n_samples,), or ndarray of int
        A mask or positions.
    n_samples : int
        Number of rows of X.
    """
    return {
        name: take_rows(value, rows) if _has_entry_per_row(value, n_samples) else value
        for name, value in fit_params.items()
    }


def _has_entry_per_row(value: Any, n_samples: int) -> bool:
    is_sequence = hasattr(value, "__len__") and not isinstance(value, (str, dict))
    return is_sequence and count_rows(value) == n_samples


def ravel_column(values: Any) -> NDArray[Any]:
    """Return an array, of shape (n_samples,) if it is a single column."""
    array = np.asarray(values)
    return array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array
