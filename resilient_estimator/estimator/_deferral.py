"""Join the answers of estimator and fallback; find the rows that are uncertain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from resilient_estimator._typing import Mask, Positions
from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import FallbackError
from resilient_estimator.fallback import check_labels
from resilient_estimator.tabular._rows import take_rows

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


def union(masks: Mapping[str, Mask], n_samples: int) -> Mask:
    """Return which rows are in any of the masks."""
    joined = np.zeros(n_samples, dtype=bool)
    for mask in masks.values():
        joined |= mask
    return joined


def answer_deferred(
    fallback: Any,
    method: str,
    X: Any,
    *,
    deferred: Mask,
    answered: Any,
    classes: Any,
) -> Any:
    """Return the answers to all rows, those of deferred ones from the fallback.

    Parameters
    ----------
    fallback : predictor
        Fitted.
    method : str
        The method to call.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        All rows.
    deferred : ndarray of bool of shape (n_samples,)
        Which rows the fallback answers.
    answered : array-like, list of array-like or None
        The estimator's answers to the other rows; None if there are none.
    classes : ndarray or None
        Labels that the fallback may predict; None: any.

    Raises
    ------
    FallbackError
        If the fallback fails. It names the rows, and keeps the estimator's answers.
    """
    try:
        substitute = getattr(fallback, method)(take_rows(X, deferred))
        if isinstance(classes, np.ndarray):
            check_labels(substitute, classes)
    except Exception as error:
        rows = np.flatnonzero(deferred)
        message = _failure(fallback, rows, len(deferred), error)
        others = np.flatnonzero(~deferred)
        raise FallbackError(message, rows, answered, others) from error
    if deferred.all():
        return substitute
    if isinstance(answered, list):  # several targets
        pairs = zip(answered, substitute, strict=True)
        return [_interleave(deferred, mine, theirs) for mine, theirs in pairs]
    return _interleave(deferred, answered, substitute)


def select(outputs: Any, rows: Mask) -> Any:
    """Return the outputs for some rows, target by target where there are several."""
    if isinstance(outputs, list):
        return [np.asarray(each)[rows] for each in outputs]
    return np.asarray(outputs)[rows]


def _failure(fallback: Any, rows: Positions, n_samples: int, error: Exception) -> str:
    shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
    return (
        f"The fallback {type(fallback).__name__} failed on the rows deferred to it "
        f"({len(rows)} of {n_samples}: {shown}): {type(error).__name__}: {error}"
    )


def _interleave(deferred: Mask, mine: Any, theirs: Any) -> NDArray[Any]:
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    shape = (len(deferred), *mine.shape[1:])
    answer = np.empty(shape, dtype=np.result_type(mine, theirs))
    answer[~deferred], answer[deferred] = mine, theirs.reshape(-1, *mine.shape[1:])
    return answer
