"""Hold a model's answer against its answer to a reconstruction of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Floats
from resilient_estimator._validation import parameter_error
from resilient_estimator.adversarial._dense_net import (
    Adam,
    DenseNet,
    Matrix,
    log_softmax,
    schedule,
    softmax,
)
from resilient_estimator.adversarial._gradients import (
    ScaledModel,
    against,
    as_net,
    distill,
)
from resilient_estimator.adversarial._second_opinion import (
    SecondOpinion,
    divergence,
    is_readable,
    stored,
)
from resilient_estimator.exceptions import is_count, is_number

CLEAN_SHARE = 0.2
MIN_EPOCHS, MIN_STEPS = 20, 600
N_PROJECTIONS = 20
N_PROJECTED_ROWS = 2000


class DistillationScore(SecondOpinion):
    """Say where a student of the model contradicts it: the score of harmful drift.

    The student is a small net taught the model's probabilities on usual rows. Where
    the two part, usual rows are far away *and* it matters to the answer. Watching this
    score by a drift detector reports drift that harms, and not drift that does not.

    Parameters
    ----------
    model : classifier
        A fitted one, or one that `fit` fits. `clone` makes a fitted model unfitted
        again, unless it is in a FrozenEstimator.
    temperature : float, default=1.0
        Sharpens the model's probabilities: ``M^(1/T) / sum M^(1/T)``. With 0, the score
        is the student's surprise at the model's label.
    alpha : float, default=0.05
        Share of usual rows that `predict` may flag.
    random_state : int or None, default=None
        Seed of all that is drawn in `fit`.

    Attributes
    ----------
    model_ : classifier
        The fitted model.
    student_ : dict
        Weights and biases of the student.
    offset_ : float
        `predict` flags rows whose `score_samples` is below.
    classes_ : ndarray of shape (n_classes,)
        Labels of the model.

    References
    ----------
    The score: Vacanti and Van Looveren (2020), arXiv 2002.09364, section on
    distillation. The student: Hinton, Vinyals and Dean (2015), arXiv 1503.02531.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from resilient_estimator.adversarial import DistillationScore
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, random_state=0)
    >>> distillation = DistillationScore(forest, random_state=0).fit(X, y)
    >>> distillation.transform(X).shape
    (150, 1)
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 1.0,
        alpha: float = 0.05,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.temperature = temperature
        self.alpha = alpha
        self.random_state = random_state

    def _learn(
        self,
        Z: Matrix,
        answers: Floats,  # noqa: ARG002
        model: ScaledModel,
        rng: np.random.Generator,
    ) -> None:
        self.student_ = stored(distill(model, Z, rng))

    def _opinion(self, Z: Matrix) -> Matrix:
        return DenseNet(**self.student_)(Z)


