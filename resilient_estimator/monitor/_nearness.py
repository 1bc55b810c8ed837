"""How near a query comes to earlier ones, and how near it would by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from resilient_estimator._typing import Floats

N_DISTANCES = 2048
N_PER_STREAM = 16
SMALLEST = 4  # shorter memories are judged as if they were of this length
ROUNDING = 1 + 1e-6  # distances that differ by less are the same


def nearness(distances: Floats, n_neighbors: int) -> Floats:
    """Return the mean of the least distances of each row; infinite if there are few.

    Parameters
    ----------
    distances : ndarray of float of shape (n_samples, n_earlier)
        To earlier rows.
    n_neighbors : int
        How many of them.
    """
    lacking = n_neighbors - distances.shape[1]
    if lacking > 0:
        distances = np.pad(distances, ((0, 0), (0, lacking)), constant_values=np.inf)
    nearest = np.partition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]
    return np.asarray(nearest.mean(axis=1))


def learn_nearness(
    rows: NDArray[np.float32],
    prints: NDArray[np.uint64],
    *,
    longest: int,
    n_neighbors: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], list[Floats]]:
    """Return how near rows come to memories of several lengths in streams of them.

    There are no more distances than distinct rows: how near the nearest of a thousand
    rows comes cannot be learnt from a hundred.

    Parameters
    ----------
    rows : ndarray of float32 of shape (n_samples, n_dims)
        Coordinates of training rows.
    prints : ndarray of uint64 of shape (n_samples,)
        By which equal rows are told.
    longest : int
        Longest memory.
    n_neighbors : int
        Number of nearest earlier rows.
    rng : Generator
        Which streams are drawn.

    Returns
    -------
    lengths : ndarray of int
        Increasing lengths of memories; the last is no longer than `longest`, and than
        the streams of distinct rows are.
    reference : list of ndarray of float
        Increasing distances, for each length.
    """
    n_distances = min(N_DISTANCES, len(np.unique(prints)))
    n_streams = max(-(-n_distances // N_PER_STREAM), 1)
    span = min(4 * (longest + N_PER_STREAM), len(rows))
    streams = [_stream(prints, span, rng) for _ in range(n_streams)]
    shortest = min(map(len, streams))
    n_asked = min(N_PER_STREAM, shortest // 5)
    bound = max(min(longest, shortest - n_asked), 1)
    doubled = SMALLEST * 2 ** np.arange(int(np.log2(bound)))
    lengths = np.append(doubled[doubled < bound], bound)
    return lengths, [
        np.sort(
            [
                nearness(cdist(rows[s[n : n + n_asked]], rows[s[:n]]), n_neighbors)
                for s in streams
            ],
            axis=None,
        )
        for n in lengths
    ]


def _stream(
    prints: NDArray[np.uint64], span: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return rows in random order, each the first time that it occurs."""
    rows = rng.choice(len(prints), span, replace=False)
    first = np.unique(prints[rows], return_index=True)[1]
    return np.asarray(rows[np.sort(first)])


def nearness_pvalues(
    near: Floats,
    n_earlier: NDArray[np.intp],
    lengths: NDArray[np.intp],
    reference: list[Floats],
) -> Floats:
    """Return how often rows would come as near to a memory that is at least as long.

    Parameters
    ----------
    near : ndarray of float of shape (n_samples,)
        Mean distance of each row to the nearest earlier ones.
    n_earlier : ndarray of int of shape (n_samples,)
        How many earlier rows are remembered, at most the last of `lengths`.
    lengths, reference
        As `learn_nearness` returns.
    """
    which = np.searchsorted(lengths, n_earlier)
    pvalues = np.ones(len(near))
    for i in np.unique(which):
        rows = which == i
        n_nearer = np.searchsorted(reference[i], near[rows] * ROUNDING, side="right")
        pvalues[rows] = (1 + n_nearer) / (1 + len(reference[i]))
    return pvalues
