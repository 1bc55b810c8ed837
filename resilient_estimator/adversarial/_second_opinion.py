"""What guards have in common that hold a model's answer against a second opinion."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from math import ceil
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    OutlierMixin,
    TransformerMixin,
    clone,
    is_classifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import parameter_error
from resilient_estimator.adversarial._dense_net import (
    DenseNet,
    Matrix,
    log_softmax,
    softmax,
)
from resilient_estimator.adversarial._gradients import (
    ScaledModel,
    Scaling,
    find_scaling,
    one_hot,
    probabilities,
)
from resilient_estimator.exceptions import is_number
from resilient_estimator.tabular._rows import count_rows
from resilient_estimator.tabular._table import Table, column_names, read_table

HELD_OUT = 0.2
FAR_OFF = 1e6  # standard deviations; a float32 net is not asked about more


class SecondOpinion(OutlierMixin, TransformerMixin, BaseEstimator):
    """Scores a row by how much a second opinion contradicts the model's answer.

    Subclasses learn the second opinion in `_learn` and give its logits in `_opinion`.
    """

    model: Any
    temperature: float
    alpha: float
    random_state: Any

    @abstractmethod
    def _learn(
        self, Z: Matrix, answers: Floats, model: ScaledModel, rng: np.random.Generator
    ) -> None: ...

    @abstractmethod
    def _opinion(self, Z: Matrix) -> Matrix: ...

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the second opinion, and how large the score of a usual row is.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows of numbers. If the model is fitted already, rows that it was not
            trained on make the share of false alarms exact.
        y : array-like of shape (n_samples,), default=None
            Labels; needed only if the model is not fitted yet.

        Returns
        -------
        self : object
            The fitted object.

        Raises
        ------
        TypeError
            If the model is not a classifier.
        ValueError
            If a column does not hold numbers, there are too few rows for `alpha`, or
            the model is neither fitted nor are there labels.
        """
        self._check_parameters()
        values = self._read_training(X)
        rows = np.flatnonzero(np.isfinite(values).all(axis=1))
        rng = np.random.default_rng(self.random_state)
        learnt, held_out = self._split(rng.permutation(rows))
        scaling = find_scaling(values[learnt].astype(np.float64))
        self.center_, self.scale_ = scaling
        (X,) = indexable(X)
        self.model_, unseen = self._fitted(X, y, held_out)
        self.classes_ = np.asarray(self.model_.classes_)
        answers = self._answers(_safe_indexing(X, learnt), self.model_)
        model = ScaledModel(self.model_, partial(_alike, X), scaling)
        self._learn(scaling.into(values[learnt]), answers, model, rng)
        kept = _safe_indexing(X, held_out)
        scores = self._contradiction(
            scaling.into(values[held_out]), self._answers(kept, unseen)
        )
        rank = ceil((len(scores) + 1) * (1 - self.alpha))
        self.offset_ = -float(np.sort(scores)[rank - 1])
        return self

    def score_samples(self, X: Any) -> Floats:
        """Return how usual each row is: minus the contradiction.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Nats, zero and below; minus infinity where a row cannot be read.
        """
        check_is_fitted(self)
        return -self._scores(X, self._read(X))

    def decision_function(self, X: Any) -> Floats:
        """Return the distance of `score_samples` from the threshold.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Negative where a row is flagged.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Return -1 for rows that are flagged and 1 for others.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        verdicts : ndarray of int of shape (n_samples,)
            As of any scikit-learn outlier detector.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def transform(self, X: Any) -> Floats:
        """Return the contradiction as a column, to be watched by a drift detector.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        column : ndarray of shape (n_samples, 1)
            Nats, zero and above; infinity where a row cannot be read.
        """
        return -self.score_samples(X)[:, None]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002
        """Return the name of the column that `transform` makes.

        Parameters
        ----------
        input_features : ignored
            For the scikit-learn API.

        Returns
        -------
        names : ndarray of str of shape (1,)
            One name.
        """
        return np.array(["contradiction"], dtype=object)

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows are adversarial.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to look at. What is not a table of the right width gets no flag: the
            wrapped estimator complains about it.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask, called "adversarial".
        """
        check_is_fitted(self)
        try:
            Z = self._read(X)
        except ValueError:
            return {"adversarial": np.zeros(count_rows(X), dtype=bool)}
        return {"adversarial": -self._scores(X, Z) < self.offset_}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _check_parameters(self) -> None:
        temperature, alpha = self.temperature, self.alpha
        if not is_number(temperature) or not 0 <= temperature < np.inf:
            expected = "a float in the range [0, inf)"
            raise parameter_error(self, "temperature", expected, temperature)
        if not is_number(alpha) or not 0 < alpha < 1:
            expected = "a float in the range (0, 1)"
            raise parameter_error(self, "alpha", expected, alpha)
        if not _is_classifier(self.model):
            raise parameter_error(self, "model", "a classifier", self.model)

    def _split(self, rows: NDArray[np.intp]) -> tuple[Any, Any]:
        """Return rows to learn from, and enough others to place the threshold."""
        n_held_out = max(ceil(HELD_OUT * len(rows)), ceil(1 / self.alpha) - 1)
        if 2 * n_held_out > len(rows):
            raise ValueError(
                f"{type(self).__name__} needs at least {2 * ceil(1 / self.alpha) - 2} "
                f"rows of finite numbers for alpha={self.alpha!r}. "
                f"Got {len(rows)} instead."
            )
        return rows[n_held_out:], rows[:n_held_out]

    def _fitted(self, X: Any, y: Any, held_out: NDArray[np.intp]) -> tuple[Any, Any]:
        """Return the fitted model, and one that has not seen the held-out rows.

        A model that was fitted before is taken for both.
        """
        try:
            check_is_fitted(self.model)
        except NotFittedError:
            if y is None:
                raise ValueError(
                    f"The model of {type(self).__name__} is not fitted, so that fit "
                    "needs y."
                ) from None
        else:
            return self.model, self.model
        check_consistent_length(X, y)
        (y,) = indexable(y)
        rest = np.setdiff1d(np.arange(count_rows(X)), held_out)
        unseen = clone(self.model)
        unseen.fit(_safe_indexing(X, rest), _safe_indexing(y, rest))
        return clone(self.model).fit(X, y), unseen

    def _answers(self, X: Any, model: Any) -> Floats:
        """Return the answers, sharpened: M^(1/T) / sum M^(1/T), one-hot for T = 0."""
        if self.temperature == 0:
            return one_hot(model.predict(X), self.classes_)
        return sharpened(
            _columns_of(probabilities(model, X), model.classes_, self.classes_),
            self.temperature,
        )

    def _contradiction(self, Z: Matrix, answers: Floats) -> Floats:
        return divergence(answers, log_softmax(self._opinion(Z)))

    def _scores(self, X: Any, Z: Matrix) -> Floats:
        scores = np.full(len(Z), np.inf)
        rows = np.flatnonzero(is_readable(Z).all(axis=1))
        if len(rows):
            answers = self._answers(self._chosen(X, rows), self.model_)
            scores[rows] = self._contradiction(Z[rows], answers)
        return scores

    def _chosen(self, X: Any, rows: NDArray[np.intp]) -> Any:
        """Return these rows as the model knows them."""
        (X,) = indexable(X)
        table = read_table(X)
        if table and self.named_ and table.names not in (None, self.feature_names_):
            X = _safe_indexing(X, self.feature_names_, axis=1)
        return X if len(rows) == count_rows(X) else _safe_indexing(X, rows)

    def _read_training(self, X: Any) -> NDArray[Any]:
        table = read_table(X)
        if table is None or table.shape[1] == 0:
            raise ValueError(f"{type(self).__name__} needs a two-dimensional table.")
        self.feature_names_ = column_names(table)
        self.named_ = table.names is not None
        self.n_features_in_ = table.shape[1]
        bad = [
            name
            for index, name in enumerate(self.feature_names_)
            if table.kind(index) != "numeric"
        ]
        if bad:
            raise ValueError(
                f"{type(self).__name__} needs columns of numbers; these are not: "
                f"{bad!r}. Encode them before, as in a Pipeline."
            )
        return _block(table, list(range(table.shape[1])))

    def _read(self, X: Any) -> Matrix:
        """Return the scaled rows.

        Raises
        ------
        ValueError
            If the columns are not those of `fit`.
        """
        table = read_table(X)
        width = len(self.feature_names_)
        places: list[Any] = [None]
        if table is not None:
            places = table.positions(self.feature_names_, named=self.named_)
        if table is None or None in places:
            raise ValueError(
                f"{type(self).__name__} needs the {width} columns of its training."
            )
        return Scaling(self.center_, self.scale_).into(_block(table, places))


