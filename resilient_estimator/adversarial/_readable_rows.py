"""Ask a model what it says about rows that it can read, and did not learn from."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import check_consistent_length

from resilient_estimator._typing import Mask, Positions
from resilient_estimator._validation import parameter_error
from resilient_estimator.tabular._embedding import Embedding, numbers
from resilient_estimator.tabular._rows import count_rows
from resilient_estimator.tabular._table import Table, read_table

UNREADABLE = (TypeError, ValueError, ArithmeticError)


def check_model(owner: Any, model: Any) -> None:
    """Raise a TypeError unless there is a model whose answers can be judged."""
    if model is None:
        raise TypeError(
            f"{type(owner).__name__} needs a model to guard: give it one, or let it be "
            "the guard of a ResilientEstimator."
        )
    answers = hasattr(model, "predict") and not isinstance(model, type)
    if not answers or not (is_classifier(model) or is_regressor(model)):
        expected = "a classifier or a regressor"
        raise parameter_error(owner, "model", expected, model)


def bad_cells(table: Table, index: int) -> Mask:
    """Return where a column has no value, or a number that is not finite."""
    if table.kind(index) == "numeric":
        return np.asarray(~np.isfinite(numbers(table, index)))
    return table.missing(index)


def columns_with_holes(table: Table) -> Mask:
    """Return which columns have a bad cell."""
    return np.array([bad_cells(table, i).any() for i in range(table.shape[1])], bool)


def rows_without_holes(table: Table, places: list[int], holes: Mask) -> Mask:
    """Return which rows have bad cells only where training had some.

    Parameters
    ----------
    table : Table
        Rows.
    places : list of int
        Where the columns of training stand.
    holes : ndarray of bool of shape (n_features,)
        Which of them had bad cells.
    """
    if table.matrix is not None and not table.is_sparse:  # all at once
        whole = table.matrix[:, np.asarray(places, dtype=np.intp)[~holes]]
        return np.asarray(np.isfinite(whole).all(axis=1))
    good = np.ones(table.shape[0], dtype=bool)
    for place in np.asarray(places, dtype=np.intp)[~holes]:
        good &= ~bad_cells(table, int(place))
    return good


class Asked(NamedTuple):
    """Coordinates of all rows; a model's answers, and the rows they belong to."""

    coordinates: NDArray[np.float64]
    said: NDArray[Any]
    rows: Positions
    is_table: bool = True


def ask_readable(model: Any, X: Any, space: Embedding, holes: Mask) -> Asked:
    """Ask a model about the rows that it can read; none of a malformed table.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    space : Embedding
        Learnt from training rows.
    holes : ndarray of bool of shape (n_features,)
        Which columns had bad cells in training: elsewhere, rows with such a cell are
        not asked about.
    """
    table = read_table(X)
    places = table.positions(space.names, named=space.named) if table else [None]
    if table is None or None in places:  # the model itself complains
        nothing = np.zeros((count_rows(X), space.n_dims))
        none = np.empty(0, dtype=np.intp)
        return Asked(nothing, np.empty(0), none, is_table=False)
    (X,) = indexable(X)
    if space.named and table.names not in (None, space.names):
        X = _safe_indexing(X, space.names, axis=1)
    good = rows_without_holes(table, cast("list[int]", places), holes)
    said, rows = ask_rows(model, X, np.flatnonzero(good))
    return Asked(space.embed(table), said, rows)


def ask_rows(model: Any, X: Any, rows: Positions) -> tuple[NDArray[Any], Positions]:
    """Return the answers to those rows that the model can read, and which they are.

    Rows are halved until those that it cannot read stand alone: one of them does not
    take the answers to the others away.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    rows : ndarray of int
        Which of them to ask about.

    Returns
    -------
    said : ndarray of shape (n_read,)
        Answers.
    read : ndarray of int of shape (n_read,)
        The rows that they belong to.
    """
    found = _halve(model, X, rows)
    if not found:
        return np.empty(0), rows[:0]
    said = np.concatenate([np.asarray(answers) for answers, _ in found])
    read = np.concatenate([each for _, each in found])
    if said.dtype.kind == "f":
        finite = np.isfinite(said)
        return said[finite], read[finite]
    return said, read


def _halve(model: Any, X: Any, rows: Positions) -> list[tuple[NDArray[Any], Positions]]:
    if len(rows) == 0:
        return []
    try:
        asked = X if len(rows) == count_rows(X) else _safe_indexing(X, rows)
        with np.errstate(all="ignore"):
            return [(np.asarray(model.predict(asked)), rows)]
    except NotFittedError:  # no fault of the rows
        raise
    except UNREADABLE:
        if len(rows) == 1:
            return []
    halves = np.array_split(rows, 2)
    return [answer for half in halves for answer in _halve(model, X, half)]


def one_target(X: Any, y: Any) -> NDArray[Any]:
    """Return `y` as one target per row, or raise a ValueError."""
    target = np.asarray(y)
    if target.ndim == 2 and target.shape[1] == 1:
        target = target.ravel()
    if target.ndim != 1:
        raise ValueError(
            "AdversarialGuard needs y with one target per row. "
            f"Got an array of shape {target.shape}."
        )
    check_consistent_length(X, target)
    return target


def ask_out_of_fold(
    model: Any, X: Any, y: Any, *, cv: Any, n_jobs: int | None
) -> NDArray[Any]:
    """Return what models say about rows that they did not learn from."""
    if isinstance(model, FrozenEstimator):
        return np.asarray(model.predict(X))
    if isinstance(cv, (int, np.integer)):
        cv = _even_splits(int(cv), np.asarray(y).ravel(), classes=is_classifier(model))
    said = cross_val_predict(clone(model), X, y, cv=cv, n_jobs=n_jobs)
    return np.asarray(said)


def _even_splits(cv: int, target: NDArray[Any], *, classes: bool) -> Any:
    """Return folds: blocks, or stratified with rare classes among the largest.

    As many folds as leave rows of two classes in each, at most `cv`.
    """
    n_samples = len(target)
    strata, n_folds = np.zeros(n_samples, dtype=np.intp), min(cv, n_samples)
    if classes:
        codes, counts = np.unique(target, return_inverse=True, return_counts=True)[1:]
        n_folds = min(cv, int(np.sort(counts)[-2])) if len(counts) > 1 else 0
        strata = np.where(counts[codes] < n_folds, counts.argmax(), codes)
    if n_folds < 2:
        rows = "two rows of two classes" if classes else "two rows"
        expected = f"an int of at least 2, with at least {rows} in y"
        raise parameter_error("AdversarialGuard", "cv", expected, cv)
    splitter = StratifiedKFold(n_folds) if classes else KFold(n_folds)
    return list(splitter.split(np.zeros(n_samples), strata))
