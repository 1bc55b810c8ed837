"""Nearest reference rows of each class, and a stratified sample of reference rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.statistics._conformal_pvalues import DECIMALS

FAR = 1e6  # distance to a class without rows
CELLS_AT_ONCE = 2_000_000


class Neighbours(NamedTuple):
    """The nearest rows of each class.

    Attributes
    ----------
    distances : ndarray of float of shape (n_samples, n_classes, k)
        Increasing distances; infinite where a class has fewer than `k` rows.
    rows : ndarray of int of shape (n_samples, n_classes, k)
        Positions of the rows in the reference.
    """

    distances: Floats
    rows: Positions

    @property
    def of_class(self) -> Floats:
        """Mean distance to the rows of each class, of shape (n_samples, n_classes)."""
        exists = np.isfinite(self.distances)
        total = np.where(exists, self.distances, 0.0).sum(axis=2)
        count = exists.sum(axis=2)
        return np.where(count > 0, total / np.maximum(count, 1), FAR)

    def nearest(self, k: int) -> Floats:
        """Return the mean distance to the `k` nearest rows of any class."""
        pooled = np.sort(self.distances.reshape(len(self.distances), -1), axis=1)[:, :k]
        return np.asarray(np.where(np.isfinite(pooled), pooled, FAR).mean(axis=1))


class ClassNeighbours:
    """Look up the nearest reference points of each class.

    Matrix products of bounded size choose candidates, whose distances are then computed
    without cancellation. With more than a few dimensions a search tree has no
    advantage, and scikit-learn's trees count their queries: a query would change them.

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
        self.starts = np.searchsorted(codes[self.order], np.arange(n_classes + 1))

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
            Positions of the points themselves in the reference, to be left out.
        """
        shape = (len(points), len(self.starts) - 1, k)
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
        k = distances.shape[2]
        n_candidates = k + (own is not None)
        for code in range(len(self.starts) - 1):
            start, stop = self.starts[code : code + 2]
            n_found = min(n_candidates, stop - start)
            if n_found == 0:
                continue
            candidates = start + _largest(nearness[:, start:stop], n_found)
            differences = points[:, np.newaxis] - self.points[candidates]
            apart = np.sqrt(np.einsum("ijk,ijk->ij", differences, differences))
            candidates = self.order[candidates]
            if own is not None:
                apart[candidates == own[:, np.newaxis]] = np.inf
            order = np.argsort(apart, axis=1, kind="stable")[:, :k]
            found = order.shape[1]
            distances[:, code, :found] = np.take_along_axis(apart, order, 1)
            rows[:, code, :found] = np.take_along_axis(candidates, order, 1)


def _largest(values: Floats, n: int) -> Positions:
    """Return the positions of the `n` largest values in each row, in no order."""
    return np.argpartition(values, values.shape[1] - n, axis=1)[:, -n:]


def stratified_sample(
    labels: NDArray[Any],
    n_rows: int,
    *,
    min_per_class: int,
    rng: np.random.Generator,
) -> Positions:
    """Draw about `n_rows` rows at random, with each class in its proportion.

    The density of each class matters, and equally many rows of each class would hide
    it. Only the smallest classes keep a larger share.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Class of each row.
    n_rows : int
        Number of rows to draw.
    min_per_class : int
        Fewest rows of a class, if it has as many: the result may be larger by them.
    rng : Generator
        Source of randomness.

    Returns
    -------
    rows : ndarray of int
        Increasing positions.
    """
    n_samples = len(labels)
    if n_samples <= n_rows:
        return np.arange(n_samples)
    codes = np.unique(labels, return_inverse=True)[1]
    shuffled = rng.permutation(n_samples)
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    counts = np.bincount(codes)
    spread = np.arange(n_rows) * n_samples // n_rows
    shares = np.bincount(codes[by_class[spread]], minlength=len(counts))
    quota = np.maximum(shares, np.minimum(counts, min_per_class))
    rank = np.arange(n_samples) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[rank < quota[codes[by_class]]])
