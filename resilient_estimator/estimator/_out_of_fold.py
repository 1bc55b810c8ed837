"""Ask models about rows that they did not learn from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import _safe_indexing

from resilient_estimator._validation import parameter_error
from resilient_estimator.estimator._model_outputs import score_method
from resilient_estimator.exceptions import NoReferenceWarning
from resilient_estimator.tabular._table import count_rows

Split = tuple[NDArray[np.intp], NDArray[np.intp]]

N_REPEATS = 3
N_PROBES = 500  # of each fold


class OutOfFold(NamedTuple):
    """What models said about rows that they did not learn from.

    `rows` are the rows in question, in increasing order, and `said` what the model that
    did not learn from them said when `method` was called. All models were asked about
    the rows `probes`: `probe_folds` is which of them did not learn from each,
    `probe_said` what each of them said. `importances` is how much the score falls
    when a column is shuffled, averaged over the folds.
    """

    rows: NDArray[np.intp]
    said: Any
    method: str
    probes: NDArray[np.intp]
    probe_folds: NDArray[np.intp]
    probe_said: list[Any]
    importances: NDArray[np.float64] | None


class _Answers(NamedTuple):
    """What one model said about its own rows and about the probes."""

    said: Any
    probe_said: Any
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
    _check(n_jobs, X, importance=importance)
    classes = getattr(estimator, "classes_", None)
    if isinstance(estimator, FrozenEstimator):
        rows = np.arange(count_rows(X))
        answers = _ask(estimator, X, y, rows, rows[:0], importance=importance)
        return _collect([rows], [rows[:0]], [answers])
    splits = _split(cv, estimator, X, y, split_params)
    if not splits:
        return None
    tests = [test for _, test in splits]
    probes = [_spread(test, N_PROBES) for test in tests]
    try:
        answers = Parallel(n_jobs=n_jobs)(
            delayed(_fit_and_ask)(
                estimator,
                X,
                y,
                split,
                probes=np.concatenate(probes),
                classes=classes,
                fit_params=fit_params,
                importance=importance,
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
    return _collect(tests, probes, answers)


def _check(n_jobs: Any, X: Any, *, importance: Any) -> None:
    """Raise an error that names a parameter which would make every fold fail."""
    owner = "ResilientEstimator"
    if n_jobs is not None and not isinstance(n_jobs, (int, np.integer)):
        raise parameter_error(owner, "n_jobs", "an int or None", n_jobs)
    if not isinstance(importance, (bool, np.bool_)):
        raise parameter_error(owner, "importance", "a bool", importance)
    if importance and sparse.issparse(X):
        expected = "False where X is a sparse matrix"
        raise parameter_error(owner, "importance", expected, importance)


def _spread(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most so many of the rows, evenly spread."""
    return rows[:: max(-(-len(rows) // most), 1)]


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
        raise parameter_error("ResilientEstimator", "cv", expected, cv) from error


def _split_evenly(cv: int, estimator: Any, X: Any, y: Any) -> list[Split]:
    """Stratify by classes; blocks of successive rows for regressors."""
    target = np.asarray(y)
    if target.ndim == 2 and target.shape[1] == 1:  # a column of labels
        target = target.ravel()
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
    probes: NDArray[np.intp],
    classes: Any,
    fit_params: Mapping[str, Any],
    importance: bool,
) -> _Answers:
    train, test = split
    n_samples = count_rows(X)
    params = {
        name: _safe_indexing(value, train) if _per_row(value, n_samples) else value
        for name, value in fit_params.items()
    }
    model = clone(estimator)
    model.fit(_safe_indexing(X, train), _safe_indexing(y, train), **params)
    answers = _ask(model, X, y, test, probes, importance=importance)
    own = getattr(model, "classes_", None)
    return answers._replace(
        said=_with_all_classes(answers.said, own, classes, answers.method),
        probe_said=_with_all_classes(answers.probe_said, own, classes, answers.method),
    )


def _per_row(value: Any, n_samples: int) -> bool:
    """Whether metadata has one entry per row."""
    is_list = hasattr(value, "__len__") and not isinstance(value, (str, dict))
    return is_list and count_rows(value) == n_samples


def _ask(
    model: Any,
    X: Any,
    y: Any,
    rows: NDArray[np.intp],
    probes: NDArray[np.intp],
    *,
    importance: bool,
) -> _Answers:
    """Return what a model says about its own rows and about the probes."""
    own = _safe_indexing(X, rows)
    method = score_method(model)
    ask = getattr(model, method)
    importances = None
    if importance:
        from sklearn.inspection import permutation_importance  # noqa: PLC0415  slow

        measured = permutation_importance(
            model, own, _safe_indexing(y, rows), n_repeats=N_REPEATS, random_state=0
        )
        importances = measured.importances_mean
    probe_said = ask(_safe_indexing(X, probes)) if len(probes) else None
    return _Answers(ask(own), probe_said, method, importances)


def _collect(
    tests: list[NDArray[np.intp]],
    probes: list[NDArray[np.intp]],
    answers: list[_Answers],
) -> OutOfFold:
    """Put the answers of all models in the order of the rows."""
    rows = np.concatenate(tests)
    order = np.argsort(rows, kind="stable")
    said = [each.said for each in answers]
    if isinstance(said[0], list):
        targets = zip(*said, strict=True)
        joined: Any = [np.concatenate(parts)[order] for parts in targets]
    else:
        joined = np.concatenate(said)[order]
    measured = [each.importances for each in answers if each.importances is not None]
    return OutOfFold(
        rows=rows[order],
        said=joined,
        method=answers[0].method,
        probes=np.concatenate(probes),
        probe_folds=np.repeat(np.arange(len(probes)), [len(each) for each in probes]),
        probe_said=[each.probe_said for each in answers],
        importances=np.mean(measured, axis=0) if measured else None,
    )


def _with_all_classes(said: Any, own: Any, classes: Any, method: str) -> Any:
    """Add columns for the classes that a fold did not know."""
    if said is None:
        return None
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
