"""Divergence between a model's prediction and a second prediction for the same row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from math import ceil
from typing import Any, ClassVar, Self, cast

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

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import (
    NON_NEGATIVE,
    OPEN_PROPORTION,
    SEED,
    Constraints,
    Satisfies,
    check_parameters,
)
from resilient_estimator.adversarial._dense_net import (
    DenseNet,
    Matrix,
    log_softmax,
    softmax,
)
from resilient_estimator.adversarial._input_scaling import (
    ScaledModel,
    Scaling,
    find_scaling,
    one_hot,
    probabilities,
)
from resilient_estimator.tabular._rows import count_rows
from resilient_estimator.tabular._table import Table, column_names, read_table
from resilient_estimator.tabular._valid_rows import find_columns, in_training_order

HELD_OUT = 0.2
FAR_OFF = 1e6  # standard deviations; more is too much for a float32 net


def _is_classifier(model: Any) -> bool:
    try:
        return not isinstance(model, type) and bool(is_classifier(model))
    except (AttributeError, TypeError):  # not an estimator at all
        return False


class PredictionDivergence(OutlierMixin, TransformerMixin, BaseEstimator):
    """Base class of guards whose score is how far a second prediction diverges.

    Subclasses fit what makes the second prediction in `_fit_second`, and return its
    logits in `_second_logits`.
    """

    _constraints: ClassVar[Constraints] = {
        "model": [Satisfies(_is_classifier, "a classifier")],
        "temperature": [NON_NEGATIVE],
        "alpha": [OPEN_PROPORTION],
        "random_state": [SEED, None],
    }

    model: Any
    temperature: float
    alpha: float
    random_state: Any

    @abstractmethod
    def _fit_second(
        self, Z: Matrix, proba: Floats, model: ScaledModel, rng: np.random.Generator
    ) -> None: ...

    @abstractmethod
    def _second_logits(self, Z: Matrix) -> Matrix: ...

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit what makes the second prediction, and the threshold of the score.

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
            the model is not fitted and there are no labels.
        """
        check_parameters(self)
        values = self._read_training(X)
        finite = np.flatnonzero(np.isfinite(values).all(axis=1))
        rng = np.random.default_rng(self.random_state)
        training, held_out = self._split(rng.permutation(finite))
        scaling = find_scaling(values[training].astype(np.float64))
        self.center_, self.scale_ = scaling
        (X,) = indexable(X)
        self.model_, held_out_model = self._fit_models(X, y, held_out)
        self.classes_ = np.asarray(self.model_.classes_)
        proba = self._proba(_safe_indexing(X, training), self.model_)
        model = ScaledModel(self.model_, partial(_same_container, X), scaling)
        self._fit_second(scaling.transform(values[training]), proba, model, rng)
        proba = self._proba(_safe_indexing(X, held_out), held_out_model)
        scores = self._divergence(scaling.transform(values[held_out]), proba)
        rank = ceil((len(scores) + 1) * (1 - self.alpha))
        self.offset_ = -float(np.sort(scores)[rank - 1])
        return self

    def score_samples(self, X: Any) -> Floats:
        """Return how usual each row is: minus the divergence.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of float of shape (n_samples,)
            In nats, at most zero; minus infinity where a row cannot be read.
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
        scores : ndarray of float of shape (n_samples,)
            Negative where a row is flagged.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Positions:
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
        """Return the divergence as a column, to be watched by a drift detector.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        column : ndarray of float of shape (n_samples, 1)
            In nats, at least zero; infinity where a row cannot be read.
        """
        return -self.score_samples(X)[:, None]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002
        """Return the name of the column that `transform` returns.

        Parameters
        ----------
        input_features : ignored
            For the scikit-learn API.

        Returns
        -------
        names : ndarray of str of shape (1,)
            One name.
        """
        return np.array(["divergence"], dtype=object)

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows look adversarial.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect. What is not a table of the right width gets no flag: the
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

    def _split(self, rows: Positions) -> tuple[Positions, Positions]:
        """Return rows to train on, and enough others to set the threshold."""
        n_held_out = max(ceil(HELD_OUT * len(rows)), ceil(1 / self.alpha) - 1)
        if 2 * n_held_out > len(rows):
            raise ValueError(
                f"{type(self).__name__} needs at least {2 * ceil(1 / self.alpha) - 2} "
                f"rows of finite numbers for alpha={self.alpha!r}. "
                f"Got {len(rows)} instead."
            )
        return rows[n_held_out:], rows[:n_held_out]

    def _fit_models(self, X: Any, y: Any, held_out: Positions) -> tuple[Any, Any]:
        """Return the fitted model, and one that was not trained on the held-out rows.

        A model that is fitted already serves as both.
        """
        try:
            check_is_fitted(self.model)
        except NotFittedError:
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} needs y, because its model is not fitted."
                ) from None
        else:
            return self.model, self.model
        check_consistent_length(X, y)
        (y,) = indexable(y)
        rest = np.setdiff1d(np.arange(count_rows(X)), held_out)
        held_out_model = clone(self.model)
        held_out_model.fit(_safe_indexing(X, rest), _safe_indexing(y, rest))
        return clone(self.model).fit(X, y), held_out_model

    def _proba(self, X: Any, model: Any) -> Floats:
        """Return a model's probabilities, sharpened; one-hot labels for T = 0."""
        if self.temperature == 0:
            return one_hot(model.predict(X), self.classes_)
        return sharpen(
            _with_all_classes(probabilities(model, X), model.classes_, self.classes_),
            self.temperature,
        )

    def _divergence(self, Z: Matrix, proba: Floats) -> Floats:
        return kl_divergence(proba, log_softmax(self._second_logits(Z)))

    def _scores(self, X: Any, Z: Matrix) -> Floats:
        scores = np.full(len(Z), np.inf)
        rows = np.flatnonzero(usable_cells(Z).all(axis=1))
        if len(rows):
            proba = self._proba(self._rows_for_model(X, rows), self.model_)
            scores[rows] = self._divergence(Z[rows], proba)
        return scores

    def _rows_for_model(self, X: Any, rows: Positions) -> Any:
        """Return some rows with the columns in the order that the model expects."""
        table = cast("Table", read_table(X))
        X = in_training_order(X, table, self.feature_names_, named=self.named_)
        return X if len(rows) == count_rows(X) else _safe_indexing(X, rows)

    def _read_training(self, X: Any) -> NDArray[Any]:
        table = read_table(X)
        if table is None or table.shape[1] == 0:
            raise ValueError(f"{type(self).__name__} needs a two-dimensional table.")
        self.feature_names_ = column_names(table)
        self.named_ = table.names is not None
        self.n_features_in_ = table.shape[1]
        not_numeric = [
            name
            for index, name in enumerate(self.feature_names_)
            if table.kind(index) != "numeric"
        ]
        if not_numeric:
            raise ValueError(
                f"{type(self).__name__} needs columns of numbers; these are not: "
                f"{not_numeric!r}. Encode them before, as in a Pipeline."
            )
        return _read_block(table, list(range(table.shape[1])))

    def _read(self, X: Any) -> Matrix:
        """Return the scaled rows.

        Raises
        ------
        ValueError
            If the columns are not those of `fit`.
        """
        found = find_columns(X, self.feature_names_, named=self.named_)
        if found is None:
            raise ValueError(
                f"{type(self).__name__} needs the {len(self.feature_names_)} columns "
                "that it was fitted to."
            )
        return Scaling(self.center_, self.scale_).transform(_read_block(*found))


