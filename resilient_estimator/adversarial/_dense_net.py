"""Small dense nets in NumPy: forward pass, gradients by hand, Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Positions

Matrix = NDArray[np.float32]

ROWS_AT_ONCE = 2048
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, as published


class Activation(NamedTuple):
    """A function of a layer, and its derivative in terms of the function's value."""

    function: Callable[[Matrix], Matrix]
    slope: Callable[[Matrix], Matrix]


def _logistic(z: Matrix) -> Matrix:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)), dtype=np.float32)


ACTIVATIONS = {
    "identity": Activation(lambda z: z, np.ones_like),
    "relu": Activation(
        lambda z: np.maximum(z, np.float32(0)), lambda a: (a > 0).astype(np.float32)
    ),
    "tanh": Activation(np.tanh, lambda a: np.float32(1) - a * a),
    "logistic": Activation(_logistic, lambda a: a * (np.float32(1) - a)),
}


class DenseNet:
    """Layers ``x @ weights + bias``, each but the last followed by an activation.

    Parameters
    ----------
    weights : sequence of ndarray of shape (n_inputs, n_outputs)
        One matrix per layer.
    biases : sequence of ndarray of shape (n_outputs,)
        One vector per layer.
    activation : {"identity", "relu", "tanh", "logistic"}
        What follows each hidden layer; the last layer is left as it is.
    """

    def __init__(
        self,
        weights: Sequence[NDArray[np.floating]],
        biases: Sequence[NDArray[np.floating]],
        activation: str = "relu",
    ) -> None:
        self.weights = [np.ascontiguousarray(w, dtype=np.float32) for w in weights]
        self.biases = [np.asarray(b, dtype=np.float32) for b in biases]
        self.activation = activation

    @classmethod
    def initialized(cls, sizes: Sequence[int], rng: np.random.Generator) -> Self:
        """Return a ReLU net with random weights (He et al., 2015).

        Parameters
        ----------
        sizes : sequence of int
            Widths of the input, of each hidden layer and of the output.
        rng : Generator
            Source of randomness.
        """
        pairs = list(pairwise(sizes))
        weights = [rng.normal(scale=np.sqrt(2 / m), size=(m, n)) for m, n in pairs]
        return cls(weights, [np.zeros(n) for _, n in pairs])

    @property
    def parameters(self) -> list[Matrix]:
        """The weights and biases, which training changes in place."""
        return [*self.weights, *self.biases]

    def layers(self, X: Matrix) -> list[Matrix]:
        """Return the input and the output of each layer.

        Parameters
        ----------
        X : ndarray of float32 of shape (n_samples, n_inputs)
            Rows.
        """
        values, last = [X], len(self.weights) - 1
        function = ACTIVATIONS[self.activation].function
        for k, (weights, bias) in enumerate(
            zip(self.weights, self.biases, strict=True)
        ):
            z = values[-1] @ weights
            z += bias
            values.append(z if k == last else function(z))
        return values

    def __call__(self, X: Matrix) -> Matrix:
        """Return the last layer, computed in batches."""
        parts = [self.layers(rows)[-1] for rows in row_batches(X)]
        return np.concatenate(parts)

    def hidden(self, X: Matrix) -> Matrix:
        """Return the last hidden layer, computed in batches."""
        return np.concatenate([self.layers(rows)[-2] for rows in row_batches(X)])

    def backward(
        self,
        values: list[Matrix],
        gradient: Matrix,
        *,
        hidden: Matrix | None = None,
        parameters: bool = False,
    ) -> tuple[Matrix, list[Matrix]]:
        """Return the gradient of a loss by the input, and by each parameter.

        Parameters
        ----------
        values : list of ndarray
            What `layers` returned.
        gradient : ndarray of float32 of shape (n_samples, n_outputs)
            Gradient of the loss by the last layer.
        hidden : ndarray of float32 of shape (n_samples, n_hidden), optional
            Gradient of a term of the loss by the last hidden layer, to be added.
        parameters : bool, default=False
            Whether to compute the gradients by weights and biases.

        Returns
        -------
        by_input : ndarray of float32 of shape (n_samples, n_inputs)
            Gradient by the input.
        by_parameters : list of ndarray
            In the order of `parameters`; empty without them.
        """
        slope = ACTIVATIONS[self.activation].slope
        by_weights: list[Matrix] = []
        by_biases: list[Matrix] = []
        for k in range(len(self.weights) - 1, -1, -1):
            if parameters:
                by_weights.insert(0, values[k].T @ gradient)
                by_biases.insert(0, gradient.sum(axis=0))
            gradient = gradient @ self.weights[k].T
            if k == len(self.weights) - 1 and hidden is not None:
                gradient = gradient + hidden
            if k:
                gradient *= slope(values[k])
        return gradient, by_weights + by_biases


class Adam:
    """Adam (Kingma and Ba, 2015) with the authors' constants.

    Parameters
    ----------
    parameters : list of ndarray
        Changed in place.
    learning_rate : float
        Size of a step.
    """

    def __init__(self, parameters: list[Matrix], learning_rate: float) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.means = [np.zeros_like(p) for p in parameters]
        self.squares = [np.zeros_like(p) for p in parameters]
        self.n_steps = 0

    def step(self, gradients: list[Matrix], *, rate: float = 1.0) -> None:
        """Move every parameter against its gradient, `rate` times the full step."""
        self.n_steps += 1
        bias = np.sqrt(1 - BETA_2**self.n_steps) / (1 - BETA_1**self.n_steps)
        size = np.float32(rate * self.learning_rate * bias)
        for parameter, gradient, mean, square in zip(
            self.parameters, gradients, self.means, self.squares, strict=True
        ):
            mean[...] = BETA_1 * mean + (1 - BETA_1) * gradient
            square[...] = BETA_2 * square + (1 - BETA_2) * gradient**2
            change = size * mean / (np.sqrt(square) + EPSILON)
            np.subtract(parameter, change, out=parameter)


def softmax(logits: Matrix) -> Matrix:
    """Return the softmax of each row of logits."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)


def log_softmax(logits: Matrix) -> Matrix:
    """Return the logarithm of the softmax of each row of logits."""
    centred = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(
        centred - np.log(np.exp(centred).sum(axis=1, keepdims=True)), dtype=np.float32
    )


def row_batches(X: Matrix) -> Iterator[Matrix]:
    """Yield the rows in batches of bounded size."""
    for start in range(0, max(len(X), 1), ROWS_AT_ONCE):
        yield X[start : start + ROWS_AT_ONCE]


def minibatches(
    n_samples: int, batch_size: int, n_epochs: int, rng: np.random.Generator
) -> Iterator[tuple[Positions, float]]:
    """Yield the rows of each training step, and a factor of the learning rate.

    Rows are shuffled in each epoch. The factor falls from one to zero along half a
    cosine (Loshchilov and Hutter, 2017).
    """
    starts = range(0, n_samples, batch_size)
    n_steps = n_epochs * len(starts)
    for epoch in range(n_epochs):
        order = rng.permutation(n_samples)
        for k, start in enumerate(starts):
            done = (epoch * len(starts) + k) / n_steps
            rate = 0.5 * (1 + np.cos(np.pi * done))
            yield order[start : start + batch_size], float(rate)
