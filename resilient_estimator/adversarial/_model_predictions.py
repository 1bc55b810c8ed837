"""Predictions of the guarded model, for new rows and for held-out rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict
from sklearn.utils.validation import check_consistent_length

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import parameter_error
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._folds import ordered_folds
from resilient_estimator.tabular._rows import count_rows, ravel_column
from resilient_estimator.tabular._table import Table, container_of
from resilient_estimator.tabular._valid_rows import (
    find_columns,
    in_training_order,
    predict_readable,
    valid_cells,
    valid_rows,
)


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
    target = ravel_column(y)
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
    predictions = ravel_column(out_of_fold.predictions)
    increasing = rows.ndim == 1 and bool((np.diff(rows) >= 0).all())
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
    rows, first = np.unique(rows, return_index=True)  # repeated splits repeat rows
    return HeldOut(rows, predictions[first])


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
    rows, container = np.arange(count_rows(X)), container_of(X)
    if isinstance(model, FrozenEstimator):
        return HeldOut(rows, np.asarray(model.predict(container)))
    splits = cv
    if isinstance(cv, (int, np.integer)):
        folds = ordered_folds(int(cv), "auto", X, y, classify=is_classifier(model))
        splits = folds[0].splits
        if not splits:
            expected = "an int of at least 2, with two rows each of two classes in y"
            raise parameter_error("AdversarialGuard", "cv", expected, cv)
    predictions = cross_val_predict(
        clone(model), container, y, cv=splits, n_jobs=n_jobs
    )
    return HeldOut(rows, np.asarray(predictions))
