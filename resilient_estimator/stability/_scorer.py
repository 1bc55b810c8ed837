"""Score the stability of any fitted scikit-learn model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import is_count, is_number
from resilient_estimator.reference import Reference
from resilient_estimator.stability._model_stability import Stability
from resilient_estimator.stability._neighbour_differences import N_NEIGHBORS
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.stability._row_stability import (
    N_COPIES,
    SIZE,
    Answers,
    RowScores,
    ask_classifier,
    decides_by_proba,
    read_moves,
    score_rows,
)


class StabilityScorer(BaseEstimator):
    """Say for each row how stable a model's answer is when the row moves a little.

    Copies of a row are moved half as far as near neighbours in training lie apart. Its
    stability is ``(A + p) / 2``: A is the share of copies that get the same answer, p
    the mean probability that they give to it; A alone where the model has no
    probabilities. A regressor gives the same answer where the copy's differs by no more
    than `tolerance` times a robust standard deviation of its out-of-fold residuals.

    Rows with a low stability are those about which a retrained model would often say
    something else.

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
    bounds : dict of str or int to (float, float), default=None
        Least and largest value of numbers, None meaning no limit.
    monotone : dict of str or int to {1, -1}, default=None
        Numbers that move only upwards, or only downwards.
    tolerance : float, default=1.0
        Of regressors: by how much an answer may change and still be the same.
    seed : int, default=0
        Another seed gives other noise. The noise of a row follows from the seed and the
        row alone.

    Attributes
    ----------
    model_ : classifier or regressor
        The fitted model.
    perturbation_ : Perturbation
        How far near neighbours lie apart in each column; no row is kept.
    tolerance_ : ndarray of float of shape (n_targets,) or None
        By how much each number may change.

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

    def __init__(
        self,
        model: Any,
        *,
        n_copies: int = N_COPIES,
        size: float = SIZE,
        n_neighbors: int = N_NEIGHBORS,
        immutable: Any = (),
        bounds: Mapping[Any, Any] | None = None,
        monotone: Mapping[Any, int] | None = None,
        tolerance: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.n_copies = n_copies
        self.size = size
        self.n_neighbors = n_neighbors
        self.immutable = immutable
        self.bounds = bounds
        self.monotone = monotone
        self.tolerance = tolerance
        self.seed = seed

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
        check_tolerance(self, self.tolerance)
        if not is_count(self.n_neighbors):
            expected = "an int >= 1"
            raise parameter_error(self, "n_neighbors", expected, self.n_neighbors)
        model = self.model if _is_fitted(self.model) else clone(self.model).fit(X, y)
        self.tolerance_: NDArray[np.float64] | None = None
        if not is_classifier(model):
            self.tolerance_ = self.tolerance * self._residual_scales(model, X, y)
        self.perturbation_ = Perturbation.learn(X, n_neighbors=self.n_neighbors)
        self._moves()
        self._by_proba = decides_by_proba(model, X)
        self.model_ = model
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return how stable the answers to rows are.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. The model is asked about a thousand of them and their copies at a
            time; where that shows that more than ten seconds remain, a line of the
            logger "resilient_estimator" says so.

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
            Rows, best such as the model did not learn from.

        Returns
        -------
        stability : Stability
            Share of the copies that get the answer of their row, with its 95 %
            interval.
        """
        return Stability.of(self._score(X), n_copies=self.n_copies)

    def _score(self, X: Any) -> RowScores:
        check_is_fitted(self)
        return score_rows(
            self._ask, self.perturbation_, X, self._moves(), tolerance=self.tolerance_
        )

    def _ask(self, X: Any) -> Answers:
        if is_classifier(self.model_):
            return ask_classifier(self.model_, X, by_proba=self._by_proba)
        return Answers(np.asarray(self.model_.predict(X)), None)

    def _moves(self) -> Any:
        return read_moves(
            type(self).__name__,
            self.perturbation_.names,
            n_copies=self.n_copies,
            size=self.size,
            seed=self.seed,
            immutable=self.immutable,
            bounds=self.bounds,
            monotone=self.monotone,
        )

    def _residual_scales(self, model: Any, X: Any, y: Any) -> NDArray[np.float64]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} needs y for a regressor: its tolerance is in "
                "units of the residuals."
            )
        truth = np.asarray(y, dtype=float)
        said = np.asarray(cross_val_predict(clone(model), X, y))
        residuals = truth.reshape(said.shape) - said
        return Reference.learn(residuals.reshape(len(said), -1)).robust_scales()


def check_tolerance(owner: Any, tolerance: Any) -> None:
    """Raise a ValueError unless the tolerance is a finite number of at least 0."""
    if not is_number(tolerance) or not 0 <= tolerance < np.inf:
        expected = "a finite float >= 0"
        raise parameter_error(owner, "tolerance", expected, tolerance)


def _is_fitted(model: Any) -> bool:
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True
