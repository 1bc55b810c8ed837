"""Ask the reference rows, and a second model, whether they agree with an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from resilient_estimator._typing import Floats
from resilient_estimator.adversarial._neighbours import (
    ClassNeighbours,
    Neighbours,
)

Scores = dict[str, Floats]

NAMES = ("trust", "witness", "distance")
ROWS_AT_ONCE = 8192
N_NEAREST = 5
MOST_DIMS = 60
N_AXES = 50
N_TREES = 100
LEAF = 3
LEAST = 1e-6  # of a distance, or of the range of targets
LEAST_PROBABILITY = 1e-3


class Witnesses(ABC):
    """Reference rows: neighbours in few dimensions, a forest in all of them.

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
    seed : int
        Of the principal axes, if there are too many coordinates.
    """

    def __init__(
        self,
        coordinates: Floats,
        codes: NDArray[np.intp],
        *,
        k: int,
        forest: Any,
        seed: int,
    ) -> None:
        self.k = k
        self.forest = forest
        self.axes = None
        if coordinates.shape[1] > MOST_DIMS and len(coordinates) > N_AXES:
            self.axes = PCA(N_AXES, random_state=seed).fit(coordinates)
        self.neighbours = ClassNeighbours(
            self._project(coordinates), codes, int(codes.max()) + 1
        )

    def calibrate(self, coordinates: Floats, said: NDArray[Any]) -> Scores:
        """Return scores of the reference rows, each left out of the reference.

        Parameters
        ----------
        coordinates : ndarray of float of shape (n_reference, n_coordinates)
            The reference.
        said : ndarray of shape (n_reference,)
            What models say about these rows that did not learn from them.
        """
        own = np.arange(len(coordinates))
        neighbours = self.neighbours.look_up(
            self._project(coordinates), self.k, own=own
        )
        second = self._out_of_bag() if self.forest else None
        return self._scores(neighbours, second, said)

    def scores(self, coordinates: Floats, said: NDArray[Any]) -> Scores:
        """Return how strange a model's answers are: the higher, the stranger.

        Parameters
        ----------
        coordinates : ndarray of float of shape (n_samples, n_coordinates)
            Rows, at least one.
        said : ndarray of shape (n_samples,)
            What the model says.
        """
        parts = []
        for rows in _parts(len(said)):
            second = self._ask_forest(coordinates[rows]) if self.forest else None
            neighbours = self._look_up(coordinates[rows])
            parts.append(self._scores(neighbours, second, said[rows]))
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def nearest(self, coordinates: Floats) -> NDArray[Any]:
        """Return the answers of the nearest reference rows."""
        return np.concatenate(
            [
                self._answer(self._look_up(coordinates[rows]))
                for rows in _parts(len(coordinates))
            ]
        )

    @abstractmethod
    def second(self, coordinates: Floats) -> NDArray[Any]:
        """Return the answers of the forest."""

    @abstractmethod
    def _scores(
        self, neighbours: Neighbours, second: Floats | None, said: NDArray[Any]
    ) -> Scores: ...

    @abstractmethod
    def _answer(self, neighbours: Neighbours) -> NDArray[Any]: ...

    @abstractmethod
    def _ask_forest(self, coordinates: Floats) -> Floats: ...

    @abstractmethod
    def _out_of_bag(self) -> Floats: ...

    def _look_up(self, coordinates: Floats) -> Neighbours:
        return self.neighbours.look_up(self._project(coordinates), self.k)

    def _project(self, coordinates: Floats) -> Floats:
        if self.axes is None:
            return coordinates
        return np.asarray(self.axes.transform(coordinates))


class ClassWitnesses(Witnesses):
    """Witnesses of a classifier's answers.

    - trust: log of the mean distance to the `k` nearest rows of the class answered,
      over that to the next other class (after Jiang et al., "To trust or not to trust
      a classifier", 2018);
    - witness: minus the log of the probability that a random forest gives the answer;
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
    seed : int
        Of the forest.
    """

    def __init__(
        self,
        coordinates: Floats,
        labels: NDArray[Any],
        *,
        k: int,
        has_forest: bool,
        seed: int,
    ) -> None:
        self.classes, codes = np.unique(labels, return_inverse=True)
        forest = None
        if has_forest:
            forest = (
                _forests()
                .RandomForestClassifier(
                    N_TREES, min_samples_leaf=LEAF, oob_score=True, random_state=seed
                )
                .fit(coordinates, codes)
            )
        super().__init__(coordinates, codes, k=k, forest=forest, seed=seed)

    def _scores(
        self, neighbours: Neighbours, proba: Floats | None, said: NDArray[Any]
    ) -> Scores:
        answered = said[:, np.newaxis] == self.classes[np.newaxis]
        of_class = np.maximum(neighbours.of_class, LEAST)
        # An answer that no reference row has is as far off as can be.
        own = np.where(answered, of_class, np.inf).min(axis=1)
        other = np.where(answered, np.inf, of_class).min(axis=1)
        largest = 1 / LEAST
        own, other = np.minimum(own, largest), np.minimum(other, largest)
        scores = {"trust": np.log(own / other)}
        if proba is not None:
            agreed = np.where(answered, np.nan_to_num(proba), 0.0).sum(axis=1)
            scores["witness"] = -np.log(np.maximum(agreed, LEAST_PROBABILITY))
        return scores | {"distance": neighbours.nearest(N_NEAREST)}

    def _answer(self, neighbours: Neighbours) -> NDArray[Any]:
        """Return the class whose rows are nearest."""
        return np.asarray(self.classes[neighbours.of_class.argmin(axis=1)])

    def second(self, coordinates: Floats) -> NDArray[Any]:
        """Return the class that the forest answers."""
        return np.asarray(self.classes[self.forest.predict(coordinates)])

    def _ask_forest(self, coordinates: Floats) -> Floats:
        return np.asarray(self.forest.predict_proba(coordinates))

    def _out_of_bag(self) -> Floats:
        return np.asarray(self.forest.oob_decision_function_)


class NumberWitnesses(Witnesses):
    """Witnesses of a regressor's answers.

    - trust: how far the answer is from the mean target of the `k` nearest rows, in
      units of their standard deviation and of the model's usual error;
    - witness: the same with the answer of a random forest;
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
    seed : int
        Of the forest.
    """

    def __init__(
        self,
        coordinates: Floats,
        targets: NDArray[Any],
        *,
        k: int,
        has_forest: bool,
        seed: int,
    ) -> None:
        self.targets = np.asarray(targets, dtype=np.float64)
        self.error = 1.0
        forest = None
        if has_forest:
            forest = (
                _forests()
                .RandomForestRegressor(
                    N_TREES, min_samples_leaf=LEAF, oob_score=True, random_state=seed
                )
                .fit(coordinates, self.targets)
            )
        codes = np.zeros(len(coordinates), dtype=np.intp)
        super().__init__(coordinates, codes, k=k, forest=forest, seed=seed)

    def calibrate(self, coordinates: Floats, said: NDArray[Any]) -> Scores:
        """Learn the model's usual error, and return scores of the reference rows."""
        error = float(np.median(np.abs(self.targets - said)))
        least = LEAST * float(np.ptp(self.targets))
        self.error = max(error, least, np.finfo(float).tiny)
        return super().calibrate(coordinates, said)

    def _scores(
        self, neighbours: Neighbours, second: Floats | None, said: NDArray[Any]
    ) -> Scores:
        mean, spread = self._around(neighbours)
        unit = np.hypot(spread, self.error)
        scores = {"trust": np.abs(said - mean) / unit}
        if second is not None:
            scores["witness"] = np.abs(said - second) / unit
        return scores | {"distance": neighbours.nearest(N_NEAREST)}

    def _around(self, neighbours: Neighbours) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the neighbours' targets."""
        rows = neighbours.rows[:, 0]
        there = np.isfinite(neighbours.distances[:, 0])
        count = np.maximum(there.sum(axis=1), 1)
        targets = np.where(there, self.targets[rows], 0.0)
        mean = targets.sum(axis=1) / count
        squares = np.where(there, (targets - mean[:, np.newaxis]) ** 2, 0.0)
        return mean, np.sqrt(squares.sum(axis=1) / count)

    def _answer(self, neighbours: Neighbours) -> NDArray[Any]:
        """Return the mean target of the nearest rows."""
        return self._around(neighbours)[0]

    def second(self, coordinates: Floats) -> NDArray[Any]:
        """Return what the forest answers."""
        return self._ask_forest(coordinates)

    def _ask_forest(self, coordinates: Floats) -> Floats:
        return np.asarray(self.forest.predict(coordinates))

    def _out_of_bag(self) -> Floats:
        return np.asarray(self.forest.oob_prediction_)


def _parts(n_samples: int) -> list[slice]:
    """Return slices that bound the memory; one even where there is no row."""
    starts = range(0, max(n_samples, 1), ROWS_AT_ONCE)
    return [slice(start, start + ROWS_AT_ONCE) for start in starts]


def _forests() -> Any:
    """Return the module of forests, which who needs no witness does not wait for."""
    from sklearn import ensemble  # noqa: PLC0415  a fifth of the package's own import

    return ensemble
