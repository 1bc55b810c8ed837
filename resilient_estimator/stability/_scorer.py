"""Score the stability of any fitted scikit-learn model, and sum it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._results import NoTruthValue
from resilient_estimator._typing import Floats
from resilient_estimator._validation import (
    COUNT,
    NON_NEGATIVE,
    Constraints,
    check_parameters,
)
from resilient_estimator.reference import Reference
from resilient_estimator.stability._neighbour_differences import N_NEIGHBORS
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.stability._row_stability import (
    N_COPIES,
    SIZE,
    Neighbourhood,
    RowScores,
    RowStability,
    follows_probabilities,
)
from resilient_estimator.statistics._intervals import wilson

UNSTABLE = 0.75  # refitted models often disagree about rows below


@dataclass(frozen=True)
class Stability(NoTruthValue):
    """Stability of a model over a set of rows, with a confidence interval.

    Its value is the share of small changes that leave the prediction unchanged. Among
    models for the same rows this share follows how often retrained models agree. The
    mean of the rows' own stability, which also depends on how confident the model is,
    hardly does (`benchmarks/stability_churn.py`).

    A Stability has no truth value: compare `value` with a limit of your own.

    Attributes
    ----------
    value : float
        Share of the perturbed copies that get the prediction of their row, in [0, 1].
    lower, upper : float
        Confidence interval of that share, over the population of the rows.
    n_samples : int
        Number of rows that were scored.
    n_copies : int
        Number of perturbed copies of each row.
    share_unstable : float
        Share of the rows whose own stability is below .75.
    confidence_level : float
        Confidence level of the interval.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.stability._row_stability import RowScores
    >>> from resilient_estimator.stability import Stability
    >>> stays = np.array([1.0, 0.9, 1.0, 0.5] * 25)
    >>> stability = Stability.of(RowScores(stability=stays, stays=stays), n_copies=10)
    >>> print(f"{stability.value:.2f} [{stability.lower:.3f}, {stability.upper:.3f}]")
    0.85 [0.805, 0.886]
    """

    _instead: ClassVar[str] = "value"

    value: float
    lower: float
    upper: float
    n_samples: int
    n_copies: int
    share_unstable: float
    confidence_level: float = 0.95

    @property
    def flip_rate(self) -> float:
        """Share of the copies whose prediction differs from that of their row."""
        return 1 - self.value

    @classmethod
    def of(
        cls, rows: RowScores, *, n_copies: int, confidence_level: float = 0.95
    ) -> Stability:
        """Summarise the stability of rows.

        The interval is Wilson's (1927), for the number of independent copies that would
        have the observed variance: at least half the number of rows, at most the number
        of copies.

        Parameters
        ----------
        rows : RowScores
            Scores of each row.
        n_copies : int
            Number of perturbed copies of each row.
        confidence_level : float, default=0.95
            Confidence level of the interval.
        """
        stays, n_samples = rows.stays, len(rows.stays)
        if not n_samples:
            return cls(np.nan, 0.0, 1.0, 0, n_copies, np.nan, confidence_level)
        value = float(stays.mean())
        variance = float(stays.var(ddof=min(1, n_samples - 1))) / n_samples
        most = n_samples * n_copies
        n_effective = value * (1 - value) / variance if variance > 0 else most
        n_effective = float(np.clip(n_effective, n_samples / 2, most))
        lower, upper = wilson(value, n_effective, confidence_level)
        share = float(np.mean(rows.stability < UNSTABLE))
        return cls(value, lower, upper, n_samples, n_copies, share, confidence_level)

    def __repr__(self) -> str:
        return (
            f"stability {self.value:.3f} [{self.lower:.3f}, {self.upper:.3f}]: "
            f"{100 * self.flip_rate:.1f} % of small changes flip the prediction "
            f"({self.n_samples:,} rows)"
        )


class StabilityScorer(BaseEstimator):
    """Score how stable a model's predictions are when rows move a little.

    Copies of a row are moved half as far as near neighbours in training lie apart. Its
    stability is ``(A + p) / 2``: A is the share of copies with the same prediction, p
    the mean probability that they give to it; A alone where the model has no
    probabilities. A regressor's predictions are the same where they differ by no more
    than `tolerance` times a robust standard deviation of its out-of-fold residuals.

    For rows with a low stability a retrained model often predicts something else.

    Parameters
    ----------
    model : classifier or regressor
        A fitted one is used as it is; another is cloned and fitted in `fit`.
    n_copies : int, default=32
        Moved copies of each row.
    size : float, default=0.5
        How far rows move: 1 is as far as near neighbours lie apart.
    n_neighbors : int, default=5
        How many near neighbours.
    immutable : sequence of str or int, default=()
        Columns that stay as they are.
    limits : dict of str or int to (float, float), default=None
        Smallest and largest value of numbers, None meaning no limit.
    monotonic_cst : dict of str or int to {1, 0, -1}, default=None
        Numbers that move only upwards (1), or only downwards (-1).
    tolerance : float, default=1.0
        Of regressors: by how much a prediction may change and still be the same.
    random_state : int, default=0
        Another seed gives other noise. The noise of a row follows from the seed and the
        row alone.

    Attributes
    ----------
    model_ : classifier or regressor
        The fitted model.
    perturbation_ : Perturbation
        How far near neighbours lie apart in each column; no row is kept.
    follows_proba_ : bool
        Whether a classifier always predicts its most probable class.
    residual_scales_ : ndarray of float of shape (n_targets,) or None
        Robust standard deviation of a regressor's out-of-fold residuals.

    References
    ----------
    Local variation of predictions as a sign of how much refitted models disagree:
    "Prediction consistency under fine-tuning multiplicity" (ICML 2025).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from resilient_estimator.stability import StabilityScorer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> tree = DecisionTreeClassifier(random_state=0).fit(X[:400], y[:400])
    >>> scorer = StabilityScorer(tree).fit(X[:400], y[:400])
    >>> stability = scorer.score_samples(X[400:])
    >>> stability.shape, bool(stability.min() < 0.7)
    ((169,), True)
    """

    _constraints: ClassVar[Constraints] = {
        "n_neighbors": [COUNT],
        "tolerance": [NON_NEGATIVE],
    }

    def __init__(
        self,
        model: Any,
        *,
        n_copies: int = N_COPIES,
        size: float = SIZE,
        n_neighbors: int = N_NEIGHBORS,
        immutable: Any = (),
        limits: Mapping[Any, Any] | None = None,
        monotonic_cst: Mapping[Any, int] | None = None,
        tolerance: float = 1.0,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.n_copies = n_copies
        self.size = size
        self.n_neighbors = n_neighbors
        self.immutable = immutable
        self.limits = limits
        self.monotonic_cst = monotonic_cst
        self.tolerance = tolerance
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure how far near neighbours lie apart.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Their targets. Needed for regressors, and for a model that is not fitted.

        Returns
        -------
        self : StabilityScorer
            The fitted scorer.
        """
        check_parameters(self)
        model = self.model if _is_fitted(self.model) else clone(self.model).fit(X, y)
        self.residual_scales_: Floats | None = None
        if not is_classifier(model):
            self.residual_scales_ = self._measure_residuals(model, X, y)
        self.perturbation_ = Perturbation.learn(X, n_neighbors=self.n_neighbors)
        self._neighbourhood()  # its errors are better raised here than by predictions
        self.follows_proba_ = follows_probabilities(model, X)
        self.model_ = model
        return self

    def score_samples(self, X: Any) -> Floats:
        """Return how stable the predictions for rows are.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. The model predicts a thousand of them and their copies at a time;
            where more than ten seconds remain after that, a line of the logger
            "resilient_estimator" reports it.

        Returns
        -------
        stability : ndarray of float of shape (n_samples,)
            In [0, 1].
        """
        return self._score(X).stability

    def estimate(self, X: Any) -> Stability:
        """Return how stable the model is over rows like these.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows, preferably ones that the model was not trained on.

        Returns
        -------
        stability : Stability
            Share of the copies that keep their row's prediction, with its 95 %
            interval.
        """
        return Stability.of(self._score(X), n_copies=self.n_copies)

    def _score(self, X: Any) -> RowScores:
        check_is_fitted(self)
        rows = RowStability(
            self.model_,
            self.perturbation_,
            follows_proba=self.follows_proba_,
            residual_scales=self.residual_scales_,
        )
        return rows.score(X, self._neighbourhood(), tolerance=self.tolerance)

    def _neighbourhood(self) -> Neighbourhood:
        return Neighbourhood.read(
            self,
            self.perturbation_.names,
            n_copies=self.n_copies,
            size=self.size,
            random_state=self.random_state,
            immutable=self.immutable,
            limits=self.limits,
            monotonic_cst=self.monotonic_cst,
        )

    def _measure_residuals(self, model: Any, X: Any, y: Any) -> Floats:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} needs y for a regressor: its tolerance is in "
                "units of the residuals."
            )
        truth = np.asarray(y, dtype=float)
        predictions = np.asarray(cross_val_predict(clone(model), X, y))
        residuals = truth.reshape(predictions.shape) - predictions
        return Reference.learn(residuals.reshape(len(residuals), -1)).robust_scales()


def _is_fitted(model: Any) -> bool:
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True
