"""Doubts about a row that only the estimator's own answer can raise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import PROPORTION, check_argument, parameter_error
from resilient_estimator.estimator._deferral import (
    Doubt,
    any_flag,
    inspect_rows,
    take_rows,
)
from resilient_estimator.stability._model_stability import Stability
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.stability._row_stability import (
    N_COPIES,
    SIZE,
    Answers,
    Moves,
    RowScores,
    ask_classifier,
    decides_by_proba,
    read_moves,
    score_rows,
    spread_out,
)
from resilient_estimator.tabular._assign import repeat
from resilient_estimator.tabular._table import count_rows, read_table

OWNER = "ResilientEstimator"
N_ASSESSED = 1_000
N_COPIES_ASSESSED = 10


def doubts_of(model: Any) -> dict[str, Doubt]:
    """Return how rows are found whose answer is in doubt, by reason.

    Each takes rows, what the estimator answered, and the method that was called.
    """
    doubts: dict[str, Doubt] = {}
    if model.min_confidence is not None:
        doubts["uncertain"] = lambda X, answer, method: is_uncertain(
            answer if method == "predict_proba" else model.estimator_.predict_proba(X),
            model.min_confidence,
        )
    if model.min_stability is not None:
        doubts["unstable"] = lambda X, _answer, _method: is_unstable(model, X)
    return doubts


def check_doubts(model: Any, estimator: Any) -> None:
    """Raise a ValueError unless the limits suit the fitted estimator."""
    check_argument(OWNER, "min_stability", model.min_stability, PROPORTION, None)
    if model.min_confidence is None:
        return
    check_argument(OWNER, "min_confidence", model.min_confidence, PROPORTION, None)
    if not is_classifier(model) or not hasattr(estimator, "predict_proba"):
        expected = "None unless the estimator is a classifier with 'predict_proba'"
        raise parameter_error(OWNER, "min_confidence", expected, model.min_confidence)


def is_uncertain(proba: Any, min_confidence: float) -> Mask:
    """Return the rows whose highest probability is below `min_confidence`."""
    outputs = proba if isinstance(proba, list) else [proba]
    confidence = np.min([output.max(axis=1) for output in outputs], axis=0)
    return np.asarray(confidence < min_confidence)


def is_unstable(model: Any, X: Any) -> Mask:
    """Return the rows whose stability is below `min_stability`."""
    scores = stability_of(model, X, default_moves(model, N_COPIES))
    return np.asarray(scores.stability < model.min_stability)


def default_moves(model: Any, n_copies: int) -> Moves:
    """Return moves half as far as near neighbours lie apart, without constraints."""
    names = model.perturbation_.names
    return read_moves(OWNER, names, n_copies=n_copies, size=SIZE, seed=0)


def learn_stability(model: Any, X: Any) -> None:
    """Set what has to be known of training to score the stability of rows."""
    model.perturbation_ = Perturbation.learn(X)
    try:
        model.decides_by_proba_ = decides_by_proba(model.estimator_, X)
    except Exception:  # noqa: BLE001  an estimator that raises does so when it is asked
        model.decides_by_proba_ = False
    if model.min_stability is None:
        return
    if read_table(X) is None:
        expected = f"None where X is no table, but {type(X).__name__}"
        raise parameter_error(OWNER, "min_stability", expected, model.min_stability)
    if not is_classifier(model):
        _residual_scales(model)  # its error is better raised here than by predict


def stability_of(model: Any, X: Any, moves: Moves, tolerance: float = 1.0) -> RowScores:
    """Return how stable the estimator's answers to rows are."""
    if read_table(X) is None:
        model.estimator_.predict(X)  # raises the error that users know
    if is_classifier(model):
        return score_rows(
            lambda rows: ask_classifier(
                model.estimator_,
                rows,
                by_proba=model.decides_by_proba_,
                threshold=model.threshold_,
            ),
            model.perturbation_,
            X,
            moves,
        )
    return score_rows(
        lambda rows: Answers(np.asarray(model.estimator_.predict(rows)), None),
        model.perturbation_,
        X,
        moves,
        tolerance=tolerance * _residual_scales(model),
    )


def score_answered(model: Any, X: Any, moves: Moves, tolerance: float) -> Floats:
    """Return the stability of rows, NaN where a guard lets the fallback answer."""
    if model.fallback_ is None:
        return stability_of(model, X, moves, tolerance).stability
    guarded = any_flag(inspect_rows(model.guard_, X), count_rows(X))
    if not guarded.any():
        return stability_of(model, X, moves, tolerance).stability
    scores = np.full(len(guarded), np.nan)
    if not guarded.all():
        rows = take_rows(X, ~guarded)
        scores[~guarded] = stability_of(model, rows, moves, tolerance).stability
    return scores


def _residual_scales(model: Any) -> Floats:
    residuals = model.reference_.residuals
    if residuals is None:
        raise ValueError(
            "The stability of a regressor is in units of its out-of-fold residuals, "
            f"which were not made: fit with another 'cv' than {model.cv!r}."
        )
    return residuals.robust_scales()  # type: ignore[no-any-return]


def assess_stability(model: Any, X: Any, rows: NDArray[np.intp]) -> Stability:
    """Return the stability of the model over some rows, over at most a thousand."""
    chosen = spread_out(rows, N_ASSESSED)
    moves = default_moves(model, N_COPIES_ASSESSED)
    everything = len(chosen) == count_rows(X)
    scores = stability_of(model, X if everything else repeat(X, chosen), moves)
    return Stability.of(scores, n_copies=N_COPIES_ASSESSED)
