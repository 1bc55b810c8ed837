"""A fitted classifier as a small net, so that its outputs can be differentiated.

Linear models and multilayer perceptrons are nets already; affine steps before them in a
Pipeline are folded into the first layer. Any other model is replaced by a student: a
net trained on the model's probabilities (Hinton et al., 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.adversarial._dense_net import (
    ROWS_AT_ONCE,
    Adam,
    DenseNet,
    Matrix,
    minibatches,
    softmax,
)
from resilient_estimator.adversarial._input_scaling import ScaledModel

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


def as_net(
    model: ScaledModel, Z: Matrix, rng: np.random.Generator
) -> tuple[DenseNet, bool]:
    """Return a net from scaled rows to logits, and whether it is the classifier itself.

    Parameters
    ----------
    model : ScaledModel
        The classifier.
    Z : ndarray of float32 of shape (n_samples, n_features)
        Scaled rows: if the net does not reproduce the model's probabilities on them, a
        student is trained on them.
    rng : Generator
        Source of randomness of the student.
    """
    net = _exact_net(model)
    if net is not None and _reproduces(net, model, Z):
        return net, True
    return distill(model, Z, rng), False


def _exact_net(model: ScaledModel) -> DenseNet | None:
    """Return a model with coefficients as a net; wrong if a step is not affine."""
    transformer, predictor = _split_pipeline(model.model)
    layers = _layers(predictor)
    if layers is None:
        return None
    weights, biases, activation = layers
    try:
        weights[0], biases[0] = _fold(model, transformer, weights[0], biases[0])
    except (TypeError, ValueError, AttributeError):  # a step that has other columns
        return None
    return DenseNet(weights, biases, activation)


def _reproduces(net: DenseNet, model: ScaledModel, Z: Matrix) -> bool:
    rows = Z[np.linspace(0, len(Z) - 1, min(len(Z), N_CHECKED)).astype(int)]
    found, expected = softmax(net(rows)), model.proba(rows)
    same_shape = found.shape == expected.shape
    return same_shape and bool(np.abs(found - expected).max() < TOLERANCE)


def _split_pipeline(model: Any) -> tuple[Any, Any]:
    """Return the steps before the predictor as one, or None, and the predictor."""
    while hasattr(model, "best_estimator_") or isinstance(model, FrozenEstimator):
        frozen = isinstance(model, FrozenEstimator)
        model = model.estimator if frozen else model.best_estimator_
    if not isinstance(model, Pipeline):
        return None, model
    if len(model) == 1:
        return _split_pipeline(model[-1])
    nested, predictor = _split_pipeline(model[-1])
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


def _fold(
    model: ScaledModel, transformer: Any, weights: Floats, bias: Floats
) -> tuple[Floats, Floats]:
    """Fold scaling and transformer into the first layer, taking both for affine.

    The matrix of an affine map follows from its values at the origin and one unit away
    from it along each column.
    """
    center, scale = model.scaling
    if transformer is None:
        return weights * scale[:, None], bias + center @ weights

    def first_layer(rows: Floats) -> Floats:
        values = transformer.transform(model.container(rows))
        values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
        return np.asarray(values @ weights, dtype=np.float64)

    origin = first_layer(center[None, :])
    moved = []
    for start in range(0, len(center), ROWS_AT_ONCE):
        columns = np.arange(start, min(start + ROWS_AT_ONCE, len(center)))
        rows = np.tile(center, (len(columns), 1))
        rows[np.arange(len(columns)), columns] += scale[columns]
        moved.append(first_layer(rows) - origin)
    return np.concatenate(moved), bias + origin[0]


def distill(model: ScaledModel, Z: Matrix, rng: np.random.Generator) -> DenseNet:
    """Return a student: a net trained on the probabilities of a model.

    It is trained on the rows and on a copy of each with noise of half the usual
    difference between neighbours, so that it knows the model between rows too. Its loss
    is the cross-entropy with the model's probabilities.

    Parameters
    ----------
    model : ScaledModel
        The teacher.
    Z : ndarray of float32 of shape (n_samples, n_features)
        Scaled rows.
    rng : Generator
        Source of randomness of noise and weights.
    """
    noise = LOCAL_NOISE * _local_scale(Z, rng) * rng.standard_normal(Z.shape)
    rows = np.concatenate([Z, Z + noise]).astype(np.float32)
    target = model.proba(rows).astype(np.float32)
    net = DenseNet.initialized((Z.shape[1], *STUDENT_SIZES, target.shape[1]), rng)
    optimizer = Adam(net.parameters, STUDENT_RATE)
    n_epochs = max(STUDENT_EPOCHS, round(STUDENT_STEPS * STUDENT_BATCH / len(rows)))
    for batch, rate in minibatches(len(rows), STUDENT_BATCH, n_epochs, rng):
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


def fast_gradient_signs(
    net: DenseNet, Z: Matrix, labels: Positions, rng: np.random.Generator
) -> Matrix:
    """Return the signs of steps that change the net's predictions.

    Half of the rows are moved away from their label (Goodfellow et al., 2015), the
    others towards a class drawn at random (Kurakin et al., 2017).

    Parameters
    ----------
    net : DenseNet
        Gives logits.
    Z : ndarray of float32 of shape (n_samples, n_features)
        Scaled rows.
    labels : ndarray of int of shape (n_samples,)
        Positions of the predicted classes.
    rng : Generator
        Source of the random classes.
    """
    values = net.layers(Z)
    n_samples, n_classes = values[-1].shape
    target = rng.integers(n_classes, size=n_samples)
    away = (rng.random(n_samples) < 0.5) | (target == labels)
    error = softmax(values[-1])
    error[np.arange(n_samples), np.where(away, labels, target)] -= 1
    error[~away] *= -1
    return np.asarray(np.sign(net.backward(values, error)[0]), dtype=np.float32)