def sharpen(proba: Floats, temperature: float) -> Floats:
    """Return M^(1/T) / sum M^(1/T); for T = 0, one for the largest."""
    if temperature == 0:
        return one_hot(proba.argmax(axis=1), np.arange(proba.shape[1]))
    with np.errstate(divide="ignore"):
        logits = (np.log(proba) / temperature).astype(np.float32)
        return softmax(logits).astype(np.float64)


def kl_divergence(proba: Floats, log_other: Matrix) -> Floats:
    """Return KL(proba || other) of each row, in nats; of a label, its surprise."""
    surprise = -(proba * log_other).sum(axis=1)
    positive = np.where(proba > 0, proba, 1.0)
    entropy = -(proba * np.log(positive)).sum(axis=1)
    return np.asarray(np.maximum(surprise - entropy, 0.0))


def usable_cells(Z: Matrix) -> Mask:
    """Return which scaled cells are numbers, and not too large for a net."""
    return np.asarray(np.abs(Z) <= FAR_OFF)


def net_arrays(net: DenseNet) -> dict[str, Any]:
    """Return a net as a dict of arrays, the arguments of `DenseNet`."""
    return {
        "weights": net.weights,
        "biases": net.biases,
        "activation": net.activation,
    }


def _with_all_classes(proba: Floats, known: Any, classes: NDArray[Any]) -> Floats:
    """Return probabilities with zeros for each class that the model does not know."""
    if len(known) == len(classes):
        return proba
    wide = np.zeros((len(proba), len(classes)))
    wide[:, np.isin(classes, known)] = proba
    return wide


def _read_block(table: Table, places: list[int]) -> NDArray[Any]:
    """Return columns side by side, NaN where a cell is not a number."""
    if table.is_sparse:
        return np.asarray(table.matrix[:, places].toarray())
    if table.matrix is not None:
        same = places == list(range(table.shape[1]))
        return np.asarray(table.matrix if same else table.matrix[:, places])
    return np.column_stack([table.numbers(place).values for place in places])


def _same_container(X: Any, values: Floats) -> Any:
    """Return values in the container of `X`, with the names of its columns."""
    if hasattr(X, "iloc"):
        return type(X)(values, columns=X.columns)
    if hasattr(X, "to_series"):
        return type(X)(values, schema=list(X.columns))
    return values
