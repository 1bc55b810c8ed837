"""Score rows by how often the prediction stays the same when the row moves a little."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Floats, Positions
from resilient_estimator._validation import (
    COUNT,
    NON_NEGATIVE,
    POSITIVE,
    SEED,
    check_argument,
)
from resilient_estimator.stability._constraints import PerturbationConstraints
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.tabular._rows import count_rows, take_rows
from resilient_estimator.tabular._table import Table, container_of, read_table

N_COPIES = 32
SIZE = 0.5
MAX_CELLS = 1 << 22  # of a block of copies: 32 MB of numbers
MAX_ROWS = 1_000  # of a block, without their copies: so a slow model shows its pace
DIGITS = 10  # the last bits of a score depend on how many rows are predicted at a time
N_CHECKED = 1_000


class Neighbourhood(NamedTuple):
    """Which moved copies of a row its prediction is compared with.

    `n_copies` copies, moved `size` times as far as near neighbours in training lie
    apart, within `constraints` (None: none); `random_state` chooses the noise.
    """

    n_copies: int = N_COPIES
    size: float = SIZE
    random_state: int = 0
    constraints: PerturbationConstraints | None = None

    @classmethod
    def read(
        cls,
        owner: Any,
        names: list[str],
        *,
        n_copies: Any = N_COPIES,
        size: Any = SIZE,
        random_state: Any = 0,
        immutable: Any = (),
        limits: Mapping[Any, Any] | None = None,
        monotonic_cst: Mapping[Any, int] | None = None,
    ) -> Neighbourhood:
        """Check how rows are to be moved.

        Raises
        ------
        InvalidParameterError
            If a parameter is out of its range, or names a column that does not exist.
        """
        check_argument(owner, "n_copies", n_copies, COUNT)
        check_argument(owner, "size", size, POSITIVE)
        check_argument(owner, "random_state", random_state, SEED)
        constraints = PerturbationConstraints.read(
            names,
            owner=owner if isinstance(owner, str) else type(owner).__name__,
            immutable=immutable,
            limits=limits,
            monotonic_cst=monotonic_cst,
        )
        return cls(int(n_copies), float(size), int(random_state), constraints)


class RowScores(NamedTuple):
    """How stable the predictions for rows are.

    `stability` and `stays`, the share of copies that keep their row's prediction, have
    one number in [0, 1] for each row.
    """

    stability: Floats
    stays: Floats


class _Outputs(NamedTuple):
    """Predictions and probabilities of rows.

    `predictions` of shape (n_samples,) or (n_samples, n_targets) are codes of classes
    or numbers; `proba` of shape (n_samples, n_classes) is None where there is none.
    """

    predictions: NDArray[Any]
    proba: Floats | None


class RowStability:
    """The stability of a fitted model's predictions, row by row.

    Parameters
    ----------
    model : classifier or regressor
        A fitted model.
    perturbation : Perturbation
        How far near neighbours in training lie apart.
    follows_proba : bool
        Whether a classifier always predicts its most probable class.
    threshold : float, default=None
        On the probability of the second class, in place of the classifier's decision.
    residual_scales : ndarray of float of shape (n_targets,), default=None
        The unit in which a regressor's predictions differ.
    """

    def __init__(
        self,
        model: Any,
        perturbation: Perturbation,
        *,
        follows_proba: bool,
        threshold: float | None = None,
        residual_scales: Floats | None = None,
    ) -> None:
        self._model = model
        self._perturbation = perturbation
        self._follows_proba = follows_proba
        self._threshold = threshold
        self._residual_scales = residual_scales

    def score(
        self, X: Any, neighbourhood: Neighbourhood, *, tolerance: float = 1.0
    ) -> RowScores:
        """Return how stable the predictions for rows are.

        The model predicts at most a thousand rows and their copies at a time; if more
        than ten seconds remain after that, a line is logged.

        Parameters
        ----------
        X : Table, array-like, sparse matrix or data frame
            Rows.
        neighbourhood : Neighbourhood
            How they are moved.
        tolerance : float, default=1.0
            By how many `residual_scales` a number may change and still be the same.
        """
        table = read_table(X)
        if table is None:
            self._model.predict(container_of(X))  # raises the error that users know
            raise ValueError(f"Expected a table of rows. Got {type(X).__name__}.")
        n_samples = table.shape[0]
        scores = RowScores(np.empty(n_samples), np.empty(n_samples))
        progress = Progress("score_stability", n_samples)
        for rows in self._blocks(n_samples, neighbourhood.n_copies):
            block = table if len(rows) == n_samples else table.take(rows)
            found = self._score_block(block, neighbourhood, tolerance)
            scores.stability[rows], scores.stays[rows] = found
            progress.step(int(rows[-1]) + 1)
        return scores

    def _blocks(self, n_samples: int, n_copies: int) -> list[Positions]:
        n_features = max(len(self._perturbation.names), 1)
        n_rows = min(max(MAX_CELLS // ((1 + n_copies) * n_features), 1), MAX_ROWS)
        starts = range(0, n_samples, n_rows)
        return [np.arange(start, min(start + n_rows, n_samples)) for start in starts]

    def _score_block(
        self, table: Table, neighbourhood: Neighbourhood, tolerance: float
    ) -> RowScores:
        moved = self._perturbation.move(
            table,
            n_copies=neighbourhood.n_copies,
            size=neighbourhood.size,
            random_state=neighbourhood.random_state,
            constraints=neighbourhood.constraints,
        )
        unit = self._residual_scales
        limit = None if unit is None else tolerance * unit
        return _agreement(self._predict(moved), table.shape[0], limit)

    def _predict(self, X: Any) -> _Outputs:
        if not is_classifier(self._model):
            return _Outputs(np.asarray(self._model.predict(X)), None)
        return _classify(
            self._model,
            X,
            follows_proba=self._follows_proba,
            threshold=self._threshold,
        )


def _classify(
    model: Any, X: Any, *, follows_proba: bool, threshold: float | None = None
) -> _Outputs:
    """Return the classes that a classifier predicts, and its probabilities.

    It is called once if its predictions follow from its probabilities.
    """
    proba = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    if proba is None or isinstance(proba, list):
        return _Outputs(np.asarray(model.predict(X)), None)
    if threshold is not None:
        return _Outputs((proba[:, 1] >= threshold).astype(int), proba)
    if follows_proba:
        return _Outputs(proba.argmax(axis=1), proba)
    labels = np.asarray(model.predict(X))
    if labels.ndim > 1:  # several labels, each with a probability
        return _Outputs(labels, None)
    codes = (labels[:, np.newaxis] == model.classes_).argmax(axis=1)
    return _Outputs(codes, proba)


def follows_probabilities(model: Any, X: Any) -> bool:
    """Return whether a classifier always predicts its most probable class.

    A support vector machine and a tuned threshold do not. A thousand rows decide.
    """
    if not is_classifier(model) or not hasattr(model, "predict_proba"):
        return False
    rows = take_rows(container_of(X), spread_out(np.arange(count_rows(X)), N_CHECKED))
    likely = _classify(model, rows, follows_proba=True)
    decided = _classify(model, rows, follows_proba=False)
    return bool(np.array_equal(likely.predictions, decided.predictions))


def spread_out(rows: Positions, n_most: int) -> Positions:
    """Return at most `n_most` of the rows, evenly spaced."""
    n_chosen = min(len(rows), n_most)
    return rows[np.arange(n_chosen) * len(rows) // max(n_chosen, 1)]


def check_tolerance(owner: Any, tolerance: Any) -> None:
    """Raise an error unless the tolerance is a finite number of at least 0."""
    check_argument(owner, "tolerance", tolerance, NON_NEGATIVE)


def _agreement(
    outputs: _Outputs, n_samples: int, tolerance: Floats | None
) -> RowScores:
    """Return the agreement of copies with their row.

    Stability is (A + p) / 2, where A is the share of copies with the row's prediction,
    and p their mean probability of it; A alone without probabilities.
    """
    predictions = outputs.predictions
    values = predictions.reshape(n_samples, -1, *predictions.shape[1:])
    first, copies = values[:, :1], values[:, 1:]
    if tolerance is None:
        same = copies == first
    else:
        same = np.abs(copies - first) <= tolerance.reshape(values.shape[2:])
    if same.ndim == 3:  # several targets
        same = same.all(axis=2)
    stays = same.mean(axis=1)
    if outputs.proba is None:
        return RowScores(stays, stays)
    proba = outputs.proba.reshape(n_samples, values.shape[1], -1)[:, 1:]
    of_prediction = np.take_along_axis(proba, first[:, :, np.newaxis], axis=2)
    score = (stays + of_prediction[:, :, 0].mean(axis=1)) / 2
    return RowScores(np.round(np.clip(score, 0.0, 1.0), DIGITS), stays)
