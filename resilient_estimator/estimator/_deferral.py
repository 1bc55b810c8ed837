"""Let each part answer its own rows, and put the answers together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, _safe_indexing, indexable

from resilient_estimator._typing import Mask
from resilient_estimator.exceptions import FallbackError
from resilient_estimator.fallback import check_labels
from resilient_estimator.tabular._table import count_rows

Doubt = Callable[[Any, Any, str], Mask]


def inspect_rows(guard: Any, X: Any) -> dict[str, Mask]:
    """Return the masks of a guard, none where there is no guard."""
    return {} if guard is None else dict(guard.inspect(X))


def any_flag(flags: Mapping[str, Mask], n_samples: int) -> Mask:
    """Return which rows carry any of the flags."""
    rejected = np.zeros(n_samples, dtype=bool)
    for mask in flags.values():
        rejected |= mask
    return rejected


def take_rows(X: Any, mask: Mask) -> Any:
    """Return the chosen rows in the container of `X`."""
    if isinstance(X, np.ndarray):
        return X[mask]
    (X,) = indexable(X)  # some array-likes and sparse formats cannot be sliced
    return _safe_indexing(X, np.flatnonzero(mask))


def answer_by_parts(
    method: str,
    X: Any,
    *,
    estimator: Any,
    fallback: Any,
    flags: Bunch,
    doubts: Mapping[str, Doubt],
) -> Any:
    """Return the answers of both parts, each asked about its own rows only.

    `flags` gets a mask for each reason to doubt an answer of the estimator, and
    `fallback`.
    """
    rejected = any_flag(flags, count_rows(X))
    some = bool(rejected.any())
    flags.update({reason: np.zeros(len(rejected), dtype=bool) for reason in doubts})
    answer = None
    if not (some and rejected.all()):
        chosen = take_rows(X, ~rejected) if some else X
        answer = getattr(estimator, method)(chosen)
        doubted = {reason: f(chosen, answer, method) for reason, f in doubts.items()}
        if doubted:
            asked = ~rejected
            for reason, mask in doubted.items():
                flags[reason][asked] = mask
            rejected[asked] = any_flag(doubted, int(asked.sum()))
            answer = _drop_rows(answer, rejected[asked])
            some = bool(rejected.any())
    flags.fallback = rejected
    if not some:
        return answer
    classes = getattr(estimator, "classes_", None) if method == "predict" else None
    try:
        substitute = getattr(fallback, method)(take_rows(X, rejected))
        if isinstance(classes, np.ndarray):
            check_labels(substitute, classes)
    except Exception as error:
        rows = np.flatnonzero(rejected)
        message = _failure(fallback, rows, len(rejected), error)
        answered = np.flatnonzero(~rejected)
        raise FallbackError(message, rows, answer, answered) from error
    return _complete(answer, substitute, rejected)


def _complete(answer: Any, substitute: Any, rejected: Mask) -> Any:
    """Put the fallback's answers among those of the estimator."""
    if rejected.all():
        return substitute
    if isinstance(answer, list):  # several outputs
        pairs = zip(answer, substitute, strict=True)
        return [_interleave(rejected, mine, theirs) for mine, theirs in pairs]
    return _interleave(rejected, answer, substitute)


def _failure(
    fallback: Any, rows: NDArray[np.intp], n_samples: int, error: Exception
) -> str:
    shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
    return (
        f"The fallback {type(fallback).__name__} failed on the rows that only it could "
        f"answer ({len(rows)} of {n_samples}: {shown}): {type(error).__name__}: {error}"
    )


def _drop_rows(answer: Any, dropped: Mask) -> Any:
    if not dropped.any():
        return answer
    if isinstance(answer, list):
        return [output[~dropped] for output in answer]
    return answer[~dropped]


def _interleave(rejected: Mask, mine: Any, theirs: Any) -> NDArray[Any]:
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    shape = (len(rejected), *mine.shape[1:])
    answer = np.empty(shape, dtype=np.result_type(mine, theirs))
    answer[~rejected], answer[rejected] = mine, theirs.reshape(-1, *mine.shape[1:])
    return answer
