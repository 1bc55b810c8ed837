"""Look at a batch as a whole: its flags, the estimator's answers, and its columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.utils import Bunch, _safe_indexing

from resilient_estimator.assessment import (
    Assessment,
    flags_surged,
    realised_performance,
)
from resilient_estimator.detectors import DetectorUnion
from resilient_estimator.estimator._abstention import (
    assess_stability,
    doubts_of,
    is_uncertain,
)
from resilient_estimator.estimator._deferral import any_flag, inspect_rows, take_rows
from resilient_estimator.estimator._model_outputs import output_table, score_method
from resilient_estimator.estimator._out_of_fold import OutOfFold
from resilient_estimator.guards._base import inspect_training
from resilient_estimator.reference import Profile, Reference
from resilient_estimator.stability._model_stability import Stability
from resilient_estimator.tabular._table import Table, count_rows

NOT_GUARDED = ("uncertain", "unstable", "fallback")


class Look(NamedTuple):
    """What was seen of a batch besides its columns.

    `outputs` are what the estimator said about the rows that no guard flags; `failure`
    is why it said nothing, else "".
    """

    flags: Bunch
    outputs: Table | None
    failure: str


def look_at(
    model: Any, X: Any, flags: Bunch | None = None, said: Any = None, method: str = ""
) -> Look:
    """Return the flags of a batch, and the estimator's answers to it.

    Parameters
    ----------
    model : ResilientEstimator
        The fitted model.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        The batch.
    flags : Bunch, default=None
        Its flags, where they are known.
    said : array-like, default=None
        Answers to all rows, where the estimator was asked already.
    method : str, default=""
        The method that gave `said`.
    """
    found = Bunch(**inspect_rows(model.guard_, X)) if flags is None else flags
    guarded = _guarded(found, X)
    scores, failure = _ask(model, X, guarded, said, method)
    if flags is None:
        _complete_flags(model, X, found, guarded, scores)
    if scores is None or not model.reference_.layout.outputs:
        return Look(found, None, failure)
    classes = getattr(model.estimator_, "classes_", None)
    outputs = output_table(scores, score_method(model.estimator_), classes)
    return Look(found, outputs, failure)


def _guarded(flags: Bunch, X: Any) -> NDArray[np.bool_]:
    """Return which rows the guard flags, whatever else they are flagged for."""
    by_guard = {r: mask for r, mask in flags.items() if r not in NOT_GUARDED}
    return any_flag(by_guard, count_rows(X))


def _ask(
    model: Any, X: Any, guarded: NDArray[np.bool_], said: Any, method: str
) -> tuple[Any, str]:
    """Return the estimator's scores of the rows that are not guarded, or why not."""
    wanted = model.reference_.layout.outputs or doubts_of(model)
    if not wanted or guarded.all():
        return None, ""
    best = score_method(model.estimator_)
    if said is not None and method == best:
        return _rows_of(said, ~guarded), ""
    rows = take_rows(X, ~guarded) if guarded.any() else X
    try:
        return getattr(model.estimator_, best)(rows), ""
    except Exception as error:  # noqa: BLE001  a batch is judged whatever it holds
        return None, f"{type(error).__name__}: {error}"


def _complete_flags(
    model: Any, X: Any, flags: Bunch, guarded: NDArray[np.bool_], scores: Any
) -> None:
    """Add which answers are in doubt, and which rows the fallback answers."""
    rejected = guarded
    method = score_method(model.estimator_)
    for reason, find in doubts_of(model).items():
        flags[reason] = np.zeros(len(guarded), dtype=bool)
        if scores is not None:
            rows = take_rows(X, ~guarded) if guarded.any() else X
            flags[reason][~guarded] = find(rows, scores, method)
        rejected = rejected | flags[reason]
    flags.fallback = rejected & (model.fallback_ is not None)


def count_batch(model: Any, X: Any, look: Look) -> Profile:
    """Count a batch over the cells of the reference: columns, outputs and flags."""
    layout = model.reference_.layout
    profile: Profile = layout.profile(X, outputs=look.outputs, flags=look.flags)
    return profile


