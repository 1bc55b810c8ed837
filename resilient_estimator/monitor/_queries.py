"""Read queries: where they lie, who sent them, what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.tabular._row_hash import digest, mix
from resilient_estimator.tabular._table import (
    is_missing,
    label_text,
    read_table,
)

NO_ANSWER = -1
NOBODY = "<None>"


class Queries(NamedTuple):
    """Queries in order.

    Attributes
    ----------
    rows : ndarray of float32 of shape (n_samples, n_dims)
        Coordinates.
    prints : ndarray of uint64 of shape (n_samples,)
        Fingerprints.
    answers : ndarray of int64 of shape (n_samples,)
        Fingerprints of the answers, NO_ANSWER where there is none.
    """

    rows: NDArray[np.float32]
    prints: NDArray[np.uint64]
    answers: NDArray[np.int64]

    @classmethod
    def none(cls, n_dims: int) -> Self:
        """Return no queries."""
        rows = np.empty((0, n_dims), dtype=np.float32)
        return cls(rows, np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64))

    @classmethod
    def remembered(cls, state: Mapping[str, Any]) -> Self:
        """Return those that are kept under the names of the attributes."""
        return cls(state["rows"], state["prints"], state["answers"])

    def take(self, places: Any) -> Queries:
        """Return some of the queries."""
        return Queries(self.rows[places], self.prints[places], self.answers[places])

    def followed_by(self, others: Queries) -> Queries:
        """Return these queries and others after them."""
        return Queries(
            np.concatenate([self.rows, others.rows]),
            np.concatenate([self.prints, others.prints]),
            np.concatenate([self.answers, others.answers]),
        )


def fingerprints(coordinates: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return a word per row by which an equal row is told.

    Parameters
    ----------
    coordinates : ndarray of float of shape (n_samples, n_coordinates)
        Finite numbers.
    """
    words = (coordinates + 0.0).view(np.uint64)  # there is one zero only
    columns = mix(np.arange(1, words.shape[1] + 1, dtype=np.uint64))
    return np.asarray(mix(words ^ columns).sum(axis=1, dtype=np.uint64))


def first_seen(
    prints: NDArray[np.uint64], known: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Return which rows are neither known nor repeat an earlier one."""
    first = np.zeros(len(prints), dtype=bool)
    first[np.unique(prints, return_index=True)[1]] = True
    first[(prints[:, np.newaxis] == known).any(axis=1)] = False
    return first


def source_key(source: Any) -> str:
    """Return the text under which a source is remembered."""
    if isinstance(source, str) and source.startswith("<"):
        return f"<{str(source)!r}>"  # nobody can call himself NOBODY
    return NOBODY if is_missing(source) else label_text(source)


def group_by_source(source: Any, n_samples: int) -> list[tuple[Any, NDArray[np.intp]]]:
    """Return each source and where its queries are; who asked last comes last.

    Parameters
    ----------
    source : str, int, None or array-like of shape (n_samples,)
        Who asks, one for all queries or one each.
    n_samples : int
        Number of queries.

    Raises
    ------
    ValueError
        If there is not one source per query.
    """
    column = np.asarray(source, dtype=object)
    if column.ndim == 0:
        column = np.full(n_samples, column)
    column = _column("source", column, n_samples)
    if n_samples == 0:
        return []
    codes, _ = _labels(np.frompyfunc(source_key, 1, 1)(column))
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order])) + 1
    groups = sorted(np.split(order, starts), key=lambda places: int(places[-1]))
    return [(column[places[0]], places) for places in groups]


def read_answers(answers: Any, n_samples: int) -> NDArray[np.int64]:
    """Return fingerprints of labels, NO_ANSWER where there is none.

    Parameters
    ----------
    answers : array-like of shape (n_samples,) or None
        Labels.
    n_samples : int
        Number of queries.

    Raises
    ------
    ValueError
        If there is not one answer per query.
    """
    if answers is None:
        return np.full(n_samples, NO_ANSWER)
    codes, texts = _labels(_column("answers", answers, n_samples))
    words = np.array([*map(digest, texts), NO_ANSWER], dtype=np.int64)
    return np.asarray(words[codes])


def _column(name: str, values: Any, n_samples: int) -> NDArray[Any]:
    column = np.asarray(values, dtype=object)
    if column.shape != (n_samples,):
        raise ValueError(
            f"Expected one value of {name!r} per row, {n_samples} of them. "
            f"Got shape {column.shape} instead."
        )
    return column


def _labels(column: NDArray[Any]) -> tuple[NDArray[np.intp], list[str]]:
    table = read_table(column[:, np.newaxis])
    assert table is not None  # noqa: S101  a column of objects always is one
    return table.labels(0)
