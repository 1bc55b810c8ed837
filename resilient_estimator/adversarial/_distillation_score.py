"""Compare a model's prediction with that of a student trained on its probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from resilient_estimator._typing import Floats
from resilient_estimator.adversarial._dense_net import DenseNet, Matrix
from resilient_estimator.adversarial._input_scaling import ScaledModel
from resilient_estimator.adversarial._prediction_divergence import (
    PredictionDivergence,
    net_arrays,
)
from resilient_estimator.adversarial._surrogate import distill


class DistillationScore(PredictionDivergence):
    """Score how far a student's prediction diverges from the model's.

    The student is a small net trained on the model's probabilities for usual rows.
    Where the two differ, usual rows are far away *and* the prediction depends on it. So
    a drift detector that watches this score reports harmful drift only.

    Parameters
    ----------
    model : classifier
        If it is not fitted, `fit` fits a clone. `clone` makes a fitted model unfitted
        again, unless it is in a FrozenEstimator.
    temperature : float, default=1.0
        Sharpens the model's probabilities: ``M^(1/T) / sum M^(1/T)``. With 0, the score
        is the surprise of the student at the model's label.
    alpha : float, default=0.05
        Share of usual rows that `predict` may flag.
    random_state : int or None, default=None
        Seed of everything that is random in `fit`.

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

    def _fit_second(
        self,
        Z: Matrix,
        proba: Floats,  # noqa: ARG002
        model: ScaledModel,
        rng: np.random.Generator,
    ) -> None:
        self.student_ = net_arrays(distill(model, Z, rng))

    def _second_logits(self, Z: Matrix) -> Matrix:
        return DenseNet(**self.student_)(Z)
