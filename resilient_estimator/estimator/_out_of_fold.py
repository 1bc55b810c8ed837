"""Predict each training row by a model that was not trained on it: one cross-fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import Parallel, delayed

from resilient_estimator._typing import Floats, Positions
from resilient_estimator._validation import parameter_error
from resilient_estimator.estimator._model_outputs import score_method
from resilient_estimator.exceptions import NoReferenceWarning
from resilient_estimator.tabular._folds import Folds, RowOrder, Split, ordered_folds
from resilient_estimator.tabular._rows import (
    count_rows,
    take_fit_params,
    take_rows,
)
from resilient_estimator.tabular._table import container_of

OWNER = "ResilientEstimator"
N_REPEATS = 3  # of the shuffling of a column
N_PROBES = 500  # of each fold


class OutOfFold(NamedTuple):
    """Predictions for training rows by models that were not trained on them.

    Attributes
    ----------
    rows : ndarray of int of shape (n_rows,)
        Positions of the predicted rows, in increasing order.
    predictions : ndarray of shape (n_rows,) or (n_rows, n_targets)
        What `predict` returned for them.
    scores : ndarray or list of ndarray
        What `method` returned for them.
    method : str
        The method with the most detailed outputs.
    probes : ndarray of int of shape (n_probes,)
        Rows that all models predicted.
    probe_folds : ndarray of int of shape (n_probes,)
        Which of the models was not trained on each of these.
    probe_scores : list
        What `method` of each model returned for them.
    importances : ndarray of float of shape (n_features,) or None
        By how much the score falls when a column is shuffled, averaged over the models.
    row_order : RowOrder
        In which order the rows are taken to stand, and why.
    """

    rows: Positions
    predictions: Any
    scores: Any
    method: str
    probes: Positions
    probe_folds: Positions
    probe_scores: list[Any]
    importances: Floats | None
    row_order: RowOrder


class _FoldOutputs(NamedTuple):
    """Outputs of one model: for the rows held out from it, and for the probes."""

    predictions: Any
    scores: Any
    method: str
    probe_scores: Any
    importances: Floats | None


def cross_fit(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any,
    row_order: str,
    n_jobs: int | None,
    fit_params: Mapping[str, Any],
    split_params: Mapping[str, Any],
    importance: bool,
) -> OutOfFold | None:
    """Fit clones of an estimator to all folds but one each, and predict that one.

    Parameters
    ----------
    estimator : estimator
        Fitted to all rows. A frozen one predicts as it is, for all rows: they must not
        be those that it was trained on.
    X : Table, array-like, sparse matrix or data frame
        Rows.
    y : array-like
        Targets.
    cv : int, splitter, iterable or None
        How the rows are split; None: not at all.
    row_order : {"auto", "time", "arbitrary"}
        In which order the rows stand, where `cv` is an int.
    n_jobs : int or None
        How many folds are fitted at a time.
    fit_params, split_params : dict
        Metadata for `fit` of the estimator, and for the splitter.
    importance : bool
        Whether to measure permutation importances.

    Returns
    -------
    out_of_fold : OutOfFold or None
        None where the rows cannot be split, or a fold fails, of which a warning gives
        the reason.
    """
    if isinstance(estimator, FrozenEstimator):
        rows = np.arange(count_rows(X))
        found = _predict_fold(estimator, X, y, rows, rows[:0], importance=importance)
        folds = Folds([(rows, rows)], RowOrder("time", "a frozen estimator"))
        return _collect(folds, [rows[:0]], [found])
    failure: Exception | None = None
    classify = is_classifier(estimator)
    for folds in _choose_folds(cv, row_order, X, y, split_params, classify=classify):
        probes = [_spread(test, N_PROBES) for _, test in folds.splits]
        try:
            found = Parallel(n_jobs=n_jobs)(
                delayed(_fit_fold)(
                    estimator,
                    container_of(X),
                    y,
                    split,
                    probes=np.concatenate(probes),
                    fit_params=fit_params,
                    importance=importance,
                )
                for split in folds.splits
            )
        except Exception as error:  # noqa: BLE001  whatever an estimator may raise
            failure = error
            continue
        return _collect(folds, probes, found)
    if failure is not None:
        _warn_about(estimator, failure)
    return None


def _warn_about(estimator: Any, failure: Exception) -> None:
    warnings.warn(
        "Outputs cannot be compared, because there are no out-of-fold predictions: "
        f"fitted to a part of the rows, {type(estimator).__name__} raised "
        f"{type(failure).__name__}: {failure}",
        NoReferenceWarning,
        stacklevel=5,
    )


def _spread(rows: Positions, most: int) -> Positions:
    """Return at most `most` of the rows, evenly spaced."""
    return rows[:: max(-(-len(rows) // most), 1)]


def _choose_folds(
    cv: Any,
    row_order: str,
    X: Any,
    y: Any,
    split_params: Mapping[str, Any],
    *,
    classify: bool,
) -> list[Folds]:
    """Return ways to split the rows, to be tried in turn; none where there is none."""
    if cv is None:
        return []
    if isinstance(cv, (int, np.integer)) and cv >= 2:
        folds = ordered_folds(int(cv), row_order, X, y, classify=classify)
        return [each for each in folds if each.splits]
    given = RowOrder(row_order, "the rows are split by 'cv'")
    if hasattr(cv, "split") and not isinstance(cv, str):
        return [Folds(list(cv.split(container_of(X), y, **split_params)), given)]
    try:
        splits = [(np.asarray(train), np.asarray(test)) for train, test in cv]
    except (TypeError, ValueError) as error:
        expected = (
            "an int in the range [2, inf), a splitter, an iterable of splits or None"
        )
        raise parameter_error(OWNER, "cv", expected, cv) from error
    return [Folds(splits, given)]


def _fit_fold(
    estimator: Any,
    X: Any,
    y: Any,
    split: Split,
    *,
    probes: Positions,
    fit_params: Mapping[str, Any],
    importance: bool,
) -> _FoldOutputs:
    train, test = split
    params = take_fit_params(fit_params, train, count_rows(X))
    model = clone(estimator)
    model.fit(take_rows(X, train), take_rows(y, train), **params)
    found = _predict_fold(model, X, y, test, probes, importance=importance)
    own, classes = (getattr(each, "classes_", None) for each in (model, estimator))
    return found._replace(
        scores=_with_all_classes(found.scores, own, classes, found.method),
        probe_scores=_with_all_classes(found.probe_scores, own, classes, found.method),
    )


def _predict_fold(
    model: Any,
    X: Any,
    y: Any,
    rows: Positions,
    probes: Positions,
    *,
    importance: bool,
) -> _FoldOutputs:
    """Return a model's outputs for the rows held out from it and for the probes."""
    X = container_of(X)
    held_out = take_rows(X, rows)
    method = score_method(model)
    scores = getattr(model, method)(held_out)
    predictions = scores if method == "predict" else model.predict(held_out)
    importances = None
    if importance:
        from sklearn.inspection import permutation_importance  # noqa: PLC0415  slow

        measured = permutation_importance(
            model, held_out, take_rows(y, rows), n_repeats=N_REPEATS, random_state=0
        )
        importances = measured.importances_mean
    at_probes = getattr(model, method)(take_rows(X, probes)) if len(probes) else None
    return _FoldOutputs(predictions, scores, method, at_probes, importances)


