"""Let the fallback answer the rows that are deferred to it, and join the answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Mask, Positions
from resilient_estimator.exceptions import FallbackError
from resilient_estimator.fallback import check_labels
from resilient_estimator.tabular._rows import take_rows


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
