"""A fitted classifier as a small net, so that its answers can be differentiated.

Linear models and multilayer perceptrons are nets already, and whatever stands before
them in a Pipeline is folded into their first layer if it is affine. Of any other model
a student is made: a net that is taught its probabilities (Hinton et al., 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline

from resilient_estimator._typing import Floats
from resilient_estimator.adversarial._dense_net import (
    ROWS_AT_ONCE,
    Adam,
    DenseNet,
    Matrix,
    schedule,
    softmax,
)
from resilient_estimator.tabular._embedding import column_scales

Layers = tuple[list[Floats], list[Floats], str]

TOLERANCE = 1e-3
N_CHECKED = 500
STUDENT_SIZES = (128,)
STUDENT_RATE = 2e-3
STUDENT_BATCH = 128
STUDENT_EPOCHS = 10
STUDENT_STEPS = 1000
LOCAL_NOISE = 0.5
N_NEIGHBORS = 5
N_LOCAL = 2000


class Scaling(NamedTuple):
    """Where the origin and the unit of each column are, for the nets.

    Parameters
    ----------
    center, scale : ndarray of shape (n_features,)
        A row ``x`` is ``(x - center) / scale`` to a net.
    """

    center: Floats
    scale: Floats

    def into(self, values: NDArray[Any]) -> Matrix:
        """Return rows as the nets see them; too large numbers become infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((values - self.center) / self.scale, dtype=np.float32)

    def back(self, Z: NDArray[Any]) -> Floats:
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
    return Scaling(values.mean(axis=0), column_scales(values.std(axis=0), lower, upper))


class ScaledModel(NamedTuple):
    """A fitted classifier, asked about rows as the nets see them.

    Parameters
    ----------
    model : classifier
        Fitted.
    container : callable
        Makes of an ndarray the container that the model knows.
    scaling : Scaling
        Origin and unit of each column.
    """

    model: Any
    container: Callable[[Floats], Any]
    scaling: Scaling

    def proba(self, Z: Matrix) -> Floats:
        """Return the model's probabilities for scaled rows."""
        return probabilities(self.model, self.container(self.scaling.back(Z)))


