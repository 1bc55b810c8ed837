"""Rows in the order of time, and the model that is to meet them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing

from resilient_estimator.estimator._estimator import ResilientEstimator


class DemoError(Exception):
    """What the user has to mend, in one line."""


@dataclass(frozen=True)
class Stream:
    """A reference, the windows that come after it, and an unfitted model.

    Attributes
    ----------
    title : str
        What is shown, in a sentence or two.
    model : ResilientEstimator
        Unfitted model.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        All rows, in the order of time.
    y : ndarray of shape (n_samples,)
        All targets.
    edges : list of int
        Where the windows begin; the reference lies before the first, and the last is
        the end of the rows.
    windows : list of str
        Name of each window.
    features : list of str
        Names of the columns.
    unit : str
        What a window is called, for example "month".
    notes : list of str
        What was done to the rows before.
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
        """Whether there is a cost of missing one of two classes."""
        return bool(is_classifier(self.model)) and len(np.unique(self.y)) == 2