def assess_batch(
    model: Any, X: Any, look: Look, y: Any = None, *, stability: bool = False
) -> Assessment:
    """Compare a batch with training, and put together what is to be told about it."""
    n_samples = count_rows(X)
    guarded = _guarded(look.flags, X)
    n_flagged = int(np.count_nonzero(guarded))
    explain = getattr(model.guard_, "explain", None)
    return Assessment(
        n_samples=n_samples,
        drift=_compare(model, X, look),
        flags=look.flags,
        flagged_columns=explain(X) if n_flagged and explain else {},
        flags_surged=flags_surged(
            n_flagged,
            n_samples,
            model.training_flags_["n_flagged"],
            model.training_flags_["n_samples"],
        ),
        performance=None if y is None else realised_performance(model, X, y),
        stability=_stability(model, X, guarded, look) if stability else None,
        importances=model.importances_,
        failure=look.failure,
    )


def _stability(
    model: Any, X: Any, guarded: NDArray[np.bool_], look: Look
) -> Stability | None:
    """Return the stability over rows that no guard flags, None where it has none."""
    if look.failure:
        return None
    return assess_stability(model, X, np.flatnonzero(~guarded))


def _compare(model: Any, X: Any, look: Look) -> Any:
    detector = model.detector_
    if detector is None:
        return None
    if isinstance(detector, DetectorUnion):
        return detector.compare(X, profile=count_batch(model, X, look))
    if hasattr(detector, "fit_reference"):
        return detector.compare(count_batch(model, X, look))
    return detector.compare(X)


def learn_reference(
    model: Any, X: Any, y: Any, out_of_fold: OutOfFold | None, *, time_ordered: bool
) -> tuple[Reference, dict[str, int]]:
    """Return what is remembered of the training rows, and how many were flagged.

    As later in production, what the models say counts only for rows that no guard
    flags.
    """
    n_samples = count_rows(X)
    flags = dict(inspect_training(model.guard_, X))
    guarded = any_flag(flags, n_samples)
    training_flags = {"n_flagged": int(guarded.sum()), "n_samples": len(guarded)}
    outputs = residuals = None
    probes: list[Table | None] = []
    probe_folds = np.empty(0, dtype=np.intp)
    if out_of_fold is not None:
        classes = getattr(model.estimator_, "classes_", None)
        kept = ~guarded[out_of_fold.rows]
        rows, said = out_of_fold.rows[kept], _rows_of(out_of_fold.said, kept)
        outputs = output_table(said, out_of_fold.method, classes)
        kept = ~guarded[out_of_fold.probes]
        probe_folds = out_of_fold.probe_folds[kept]
        probes = [
            output_table(_rows_of(each, kept), out_of_fold.method, classes)
            for each in out_of_fold.probe_said
            if each is not None
        ]
        if model.min_confidence is not None:
            uncertain = np.zeros(n_samples, dtype=bool)
            uncertain[rows] = is_uncertain(said, model.min_confidence)
            flags["uncertain"] = uncertain
        if is_regressor(model.estimator_):
            truth = np.asarray(_safe_indexing(y, rows), dtype=float)
            residuals = truth.reshape(said.shape) - said
    reference = Reference.learn(
        X,
        outputs=outputs,
        probes=probes,
        probe_folds=probe_folds,
        flags=flags,
        residuals=residuals,
        pairs=True,
        time_ordered=time_ordered,
    )
    return reference, training_flags


def _rows_of(said: Any, rows: NDArray[np.bool_]) -> Any:
    if isinstance(said, list):
        return [np.asarray(each)[rows] for each in said]
    return np.asarray(said)[rows]


def importance_shares(out_of_fold: OutOfFold | None) -> NDArray[np.float64] | None:
    """Return the share of each column in what the estimator uses."""
    if out_of_fold is None or out_of_fold.importances is None:
        return None
    used = np.maximum(out_of_fold.importances, 0.0)
    return np.asarray(used / max(used.sum(), 1e-12))
