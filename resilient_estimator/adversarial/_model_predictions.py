"""Predictions of the guarded model, for new rows and for held-out rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.utils.validation import check_consistent_length

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import parameter_error
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._readable import (
    find_columns,
    in_training_order,
    predict_readable,
    valid_cells,
    valid_rows,
)
from resilient_estimator.tabular._table import Table, count_rows


class Predictions(NamedTuple):
    """Coordinates of all rows, and predictions for those that the model can read.

    Attributes
    ----------
    coordinates : ndarray of float of shape (n_samples, n_dims)
        Where the rows lie.
    values : ndarray of shape (n_readable,)
        Predictions.
    rows : ndarray of int of shape (n_readable,)
        The rows that they belong to.
    is_table : bool
        Whether the rows have the columns of training.
    """

    coordinates: Floats
    values: NDArray[Any]
    rows: Positions
    is_table: bool = True


class HeldOut(NamedTuple):
    """Predictions of models that were not trained on the rows.

    Attributes
    ----------
    rows : ndarray of int of shape (n_held_out,)
        Rows that have one, increasing.
    predictions : ndarray of shape (n_held_out,)
        Predictions.
    """

    rows: Positions
    predictions: NDArray[Any]


def check_model(owner: Any, model: Any) -> None:
    """Raise a TypeError unless there is a classifier or a regressor."""
    if model is None:
        raise TypeError(
            f"{type(owner).__name__} needs a model to guard: pass 'model', or use it "
            "as the guard of a ResilientEstimator."
        )
    predicts = hasattr(model, "predict") and not isinstance(model, type)
    if not predicts or not (is_classifier(model) or is_regressor(model)):
        expected = "a classifier or a regressor"
        raise parameter_error(owner, "model", expected, model)


def check_target(X: Any, y: Any) -> NDArray[Any]:
    """Return `y` as one target per row, or raise a ValueError."""
    target = _as_1d(y)
    if target.ndim != 1:
        raise ValueError(
            "AdversarialGuard needs y with one target per row. "
            f"Got an array of shape {target.shape}."
        )
    check_consistent_length(X, target)
    return target


def check_held_out(out_of_fold: Any, n_samples: int) -> HeldOut:
    """Return given held-out predictions, or raise a ValueError.

    Parameters
    ----------
    out_of_fold : object
        Has `rows` and `predictions`.
    n_samples : int
        Number of training rows.
    """
    rows = np.asarray(out_of_fold.rows, dtype=np.intp)
    predictions = _as_1d(out_of_fold.predictions)
    increasing = rows.ndim == 1 and bool((np.diff(rows) > 0).all())
    if not increasing or not len(rows) or rows[0] < 0 or rows[-1] >= n_samples:
        raise ValueError(
            "AdversarialGuard needs 'out_of_fold.rows' to be one or more increasing "
            f"positions of the {n_samples} training rows. Got {out_of_fold.rows!r}."
        )
    if predictions.shape != rows.shape:
        raise ValueError(
            "AdversarialGuard needs one held-out prediction for each of "
            f"{len(rows)} rows. Got an array of shape {predictions.shape}."
        )
    if predictions.dtype.kind == "f" and not np.isfinite(predictions).all():
        raise ValueError("AdversarialGuard needs finite held-out predictions.")
    return HeldOut(rows, predictions)


def invalid_columns(table: Table, numeric: list[bool]) -> Mask:
    """Return which columns have an invalid cell."""
    valid = [
        valid_cells(table, i, numeric=is_number).all()
        for i, is_number in enumerate(numeric)
    ]
    return ~np.array(valid, dtype=bool)


def predict_rows(
    model: Any, X: Any, embedding: Embedding, may_be_invalid: Mask
) -> Predictions:
    """Predict for the rows that a model can read; for none of a malformed table.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    embedding : Embedding
        Learned from training rows.
    may_be_invalid : ndarray of bool of shape (n_features,)
        Columns that had invalid cells in training. A row with an invalid cell in
        another column counts as unreadable.
    """
    found = find_columns(X, embedding.names, named=embedding.named)
    if found is None:  # the model itself complains
        nowhere = np.zeros((count_rows(X), embedding.n_dims))
        return Predictions(nowhere, np.empty(0), np.empty(0, np.intp), is_table=False)
    table, places = found
    X = in_training_order(X, table, embedding.names, named=embedding.named)
    checked = np.flatnonzero(~may_be_invalid)
    numeric = [embedding.numeric[i] for i in checked]
    valid = valid_rows(table, [places[i] for i in checked], numeric)
    values, rows = predict_readable(model.predict, X, np.flatnonzero(valid))
    return Predictions(embedding.embed(table), values, rows)


def predict_held_out(
    model: Any, X: Any, y: Any, *, cv: Any, n_jobs: int | None
) -> HeldOut:
    """Return cross-validated predictions; those of a frozen model itself."""
    rows = np.arange(count_rows(X))
    if isinstance(model, FrozenEstimator):
        return HeldOut(rows, np.asarray(model.predict(X)))
    if isinstance(cv, (int, np.integer)):
        cv = _even_splits(int(cv), np.asarray(y).ravel(), classes=is_classifier(model))
    predictions = cross_val_predict(clone(model), X, y, cv=cv, n_jobs=n_jobs)
    return HeldOut(rows, np.asarray(predictions))


def _as_1d(values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    return array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array


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
