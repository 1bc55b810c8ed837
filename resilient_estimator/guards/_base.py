"""What all guards have in common, and those that inspect single columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Mask
from resilient_estimator._validation import (
    Options,
    position_of,
)
from resilient_estimator.protocols import HeldOutPredictions
from resilient_estimator.tabular._rows import count_rows
from resilient_estimator.tabular._table import (
    Table,
    column_names,
    container_of,
    read_table,
)

Finding = tuple[str, str, Mask]

MISSING_RULE = Options("auto", "flag", "allow")


class ColumnGuard(BaseEstimator):
    """A guard that flags a row because of its value in one column.

    Subclasses yield in `_findings` which rows they flag, column by column.
    """

    takes_table: ClassVar[bool] = True
    _reasons: ClassVar[tuple[str, ...]]

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows are suspicious, and why.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect. What is not a table of the right width gets no flag: the
            wrapped estimator raises its own error.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask per reason.
        """
        if not hasattr(self, "feature_names_"):  # far cheaper than the check itself
            check_is_fitted(self)
        table = read_table(X)
        n_samples = count_rows(X) if table is None else table.shape[0]
        flags = {reason: np.zeros(n_samples, dtype=bool) for reason in self._reasons}
        if table is not None:
            for reason, _, mask in self._findings(table):
                flags[reason] |= mask
        return flags

    def explain(self, X: Any) -> dict[str, dict[str, int]]:
        """Count the flagged rows per reason and column.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect.

        Returns
        -------
        counts : dict of str to dict of str to int
            Reason, column, number of rows; only what occurs.
        """
        check_is_fitted(self)
        table = read_table(X)
        counts: dict[str, dict[str, int]] = {}
        for reason, name, mask in self._findings(table) if table is not None else ():
            if mask.any():
                counts.setdefault(reason, {})[name] = int(np.count_nonzero(mask))
        return counts

    def _findings(self, table: Table) -> Iterator[Finding]:
        raise NotImplementedError

    def _remember_names(self, table: Table | None) -> None:
        self.feature_names_ = [] if table is None else column_names(table)
        self.named_ = table is not None and table.names is not None

    def _positions(self, table: Table) -> list[int | None]:
        return table.positions(self.feature_names_, named=self.named_)

    def _position_of(self, parameter: str, key: str | int) -> int:
        """Return the position of a column that a parameter names."""
        return position_of(self, parameter, key, self.feature_names_)


def fit_guard(
    guard: Any,
    X: Any,
    y: Any,
    *,
    model: Any = None,
    out_of_fold: HeldOutPredictions | None = None,
) -> None:
    """Fit a guard to rows, or to rows and the predictions of a fitted model."""
    rows = rows_for(guard, X)
    if model is not None and hasattr(guard, "fit_model"):
        guard.fit_model(model, rows, y, out_of_fold)
    else:
        guard.fit(rows, y)


def inspect_training(guard: Any, X: Any) -> Mapping[str, Mask]:
    """Return the masks of the rows that a guard was fitted to, as if they were new."""
    inspect = getattr(guard, "inspect_training", guard.inspect)
    return inspect(rows_for(guard, X))  # type: ignore[no-any-return]


def is_clear(guard: Any, X: Any) -> bool:
    """Return whether a guard can rule out at once that any row has a flag."""
    return hasattr(guard, "all_clear") and bool(guard.all_clear(rows_for(guard, X)))


def explain_flags(guard: Any, X: Any) -> Mapping[str, Mapping[str, int]]:
    """Return flagged rows per reason and column, where a guard knows them."""
    if not hasattr(guard, "explain"):
        return {}
    return guard.explain(rows_for(guard, X))  # type: ignore[no-any-return]


def rows_for(guard: Any, X: Any) -> Any:
    """Return what a guard is given of X: the table if it takes it, else the rows."""
    return X if getattr(guard, "takes_table", False) else container_of(X)


def flags_missing(rule: str, *, seen_in_training: bool) -> bool:
    """Return whether a missing value in a column is a reason for a flag."""
    return rule == "flag" or (rule == "auto" and not seen_in_training)