def probabilities(model: Any, X: Any) -> Floats:
    """Return a classifier's probabilities: zeros and ones where it has none.

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
    """Return one where a label is, zero elsewhere."""
    return np.asarray(np.asarray(labels)[:, None] == classes, dtype=np.float64)


def as_net(
    model: ScaledModel, Z: Matrix, rng: np.random.Generator
) -> tuple[DenseNet, bool]:
    """Return a classifier as a net from scaled rows to logits, and whether it is exact.

    Parameters
    ----------
    model : ScaledModel
        The classifier.
    Z : ndarray of float32 of shape (n_samples, n_features)
        Scaled rows: the net must reproduce the model's probabilities on them, otherwise
        a student learns from them.
    rng : Generator
        For the student.
    """
    net = _own_net(model)
    if net is not None and _reproduces(net, model, Z):
        return net, True
    return distill(model, Z, rng), False


def _own_net(asked: ScaledModel) -> DenseNet | None:
    """Return a model with coefficients as a net; wrong if a step is not affine."""
    transformer, predictor = _unwrapped(asked.model)
    layers = _layers(predictor)
    if layers is None:
        return None
    weights, biases, activation = layers
    try:
        weights[0], biases[0] = _folded(asked, transformer, weights[0], biases[0])
    except (TypeError, ValueError, AttributeError):  # a step that has other columns
        return None
    return DenseNet(weights, biases, activation)


def _reproduces(net: DenseNet, model: ScaledModel, Z: Matrix) -> bool:
    rows = Z[np.linspace(0, len(Z) - 1, min(len(Z), N_CHECKED)).astype(int)]
    mine, proba = softmax(net(rows)), model.proba(rows)
    same = mine.shape == proba.shape
    return same and bool(np.abs(mine - proba).max() < TOLERANCE)


def _unwrapped(model: Any) -> tuple[Any, Any]:
    """Return the steps before the predictor as one (None: there are none), and it."""
    while hasattr(model, "best_estimator_") or isinstance(model, FrozenEstimator):
        frozen = isinstance(model, FrozenEstimator)
        model = model.estimator if frozen else model.best_estimator_
    if not isinstance(model, Pipeline):
        return None, model
    if len(model) == 1:
        return _unwrapped(model[-1])
    nested, predictor = _unwrapped(model[-1])
    first = model[:-1]
    if nested is not None:
        first = Pipeline([("outer", first), ("inner", nested)])
    return first, predictor


def _layers(predictor: Any) -> Layers | None:
    if hasattr(predictor, "coefs_") and hasattr(predictor, "intercepts_"):
        weights, biases = list(predictor.coefs_), list(predictor.intercepts_)
        activation = str(getattr(predictor, "activation", "relu"))
    elif hasattr(predictor, "coef_") and hasattr(predictor, "intercept_"):
        coefficients = predictor.coef_
        if hasattr(coefficients, "toarray"):
            coefficients = coefficients.toarray()
        coefficients = np.atleast_2d(coefficients)
        intercept = np.broadcast_to(predictor.intercept_, len(coefficients))
        weights, biases, activation = [coefficients.T], [intercept], "identity"
    else:
        return None
    if weights[-1].shape[1] == 1:  # the logit of the second of two classes
        weights[-1] = np.hstack([np.zeros_like(weights[-1]), weights[-1]])
        biases[-1] = np.concatenate([np.zeros(1), biases[-1]])
    return weights, biases, activation


def _folded(
    asked: ScaledModel, transformer: Any, weights: Floats, bias: Floats
) -> tuple[Floats, Floats]:
    """Fold scaling and transformer into the first layer: both are taken for affine.

    The matrix of an affine map is found by asking it at the origin and one unit away
    from it along each column.
    """
    center, scale = asked.scaling
    if transformer is None:
        return weights * scale[:, None], bias + center @ weights

    def first_layer(rows: Floats) -> Floats:
        made = transformer.transform(asked.container(rows))
        made = made.toarray() if hasattr(made, "toarray") else np.asarray(made)
        return np.asarray(made @ weights, dtype=np.float64)

    origin = first_layer(center[None, :])
    moved = []
    for start in range(0, len(center), ROWS_AT_ONCE):
        columns = np.arange(start, min(start + ROWS_AT_ONCE, len(center)))
        rows = np.tile(center, (len(columns), 1))
        rows[np.arange(len(columns)), columns] += scale[columns]
        moved.append(first_layer(rows) - origin)
    return np.concatenate(moved), bias + origin[0]


def distill(model: ScaledModel, Z: Matrix, rng: np.random.Generator) -> DenseNet:
    """Return a student: a net taught the probabilities of a model.

    It learns from the rows and from as many which are moved by noise of half the usual
    difference between neighbours, so that it knows the model between rows too. Its loss
    is the cross-entropy with the model's probabilities.

    Parameters
    ----------
    model : ScaledModel
        The teacher.
    Z : ndarray of float32 of shape (n_samples, n_features)
        Scaled rows.
    rng : Generator
        Where noise and weights come from.
    """
    noise = LOCAL_NOISE * _local_scale(Z, rng) * rng.standard_normal(Z.shape)
    rows = np.concatenate([Z, Z + noise]).astype(np.float32)
    target = model.proba(rows).astype(np.float32)
    net = DenseNet.drawn((Z.shape[1], *STUDENT_SIZES, target.shape[1]), rng)
    optimizer = Adam(net.parameters, STUDENT_RATE)
    n_epochs = max(STUDENT_EPOCHS, round(STUDENT_STEPS * STUDENT_BATCH / len(rows)))
    for batch, rate in schedule(len(rows), STUDENT_BATCH, n_epochs, rng):
        values = net.layers(rows[batch])
        error = (softmax(values[-1]) - target[batch]) / np.float32(len(batch))
        gradients = net.backward(values, error, parameters=True)[1]
        optimizer.step(gradients, rate=rate)
    return net


def _local_scale(Z: Matrix, rng: np.random.Generator) -> Floats:
    """Return how much near neighbours differ, column by column, in a sample."""
    chosen = rng.permutation(len(Z))[:N_LOCAL]
    sample = Z[chosen]
    k = min(N_NEIGHBORS, len(sample) - 1)
    nearest = NearestNeighbors(n_neighbors=k).fit(sample).kneighbors()[1]
    gaps = [np.abs(sample - sample[nearest[:, j]]).mean(axis=0) for j in range(k)]
    return np.asarray(np.mean(gaps, axis=0), dtype=np.float64)


def against(
    net: DenseNet, Z: Matrix, labels: NDArray[np.intp], rng: np.random.Generator
) -> Matrix:
    """Return the signs of steps that change the net's answers, one kind for each row.

    Half of the rows are moved away from their label (Goodfellow et al., 2015), the
    others towards a class drawn at random (Kurakin et al., 2017).

    Parameters
    ----------
    net : DenseNet
        Gives logits.
    Z : ndarray of float32 of shape (n_samples, n_features)
        Scaled rows.
    labels : ndarray of int of shape (n_samples,)
        The model's answers.
    rng : Generator
        Where the classes come from.
    """
    values = net.layers(Z)
    n_samples, n_classes = values[-1].shape
    target = rng.integers(n_classes, size=n_samples)
    away = (rng.random(n_samples) < 0.5) | (target == labels)
    error = softmax(values[-1])
    error[np.arange(n_samples), np.where(away, labels, target)] -= 1
    error[~away] *= -1
    return np.asarray(np.sign(net.backward(values, error)[0]), dtype=np.float32)
