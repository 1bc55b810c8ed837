"""Mix labels with what an old model says, as weights of copies of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from resilient_estimator._typing import Floats

# A copy of a row that weighs less, beside the heaviest, costs time and says nothing.
MIN_WEIGHT = 1e-3


def mixed_weights(
    y: NDArray[Any],
    said: NDArray[Any],
    known: NDArray[Any],
    classes: NDArray[Any],
    strength: float,
) -> Floats:
    """Return the weight of each class in each row.

    A row is learnt as it is where the old model has nothing to say about it: its class
    is new, or all that the old model considers is gone.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels.
    said : ndarray of shape (n_samples,) or (n_samples, n_known)
        The old model's labels, or its probabilities.
    known : ndarray of shape (n_known,)
        Classes of the old model.
    classes : ndarray of shape (n_classes,)
        Classes of `y`.
    strength : float
        Weight of what the old model says, in [0, 1].

    Returns
    -------
    weights : ndarray of float of shape (n_samples, n_classes)
        Rows add up to 1.

    Raises
    ------
    ValueError
        If there is not one probability per known class.
    """
    own = _same(y, classes).astype(np.float64)
    if said.ndim == 1:
        said = _same(said, known)
    if said.shape[1:] != known.shape:
        raise ValueError(
            f"The anchor's answers must be probabilities of its {len(known)} classes. "
            f"Got shape {said.shape} instead."
        )
    same = _same(known, classes)
    old = np.asarray(said @ same, dtype=np.float64)
    old[own @ same.any(axis=0) == 0] = 0
    total = old.sum(axis=1)
    judged = total > 0
    weights = own.copy()
    old_shares = old[judged] / total[judged, None]
    weights[judged] = (1 - strength) * own[judged] + strength * old_shares
    weights[weights < MIN_WEIGHT * weights.max(axis=1, keepdims=True)] = 0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def fit_last_step(
    estimator: Any, fit: Callable[[Any, Any], Any], X: Any, y: NDArray[Any]
) -> Any:
    """Return an estimator, of whose pipeline only the last step was fitted by `fit`.

    Parameters
    ----------
    estimator : estimator
        Unfitted. If it is a Pipeline, its transformers are fitted to X and y.
    fit : callable
        Takes the last step and transformed rows, and returns the fitted last step.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Targets.
    """
    if not isinstance(estimator, Pipeline):
        return fit(estimator, X)
    name, last = estimator.steps[-1]
    head = estimator[:-1]
    if len(head):
        X = head.fit_transform(X, y)
    fitted = fit_last_step(last, fit, X, y)
    return estimator.set_params(steps=[*head.steps, (name, fitted)])


def _same(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pairs of labels are equal, of whatever types they are."""
    equal = a.astype(object)[:, None] == b.astype(object)[None, :]
    return np.asarray(equal, dtype=bool)
