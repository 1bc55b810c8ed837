"""Soft labels: train any classifier on class probabilities, by weighted copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from resilient_estimator._typing import Floats, Mask

# Relative to the heaviest copy of a row; lighter ones cost time and change nothing.
MIN_WEIGHT = 1e-3


def soft_label_weights(
    y: NDArray[Any],
    old: NDArray[Any],
    old_classes: NDArray[Any],
    classes: NDArray[Any],
    strength: float,
) -> Floats:
    """Return the weight of each class in each row: label and old model mixed.

    A row keeps its label unchanged if the old model cannot contribute: because it does
    not know the label, or because none of the classes that it predicts is left.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels.
    old : ndarray of shape (n_samples,) or (n_samples, n_old_classes)
        Labels predicted by the old model, or its probabilities.
    old_classes : ndarray of shape (n_old_classes,)
        Classes of the old model.
    classes : ndarray of shape (n_classes,)
        Classes of `y`.
    strength : float
        Weight of the old model, in [0, 1].

    Returns
    -------
    weights : ndarray of float of shape (n_samples, n_classes)
        Rows sum to 1.

    Raises
    ------
    ValueError
        If there is not one probability for each class of the old model.
    """
    own = _same(y, classes).astype(np.float64)
    if old.ndim == 1:
        old = _same(old, old_classes)
    if old.shape[1:] != old_classes.shape:
        raise ValueError(
            "The anchor's predictions must be probabilities of its "
            f"{len(old_classes)} classes. Got shape {old.shape} instead."
        )
    shared = _same(old_classes, classes)
    proba = np.asarray(old @ shared, dtype=np.float64)
    proba[own @ shared.any(axis=0) == 0] = 0
    total = proba.sum(axis=1, keepdims=True)
    mixed = total[:, 0] > 0
    weights = own.copy()
    old_share = proba[mixed] / total[mixed]
    weights[mixed] = (1 - strength) * own[mixed] + strength * old_share
    weights[weights < MIN_WEIGHT * weights.max(axis=1, keepdims=True)] = 0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def fit_last_step(
    estimator: Any, fit: Callable[[Any, Any], Any], X: Any, y: NDArray[Any]
) -> Any:
    """Fit the transformers of a pipeline as usual, and its last step with `fit`.

    So the transformers see each row once, and the last step its weighted copies.

    Parameters
    ----------
    estimator : estimator
        Unfitted; fitted in place. If it is no Pipeline, `fit` is applied to it.
    fit : callable
        Maps the last step and transformed rows to the fitted last step.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Targets of the transformers.

    Returns
    -------
    estimator : estimator
        Fitted.
    """
    if not isinstance(estimator, Pipeline):
        return fit(estimator, X)
    name, last = estimator.steps[-1]
    head = estimator[:-1]
    if len(head):
        X = head.fit_transform(X, y)
    fitted = fit_last_step(last, fit, X, y)
    return estimator.set_params(steps=[*head.steps, (name, fitted)])


def _same(a: NDArray[Any], b: NDArray[Any]) -> Mask:
    """Return which pairs of labels are equal, whatever their types."""
    equal = a.astype(object)[:, None] == b.astype(object)[None, :]
    return np.asarray(equal, dtype=bool)
