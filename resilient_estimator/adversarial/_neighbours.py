"""Distances to the nearest reference rows of each class."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.statistics._conformal_pvalues import DECIMALS

FAR = 1e6  # how far the next row of a class without rows is
CELLS_AT_ONCE = 2_000_000


class Neighbours(NamedTuple):
    """The nearest rows of each class: arrays of shape (n_samples, n_classes, k).

    `distances` ascend; they are infinite where a class has too few.
    """

    distances: Floats
    rows: Positions

    @property
    def of_class(self) -> Floats:
        """Mean distance to the rows of each class, of shape (n_samples, n_classes)."""
        there = np.isfinite(self.distances)
        total = np.where(there, self.distances, 0.0).sum(axis=2)
        count = there.sum(axis=2)
        return np.where(count > 0, total / np.maximum(count, 1), FAR)

    def nearest(self, k: int) -> Floats:
        """Return the mean distance to the `k` nearest rows of any class."""
        pooled = np.sort(self.distances.reshape(len(self.distances), -1), axis=1)[:, :k]
        return np.asarray(np.where(np.isfinite(pooled), pooled, FAR).mean(axis=1))


class ClassNeighbours:
    """Look up the nearest reference points of each class.

    Matrix products of bounded size choose candidates, whose distances are then computed
    without cancellation. More than a few dimensions leave a search tree no advantage,
    and scikit-learn's trees count what they are asked: asking would change them.

    Parameters
    ----------
    points : ndarray of float of shape (n_reference, n_dims)
        The reference.
    codes : ndarray of int of shape (n_reference,)
        Class of each point, from 0 on.
    n_classes : int
        Number of classes. Some may have no point.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.adversarial import _neighbours
    >>> points = np.array([[0.0], [1.0], [5.0]])
    >>> neighbours = _neighbours.ClassNeighbours(points, np.array([0, 0, 1]), 2)
    >>> neighbours.look_up(np.array([[2.0]]), 2).of_class
    array([[1.5, 3. ]])
    """

    def __init__(self, points: Floats, codes: Positions, n_classes: int) -> None:
        self.order = np.argsort(codes, kind="stable")
        self.points = np.ascontiguousarray(points[self.order])
        self.half_squares = np.einsum("ij,ij->i", self.points, self.points) / 2
        self.bounds = np.searchsorted(codes[self.order], np.arange(n_classes + 1))

    def look_up(
        self, points: Floats, k: int, *, own: Positions | None = None
    ) -> Neighbours:
        """Return the `k` nearest reference points of each class.

        Parameters
        ----------
        points : ndarray of float of shape (n_samples, n_dims)
            Points to look at.
        k : int
            Number of neighbours.
        own : ndarray of int of shape (n_samples,), default=None
            Where the points themselves stand in the reference, to be left out.
        """
        shape = (len(points), len(self.bounds) - 1, k)
        distances, rows = np.full(shape, np.inf), np.full(shape, -1, dtype=np.intp)
        n_at_once = max(CELLS_AT_ONCE // len(self.points), 1)
        for start in range(0, len(points), n_at_once):
            part = slice(start, start + n_at_once)
            left_out = None if own is None else own[part]
            self._search(points[part], left_out, distances[part], rows[part])
        return Neighbours(distances, rows)

    def _search(
        self,
        points: Floats,
        own: Positions | None,
        distances: Floats,
        rows: Positions,
    ) -> None:
        """Fill in the distances and rows of a few points."""
        nearness = points @ self.points.T
        nearness -= self.half_squares  # half the squared distance, but for a constant
        np.round(nearness, DECIMALS, out=nearness)  # ties stay ties in any batch
        k = distances.shape[2] + (own is not None)
        for code in range(len(self.bounds) - 1):
            start, stop = self.bounds[code : code + 2]
            n_found = min(k, stop - start)
            if n_found == 0:
                continue
            of_class = nearness[:, start:stop]
            found = np.argpartition(of_class, stop - start - n_found, axis=1)
            found = start + found[:, -n_found:]
            apart = points[:, np.newaxis] - self.points[found]
            away = np.sqrt(np.einsum("ijk,ijk->ij", apart, apart))
            found = self.order[found]
            if own is not None:
                away[found == own[:, np.newaxis]] = np.inf
            order = np.argsort(away, axis=1, kind="stable")[:, : distances.shape[2]]
            distances[:, code, : order.shape[1]] = np.take_along_axis(away, order, 1)
            rows[:, code, : order.shape[1]] = np.take_along_axis(found, order, 1)


def proportional_sample(
    labels: NDArray[Any], most: int, *, least: int, rng: np.random.Generator
) -> Positions:
    """Return about `most` rows by chance, of each class as large a share as of all.

    How dense each class is tells much; an equal number of rows of each class would
    hide it. Only the smallest classes keep a larger share.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Class of each row.
    most : int
        How many rows are wanted.
    least : int
        Fewest rows of a class, if it has so many: the result may be larger by them.
    rng : Generator
        Where the choice comes from.

    Returns
    -------
    rows : ndarray of int
        Positions, in increasing order.
    """
    n_samples = len(labels)
    if n_samples <= most:
        return np.arange(n_samples)
    codes = np.unique(labels, return_inverse=True)[1]
    shuffled = rng.permutation(n_samples)
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    counts = np.bincount(codes)
    spread = np.arange(most) * n_samples // most
    shares = np.bincount(codes[by_class[spread]], minlength=len(counts))
    quota = np.maximum(shares, np.minimum(counts, least))
    rank = np.arange(n_samples) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[rank < quota[codes[by_class]]])
