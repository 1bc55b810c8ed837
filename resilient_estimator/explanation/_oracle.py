"""A fitted model as one that answers questions: is it the target, and how nearly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.utils import get_tags

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import is_count
from resilient_estimator.tabular._table import count_rows

CELLS_AT_ONCE = 2_000_000
ROWS_AT_ONCE = 16_384


class Oracle:
    """A fitted classifier as whoever asks it sees it.

    Parameters
    ----------
    owner : str
        Who asks; named in errors.
    model : classifier
        Fitted. With `predict_proba` or `decision_function` it also says how nearly a
        row is of a class.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows on which the answers are compared with the highest scores. If they differ,
        as with a threshold other than .5, `predict` is asked each time too.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,) or None
        Labels, None where the model does not tell.
    answers : ndarray of shape (n_samples,)
        What the model says about `X`.
    n_queries : int
        How many rows were asked since then.

    Raises
    ------
    TypeError
        If the model is a regressor, has no `predict` or several outputs.
    """

    def __init__(self, owner: str, model: Any, X: Any) -> None:
        check_classifier(owner, model)
        self.owner = owner
        self.model = model
        self.classes = known_classes(model)
        self.n_queries = 0
        self.answers = self.predict(X)
        scores = self._scores(X)
        self.has_scores = scores is not None
        self.follows_scores = scores is not None and bool(
            (self._most_likely(scores) == self.answers).all()
        )

    def check_target(self, owner: str, target: Any) -> None:
        """Raise a ValueError unless the model knows the class."""
        if self.classes is not None and target not in self.classes.tolist():
            expected = f"one of the classes {self.classes.tolist()!r}"
            raise parameter_error(owner, "target", expected, target)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the model's answers."""
        return one_answer_each(self.owner, self.model, X)

    def ask(self, X: Any, targets: NDArray[Any]) -> tuple[Mask, Floats]:
        """Return whether rows reach their targets, and how nearly.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        targets : ndarray of shape (n_samples,)
            A label for each of them.

        Returns
        -------
        reached : ndarray of bool of shape (n_samples,)
            Whether the answer is the target.
        scores : ndarray of float of shape (n_samples,)
            What the model says for the target; zero where it has answers only.
        """
        self.n_queries += count_rows(X)
        scores = self._scores(X) if self.has_scores else None
        if scores is None or self.classes is None:
            return self.predict(X) == targets, np.zeros(len(targets))
        labels = self._most_likely(scores) if self.follows_scores else self.predict(X)
        place = (self.classes[np.newaxis] == targets[:, np.newaxis]).argmax(axis=1)
        return labels == targets, scores[np.arange(len(scores)), place]

    def _most_likely(self, scores: Floats) -> NDArray[Any]:
        assert self.classes is not None  # noqa: S101  scores are per class
        return np.asarray(self.classes[scores.argmax(axis=1)])

    def _scores(self, X: Any) -> Floats | None:
        return None if self.classes is None else class_scores(self.model, X)


def check_classifier(owner: str, model: Any) -> None:
    """Raise a TypeError unless the model is a classifier with one output."""
    if not hasattr(model, "predict") or isinstance(model, type):
        raise parameter_error(owner, "model", "a fitted classifier", model)
    try:
        regressor = is_regressor(model)
    except (AttributeError, TypeError):  # not of scikit-learn: it has answers
        regressor = False
    if regressor:
        expected = "a classifier: a regressor has no class to reach"
        raise parameter_error(owner, "model", expected, model)
    if isinstance(getattr(model, "classes_", None), list):
        expected = "a classifier with one output"
        raise parameter_error(owner, "model", expected, model)


def one_answer_each(owner: str, model: Any, X: Any) -> NDArray[Any]:
    """Return the answers of a model, of shape (n_samples,)."""
    answers = np.asarray(model.predict(X))
    if answers.ndim == 2 and answers.shape[1] == 1:
        answers = answers[:, 0]
    if answers.ndim != 1:
        expected = "a model with one output"
        raise parameter_error(owner, "model", expected, model)
    return answers


def check_counts(owner: str, **parameters: Any) -> None:
    """Raise a ValueError unless parameters are whole numbers greater than 0."""
    for name, value in parameters.items():
        if not is_count(value):
            expected = "an int greater than 0"
            raise parameter_error(owner, name, expected, value)


def known_classes(model: Any) -> NDArray[Any] | None:
    """Return the labels that a model may answer, None where it does not tell."""
    classes = getattr(model, "classes_", None)
    if classes is not None:
        return np.asarray(classes)
    try:
        outliers = get_tags(model).estimator_type == "outlier_detector"
    except (AttributeError, TypeError):
        outliers = False
    return np.array([-1, 1]) if outliers else None


def class_scores(model: Any, X: Any) -> Floats | None:
    """Return how nearly rows are of each class, None where the model does not say.

    Returns
    -------
    ndarray of float of shape (n_samples, n_classes)
        Probabilities, or what `decision_function` says.
    """
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X), dtype=np.float64)
    if not hasattr(model, "decision_function"):
        return None
    scores = np.asarray(model.decision_function(X), dtype=np.float64)
    if scores.ndim == 1:
        return np.column_stack([-scores, scores])
    classes = known_classes(model)
    several = classes is not None and scores.shape[1] == len(classes)
    return scores if several else None  # one against one has a score per pair


def in_chunks(n_samples: int, n_features: int) -> Iterator[slice]:
    """Yield slices of rows that fit into a bounded memory."""
    step = int(np.clip(CELLS_AT_ONCE // max(n_features, 1), 1, ROWS_AT_ONCE))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))
