"""Resample training rows within classes, and draw new random states for a refit."""

from __future__ import annotations

from typing import Any

import numpy as np

from resilient_estimator._typing import Mask, Positions

SUBSAMPLE = 0.8


def held_out(codes: Positions, share: float, rng: np.random.Generator) -> Mask:
    """Return which rows to hold out for evaluation, stratified by class.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Class of each row; all 0 for regressors.
    share : float
        Share of each class, rounded down, so that rare classes stay in training.
    rng : numpy Generator
        Source of randomness.
    """
    counts = np.bincount(codes)
    return np.asarray(_rank(codes, rng) < np.floor(share * counts)[codes])


def bootstrap_rows(codes: Positions, rng: np.random.Generator) -> Positions:
    """Draw from each class as many rows as it has, with replacement."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    drawn = (rng.random(len(codes)) * counts[codes]).astype(np.intp)
    return np.asarray(order[starts[codes] + drawn])


def subsample_rows(codes: Positions, rng: np.random.Generator) -> Positions:
    """Draw 80 % of each class without replacement; the order of the rows is kept."""
    counts = np.bincount(codes)
    kept = _rank(codes, rng) < np.ceil(SUBSAMPLE * counts)[codes]
    return np.flatnonzero(kept)


def is_random_state(name: str) -> bool:
    """Return whether a parameter of an estimator is a random state."""
    return name.rsplit("__", maxsplit=1)[-1] == "random_state"


def draw_random_states(
    estimator: Any, rng: np.random.Generator, *, only_unset: bool
) -> dict[str, int]:
    """Return a new value for each `random_state`, including nested ones.

    Parameters
    ----------
    estimator : estimator
        Its parameters are read, not changed.
    rng : numpy Generator
        Source of randomness.
    only_unset : bool
        Whether to skip the parameters that are not None.
    """
    params = estimator.get_params(deep=True)
    names = sorted(
        name
        for name, value in params.items()
        if is_random_state(name) and not (only_unset and value is not None)
    )
    return {name: int(rng.integers(2**31 - 1)) for name in names}


def _rank(codes: Positions, rng: np.random.Generator) -> Positions:
    """Return the rank of each row in a random order of its class."""
    order = np.lexsort((rng.random(len(codes)), codes))
    counts = np.bincount(codes)
    rank = np.empty(len(codes), dtype=np.intp)
    rank[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank
