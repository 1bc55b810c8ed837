"""What single columns usually hold, from rows or from a reference without rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, indexable

from resilient_estimator._typing import Floats
from resilient_estimator.reference import Reference
from resilient_estimator.reference._bins import CategoryBins, NumericBins
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import (
    MISSING,
    Table,
    is_missing,
    label_text,
    read_table,
)

DIGITS = 2  # of a quantile, beyond those that tell the width of the column


class Marginal(NamedTuple):
    """The distribution of the cells of one column that hold a value.

    Parameters
    ----------
    kind : {"numeric", "category", "opaque"}
        What the column holds.
    values : ndarray of shape (n_values,)
        Increasing numbers, or texts of labels, most frequent first.
    shares : ndarray of float of shape (n_values,)
        Share of the cells with each value.
    """

    kind: str
    values: NDArray[Any]
    shares: Floats

    def quantiles(self, levels: Any) -> NDArray[Any]:
        """Return the first values with at least these shares up to them."""
        rank = np.searchsorted(np.cumsum(self.shares), np.asarray(levels) - 1e-9)
        return np.asarray(self.values[np.minimum(rank, len(self.values) - 1)])

    @property
    def width(self) -> float:
        """Interquartile range; that from 2 to 98 % where it is zero; zero if none."""
        low, first, third, high = self.quantiles([0.02, 0.25, 0.75, 0.98])
        with np.errstate(over="ignore"):
            width = float(third - first or high - low)
        return width if np.isfinite(width) else 0.0

    @property
    def usual(self) -> Any:
        """The median, or the most frequent label."""
        return self.values[0] if self.kind == "category" else self.quantiles(0.5)


NOTHING = Marginal("opaque", np.empty(0), np.empty(0))


def learn_marginals(reference: Any, X: Any, places: Iterable[int]) -> list[Marginal]:
    """Return the marginals of some columns of `X`.

    Parameters
    ----------
    reference : Reference, array-like, sparse matrix or data frame
        What `fit` remembers, or rows. Columns are found by name if both have names,
        else by position.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        The rows in question. Where a column of theirs is of an integer type, so are
        its usual values.
    places : iterable of int
        Positions of columns in `X`.

    Raises
    ------
    ValueError
        If `X` or the reference is not a table, or a column of `X` is unknown to it.
    """
    where = _positions(reference, as_table(X))
    if isinstance(reference, Reference):
        learnt = [_from_counts(reference, where[i]) for i in places]
    else:
        rows = as_table(reference)
        learnt = [_from_rows(rows, where[i]) for i in places]
    return [
        _readable(marginal, whole=_holds_integers(X, i))
        for marginal, i in zip(learnt, places, strict=True)
    ]


def _positions(reference: Any, table: Table) -> list[int]:
    """Return where the columns of a table stand in the reference."""
    if isinstance(reference, Reference):
        layout = reference.layout
        names = layout.names if layout.named else None
        n_features = len(layout.columns)
    else:
        rows = as_table(reference)
        names, n_features = rows.names, rows.shape[1]
    if names is None or table.names is None:
        if n_features != table.shape[1]:
            raise ValueError(
                f"X has {table.shape[1]} features, but the reference has {n_features}."
            )
        return list(range(n_features))
    index = {name: i for i, name in enumerate(names)}
    unknown = [name for name in table.names if name not in index]
    if unknown:
        raise ValueError(f"The reference lacks the columns {unknown!r} of X.")
    return [index[name] for name in table.names]


def learnt_from(model: Any, X: Any, reference: Any) -> Any:
    """Return where values come from: what is given, what the model remembers, `X`."""
    if reference is not None:
        return reference
    remembered = getattr(model, "reference_", None)
    known = isinstance(remembered, Reference) and remembered.layout.columns
    return remembered if known else X


def as_table(X: Any) -> Table:
    """Return rows as a Table.

    Raises
    ------
    ValueError
        If they are none.
    """
    table = read_table(X)
    if table is None:
        raise ValueError(
            f"Expected a table of rows. Got {type(X).__name__} instead. Reshape one "
            "row with X.reshape(1, -1); collect a lazy frame first."
        )
    return table


def label_objects(X: Any, index: int) -> dict[str, Any]:
    """Return the labels that a column holds, by their texts."""
    (X,) = indexable(X)
    if isinstance(X, list):
        X = np.array(X, dtype=object)
    column = np.asarray(_safe_indexing(X, index, axis=1), dtype=object)
    distinct = dict.fromkeys(column.ravel().tolist())
    return {label_text(value): value for value in distinct if not is_missing(value)}


def _from_rows(table: Table, index: int) -> Marginal:
    kind = table.kind(index)
    if kind == "numeric":
        values = numbers(table, index)
        values, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        return _marginal(kind, values, counts)
    if kind == "category":
        codes, texts = table.labels(index)
        counts = np.bincount(codes[codes != MISSING], minlength=len(texts))
        return _by_frequency(texts, counts)
    return NOTHING


def _from_counts(reference: Reference, index: int) -> Marginal:
    layout, cells = reference.layout, reference.layout.columns[index]
    start = layout.offsets[index]
    counts = reference.profile.counts[start : start + cells.n_cells]
    if isinstance(cells, NumericBins):
        middles = cells.edges[:-1] / 2 + cells.edges[1:] / 2
        return _marginal("numeric", middles, counts[4:-2])  # bins between two edges
    if isinstance(cells, CategoryBins):
        return _by_frequency(cells.texts, counts[2 : 2 + len(cells.texts)])
    return NOTHING


def _by_frequency(texts: list[str], counts: NDArray[Any]) -> Marginal:
    order = np.argsort(-counts, kind="stable")
    return _marginal("category", np.array(texts, dtype=object)[order], counts[order])


def _marginal(kind: str, values: NDArray[Any], counts: NDArray[Any]) -> Marginal:
    present = counts > 0
    if not present.any():
        return NOTHING
    return Marginal(kind, values[present], counts[present] / counts.sum())


def _readable(marginal: Marginal, *, whole: bool) -> Marginal:
    """Round numbers to what the column may hold, and to digits that one can read."""
    if marginal.kind != "numeric":
        return marginal
    if marginal.width == 0:
        return marginal
    step = 10.0 ** (np.floor(np.log10(marginal.width)) - DIGITS)
    if whole:
        step = max(step, 1.0)
    if step < np.finfo(np.float64).tiny:
        return marginal
    rounded = np.rint(marginal.values / step) * step
    return marginal._replace(
        values=np.round(rounded, max(0, -int(np.rint(np.log10(step)))))
    )


def _holds_integers(X: Any, index: int) -> bool:
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None:
        return getattr(getattr(X, "dtype", None), "kind", "O") in "iub"
    dtype = dtypes.iloc[index] if hasattr(dtypes, "iloc") else dtypes[index]
    return "int" in str(dtype).lower() or "bool" in str(dtype).lower()
