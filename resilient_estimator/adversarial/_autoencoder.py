"""Compare a model's prediction with that for a reconstruction of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Floats
from resilient_estimator._validation import (
    COUNT,
    NON_NEGATIVE,
    POSITIVE,
    Constraints,
    Satisfies,
    parameter_error,
)
from resilient_estimator.adversarial._dense_net import (
    Adam,
    DenseNet,
    Matrix,
    log_softmax,
    minibatches,
    softmax,
)
from resilient_estimator.adversarial._input_scaling import ScaledModel
from resilient_estimator.adversarial._prediction_divergence import (
    PredictionDivergence,
    kl_divergence,
    net_arrays,
    usable_cells,
)
from resilient_estimator.adversarial._surrogate import (
    as_net,
    fast_gradient_signs,
)

CLEAN_SHARE = 0.2
MIN_EPOCHS, MIN_STEPS = 20, 600
N_PROJECTIONS = 20
N_PROJECTED_ROWS = 2000


class AdversarialAutoencoder(PredictionDivergence):
    """Flag rows whose prediction changes when the row is reconstructed.

    An autoencoder is trained so that the model predicts the same for a reconstruction
    as for the row itself, even if the row was moved a little against the model. A
    change made to a row to fool the model is then lost in the reconstruction: the
    predictions differ, which reveals the attack, and that for the reconstruction is
    usually right.

    It is a guard (`inspect`), an outlier detector (`predict`, `score_samples`), a
    preprocessing step for a drift detector (`transform`), and it corrects predictions
    (`correct`). An attacker who knows it can get past it, at a price.

    Parameters
    ----------
    model : classifier
        If it is not fitted, `fit` fits a clone. `clone` makes a fitted model unfitted
        again, unless it is in a FrozenEstimator. The gradients of linear models and of
        MLPClassifier are their own, behind affine steps of a Pipeline too; those of any
        other model are the gradients of a student.
    hidden_layer_sizes : tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder has the same in reverse.
    encoding_dim : int, default=64
        Width of the bottleneck.
    temperature : float, default=0.0
        Sharpens the model's probabilities, ``M^(1/T) / sum M^(1/T)``, in training and
        in the score ``KL(M^(1/T)(x) || M(AE(x)))``. With 0, the score is the surprise
        at the label, ``-log M(AE(x))[label of x]``. That is best where probabilities
        are soft, like those of forests and of rows pushed just over the boundary.
    perturbation : float, default=0.5
        In training, rows are moved against the model by up to this many standard
        deviations, and their original predictions are the target. With 0, the
        autoencoder is the published one, which is trained on usual rows only.
    reconstruction_weight : float, default=0.0
        Weight of the mean squared difference of row and reconstruction, in units of
        the variance. With 0, a reconstruction need not resemble its row.
    hidden_weight : float, default=0.0
        Weight of the KL divergence in the last hidden layer of the model, seen through
        20 fixed random projections and a softmax; part of the loss and of the score.
    alpha : float, default=0.05
        Share of usual rows that may be flagged.
    max_iter : int or None, default=None
        Number of epochs. None: 20, or more if that makes fewer than 600 steps.
    batch_size : int, default=128
        Rows per step.
    learning_rate : float, default=0.001
        Initial step size of Adam; it falls to zero.
    random_state : int or None, default=None
        Seed of everything that is random in `fit`.

    Attributes
    ----------
    model_ : classifier
        The fitted model.
    net_ : dict
        The model, or its student, as weights and biases of a net.
    exact_ : bool
        Whether `net_` is the model itself.
    autoencoder_ : dict
        Weights and biases of the autoencoder.
    offset_ : float
        `inspect` flags rows whose `score_samples` is below.
    classes_ : ndarray of shape (n_classes,)
        Labels of the model.

    References
    ----------
    Vacanti and Van Looveren (2020), "Adversarial Detection and Correction by Matching
    Prediction Distributions", arXiv 2002.09364. The threshold is conformal (Vovk et
    al., 2005), from a fifth of the rows, which the autoencoder is not trained on.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from resilient_estimator.adversarial import AdversarialAutoencoder
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500)
    >>> guard = AdversarialAutoencoder(model, random_state=0).fit(X, y)
    >>> guard.exact_
    True
    >>> guard.inspect(X[:2])["adversarial"]
    array([False, False])
    >>> guard.correct(X[:2])
    array([0, 0])
    """

    _constraints: ClassVar[Constraints] = {
        **PredictionDivergence._constraints,  # noqa: SLF001  of its base class
        "hidden_layer_sizes": [
            Satisfies(
                lambda value: (
                    isinstance(value, (tuple, list)) and all(map(COUNT.accepts, value))
                ),
                "a tuple of ints in the range [1, inf)",
            )
        ],
        "encoding_dim": [COUNT],
        "perturbation": [NON_NEGATIVE],
        "reconstruction_weight": [NON_NEGATIVE],
        "hidden_weight": [NON_NEGATIVE],
        "max_iter": [COUNT, None],
        "batch_size": [COUNT],
        "learning_rate": [POSITIVE],
    }

    def __init__(
        self,
        model: Any,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        encoding_dim: int = 64,
        temperature: float = 0.0,
        perturbation: float = 0.5,
        reconstruction_weight: float = 0.0,
        hidden_weight: float = 0.0,
        alpha: float = 0.05,
        max_iter: int | None = None,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.hidden_layer_sizes = hidden_layer_sizes
        self.encoding_dim = encoding_dim
        self.temperature = temperature
        self.perturbation = perturbation
        self.reconstruction_weight = reconstruction_weight
        self.hidden_weight = hidden_weight
        self.alpha = alpha
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def correct(self, X: Any) -> NDArray[Any]:
        """Return predicted labels: for flagged rows, those of their reconstructions.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. A cell that is not a finite number is replaced by the column's mean.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            One label per row.
        """
        check_is_fitted(self)
        Z = self._read(X)
        flagged = -self._scores(X, Z) < self.offset_
        labels = np.empty(len(Z), dtype=self.classes_.dtype)
        filled = np.where(usable_cells(Z[flagged]), Z[flagged], np.float32(0))
        if flagged.any():
            labels[flagged] = self.classes_[self._second_logits(filled).argmax(axis=1)]
        rows = np.flatnonzero(~flagged)
        if len(rows):
            labels[rows] = self.model_.predict(self._rows_for_model(X, rows))
        return labels

    def _fit_second(
        self, Z: Matrix, proba: Floats, model: ScaledModel, rng: np.random.Generator
    ) -> None:
        net, self.exact_ = as_net(model, Z, rng)
        self.net_ = net_arrays(net)
        if self.hidden_weight:
            self.projection_ = self._draw_projection(net, Z, rng)
        self.autoencoder_ = net_arrays(self._train(net, Z, proba.astype("f4"), rng))

    def _draw_projection(
        self, net: DenseNet, Z: Matrix, rng: np.random.Generator
    ) -> Matrix:
        """Return random projections of the last hidden layer, each of unit variance."""
        if len(net.weights) == 1:
            expected = "0 for a model without a hidden layer"
            raise parameter_error(self, "hidden_weight", expected, self.hidden_weight)
        hidden = net.layers(Z[:N_PROJECTED_ROWS])[-2]
        drawn = rng.standard_normal((hidden.shape[1], N_PROJECTIONS))
        spread = np.maximum((hidden @ drawn).std(axis=0), 1e-6)
        return np.asarray(drawn / spread, dtype=np.float32)

    def _train(
        self, net: DenseNet, Z: Matrix, proba: Matrix, rng: np.random.Generator
    ) -> DenseNet:
        """Return the trained autoencoder."""
        encoder = (Z.shape[1], *self.hidden_layer_sizes)
        sizes = (*encoder, self.encoding_dim, *encoder[::-1])
        autoencoder = DenseNet.initialized(sizes, rng)
        optimizer = Adam(autoencoder.parameters, self.learning_rate)
        lower, upper = Z.min(axis=0), Z.max(axis=0)
        n_epochs = self._count_epochs(len(Z))
        for batch, rate in minibatches(len(Z), self.batch_size, n_epochs, rng):
            rows, target = Z[batch], proba[batch]
            moved = np.clip(rows + self._perturb(net, rows, target, rng), lower, upper)
            values = autoencoder.layers(moved)
            gradient = self._gradient(net, values[-1], rows, target)
            gradients = autoencoder.backward(values, gradient, parameters=True)[1]
            optimizer.step(gradients, rate=rate)
        return autoencoder

    def _count_epochs(self, n_samples: int) -> int:
        if self.max_iter is not None:
            return self.max_iter
        return max(MIN_EPOCHS, -(-MIN_STEPS * self.batch_size // n_samples))

    def _perturb(
        self, net: DenseNet, rows: Matrix, target: Matrix, rng: np.random.Generator
    ) -> Matrix | np.float32:
        """Return steps against the model, a share of them of length zero."""
        if self.perturbation == 0:
            return np.float32(0)
        length = rng.uniform(-CLEAN_SHARE / (1 - CLEAN_SHARE), 1, size=(len(rows), 1))
        size = (self.perturbation * np.maximum(length, 0)).astype(np.float32)
        return np.asarray(
            size * fast_gradient_signs(net, rows, target.argmax(axis=1), rng)
        )

    def _gradient(
        self, net: DenseNet, reconstruction: Matrix, rows: Matrix, target: Matrix
    ) -> Matrix:
        """Return the gradient of the mean loss by the reconstructions."""
        values = net.layers(reconstruction)
        error = softmax(values[-1]) - target
        hidden: Matrix | None = None
        if self.hidden_weight:
            of_row = softmax(net.layers(rows)[-2] @ self.projection_)
            gap = softmax(values[-2] @ self.projection_) - of_row
            hidden = gap @ (self.hidden_weight * self.projection_.T).astype(np.float32)
        gradient = net.backward(values, error, hidden=hidden)[0]
        gap = reconstruction - rows
        gradient += np.float32(2 * self.reconstruction_weight / rows.shape[1]) * gap
        return gradient / np.float32(len(rows))

    def _second_logits(self, Z: Matrix) -> Matrix:
        return DenseNet(**self.net_)(DenseNet(**self.autoencoder_)(Z))

    def _divergence(self, Z: Matrix, proba: Floats) -> Floats:
        scores = super()._divergence(Z, proba)
        if self.hidden_weight:
            net, autoencoder = DenseNet(**self.net_), DenseNet(**self.autoencoder_)
            of_row = softmax(net.hidden(Z) @ self.projection_).astype(np.float64)
            of_other = log_softmax(net.hidden(autoencoder(Z)) @ self.projection_)
            scores += self.hidden_weight * kl_divergence(of_row, of_other)
        return scores
