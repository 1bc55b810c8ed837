"""Read queries: their coordinates, sources and predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Counts, Floats, Mask, Positions
from resilient_estimator.tabular._column import Labels, is_missing, label_text
from resilient_estimator.tabular._row_hash import digest, mix
from resilient_estimator.tabular._table import read_table

NO_PREDICTION = -1
ANONYMOUS = "<None>"


class Queries(NamedTuple):
    """Queries in order.

    Attributes
    ----------
    rows : ndarray of float32 of shape (n_samples, n_dims)
        Coordinates.
    hashes : ndarray of uint64 of shape (n_samples,)
        Hashes of the rows; equal rows have the same.
    predictions : ndarray of int64 of shape (n_samples,)
        Hashes of the predicted labels, NO_PREDICTION where there is none.
    """

    rows: NDArray[np.float32]
    hashes: NDArray[np.uint64]
    predictions: Counts

    @classmethod
    def none(cls, n_dims: int) -> Self:
        """Return no queries."""
        rows = np.empty((0, n_dims), dtype=np.float32)
        return cls(rows, np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64))

    @classmethod
    def remembered(cls, state: Mapping[str, Any]) -> Self:
        """Return the queries that the state of a source holds."""
        return cls(state["rows"], state["hashes"], state["predictions"])

    def take(self, places: Any) -> Queries:
        """Return some of the queries."""
        return Queries(self.rows[places], self.hashes[places], self.predictions[places])

    def followed_by(self, others: Queries) -> Queries:
        """Return these queries and others after them."""
        return Queries(
            np.concatenate([self.rows, others.rows]),
            np.concatenate([self.hashes, others.hashes]),
            np.concatenate([self.predictions, others.predictions]),
        )


def hash_coordinates(coordinates: Floats) -> NDArray[np.uint64]:
    """Return a hash of each row.

    Parameters
    ----------
    coordinates : ndarray of float of shape (n_samples, n_coordinates)
        Finite numbers.
    """
    words = (coordinates + 0.0).view(np.uint64)  # there is one zero only
    columns = mix(np.arange(1, words.shape[1] + 1, dtype=np.uint64))
    return np.asarray(mix(words ^ columns).sum(axis=1, dtype=np.uint64))


def first_seen(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> Mask:
    """Return which rows are neither known nor repeat an earlier one."""
    first = np.zeros(len(hashes), dtype=bool)
    first[np.unique(hashes, return_index=True)[1]] = True
    first[(hashes[:, np.newaxis] == known).any(axis=1)] = False
    return first


def source_key(source: Any) -> str:
    """Return the text under which a source is remembered."""
    if isinstance(source, str) and source.startswith("<"):
        return f"<{str(source)!r}>"  # no source can take the key ANONYMOUS
    return ANONYMOUS if is_missing(source) else label_text(source)


def group_by_source(source: Any, n_samples: int) -> list[tuple[Any, Positions]]:
    """Return each source and the positions of its queries, in order of the last query.

    Parameters
    ----------
    source : str, int, None or array-like of shape (n_samples,)
        One source for all queries, or one for each.
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


def hash_predictions(predictions: Any, n_samples: int) -> Counts:
    """Return hashes of predicted labels, NO_PREDICTION where there is none.

    Parameters
    ----------
    predictions : array-like of shape (n_samples,) or None
        Labels.
    n_samples : int
        Number of queries.

    Raises
    ------
    ValueError
        If there is not one prediction per query.
    """
    if predictions is None:
        return np.full(n_samples, NO_PREDICTION)
    codes, texts = _labels(_column("predictions", predictions, n_samples))
    hashes = np.array([*map(digest, texts), NO_PREDICTION], dtype=np.int64)
    return np.asarray(hashes[codes])


def _column(name: str, values: Any, n_samples: int) -> NDArray[Any]:
    column = np.asarray(values, dtype=object)
    if column.shape != (n_samples,):
        raise ValueError(
            f"Expected one value of {name!r} per row, {n_samples} of them. "
            f"Got shape {column.shape} instead."
        )
    return column


def _labels(column: NDArray[Any]) -> Labels:
    table = read_table(column[:, np.newaxis])
    assert table is not None  # noqa: S101  a column of objects always is one
    return table.labels(0)
