"""A stream of windows, and a model that walks forward through them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing

from resilient_estimator._typing import Floats
from resilient_estimator.assessment import Assessment
from resilient_estimator.drift import FEATURES
from resilient_estimator.estimator._estimator import ResilientEstimator


class DemoError(Exception):
    """An error that the user can fix, described in one line."""


@dataclass(frozen=True)
class Stream:
    """Training rows, the windows that follow them, and an unfitted model.

    Attributes
    ----------
    title : str
        Description in a sentence or two.
    model : ResilientEstimator
        Unfitted model.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        All rows, in time order.
    y : ndarray of shape (n_samples,)
        All targets.
    edges : list of int
        Positions at which windows begin. The rows before the first one are for
        training; the last one is the number of rows.
    windows : list of str
        Name of each window.
    features : list of str
        Names of the columns.
    unit : str
        Word for a window, for example "month".
    notes : list of str
        Rows and columns that were left out.
    """

    title: str
    model: ResilientEstimator
    X: Any
    y: NDArray[Any]
    edges: list[int]
    windows: list[str]
    features: list[str]
    unit: str
    notes: list[str]

    def rows(self, start: int, stop: int) -> tuple[Any, NDArray[Any]]:
        """Return rows and targets from `start` to `stop`."""
        span = slice(max(int(start), 0), int(stop))
        return _safe_indexing(self.X, span), self.y[span]

    def window(self, i: int) -> tuple[Any, NDArray[Any]]:
        """Return rows and targets of a window."""
        return self.rows(self.edges[i], self.edges[i + 1])

    @property
    def binary(self) -> bool:
        """Whether there are two classes, so that misses and false alarms have costs."""
        return bool(is_classifier(self.model)) and len(np.unique(self.y)) == 2


COST_OF_MISS = 5


@dataclass(frozen=True)
class Step:
    """Results for one window.

    `losses` are those of the rows: 1 for a wrong label, or the absolute error. Costs
    are per case, with the estimator's own threshold and with the recalibrated one; None
    if there is no cost or no recalibrated threshold.
    """

    name: str
    losses: Floats
    score: float
    assessment: Assessment
    cost: float | None = None
    cost_recalibrated: float | None = None


def total_cost(tp: int, fp: int, fn: int, tn: int) -> int:  # noqa: ARG001  a protocol
    """Return the total cost, where a miss costs as much as five false alarms."""
    return COST_OF_MISS * fn + fp


def fit_model(stream: Stream) -> ResilientEstimator:
    """Fit the model to the training rows, and return it."""
    X, y = stream.rows(0, stream.edges[0])
    if is_classifier(stream.model) and len(np.unique(y)) < 2:
        raise DemoError(
            f"the first {len(y):,} rows, which are for training, have only one target, "
            f"{y[0].item()!r}; is there a time column for --time?"
        )
    stream.model.fit(X, y)
    return stream.model


def walk_forward(model: ResilientEstimator, stream: Stream) -> Iterator[Step]:
    """Yield the results for each window; its labels are known one window later."""
    recalibrated: ResilientEstimator | None = None
    for i, name in enumerate(stream.windows):
        X, y = stream.window(i)
        predictions, assessment = model.predict(X, return_assessment=True)
        step = Step(
            name=name,
            losses=losses(model, predictions, y),
            score=model.score(X, y),
            assessment=rename(assessment, stream.features),
        )
        if stream.binary:
            positive = model.classes_[1]
            step = replace(step, cost=cost_per_case(predictions, y, positive))
            if recalibrated is not None:
                cost = cost_per_case(recalibrated.predict(X), y, positive)
                step = replace(step, cost_recalibrated=cost)
            if len(np.unique(y)) == 2:  # else the last threshold is kept
                recalibrated = model.recalibrate(X, y, cost=total_cost)
        yield step


def losses(model: Any, predictions: NDArray[Any], y: NDArray[Any]) -> Floats:
    """Return the loss of each row: wrong or not, or the absolute error."""
    errors = predictions != y if is_classifier(model) else np.abs(predictions - y)
    return np.asarray(errors, dtype=np.float64)


def cost_per_case(predictions: NDArray[Any], y: NDArray[Any], positive: Any) -> float:
    """Return the cost of the predictions, divided by their number."""
    predicted, truth = predictions == positive, y == positive
    n_fp, n_fn = int(np.sum(predicted & ~truth)), int(np.sum(~predicted & truth))
    return total_cost(0, n_fp, n_fn, 0) / len(y)


def retrained_losses(model: ResilientEstimator, stream: Stream) -> Floats | None:
    """Return the losses, in the last window, of a model retrained just before it.

    It is trained on as many rows as the old model, except for those that the guard
    defers to the fallback. None if that is impossible.
    """
    start = stream.edges[-2]
    X, y = stream.rows(start - stream.edges[0], start)
    usable = ~model.predict(X, return_flags=True)[1]["fallback"]
    if usable.mean() < 0.5:  # the world has changed, the rows are not broken
        usable[:] = True
    y = y[usable]
    X = _safe_indexing(X, usable)
    empty = np.all(X != X, axis=0)  # noqa: PLR0124  missing, in arrays and frames
    if len(stream.windows) < 2 or len(np.unique(y)) < 2 or np.any(empty):
        return None
    retrained = clone(model).fit(X, y)
    X, y = stream.window(len(stream.windows) - 1)
    return losses(retrained, retrained.predict(X), y)


def rename(assessment: Assessment, features: list[str]) -> Assessment:
    """Return the assessment of an array with the names of its columns."""
    if assessment.drift is None:
        return assessment
    drift = assessment.drift
    columns = drift.of(FEATURES)
    known = dict(zip((drift.features[i] for i in columns), features, strict=True))
    others = drift.features[len(columns) :]
    return replace(
        assessment,
        drift=replace(drift, features=(*features, *others)),
        flagged_columns={
            reason: {known.get(name, name): n for name, n in columns.items()}
            for reason, columns in assessment.flagged_columns.items()
        },
    )