def _is_classifier(model: Any) -> bool:
    try:
        return not isinstance(model, type) and bool(is_classifier(model))
    except (AttributeError, TypeError):  # it is no estimator at all
        return False


def sharpened(proba: Floats, temperature: float) -> Floats:
    """Return M^(1/T) / sum M^(1/T); for T = 0, one for the largest."""
    if temperature == 0:
        return one_hot(proba.argmax(axis=1), np.arange(proba.shape[1]))
    with np.errstate(divide="ignore"):
        logits = (np.log(proba) / temperature).astype(np.float32)
        return softmax(logits).astype(np.float64)


def divergence(answers: Floats, log_opinion: Matrix) -> Floats:
    """Return KL(answer || opinion) per row, in nats; of a label, its surprise."""
    surprise = -(answers * log_opinion).sum(axis=1)
    positive = np.where(answers > 0, answers, 1.0)
    entropy = -(answers * np.log(positive)).sum(axis=1)
    return np.asarray(np.maximum(surprise - entropy, 0.0))


def is_readable(Z: Matrix) -> Mask:
    """Return which scaled cells are numbers that a net can be asked about."""
    return np.asarray(np.abs(Z) <= FAR_OFF)


def stored(net: DenseNet) -> dict[str, Any]:
    """Return a net as a dict of arrays."""
    return {
        "weights": net.weights,
        "biases": net.biases,
        "activation": net.activation,
    }


def _columns_of(proba: Floats, known: Any, classes: NDArray[Any]) -> Floats:
    """Return probabilities with zeros for each class that the model does not know."""
    if len(known) == len(classes):
        return proba
    wide = np.zeros((len(proba), len(classes)))
    wide[:, np.isin(classes, known)] = proba
    return wide


def _block(table: Table, places: list[int]) -> NDArray[Any]:
    """Return columns side by side, NaN where a cell is not a number."""
    if table.is_sparse:
        return np.asarray(table.matrix[:, places].toarray())
    if table.matrix is not None:
        same = places == list(range(table.shape[1]))
        return np.asarray(table.matrix if same else table.matrix[:, places])
    return np.column_stack([table.numbers(place).values for place in places])


def _alike(X: Any, values: Floats) -> Any:
    """Return values in the container of `X`, with the names of its columns."""
    if hasattr(X, "iloc"):
        return type(X)(values, columns=X.columns)
    if hasattr(X, "to_series"):
        return type(X)(values, schema=list(X.columns))
    return values
