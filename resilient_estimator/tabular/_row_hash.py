"""Hash rows and labels, so that equal ones have equal words in any container."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.tabular._column import MISSING
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import Table

Words = NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15  # step of SplitMix64: 2**64 divided by the golden ratio


def digest(text: str) -> int:
    """Return a 63-bit fingerprint of the text of a label."""
    raw = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw, "big") >> 1


def mix(words: Words) -> Words:
    """Return words whose bits depend on all bits of the given ones.

    This is the output function of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def hash_rows(table: Table, places: Sequence[int | None], random_state: int) -> Words:
    """Return one word per row, which depends on the content of its columns.

    Parameters
    ----------
    table : Table
        Rows.
    places : sequence of int or None
        Positions of the columns in the table; None for a column that does not count.
    random_state : int
        Another int gives other words.

    Returns
    -------
    words : ndarray of uint64 of shape (n_samples,)
        Hashes. They do not depend on where columns stand in the table.
    """
    start = mix(np.array([random_state % 2**64], dtype=np.uint64))
    words = np.repeat(start, table.shape[0])
    for i, place in enumerate(places):
        if place is not None:
            words += mix(_column_words(table, place) + column_word(i))
    return mix(words)


def column_word(index: int) -> np.uint64:
    """Return a word that stands for the position of a column."""
    return np.uint64(GOLDEN * (index + 1) % 2**64)


def _column_words(table: Table, index: int) -> Words:
    """Return the cells of a column as words, whatever its container.

    A number has the same word whatever else the column holds: a single label beside it
    would make the column one of labels.
    """
    values = numbers(table, index) + 0.0  # -0.0 becomes 0.0
    is_nan = np.isnan(values)
    values[is_nan] = np.nan  # one bit pattern for all
    words = values.view(np.uint64)
    if table.kind(index) != "numeric":
        codes, texts = table.labels(index)
        known = np.array([*map(digest, texts), 0], dtype=np.uint64)
        is_label = is_nan & (codes != MISSING)
        words[is_label] = known[codes[is_label]]
    return words
