"""Rows on which the estimator had better abstain: its own outputs give them away."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from resilient_estimator._typing import Mask
from resilient_estimator._validation import parameter_error

OWNER = "ResilientEstimator"


def check_min_confidence(min_confidence: float | None, estimator: Any) -> None:
    """Raise an error unless a fitted estimator has the probabilities for the limit."""
    suits = is_classifier(estimator) and hasattr(estimator, "predict_proba")
    if min_confidence is not None and not suits:
        expected = "None unless the estimator is a classifier with 'predict_proba'"
        raise parameter_error(OWNER, "min_confidence", expected, min_confidence)


def abstention_reasons(
    min_confidence: float | None, min_stability: float | None
) -> tuple[str, ...]:
    """Return the reasons for which rows may be flagged besides those of the guard."""
    uncertain = () if min_confidence is None else ("uncertain",)
    return uncertain if min_stability is None else (*uncertain, "unstable")


def is_uncertain(proba: Any, min_confidence: float) -> Mask:
    """Return the rows whose highest probability is below `min_confidence`.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_classes), or list of them
        Probabilities, of each target if there are several: the least certain counts.
    min_confidence : float
        The limit.
    """
    outputs = proba if isinstance(proba, list) else [proba]
    confidence = np.min([output.max(axis=1) for output in outputs], axis=0)
    return np.asarray(confidence < min_confidence)
