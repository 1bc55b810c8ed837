"""Flag rows with missing, unreadable or out-of-range numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import (
    NON_NEGATIVE,
    Constraints,
    Satisfies,
    check_parameters,
    parameter_error,
    read_limits,
)
from resilient_estimator.guards._base import (
    MISSING_RULE,
    ColumnGuard,
    Finding,
    flags_missing,
)
from resilient_estimator.tabular._table import Table, read_table

LARGEST = np.finfo(np.float64).max
BLOCK_ROWS = 2048
FOLD_ROWS = 32


class RangeGuard(ColumnGuard):
    """Flag rows with missing, unreadable, infinite or out-of-range numbers.

    The range of each numeric column is that of training, widened on both sides by
    `margin` times its width and rounded outwards (ages from 18 to 90 give the range
    from -55 to 165), so that neither minimum nor maximum is kept.

    Parameters
    ----------
    margin : float or None, default=1.0
        How far beyond the training range a value may lie, in units of its width. None:
        no ranges are learnt, and only infinite values and those beyond `limits` are
        flagged.
    limits : dict or None, default=None
        Hard limits such as ``{"age": (10, 150), "miles": (0, None)}``: the smallest and
        the largest value allowed, None for no limit on that side. They replace the
        learnt range of the column. Columns without names are given by position.
    missing : {"auto", "flag", "allow"}, default="auto"
        Whether a missing number is a reason for a flag. "auto" flags it only in columns
        without missing values in training: where there were some, the wrapped
        estimator can handle them.

    Attributes
    ----------
    lower_, upper_ : ndarray of float of shape (n_features,)
        Allowed range of each column; infinite for columns that are not numeric.
    flag_missing_ : ndarray of bool of shape (n_features,)
        Whether a missing value is flagged.
    numeric_ : ndarray of bool of shape (n_features,)
        Which columns are numeric.

    See Also
    --------
    CategoryGuard : The same for labels.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import RangeGuard
    >>> guard = RangeGuard().fit(np.array([[1.0], [2.0], [3.0]]))
    >>> flags = guard.inspect(np.array([[2.5], [np.nan], [40.0], [np.inf]]))
    >>> flags["missing"]
    array([False,  True, False, False])
    >>> flags["out_of_range"]
    array([False, False,  True,  True])
    """

    _constraints: ClassVar[Constraints] = {
        "margin": [NON_NEGATIVE, None],
        "limits": [
            Satisfies(
                lambda value: isinstance(value, Mapping),
                "a dict of column to (lower, upper)",
            ),
            None,
        ],
        "missing": [MISSING_RULE],
    }
    _reasons: ClassVar[tuple[str, ...]] = ("missing", "out_of_range", "unreadable")

    def __init__(
        self,
        *,
        margin: float | None = 1.0,
        limits: Mapping[str | int, tuple[float | None, float | None]] | None = None,
        missing: str = "auto",
    ) -> None:
        self.margin = margin
        self.limits = limits
        self.missing = missing

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the range of every numeric column.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : RangeGuard
            The fitted guard.
        """
        check_parameters(self)
        table = read_table(X)
        self._remember_names(table)
        n_features = len(self.feature_names_)
        self.lower_ = np.full(n_features, -np.inf)
        self.upper_ = np.full(n_features, np.inf)
        self.numeric_ = np.zeros(n_features, dtype=bool)
        self.flag_missing_ = np.zeros(n_features, dtype=bool)
        for index in range(n_features):
            if table is not None and table.kind(index) == "numeric":
                self._learn_column(table, index)
        for key, pair in (self.limits or {}).items():
            self._limit_column(key, pair)
        return self

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows are suspicious, and why.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect. What is not a table gets no flag.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            Masks called "missing", "out_of_range" and "unreadable".
        """
        table = read_table(X) if hasattr(self, "lower_") else None
        if table is None or not self._is_plain(table):
            return super().inspect(X if table is None else table)
        flags = {
            reason: np.zeros(table.shape[0], dtype=bool) for reason in self._reasons
        }
        for start, chosen in _suspicious_cells(table.matrix, self.lower_, self.upper_):
            block = table.matrix[start : start + BLOCK_ROWS, chosen]
            within = (block >= self.lower_[chosen]) & (block <= self.upper_[chosen])
            rows, columns = np.nonzero(~within)
            values = block[rows, columns]
            missing = values != values  # noqa: PLR0124  also for integers
            flags["out_of_range"][start + rows[~missing]] = True
            missing &= self.flag_missing_[chosen[columns]]
            flags["missing"][start + rows[missing]] = True
        return flags

    def all_clear(self, X: Any) -> bool:
        """Return whether no row has a flag; False leaves it open.

        A table of numbers that all lie in their range is cleared without a mask.
        """
        table = read_table(X) if hasattr(self, "lower_") else None
        if table is None or not self._is_plain(table):
            return False
        return not _suspicious_cells(table.matrix, self.lower_, self.upper_)

    def _is_plain(self, table: Table) -> bool:
        """Whether the table is one dense block whose columns stand where they were."""
        if table.matrix is None or table.is_sparse:
            return False
        if self.named_ and table.names is not None:
            return table.names == self.feature_names_
        return table.shape[1] == len(self.feature_names_)

    def _findings(self, table: Table) -> Iterator[Finding]:
        positions = self._positions(table)
        for i, (name, position) in enumerate(
            zip(self.feature_names_, positions, strict=True)
        ):
            if position is None or not self.numeric_[i]:
                continue
            lower, upper = self.lower_[i], self.upper_[i]
            if table.is_sparse:
                yield from self._sparse_findings(table, i, position)
                continue
            values, unreadable, _ = table.numbers(position)
            nothing = np.isnan(values)
            if unreadable is not None:
                yield "unreadable", name, unreadable
                nothing &= ~unreadable
            if self.flag_missing_[i]:
                yield "missing", name, nothing
            yield "out_of_range", name, (values < lower) | (values > upper)

    def _sparse_findings(
        self, table: Table, i: int, position: int
    ) -> Iterator[Finding]:
        """Inspect stored values; zeros are flagged if zero itself is out of range."""
        name = self.feature_names_[i]
        lower, upper = self.lower_[i], self.upper_[i]
        start, stop = table.matrix.indptr[position : position + 2]
        rows, values = table.matrix.indices[start:stop], table.matrix.data[start:stop]
        outside = np.full(table.shape[0], not lower <= 0 <= upper)
        outside[rows] = (values < lower) | (values > upper)
        if outside.any():
            yield "out_of_range", name, outside
        nothing = rows[np.isnan(values)] if values.dtype.kind == "f" else rows[:0]
        if self.flag_missing_[i] and len(nothing):
            missing = np.zeros(table.shape[0], dtype=bool)
            missing[nothing] = True
            yield "missing", name, missing

    def _learn_column(self, table: Table, index: int) -> None:
        values, unreadable, n_zeros = table.numbers(index)
        n_unreadable = 0 if unreadable is None else np.count_nonzero(unreadable)
        n_missing = int(np.count_nonzero(np.isnan(values)) - n_unreadable)
        finite = values[np.isfinite(values)]
        finite = np.append(finite, 0.0) if n_zeros else finite
        self.numeric_[index] = True
        self.lower_[index], self.upper_[index] = -LARGEST, LARGEST
        self.flag_missing_[index] = flags_missing(
            self.missing, seen_in_training=n_missing > 0
        )
        if self.margin is not None and len(finite):
            bounds = _widened(finite.min(), finite.max(), self.margin)
            self.lower_[index], self.upper_[index] = bounds

    def _limit_column(self, key: str | int, pair: Any) -> None:
        index = self._position_of("limits", key)
        lower, upper = read_limits(self, "limits", key, pair)
        if not self.numeric_[index]:
            expected = f"limits of numeric columns only; {key!r} is not numeric"
            raise parameter_error(self, "limits", expected, pair)
        self.lower_[index], self.upper_[index] = (
            max(lower, -LARGEST),
            min(upper, LARGEST),
        )


def _widened(smallest: float, largest: float, margin: float) -> tuple[float, float]:
    """Widen a range and round it outwards to half a digit of its width."""
    with np.errstate(all="ignore"):  # values near 1e308 or 1e-308
        width = (largest - smallest) or abs(smallest) or 1.0
        step = 0.5 * 10.0 ** np.floor(np.log10(width))
        lowest, highest = smallest - margin * width, largest + margin * width
        lower = np.floor(lowest / step) * step
        upper = np.ceil(highest / step) * step
        # The product may be a little larger than the number that was rounded.
        lower -= step * (lower > lowest)
        upper += step * (upper < highest)
    return float(np.nan_to_num(lower, nan=-LARGEST)), float(
        np.nan_to_num(upper, nan=LARGEST)
    )


def _suspicious_cells(
    X: NDArray[Any], lower: Floats, upper: Floats
) -> list[tuple[int, Positions]]:
    """Return the first row and the columns of each block with a bad value.

    The extremes of a block are found along long lines of memory: rows are laid side by
    side before the minimum is taken.
    """
    n_samples, n_features = X.shape
    n_blocks = n_samples // BLOCK_ROWS if n_features and X.flags.c_contiguous else 0
    rest = n_blocks * BLOCK_ROWS
    within = np.empty((n_blocks, n_features), dtype=bool)
    folded = (n_blocks, BLOCK_ROWS // FOLD_ROWS, FOLD_ROWS * n_features)
    for k, lines in enumerate(X[:rest].reshape(folded) if n_blocks else ()):
        least = np.minimum.reduce(lines, axis=0).reshape(FOLD_ROWS, n_features)
        most = np.maximum.reduce(lines, axis=0).reshape(FOLD_ROWS, n_features)
        np.logical_and(least >= lower, most <= upper).all(axis=0, out=within[k])
    suspicious = [
        (k * BLOCK_ROWS, np.flatnonzero(~within[k]))
        for k in np.flatnonzero(~within.all(axis=1)).tolist()
    ]
    for start in range(rest, n_samples, BLOCK_ROWS):
        rows = X[start : start + BLOCK_ROWS]
        inside = (rows >= lower) & (rows <= upper)
        if not inside.all():
            suspicious.append((start, np.flatnonzero(~inside.all(axis=0))))
    return suspicious
