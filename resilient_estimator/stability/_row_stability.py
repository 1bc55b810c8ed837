"""Score rows by how often the answer stays when the row moves a little."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Floats
from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import is_count, is_number
from resilient_estimator.stability._constraints import Constraints
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import count_rows

N_COPIES = 32
SIZE = 0.5
MAX_CELLS = 1 << 22  # of a block of copies: 32 MB of numbers
MAX_ROWS = 1_000  # of a block, without their copies: a slow model tells its pace
DIGITS = 10  # a model's last bits depend on how many rows it is asked about at a time
N_CHECKED = 1_000


class Answers(NamedTuple):
    """What a model says about rows.

    `values` of shape (n_samples,) or (n_samples, n_targets) are codes of classes or
    predictions; `proba` of shape (n_samples, n_classes) is None where there is none.
    """

    values: NDArray[Any]
    proba: Floats | None


class RowScores(NamedTuple):
    """How stable the answers to rows are.

    `stability` and `stays`, the share of copies that get their row's answer, have one
    number in [0, 1] for each row.
    """

    stability: Floats
    stays: Floats


Ask = Callable[[Any], Answers]


class Moves(NamedTuple):
    """How rows are moved.

    `n_copies` moved copies of each row, `size` times as far as near neighbours lie
    apart, within `constraints`; `seed` chooses the noise.
    """

    n_copies: int
    size: float
    seed: int
    constraints: Constraints


def read_moves(
    owner: str,
    names: list[str],
    *,
    n_copies: Any,
    size: Any,
    seed: Any,
    **constraints: Any,
) -> Moves:
    """Check how rows are to be moved.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or names a column that does not exist.
    """
    if not is_count(n_copies):
        raise parameter_error(owner, "n_copies", "an int >= 1", n_copies)
    if not is_number(size) or not 0 < size < np.inf:
        raise parameter_error(owner, "size", "a finite float > 0", size)
    if not isinstance(seed, Integral):
        raise parameter_error(owner, "seed", "an int", seed)
    read = Constraints.read(names, owner=owner, **constraints)
    return Moves(int(n_copies), float(size), int(seed), read)


def ask_classifier(
    model: Any, X: Any, *, by_proba: bool, threshold: float | None = None
) -> Answers:
    """Return the classes that a classifier decides for, and its probabilities.

    It is asked once if its decision follows from its probabilities.
    """
    proba = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    if proba is None or isinstance(proba, list):
        return Answers(np.asarray(model.predict(X)), None)
    if threshold is not None:
        return Answers((proba[:, 1] >= threshold).astype(int), proba)
    if by_proba:
        return Answers(proba.argmax(axis=1), proba)
    said = np.asarray(model.predict(X))
    if said.ndim > 1:  # several labels, each with a probability
        return Answers(said, None)
    codes = (said[:, np.newaxis] == model.classes_).argmax(axis=1)
    return Answers(codes, proba)


def decides_by_proba(model: Any, X: Any) -> bool:
    """Whether a classifier always decides for its most probable class.

    A support vector machine and a tuned threshold do not. A thousand rows are asked.
    """
    if not is_classifier(model) or not hasattr(model, "predict_proba"):
        return False
    n_samples = count_rows(X)
    rows = take_rows(X, spread_out(np.arange(n_samples), N_CHECKED))
    likely = ask_classifier(model, rows, by_proba=True)
    decided = ask_classifier(model, rows, by_proba=False)
    return bool(np.array_equal(likely.values, decided.values))


def spread_out(rows: NDArray[np.intp], n_most: int) -> NDArray[np.intp]:
    """Return evenly spaced ones of the rows, all where they are no more than wanted."""
    n_chosen = min(len(rows), n_most)
    return rows[np.arange(n_chosen) * len(rows) // max(n_chosen, 1)]


def score_rows(
    ask: Ask,
    perturbation: Perturbation,
    X: Any,
    moves: Moves,
    *,
    tolerance: Floats | None = None,
) -> RowScores:
    """Return how stable the answers to rows are.

    The model is asked about at most a thousand rows and their copies at a time; if more
    than ten seconds remain after that, a line is logged. A single block logs nothing.

    Parameters
    ----------
    ask : callable
        Returns the model's answers to rows.
    perturbation : Perturbation
        How far neighbours lie apart.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    moves : Moves
        How they are moved.
    tolerance : ndarray of float of shape (n_targets,), default=None
        By how much a number may change and still be the same answer; None: not at all.

    Returns
    -------
    scores : RowScores
        Stability, and the share of copies that keep the answer, of each row.
    """
    n_samples, n_features = count_rows(X), max(len(perturbation.names), 1)
    n_each = 1 + moves.n_copies
    n_rows = min(max(MAX_CELLS // (n_each * n_features), 1), MAX_ROWS)
    progress = Progress("score_stability", n_samples)
    scores = RowScores(np.empty(n_samples), np.empty(n_samples))
    for start in range(0, n_samples, n_rows):
        rows = np.arange(start, min(start + n_rows, n_samples))
        moved = perturbation.move(
            X if len(rows) == n_samples else take_rows(X, rows),
            n_copies=moves.n_copies,
            size=moves.size,
            seed=moves.seed,
            constraints=moves.constraints,
        )
        found = _agreement(ask(moved), len(rows), tolerance)
        scores.stability[rows], scores.stays[rows] = found
        progress.step(int(rows[-1]) + 1)
    return scores


def _agreement(answers: Answers, n_samples: int, tolerance: Floats | None) -> RowScores:
    """Return the agreement of copies with their row.

    Stability is (A + p) / 2, where A is the share of copies that get the row's answer,
    and p the mean probability that they give to it; A alone without probabilities.
    """
    values = answers.values.reshape(n_samples, -1, *answers.values.shape[1:])
    first, copies = values[:, :1], values[:, 1:]
    if tolerance is None:
        same = copies == first
    else:
        same = np.abs(copies - first) <= tolerance.reshape(values.shape[2:])
    if same.ndim == 3:  # several targets
        same = same.all(axis=2)
    stays = same.mean(axis=1)
    if answers.proba is None:
        return RowScores(stays, stays)
    proba = answers.proba.reshape(n_samples, values.shape[1], -1)[:, 1:]
    of_answer = np.take_along_axis(proba, first[:, :, np.newaxis], axis=2)
    score = (stays + of_answer[:, :, 0].mean(axis=1)) / 2
    return RowScores(np.round(np.clip(score, 0.0, 1.0), DIGITS), stays)