class AdversarialAutoencoder(SecondOpinion):
    """Flag rows whose answer changes when the row is reconstructed.

    An autoencoder is trained so that the model answers a reconstruction as it answers
    the row itself, also if the row was moved a little against the model. What is done
    to a row in order to change the model's answer is then lost on the way: the model
    answers the reconstruction otherwise, which gives the attack away, and the answer
    back.

    It is a guard (`inspect`), an outlier detector (`predict`, `score_samples`), a
    preprocessing step for a drift detector (`transform`), and it repairs answers
    (`correct`). Whoever knows it can get past it, at a price.

    Parameters
    ----------
    model : classifier
        A fitted one, or one that `fit` fits. `clone` makes a fitted model unfitted
        again, unless it is in a FrozenEstimator. Gradients of linear models and
        MLPClassifier are used, behind affine steps of a Pipeline too; any other model
        is represented by a student.
    hidden_layer_sizes : tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    encoding_dim : int, default=64
        Width of the bottleneck.
    temperature : float, default=0.0
        Sharpens the model's answer, ``M^(1/T) / sum M^(1/T)``, in training and in the
        score ``KL(M^(1/T)(x) || M(AE(x)))``. With 0, the score is the surprise at the
        label, ``-log M(AE(x))[label of x]``, which is best where answers are soft, as
        those of forests and of rows pushed just over the boundary.
    perturbation : float, default=0.5
        In training, rows are moved by up to so many standard deviations against the
        model, and their answers are to be restored. With 0, the autoencoder is the
        published one, which sees usual rows only.
    w_recon : float, default=0.0
        Weight of the mean squared difference of row and reconstruction, in units of
        the variance. With 0, a reconstruction need not resemble its row.
    hidden_weight : float, default=0.0
        Weight of the KL divergence in the last hidden layer of the model, seen through
        20 fixed random projections and a softmax; part of the loss and of the score.
    alpha : float, default=0.05
        Share of usual rows that may be flagged.
    epochs : int or None, default=None
        How often each row is shown; None: 20 times, more often where that makes fewer
        than 600 steps.
    batch_size : int, default=128
        Rows per step.
    learning_rate : float, default=0.001
        Size of the first steps of Adam; they fade to zero.
    random_state : int or None, default=None
        Seed of all that is drawn in `fit`.

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
        Rows whose `score_samples` is below are flagged.
    classes_ : ndarray of shape (n_classes,)
        Labels of the model.

    References
    ----------
    Vacanti and Van Looveren (2020), "Adversarial Detection and Correction by Matching
    Prediction Distributions", arXiv 2002.09364. The threshold is a conformal one
    (Vovk et al., 2005) on a fifth of the rows, which training does not see.

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

    def __init__(
        self,
        model: Any,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        encoding_dim: int = 64,
        temperature: float = 0.0,
        perturbation: float = 0.5,
        w_recon: float = 0.0,
        hidden_weight: float = 0.0,
        alpha: float = 0.05,
        epochs: int | None = None,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.hidden_layer_sizes = hidden_layer_sizes
        self.encoding_dim = encoding_dim
        self.temperature = temperature
        self.perturbation = perturbation
        self.w_recon = w_recon
        self.hidden_weight = hidden_weight
        self.alpha = alpha
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def correct(self, X: Any) -> NDArray[Any]:
        """Return the model's labels, those of the reconstructions for flagged rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. A cell that is not a finite number is taken for the column's mean.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            One label per row.
        """
        check_is_fitted(self)
        Z = self._read(X)
        flagged = -self._scores(X, Z) < self.offset_
        labels = np.empty(len(Z), dtype=self.classes_.dtype)
        filled = np.where(is_readable(Z[flagged]), Z[flagged], np.float32(0))
        if flagged.any():
            labels[flagged] = self.classes_[self._opinion(filled).argmax(axis=1)]
        rows = np.flatnonzero(~flagged)
        if len(rows):
            labels[rows] = self.model_.predict(self._chosen(X, rows))
        return labels

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("perturbation", "w_recon", "hidden_weight"):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value < np.inf:
                expected = "a float in the range [0, inf)"
                raise parameter_error(self, name, expected, value)
        rate = self.learning_rate
        if not is_number(rate) or not 0 < rate < np.inf:
            expected = "a float in the range (0, inf)"
            raise parameter_error(self, "learning_rate", expected, rate)
        for name in ("encoding_dim", "batch_size"):
            value = getattr(self, name)
            if not is_count(value):
                expected = "an int in the range [1, inf)"
                raise parameter_error(self, name, expected, value)
        if self.epochs is not None and not is_count(self.epochs):
            expected = "an int in the range [1, inf) or None"
            raise parameter_error(self, "epochs", expected, self.epochs)
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, (tuple, list)) or not all(map(is_count, sizes)):
            expected = "a tuple of ints in the range [1, inf)"
            raise parameter_error(self, "hidden_layer_sizes", expected, sizes)

    def _learn(
        self, Z: Matrix, answers: Floats, model: ScaledModel, rng: np.random.Generator
    ) -> None:
        net, self.exact_ = as_net(model, Z, rng)
        self.net_ = stored(net)
        if self.hidden_weight:
            self.projection_ = self._draw_projection(net, Z, rng)
        self.autoencoder_ = stored(self._train(net, Z, answers.astype("f4"), rng))

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
        self, net: DenseNet, Z: Matrix, answers: Matrix, rng: np.random.Generator
    ) -> DenseNet:
        """Return the trained autoencoder."""
        hidden = tuple(self.hidden_layer_sizes)
        ends = (Z.shape[1], *hidden), (*hidden[::-1], Z.shape[1])
        autoencoder = DenseNet.drawn((*ends[0], self.encoding_dim, *ends[1]), rng)
        optimizer = Adam(autoencoder.parameters, self.learning_rate)
        low, high = Z.min(axis=0), Z.max(axis=0)
        n_epochs = self._count_epochs(len(Z))
        for batch, rate in schedule(len(Z), self.batch_size, n_epochs, rng):
            rows, target = Z[batch], answers[batch]
            moved = np.clip(rows + self._perturb(net, rows, target, rng), low, high)
            values = autoencoder.layers(moved)
            gradient = self._gradient(net, values[-1], rows, target)
            gradients = autoencoder.backward(values, gradient, parameters=True)[1]
            optimizer.step(gradients, rate=rate)
        return autoencoder

    def _count_epochs(self, n_samples: int) -> int:
        if self.epochs is not None:
            return self.epochs
        return max(MIN_EPOCHS, -(-MIN_STEPS * self.batch_size // n_samples))

    def _perturb(
        self, net: DenseNet, rows: Matrix, target: Matrix, rng: np.random.Generator
    ) -> Matrix | np.float32:
        """Return steps against the model, a share of them of no length."""
        if self.perturbation == 0:
            return np.float32(0)
        length = rng.uniform(-CLEAN_SHARE / (1 - CLEAN_SHARE), 1, size=(len(rows), 1))
        size = (self.perturbation * np.maximum(length, 0)).astype(np.float32)
        return np.asarray(size * against(net, rows, target.argmax(axis=1), rng))

    def _gradient(
        self, net: DenseNet, reconstruction: Matrix, rows: Matrix, target: Matrix
    ) -> Matrix:
        """Return the gradient of the mean loss by the reconstructions."""
        values = net.layers(reconstruction)
        error = softmax(values[-1]) - target
        hidden: Matrix | None = None
        if self.hidden_weight:
            usual = softmax(net.layers(rows)[-2] @ self.projection_)
            gap = softmax(values[-2] @ self.projection_) - usual
            hidden = gap @ (self.hidden_weight * self.projection_.T).astype(np.float32)
        gradient = net.backward(values, error, hidden=hidden)[0]
        gap = reconstruction - rows
        gradient += np.float32(2 * self.w_recon / rows.shape[1]) * gap
        return gradient / np.float32(len(rows))

    def _opinion(self, Z: Matrix) -> Matrix:
        return DenseNet(**self.net_)(DenseNet(**self.autoencoder_)(Z))

    def _contradiction(self, Z: Matrix, answers: Floats) -> Floats:
        scores = super()._contradiction(Z, answers)
        if self.hidden_weight:
            net, autoencoder = DenseNet(**self.net_), DenseNet(**self.autoencoder_)
            usual = softmax(net.hidden(Z) @ self.projection_)
            seen = log_softmax(net.hidden(autoencoder(Z)) @ self.projection_)
            scores += self.hidden_weight * divergence(usual.astype(np.float64), seen)
        return scores
