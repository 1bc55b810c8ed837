"""Say less to whom more was asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def label_only(proba: Any, alarm: Any) -> NDArray[np.float64]:
    """Return probabilities of which only the answer is left for queries under alarm.

    One for the most probable class, zero for the others: the answer stays true, but
    how near the boundary is cannot be read from it.

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_classes)
        Probabilities.
    alarm : array-like of bool of shape (n_samples,)
        Which rows to harden, as `ProbingDetector.observe` says.

    Returns
    -------
    hardened : ndarray of float of shape (n_samples, n_classes)
        Another array.

    Raises
    ------
    ValueError
        If the shapes do not belong together.

    Examples
    --------
    >>> from resilient_estimator.monitor import label_only
    >>> label_only([[0.4, 0.6], [0.4, 0.6]], [True, False])
    array([[0. , 1. ],
           [0.4, 0.6]])
    """
    hardened = np.array(proba, dtype=np.float64)
    mask = np.asarray(alarm, dtype=bool)
    if hardened.ndim != 2 or mask.shape != hardened.shape[:1]:
        raise ValueError(
            "Expected one row of probabilities per value of 'alarm'. Got shapes "
            f"{hardened.shape} and {mask.shape}."
        )
    hardened[mask] = np.eye(hardened.shape[1])[hardened[mask].argmax(axis=1)]
    return hardened
