"""Which rows, and which seeds, the next retrained model would have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Positions

SUBSAMPLE = 0.8


def held_out(
    codes: Positions, share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which rows to keep for evaluation, about a share of each class.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Class of each row; all 0 for regressors.
    share : float
        Share of each class, rounded down: the rare ones are learnt from.
    rng : numpy Generator
        Source of randomness.
    """
    counts = np.bincount(codes)
    return np.asarray(_rank(codes, rng) < np.floor(share * counts)[codes])


def bootstrap_rows(codes: Positions, rng: np.random.Generator) -> Positions:
    """Draw as many rows with replacement from each class as it has."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    drawn = (rng.random(len(codes)) * counts[codes]).astype(np.intp)
    return np.asarray(order[starts[codes] + drawn])


def subsample_rows(codes: Positions, rng: np.random.Generator) -> Positions:
    """Draw four fifths of each class without replacement, in the order of the rows."""
    counts = np.bincount(codes)
    kept = _rank(codes, rng) < np.ceil(SUBSAMPLE * counts)[codes]
    return np.flatnonzero(kept)


def is_seed(name: str) -> bool:
    """Whether a parameter of an estimator is a seed."""
    return name.rsplit("__", maxsplit=1)[-1] == "random_state"


def seeds_of(
    estimator: Any, rng: np.random.Generator, *, only_free: bool
) -> dict[str, int]:
    """Return a new seed for each `random_state`, nested ones included.

    Parameters
    ----------
    estimator : estimator
        Whose parameters to look at.
    rng : numpy Generator
        Source of randomness.
    only_free : bool
        Whether to leave alone the parameters that are set.
    """
    params = estimator.get_params(deep=True)
    names = sorted(
        name
        for name, value in params.items()
        if is_seed(name) and not (only_free and value is not None)
    )
    return {name: int(rng.integers(2**31 - 1)) for name in names}


def _rank(codes: Positions, rng: np.random.Generator) -> Positions:
    """Return the place of each row in a random order of its class."""
    order = np.lexsort((rng.random(len(codes)), codes))
    counts = np.bincount(codes)
    rank = np.empty(len(codes), dtype=np.intp)
    rank[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank
