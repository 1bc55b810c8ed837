"""Distance of a query to its nearest earlier ones, and its p-value among usual rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from resilient_estimator._typing import Floats, Positions

N_DISTANCES = 2048
N_PER_STREAM = 16
SHORTEST = 4  # shorter memories are treated as if they were of this length
ROUNDING = 1 + 1e-6  # distances that differ by less are equal


def neighbour_distances(distances: Floats, n_neighbors: int) -> Floats:
    """Return the mean of the least distances of each row; infinite if there are few.

    Parameters
    ----------
    distances : ndarray of float of shape (n_samples, n_earlier)
        Distances to earlier rows.
    n_neighbors : int
        Number of nearest earlier rows.
    """
    lacking = n_neighbors - distances.shape[1]
    if lacking > 0:
        distances = np.pad(distances, ((0, 0), (0, lacking)), constant_values=np.inf)
    nearest = np.partition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]
    return np.asarray(nearest.mean(axis=1))


def learn_distances(
    rows: NDArray[np.float32],
    hashes: NDArray[np.uint64],
    *,
    longest: int,
    n_neighbors: int,
    rng: np.random.Generator,
) -> tuple[Positions, list[Floats]]:
    """Return distances in random streams of rows, for memories of several lengths.

    There are no more distances than distinct rows: a hundred rows cannot show how near
    the nearest of a thousand comes.

    Parameters
    ----------
    rows : ndarray of float32 of shape (n_samples, n_dims)
        Coordinates of training rows.
    hashes : ndarray of uint64 of shape (n_samples,)
        Hashes of the rows; equal rows have the same.
    longest : int
        Longest memory.
    n_neighbors : int
        Number of nearest earlier rows.
    rng : Generator
        Source of the random streams.

    Returns
    -------
    lengths : ndarray of int of shape (n_lengths,)
        Increasing lengths of memories. The last is at most `longest`, and shorter than
        a stream of distinct rows.
    reference : list of ndarray of float
        Increasing distances, for each length.
    """
    n_distances = min(N_DISTANCES, len(np.unique(hashes)))
    n_streams = max(-(-n_distances // N_PER_STREAM), 1)
    span = min(4 * (longest + N_PER_STREAM), len(rows))
    streams = [_random_stream(hashes, span, rng) for _ in range(n_streams)]
    shortest = min(map(len, streams))
    n_queries = min(N_PER_STREAM, shortest // 5)
    lengths = _doubled_lengths(max(min(longest, shortest - n_queries), 1))
    reference = []
    for n in lengths:
        parts = [
            cdist(rows[stream[n : n + n_queries]], rows[stream[:n]])
            for stream in streams
        ]
        distances = [neighbour_distances(part, n_neighbors) for part in parts]
        reference.append(np.sort(distances, axis=None))
    return lengths, reference


def _random_stream(
    hashes: NDArray[np.uint64], span: int, rng: np.random.Generator
) -> Positions:
    """Return rows in random order, each at its first occurrence only."""
    rows = rng.choice(len(hashes), span, replace=False)
    first = np.unique(hashes[rows], return_index=True)[1]
    return np.asarray(rows[np.sort(first)])


def _doubled_lengths(longest: int) -> Positions:
    """Return doubling lengths from the shortest on, and the longest."""
    doubled = SHORTEST * 2 ** np.arange(int(np.log2(longest)))
    return np.append(doubled[doubled < longest], longest)


def distance_pvalues(
    distances: Floats, n_earlier: Positions, lengths: Positions, reference: list[Floats]
) -> Floats:
    """Return how often usual rows come as near to a memory that is at least as long.

    Parameters
    ----------
    distances : ndarray of float of shape (n_samples,)
        Mean distance of each row to its nearest earlier ones.
    n_earlier : ndarray of int of shape (n_samples,)
        Number of earlier rows that are remembered, at most the last of `lengths`.
    lengths : ndarray of int of shape (n_lengths,)
        Increasing lengths of memories.
    reference : list of ndarray of float
        Increasing distances, for each length.

    Returns
    -------
    pvalues : ndarray of float of shape (n_samples,)
        In (0, 1].
    """
    index = np.searchsorted(lengths, n_earlier)
    pvalues = np.ones(len(distances))
    for i in np.unique(index):
        rows, usual = index == i, reference[i]
        n_nearer = np.searchsorted(usual, distances[rows] * ROUNDING, side="right")
        pvalues[rows] = (1 + n_nearer) / (1 + len(usual))
    return pvalues
