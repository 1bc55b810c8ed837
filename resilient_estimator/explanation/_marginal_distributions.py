"""Marginal distributions of columns, from rows or from a reference without rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator.explanation._value_format import as_table
from resilient_estimator.reference import Reference
from resilient_estimator.reference._bins import CategoryBins, NumericBins
from resilient_estimator.tabular._column import MISSING
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import Table

DIGITS = 2  # of a quantile, beyond the digit that resolves the width of the column


class Marginal(NamedTuple):
    """The distribution of the values of one column, without missing cells.

    Parameters
    ----------
    kind : {"numeric", "category", "opaque"}
        Type of the column; "opaque" if there is no value to compare.
    values : ndarray of shape (n_values,)
        Numbers in increasing order, or texts of labels, most frequent first.
    shares : ndarray of float of shape (n_values,)
        Share of the cells with each value.
    """

    kind: str
    values: NDArray[Any]
    shares: Floats

    def quantiles(self, levels: Any) -> NDArray[Any]:
        """Return the smallest values whose cumulative share reaches the levels."""
        rank = np.searchsorted(np.cumsum(self.shares), np.asarray(levels) - 1e-9)
        return np.asarray(self.values[np.minimum(rank, len(self.values) - 1)])

    @property
    def width(self) -> float:
        """Interquartile range, or the range from 2 % to 98 % if that is zero."""
        q02, q25, q75, q98 = self.quantiles([0.02, 0.25, 0.75, 0.98])
        with np.errstate(over="ignore"):
            width = float(q75 - q25 or q98 - q02)
        return width if np.isfinite(width) else 0.0

    @property
    def typical(self) -> Any:
        """The median, or the most frequent label."""
        return self.values[0] if self.kind == "category" else self.quantiles(0.5)


EMPTY = Marginal("opaque", np.empty(0), np.empty(0))


def find_reference(model: Any, X: Any, reference: Any) -> Any:
    """Return the reference: the given one, the model's own, or `X`."""
    if reference is not None:
        return reference
    own = getattr(model, "reference_", None)
    return own if isinstance(own, Reference) and own.layout.columns else X


def read_marginals(reference: Any, X: Any, positions: Iterable[int]) -> list[Marginal]:
    """Return the marginal distributions of some columns of `X`.

    Parameters
    ----------
    reference : Reference, array-like, sparse matrix or data frame
        What a ResilientEstimator remembers, or rows. Columns are matched by name if
        both have names, else by position.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows. If one of their columns has an integer type, so have its values.
    positions : iterable of int
        Positions of columns in `X`.

    Returns
    -------
    marginals : list of Marginal

    Raises
    ------
    ValueError
        If `X` or the reference is not a table, or the reference lacks a column of `X`.
    """
    found = _match_columns(reference, as_table(X))
    if isinstance(reference, Reference):
        marginals = [_from_counts(reference, found[i]) for i in positions]
    else:
        rows = as_table(reference)
        marginals = [_from_rows(rows, found[i]) for i in positions]
    return [
        _round(marginal, to_integers=_has_integer_type(X, i))
        for marginal, i in zip(marginals, positions, strict=True)
    ]


def _match_columns(reference: Any, table: Table) -> list[int]:
    """Return the position in the reference of each column of a table."""
    names: Sequence[str] | None
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


def _from_rows(table: Table, position: int) -> Marginal:
    kind = table.kind(position)
    if kind == "numeric":
        values = numbers(table, position)
        values, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        return _from_frequencies(kind, values, counts)
    if kind == "category":
        codes, texts = table.labels(position)
        counts = np.bincount(codes[codes != MISSING], minlength=len(texts))
        return _most_frequent_first(texts, counts)
    return EMPTY


def _from_counts(reference: Reference, position: int) -> Marginal:
    layout, bins = reference.layout, reference.layout.columns[position]
    start = layout.offsets[position]
    counts = reference.profile.counts[start : start + bins.n_cells]
    if isinstance(bins, NumericBins):
        middles = bins.edges[:-1] / 2 + bins.edges[1:] / 2
        bounded = counts[4:-2]  # the bins between two edges
        return _from_frequencies("numeric", middles, bounded)
    if isinstance(bins, CategoryBins):
        return _most_frequent_first(bins.texts, counts[2 : 2 + len(bins.texts)])
    return EMPTY


def _most_frequent_first(texts: list[str], counts: NDArray[Any]) -> Marginal:
    order = np.argsort(-counts, kind="stable")
    labels = np.array(texts, dtype=object)
    return _from_frequencies("category", labels[order], counts[order])


def _from_frequencies(
    kind: str, values: NDArray[Any], counts: NDArray[Any]
) -> Marginal:
    present = counts > 0
    if not present.any():
        return EMPTY
    return Marginal(kind, values[present], counts[present] / counts.sum())


def _round(marginal: Marginal, *, to_integers: bool) -> Marginal:
    """Round numbers to what the type of the column allows, and to few digits."""
    if marginal.kind != "numeric" or marginal.width == 0:
        return marginal
    step = 10.0 ** (np.floor(np.log10(marginal.width)) - DIGITS)
    if to_integers:
        step = max(step, 1.0)
    if step < np.finfo(np.float64).tiny:
        return marginal
    rounded = np.rint(marginal.values / step) * step
    n_decimals = max(0, -int(np.rint(np.log10(step))))
    return marginal._replace(values=np.round(rounded, n_decimals))


def _has_integer_type(X: Any, position: int) -> bool:
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None:
        return getattr(getattr(X, "dtype", None), "kind", "O") in "iub"
    dtype = dtypes.iloc[position] if hasattr(dtypes, "iloc") else dtypes[position]
    return "int" in str(dtype).lower() or "bool" in str(dtype).lower()
