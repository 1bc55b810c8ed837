"""Pseudo-random noise that depends on the content of a row, and on nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator.tabular._row_hash import (
    GOLDEN,
    Words,
    column_word,
    hash_rows,
    mix,
)
from resilient_estimator.tabular._table import Table

DRAWS_PER_WORD = 4  # of 16 bits each
N_DRAWS = 1 << 16  # different values of a draw
N_QUANTILES = 1 << 10
DROPPED_BITS = np.uint16(6)  # from a draw to one of the quantiles


class RowNoise:
    """Pseudo-random numbers for the copies of rows.

    A counter-based generator: words are those of SplitMix64 (Steele, Lea and Flood,
    2014), started at a word that depends on the content of the row, on the column and
    on `random_state`. Hence a row has the same noise in any batch, order and container,
    and there is no state.

    Parameters
    ----------
    keys : ndarray of uint64 of shape (n_samples,)
        One word per row.
    n_copies : int
        Number of copies, and so of random numbers, per row.
    """

    def __init__(self, keys: Words, n_copies: int) -> None:
        self._keys = keys
        self._n_copies = n_copies

    @classmethod
    def of(
        cls,
        table: Table,
        places: Sequence[int | None],
        n_copies: int,
        random_state: int,
    ) -> Self:
        """Return the noise of rows, given the positions of the columns that count."""
        return cls(hash_rows(table, places, random_state), n_copies)

    def of_column(self, index: int) -> RowNoise:
        """Return the noise of one column, independent of that of the others."""
        return RowNoise(mix(self._keys + column_word(index)), self._n_copies)

    def mirrored(self, quantiles: Floats) -> Floats:
        """Return numbers of a symmetric distribution, of shape (n_samples, n_copies).

        They come in pairs of opposite sign, which balances the two sides of a row.

        Parameters
        ----------
        quantiles : ndarray of float of shape (1024,)
            Equally likely numbers in increasing order.
        """
        half = quantiles[self._draw(-(-self._n_copies // 2), stream=1) >> DROPPED_BITS]
        return np.concatenate([half, -half], axis=1)[:, : self._n_copies]

    def uniform(self) -> Floats:
        """Return uniform numbers in (0, 1), of shape (n_samples, n_copies)."""
        return np.asarray((self._draw(self._n_copies, stream=2) + 0.5) / N_DRAWS)

    def _draw(self, n_draws: int, stream: int) -> NDArray[np.uint16]:
        """Return uniform integers of shape (n_samples, n_draws)."""
        n_words = -(-n_draws // DRAWS_PER_WORD)
        steps = np.arange(n_words, dtype=np.uint64) + np.uint64(stream << 32)
        words = mix(self._keys[:, np.newaxis] + np.uint64(GOLDEN) * steps)
        return words.view(np.uint16)[:, :n_draws]
