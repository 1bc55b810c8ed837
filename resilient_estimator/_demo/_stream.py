"""Rows in time order, and the model that predicts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing

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
