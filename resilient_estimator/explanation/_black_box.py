"""Fitted models as black boxes: query their predictions and scores, and count them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.utils import get_tags

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import MODEL, check_argument, parameter_error
from resilient_estimator.tabular._rows import count_rows, ravel_column

MAX_CELLS = 2_000_000  # of one call of the model
MAX_ROWS = 16_384


class BlackBox:
    """A fitted classifier that is only accessed by queries.

    Parameters
    ----------
    owner : str
        The calling function, named in errors.
    model : classifier
        Fitted. If it has `predict_proba` or `decision_function`, queries also return
        how close a row is to a class.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows on which predictions are compared with the highest scores. If they differ,
        as for a threshold other than 0.5, every query calls `predict`, too.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,) or None
        Labels; None if the model does not have them.
    predictions : ndarray of shape (n_samples,)
        Predictions for `X`.
    has_scores : bool
        Whether the model has a score for each class.
    scores_decide : bool
        Whether the prediction is the class with the highest score.
    n_queries : int
        Number of rows that were queried since then.

    Raises
    ------
    TypeError
        If the model is a regressor, has no `predict`, or has several outputs.
    """

    def __init__(self, owner: str, model: Any, X: Any) -> None:
        check_classifier(owner, model)
        self.owner = owner
        self.model = model
        self.classes = known_classes(model)
        self.n_queries = 0
        self.predictions = self.predict(X)
        scores = self._scores(X)
        self.has_scores = scores is not None
        self.scores_decide = scores is not None and bool(
            (self._most_likely(scores) == self.predictions).all()
        )

    def check_target(self, target: Any) -> None:
        """Raise a ValueError if the model does not know the class."""
        if self.classes is not None and target not in self.classes.tolist():
            expected = f"one of the classes {self.classes.tolist()!r}"
            raise parameter_error(self.owner, "target", expected, target)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predictions of the model; they do not count as queries."""
        return predict_single_output(self.owner, self.model, X)

    def query(self, X: Any, targets: NDArray[Any]) -> tuple[Mask, Floats]:
        """Return whether rows reach their targets, and how close they are.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        targets : ndarray of shape (n_samples,)
            The target label of each row.

        Returns
        -------
        reached : ndarray of bool of shape (n_samples,)
            Whether the prediction is the target.
        scores : ndarray of float of shape (n_samples,)
            Score of the target; zero if the model has no scores.
        """
        self.n_queries += count_rows(X)
        scores = self._scores(X) if self.has_scores else None
        if scores is None or self.classes is None:
            return self.predict(X) == targets, np.zeros(len(targets))
        labels = self._most_likely(scores) if self.scores_decide else self.predict(X)
        return labels == targets, pick_scores(scores, self.classes, targets)

    def _most_likely(self, scores: Floats) -> NDArray[Any]:
        assert self.classes is not None  # noqa: S101  there is one score per class
        return np.asarray(self.classes[scores.argmax(axis=1)])

    def _scores(self, X: Any) -> Floats | None:
        return None if self.classes is None else class_scores(self.model, X)


def check_classifier(owner: str, model: Any) -> None:
    """Raise a TypeError unless the model is a classifier with one output."""
    check_argument(owner, "model", model, MODEL)
    try:
        regressor = is_regressor(model)
    except (AttributeError, TypeError):  # not a scikit-learn estimator
        regressor = False
    if regressor:
        expected = "a classifier: a regressor has no class to reach"
        raise parameter_error(owner, "model", expected, model)
    if isinstance(getattr(model, "classes_", None), list):
        expected = "a classifier with one output"
        raise parameter_error(owner, "model", expected, model)


def predict_single_output(owner: str, model: Any, X: Any) -> NDArray[Any]:
    """Return the predictions of a model with one output, of shape (n_samples,)."""
    predictions = ravel_column(model.predict(X))
    if predictions.ndim != 1:
        raise parameter_error(owner, "model", "a model with one output", model)
    return predictions


def known_classes(model: Any) -> NDArray[Any] | None:
    """Return the labels that a model may predict, None if it does not have them."""
    classes = getattr(model, "classes_", None)
    if classes is not None:
        return np.asarray(classes)
    try:
        is_outlier_detector = get_tags(model).estimator_type == "outlier_detector"
    except (AttributeError, TypeError):
        is_outlier_detector = False
    return np.array([-1, 1]) if is_outlier_detector else None


def class_scores(model: Any, X: Any) -> Floats | None:
    """Return a score for each row and class, None if the model has none.

    Returns
    -------
    scores : ndarray of float of shape (n_samples, n_classes) or None
        Probabilities, or the values of `decision_function`.
    """
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X), dtype=np.float64)
    if not hasattr(model, "decision_function"):
        return None
    scores = np.asarray(model.decision_function(X), dtype=np.float64)
    if scores.ndim == 1:
        return np.column_stack([-scores, scores])
    classes = known_classes(model)
    one_per_class = classes is not None and scores.shape[1] == len(classes)
    return scores if one_per_class else None  # one-vs-one has a score per pair


def pick_scores(scores: Floats, classes: NDArray[Any], targets: NDArray[Any]) -> Floats:
    """Return the score of each row's target class."""
    columns = (classes[np.newaxis] == targets[:, np.newaxis]).argmax(axis=1)
    return np.asarray(scores[np.arange(len(scores)), columns])


def row_chunks(n_samples: int, n_features: int) -> Iterator[slice]:
    """Yield slices of rows, such that each chunk has a bounded size."""
    step = int(np.clip(MAX_CELLS // max(n_features, 1), 1, MAX_ROWS))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))
