"""Nonconformity scores: how little a prediction agrees with reference rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.adversarial._neighbours import ClassNeighbours, Neighbours

Scores = dict[str, Floats]

COMPONENTS = ("trust", "forest", "distance")
ROWS_AT_ONCE = 8192
N_NEAREST = 5
MAX_DIMS = 60
N_AXES = 50
N_TREES = 100
MIN_SAMPLES_LEAF = 3
TINY = 1e-6  # of a distance, or of the range of targets
MIN_PROBABILITY = 1e-3


class NonconformityScorer(ABC):
    """Reference rows: neighbours in few dimensions, a random forest in all of them.

    Parameters
    ----------
    coordinates : ndarray of float of shape (n_reference, n_coordinates)
        The reference.
    codes : ndarray of int of shape (n_reference,)
        Class of each row.
    k : int
        Number of neighbours.
    forest : random forest or None
        Fitted to the reference.
    random_state : int
        Seed of the principal axes, if there are too many coordinates.
    """

    def __init__(
        self,
        coordinates: Floats,
        codes: Positions,
        *,
        k: int,
        forest: Any,
        random_state: int,
    ) -> None:
        self.k = k
        self.forest = forest
        self.axes = None
        if coordinates.shape[1] > MAX_DIMS and len(coordinates) > N_AXES:
            self.axes = PCA(N_AXES, random_state=random_state).fit(coordinates)
        self.neighbours = ClassNeighbours(
            self._project(coordinates), codes, int(codes.max()) + 1
        )

    def calibrate(
        self, coordinates: Floats, predictions: NDArray[Any], rows: Positions
    ) -> Scores:
        """Return scores of reference rows, each left out of the reference.

        Parameters
        ----------
        coordinates : ndarray of float of shape (n_reference, n_coordinates)
            The reference.
        predictions : ndarray of shape (n_rows,)
            Held-out predictions.
        rows : ndarray of int of shape (n_rows,)
            Positions in the reference of the rows that they belong to.
        """
        points = self._project(coordinates)[rows]
        neighbours = self.neighbours.look_up(points, self.k, own=rows)
        by_forest = self._out_of_bag()[rows] if self.forest else None
        return self._scores(neighbours, by_forest, predictions)

    def scores(self, coordinates: Floats, predictions: NDArray[Any]) -> Scores:
        """Return scores of new rows: the higher, the stranger.

        Parameters
        ----------
        coordinates : ndarray of float of shape (n_samples, n_coordinates)
            Rows, at least one.
        predictions : ndarray of shape (n_samples,)
            Predictions of the guarded model.
        """
        parts = []
        for batch in _batches(len(predictions)):
            by_forest = self._query_forest(coordinates[batch]) if self.forest else None
            neighbours = self._look_up(coordinates[batch])
            parts.append(self._scores(neighbours, by_forest, predictions[batch]))
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def predict_by_neighbours(self, coordinates: Floats) -> NDArray[Any]:
        """Return the targets of the nearest reference rows."""
        return np.concatenate(
            [
                self._target_of(self._look_up(coordinates[batch]))
                for batch in _batches(len(coordinates))
            ]
        )

    @abstractmethod
    def predict_by_forest(self, coordinates: Floats) -> NDArray[Any]:
        """Return the predictions of the forest."""

    @abstractmethod
    def _scores(
        self,
        neighbours: Neighbours,
        by_forest: Floats | None,
        predictions: NDArray[Any],
    ) -> Scores: ...

    @abstractmethod
    def _target_of(self, neighbours: Neighbours) -> NDArray[Any]: ...

    @abstractmethod
    def _query_forest(self, coordinates: Floats) -> Floats: ...

    @abstractmethod
    def _out_of_bag(self) -> Floats: ...

    def _look_up(self, coordinates: Floats) -> Neighbours:
        return self.neighbours.look_up(self._project(coordinates), self.k)

    def _project(self, coordinates: Floats) -> Floats:
        if self.axes is None:
            return coordinates
        return np.asarray(self.axes.transform(coordinates))


class ClassifierScorer(NonconformityScorer):
    """Nonconformity scores of predicted labels.

    - trust: log of the mean distance to the `k` nearest rows of the predicted class,
      over that to the next other class (after Jiang et al., "To trust or not to trust
      a classifier", 2018);
    - forest: minus the log of the probability of the label by a random forest;
    - distance: mean distance to the five nearest rows.

    Parameters
    ----------
    coordinates : ndarray of float of shape (n_reference, n_coordinates)
        The reference.
    labels : ndarray of shape (n_reference,)
        True labels.
    k : int
        Number of neighbours.
    has_forest : bool
        Whether a forest is wanted.
    random_state : int
        Seed of the forest.
    """

    def __init__(
        self,
        coordinates: Floats,
        labels: NDArray[Any],
        *,
        k: int,
        has_forest: bool,
        random_state: int,
    ) -> None:
        self.classes, codes = np.unique(labels, return_inverse=True)
        forest = None
        if has_forest:
            forest = _make_forest("RandomForestClassifier", random_state)
            forest.fit(coordinates, codes)
        super().__init__(
            coordinates, codes, k=k, forest=forest, random_state=random_state
        )

    def predict_by_forest(self, coordinates: Floats) -> NDArray[Any]:
        """Return the labels that the forest predicts."""
        return np.asarray(self.classes[self.forest.predict(coordinates)])

    def _scores(
        self,
        neighbours: Neighbours,
        by_forest: Floats | None,
        predictions: NDArray[Any],
    ) -> Scores:
        predicted = predictions[:, np.newaxis] == self.classes[np.newaxis]
        of_class = np.maximum(neighbours.of_class, TINY)
        # A label that no reference row has is as far off as can be.
        own = np.where(predicted, of_class, np.inf).min(axis=1)
        other = np.where(predicted, np.inf, of_class).min(axis=1)
        largest = 1 / TINY
        own, other = np.minimum(own, largest), np.minimum(other, largest)
        scores = {"trust": np.log(own / other)}
        if by_forest is not None:
            proba = np.where(predicted, np.nan_to_num(by_forest), 0.0).sum(axis=1)
            scores["forest"] = -np.log(np.maximum(proba, MIN_PROBABILITY))
        return scores | {"distance": neighbours.nearest(N_NEAREST)}

    def _target_of(self, neighbours: Neighbours) -> NDArray[Any]:
        """Return the class whose rows are nearest."""
        return np.asarray(self.classes[neighbours.of_class.argmin(axis=1)])

    def _query_forest(self, coordinates: Floats) -> Floats:
        return np.asarray(self.forest.predict_proba(coordinates))

    def _out_of_bag(self) -> Floats:
        return np.asarray(self.forest.oob_decision_function_)


class RegressorScorer(NonconformityScorer):
    """Nonconformity scores of predicted numbers.

    - trust: how far the prediction is from the mean target of the `k` nearest rows, in
      units of their standard deviation and of the model's usual error;
    - forest: the same with the prediction of a random forest;
    - distance: mean distance to the five nearest rows.

    Parameters
    ----------
    coordinates : ndarray of float of shape (n_reference, n_coordinates)
        The reference.
    targets : ndarray of float of shape (n_reference,)
        True targets.
    k : int
        Number of neighbours.
    has_forest : bool
        Whether a forest is wanted.
    random_state : int
        Seed of the forest.
    """

    def __init__(
        self,
        coordinates: Floats,
        targets: NDArray[Any],
        *,
        k: int,
        has_forest: bool,
        random_state: int,
    ) -> None:
        self.targets = np.asarray(targets, dtype=np.float64)
        self.error = 1.0
        forest = None
        if has_forest:
            forest = _make_forest("RandomForestRegressor", random_state)
            forest.fit(coordinates, self.targets)
        codes = np.zeros(len(coordinates), dtype=np.intp)
        super().__init__(
            coordinates, codes, k=k, forest=forest, random_state=random_state
        )

    def calibrate(
        self, coordinates: Floats, predictions: NDArray[Any], rows: Positions
    ) -> Scores:
        """Learn the model's usual error, and return scores of reference rows."""
        error = float(np.median(np.abs(self.targets[rows] - predictions)))
        least = TINY * float(np.ptp(self.targets))
        self.error = max(error, least, np.finfo(float).tiny)
        return super().calibrate(coordinates, predictions, rows)

    def predict_by_forest(self, coordinates: Floats) -> NDArray[Any]:
        """Return the numbers that the forest predicts."""
        return self._query_forest(coordinates)

    def _scores(
        self,
        neighbours: Neighbours,
        by_forest: Floats | None,
        predictions: NDArray[Any],
    ) -> Scores:
        mean, spread = self._mean_and_spread(neighbours)
        unit = np.hypot(spread, self.error)
        scores = {"trust": np.abs(predictions - mean) / unit}
        if by_forest is not None:
            scores["forest"] = np.abs(predictions - by_forest) / unit
        return scores | {"distance": neighbours.nearest(N_NEAREST)}

    def _mean_and_spread(self, neighbours: Neighbours) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the neighbours' targets."""
        rows = neighbours.rows[:, 0]
        exists = np.isfinite(neighbours.distances[:, 0])
        count = np.maximum(exists.sum(axis=1), 1)
        targets = np.where(exists, self.targets[rows], 0.0)
        mean = targets.sum(axis=1) / count
        squares = np.where(exists, (targets - mean[:, np.newaxis]) ** 2, 0.0)
        return mean, np.sqrt(squares.sum(axis=1) / count)

    def _target_of(self, neighbours: Neighbours) -> NDArray[Any]:
        """Return the mean target of the nearest rows."""
        return self._mean_and_spread(neighbours)[0]

    def _query_forest(self, coordinates: Floats) -> Floats:
        return np.asarray(self.forest.predict(coordinates))

    def _out_of_bag(self) -> Floats:
        return np.asarray(self.forest.oob_prediction_)


def _batches(n_samples: int) -> list[slice]:
    """Return slices that bound the memory; one even where there is no row."""
    starts = range(0, max(n_samples, 1), ROWS_AT_ONCE)
    return [slice(start, start + ROWS_AT_ONCE) for start in starts]


def _make_forest(kind: str, random_state: int) -> Any:
    """Return an unfitted forest; its module is imported only where it is needed."""
    from sklearn import ensemble  # noqa: PLC0415  a fifth of the package's own import

    return getattr(ensemble, kind)(
        N_TREES,
        min_samples_leaf=MIN_SAMPLES_LEAF,
        oob_score=True,
        random_state=random_state,
    )
