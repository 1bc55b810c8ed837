"""A fitted classifier seen through scaled rows, as the nets need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator.adversarial._dense_net import Matrix
from resilient_estimator.tabular._embedding import column_scales


class Scaling(NamedTuple):
    """Origin and unit of each column for the nets.

    Parameters
    ----------
    center, scale : ndarray of shape (n_features,)
        A row ``x`` is ``(x - center) / scale`` to a net.
    """

    center: Floats
    scale: Floats

    def transform(self, values: NDArray[Any]) -> Matrix:
        """Return rows as the nets see them; too large numbers become infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((values - self.center) / self.scale, dtype=np.float32)

    def inverse_transform(self, Z: NDArray[Any]) -> Floats:
        """Return rows as the model sees them."""
        return np.asarray(Z * self.scale + self.center, dtype=np.float64)


def find_scaling(values: Floats) -> Scaling:
    """Return one unit for columns that are pixels, else one for each column.

    Parameters
    ----------
    values : ndarray of float of shape (n_samples, n_features)
        Training rows, all of them finite.
    """
    lower, upper = values.min(axis=0), values.max(axis=0)
    scale = column_scales(values.std(axis=0), lower, upper)
    return Scaling(values.mean(axis=0), scale)


class ScaledModel(NamedTuple):
    """A fitted classifier that takes scaled rows.

    Parameters
    ----------
    model : classifier
        Fitted.
    container : callable
        Turns an ndarray into the container that the model was fitted to.
    scaling : Scaling
        Origin and unit of each column.
    """

    model: Any
    container: Callable[[Floats], Any]
    scaling: Scaling

    def proba(self, Z: Matrix) -> Floats:
        """Return the model's probabilities for scaled rows."""
        return probabilities(
            self.model, self.container(self.scaling.inverse_transform(Z))
        )


def probabilities(model: Any, X: Any) -> Floats:
    """Return a classifier's probabilities, or its labels one-hot if it has none.

    Raises
    ------
    ValueError
        If the classifier has several outputs.
    """
    classes = model.classes_
    if hasattr(model, "predict_proba"):
        proba = np.asarray(model.predict_proba(X), dtype=np.float64)
    else:
        proba = one_hot(model.predict(X), np.asarray(classes))
    if proba.ndim != 2 or proba.shape[1] != len(classes):
        raise ValueError(f"A classifier with one output is needed. Got {model!r}.")
    return proba


def one_hot(labels: Any, classes: NDArray[Any]) -> Floats:
    """Return 1 in the column of each label and 0 elsewhere."""
    return np.asarray(np.asarray(labels)[:, None] == classes, dtype=np.float64)
