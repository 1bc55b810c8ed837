"""Hide probabilities from sources under alarm."""

from __future__ import annotations

from typing import Any

import numpy as np

from resilient_estimator._typing import Floats


def label_only(proba: Any, alarm: Any) -> Floats:
    """Return probabilities with hard labels for queries under alarm.

    The most probable class gets 1 and the others 0: the prediction stays the same, but
    does not show how near the decision boundary is.

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_classes)
        Probabilities.
    alarm : array-like of bool of shape (n_samples,)
        Rows to harden: ``alarm`` of `ProbingDetector.observe`.

    Returns
    -------
    hardened : ndarray of float of shape (n_samples, n_classes)
        A changed copy.

    Raises
    ------
    ValueError
        If the shapes do not match.

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