def _collect(
    folds: Folds, probes: list[Positions], found: Sequence[_FoldOutputs]
) -> OutOfFold:
    """Put the outputs of all models in the order of the rows."""
    rows = np.concatenate([test for _, test in folds.splits])
    order = np.argsort(rows, kind="stable")
    measured = [each.importances for each in found if each.importances is not None]
    return OutOfFold(
        rows=rows[order],
        predictions=_join([each.predictions for each in found], order),
        scores=_join([each.scores for each in found], order),
        method=found[0].method,
        probes=np.concatenate(probes),
        probe_folds=np.repeat(np.arange(len(probes)), [len(each) for each in probes]),
        probe_scores=[each.probe_scores for each in found],
        importances=np.mean(measured, axis=0) if measured else None,
        row_order=folds.row_order,
    )


def _join(outputs: list[Any], order: Positions) -> Any:
    if isinstance(outputs[0], list):  # several targets
        targets = zip(*outputs, strict=True)
        return [np.concatenate(parts)[order] for parts in targets]
    return np.concatenate(outputs)[order]


def _with_all_classes(scores: Any, own: Any, classes: Any, method: str) -> Any:
    """Add columns for the classes that a fold did not know."""
    if scores is None:
        return None
    if isinstance(scores, list):
        return [
            _with_all_classes(each, fold_classes, all_classes, method)
            for each, fold_classes, all_classes in zip(
                scores, own, classes, strict=True
            )
        ]
    scores = np.asarray(scores)
    if method == "predict" or scores.ndim == 1 or len(own) == len(classes):
        return scores
    least = 0.0 if method == "predict_proba" else scores.min()
    whole = np.full((len(scores), len(classes)), least)
    whole[:, np.searchsorted(classes, own)] = scores
    return whole
