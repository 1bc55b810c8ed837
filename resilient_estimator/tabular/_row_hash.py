"""Noise that follows from what stands in a row, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import MISSING, Table, digest

Words = NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15
PER_WORD = 4  # numbers of 16 bits in a word
N_STEPS = 1 << 16
N_QUANTILES = 1 << 10
DROPPED_BITS = np.uint16(6)


class RowNoise:
    """Pseudo-random numbers for copies of rows.

    A counter-based generator: the words are those of SplitMix64 (Steele, Lea and Flood,
    2014) at a place given by the row's content, the column and the seed. So a row has
    the same noise in any batch, order and container, and nothing has a state.

    Parameters
    ----------
    keys : ndarray of uint64 of shape (n_samples,)
        One per row.
    n_copies : int
        How many numbers per row.
    """

    def __init__(self, keys: Words, n_copies: int) -> None:
        self._keys = keys
        self._n_copies = n_copies

    @classmethod
    def of(
        cls, table: Table, places: Sequence[int | None], n_copies: int, seed: int
    ) -> Self:
        """Return the noise of rows, from the columns that stand at the places."""
        start = mix(np.array([seed % 2**64], dtype=np.uint64))
        keys = np.repeat(start, table.shape[0])
        for i, place in enumerate(places):
            if place is not None:
                keys += mix(_bits(table, place) + _place(i))
        return cls(mix(keys), n_copies)

    def of_column(self, index: int) -> RowNoise:
        """Return the noise of one column, independent of that of the others."""
        return RowNoise(mix(self._keys + _place(index)), self._n_copies)

    def mirrored(self, quantiles: Floats) -> Floats:
        """Return numbers of a symmetric distribution, of shape (n_samples, n_copies).

        Each comes with its negative, which evens out the two sides of the row.

        Parameters
        ----------
        quantiles : ndarray of float of shape (1024,)
            Equally likely numbers in increasing order.
        """
        half = quantiles[self._draw(-(-self._n_copies // 2), salt=1) >> DROPPED_BITS]
        return np.concatenate([half, -half], axis=1)[:, : self._n_copies]

    def uniform(self) -> Floats:
        """Return numbers in (0, 1) of shape (n_samples, n_copies)."""
        return np.asarray((self._draw(self._n_copies, salt=2) + 0.5) / N_STEPS)

    def _draw(self, n_draws: int, salt: int) -> NDArray[np.uint16]:
        n_words = -(-n_draws // PER_WORD)
        steps = np.arange(n_words, dtype=np.uint64) + np.uint64(salt << 32)
        words = mix(self._keys[:, np.newaxis] + np.uint64(GOLDEN) * steps)
        return words.view(np.uint16)[:, :n_draws]


def _place(index: int) -> np.uint64:
    """Return where the words of a column start."""
    return np.uint64(GOLDEN * (index + 1) % 2**64)


def mix(words: Words) -> Words:
    """Return words whose bits depend on all bits of the given ones."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _bits(table: Table, index: int) -> Words:
    """Return what stands in a column as words, whatever its container.

    A number has the same word whatever else stands in the column: one label beside it
    makes the column one of labels.
    """
    values = numbers(table, index) + 0.0  # there is one zero only
    unread = np.isnan(values)
    values[unread] = np.nan  # and one missing value
    words = values.view(np.uint64)
    if table.kind(index) != "numeric":
        codes, texts = table.labels(index)
        known = np.array([*map(digest, texts), 0], dtype=np.uint64)
        labelled = unread & (codes != MISSING)
        words[labelled] = known[codes[labelled]]
    return words
