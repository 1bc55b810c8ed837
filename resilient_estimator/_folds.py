"""Ask models about rows that they did not learn from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import _safe_indexing

from resilient_estimator._columns import count_rows
from resilient_estimator._outputs import score_method
from resilient_estimator.exceptions import NoReferenceWarning, parameter_error

Split = tuple[NDArray[np.intp], NDArray[np.intp]]

N_REPEATS = 3


class OutOfFold(NamedTuple):
    """What models said about rows that they did not learn from.

    `rows` are the rows in question, in increasing order, `folds` which of the models
    was asked about each, `said` what it said when `method` was called. `importances`
    is how much the score falls when a column is shuffled, averaged over the folds.
    """

    rows: NDArray[np.intp]
    folds: NDArray[np.intp]
    said: Any
    method: str
    importances: NDArray[np.float64] | None


def ask_out_of_fold(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any,
    n_jobs: int | None,
    fit_params: Mapping[str, Any],
    split_params: Mapping[str, Any],
    importance: bool,
) -> OutOfFold | None:
    """Fit the estimator to some folds, and ask it about the others.

    Parameters
    ----------
    estimator : estimator
        Fitted to all rows; clones of it are fitted to the folds. A frozen one is asked
        as it is, about all rows: they must not be those that it learnt from.
    X, y : array-like
        Rows and targets.
    cv : int, splitter, iterable or None
        How the rows are split; None: not at all.
    n_jobs : int or None
        How many folds at a time.
    fit_params, split_params : dict
        Metadata for `fit` of the estimator, and for the splitter.
    importance : bool
        Whether to measure permutation importances.

    Returns
    -------
    out_of_fold : OutOfFold or None
        None where rows cannot be split, or a fold fails; a warning then says why.
    """
    if isinstance(estimator, FrozenEstimator):
        rows = np.arange(count_rows(X))
        folds = [_ask(estimator, X, y, rows, importance=importance)]
        return _collect(estimator, [rows], folds)
    splits = _split(cv, estimator, X, y, split_params)
    if not splits:
        return None
    try:
        folds = Parallel(n_jobs=n_jobs)(
            delayed(_fit_and_ask)(
                estimator, X, y, split, fit_params=fit_params, importance=importance
            )
            for split in splits
        )
    except Exception as error:  # noqa: BLE001  whatever an estimator may raise
        warnings.warn(
            "There are no out-of-fold answers to compare with: fitted to a part of the "
            f"rows, {type(estimator).__name__} raised {type(error).__name__}: {error}",
            NoReferenceWarning,
            stacklevel=4,
        )
        return None
    return _collect(estimator, [test for _, test in splits], folds)


def _split(
    cv: Any, estimator: Any, X: Any, y: Any, split_params: Mapping[str, Any]
) -> list[Split]:
    """Return train and test rows of each fold; none where rows cannot be split."""
    if cv is None:
        return []
    if isinstance(cv, (int, np.integer)) and cv >= 2:
        return _split_evenly(int(cv), estimator, X, y)
    if hasattr(cv, "split") and not isinstance(cv, str):
        return list(cv.split(X, y, **split_params))
    try:
        return [(np.asarray(train), np.asarray(test)) for train, test in cv]
    except (TypeError, ValueError) as error:
        expected = "an int of at least 2, a splitter, an iterable of splits or None"
        message = parameter_error("ResilientEstimator", "cv", expected, cv)
        raise ValueError(message) from error


def _split_evenly(cv: int, estimator: Any, X: Any, y: Any) -> list[Split]:
    """Stratify by classes; blocks of successive rows for regressors."""
    target = np.asarray(y)
    n_samples = count_rows(X)
    if is_classifier(estimator) and target.ndim == 1:
        classes, counts = np.unique(target, return_inverse=True, return_counts=True)[1:]
        return _split_classes(cv, classes, counts)
    n_folds = min(cv, n_samples)
    return [] if n_folds < 2 else list(KFold(n_folds).split(np.zeros(n_samples)))


def _split_classes(
    cv: int, codes: NDArray[np.intp], counts: NDArray[np.intp]
) -> list[Split]:
    """Stratify by classes; those with fewer rows than folds go with the largest.

    As many folds as leave rows of two classes in each, at most `cv`.
    """
    if len(counts) < 2:
        return []
    n_folds = min(cv, int(np.sort(counts)[-2]))
    if n_folds < 2:
        return []
    strata = np.where(counts[codes] < n_folds, counts.argmax(), codes)
    return list(StratifiedKFold(n_folds).split(np.zeros(len(codes)), strata))


def _fit_and_ask(
    estimator: Any,
    X: Any,
    y: Any,
    split: Split,
    *,
    fit_params: Mapping[str, Any],
    importance: bool,
) -> tuple[Any, str, Any, Any]:
    train, test = split
    n_samples = count_rows(X)
    params = {
        name: _safe_indexing(value, train) if _per_row(value, n_samples) else value
        for name, value in fit_params.items()
    }
    model = clone(estimator)
    model.fit(_safe_indexing(X, train), _safe_indexing(y, train), **params)
    return _ask(model, X, y, test, importance=importance)


def _per_row(value: Any, n_samples: int) -> bool:
    """Whether metadata has one entry per row."""
    is_list = hasattr(value, "__len__") and not isinstance(value, (str, dict))
    return is_list and count_rows(value) == n_samples


def _ask(
    model: Any, X: Any, y: Any, rows: NDArray[np.intp], *, importance: bool
) -> tuple[Any, str, Any, Any]:
    """Return what a model says about some rows, how, its classes and importances."""
    own = _safe_indexing(X, rows)
    method = score_method(model)
    said = getattr(model, method)(own)
    importances = None
    if importance:
        measured = permutation_importance(
            model, own, _safe_indexing(y, rows), n_repeats=N_REPEATS, random_state=0
        )
        importances = measured.importances_mean
    return said, method, getattr(model, "classes_", None), importances


def _collect(
    estimator: Any,
    tests: list[NDArray[np.intp]],
    folds: list[tuple[Any, str, Any, Any]],
) -> OutOfFold:
    """Put the answers of all folds in the order of the rows."""
    classes = getattr(estimator, "classes_", None)
    rows = np.concatenate(tests)
    order = np.argsort(rows, kind="stable")
    method = folds[0][1]
    said = [_with_all_classes(each, own, classes, method) for each, _, own, _ in folds]
    if isinstance(said[0], list):
        joined: Any = [
            np.concatenate(parts)[order] for parts in zip(*said, strict=True)
        ]
    else:
        joined = np.concatenate(said)[order]
    measured = [each for *_, each in folds if each is not None]
    importances = np.mean(measured, axis=0) if measured else None
    fold = np.repeat(np.arange(len(tests)), [len(test) for test in tests])
    return OutOfFold(rows[order], fold[order], joined, method, importances)


def _with_all_classes(said: Any, own: Any, classes: Any, method: str) -> Any:
    """Add columns for the classes that a fold did not know."""
    if isinstance(said, list):
        return [
            _with_all_classes(each, fold_classes, all_classes, method)
            for each, fold_classes, all_classes in zip(said, own, classes, strict=True)
        ]
    said = np.asarray(said)
    if method == "predict" or said.ndim == 1 or len(own) == len(classes):
        return said
    least = 0.0 if method == "predict_proba" else said.min()
    whole = np.full((len(said), len(classes)), least)
    whole[:, np.searchsorted(classes, own)] = said
    return whole
