"""Flag rows with missing labels, or labels that training did not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from resilient_estimator._validation import (
    COUNT,
    Constraints,
    Options,
    check_parameters,
)
from resilient_estimator.guards._base import (
    MISSING_RULE,
    ColumnGuard,
    Finding,
    flags_missing,
)
from resilient_estimator.reference._bins import CategoryBins
from resilient_estimator.tabular._column import MISSING
from resilient_estimator.tabular._table import Table, read_table

OPEN_ENDED_SHARE = 0.01


class CategoryGuard(ColumnGuard):
    """Flag rows with unseen or missing labels.

    Labels of at least `min_count` training rows are kept as text, rarer ones only as
    fingerprints.

    Parameters
    ----------
    unseen : {"auto", "flag"}, default="auto"
        "auto" does not flag unseen labels in open-ended columns, such as identifiers or
        free text: those where more than 1 % of the training rows have a label that no
        other row has, so that new labels are to be expected (Good 1953).
    missing : {"auto", "flag", "allow"}, default="auto"
        Whether a missing label is a reason for a flag. "auto" flags it only in columns
        without missing values in training.
    min_count : int, default=10
        Fewest training rows for which a label is kept as text.

    Attributes
    ----------
    columns_ : list of int
        Positions of the category columns.
    bins_ : list of CategoryBins
        Labels known in each of them.
    open_ended_ : list of bool
        Whether unseen labels are to be expected in the column.
    flag_missing_ : list of bool
        Whether a missing label is flagged.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import CategoryGuard
    >>> X = np.array([["red"], ["blue"], ["red"], ["blue"]], dtype=object)
    >>> guard = CategoryGuard().fit(X)
    >>> guard.inspect(np.array([["red"], ["green"], [None]], dtype=object))["unseen"]
    array([False,  True, False])
    """

    _constraints: ClassVar[Constraints] = {
        "unseen": [Options("auto", "flag")],
        "missing": [MISSING_RULE],
        "min_count": [COUNT],
    }
    _reasons: ClassVar[tuple[str, ...]] = ("missing", "unseen")

    def __init__(
        self, *, unseen: str = "auto", missing: str = "auto", min_count: int = 10
    ) -> None:
        self.unseen = unseen
        self.missing = missing
        self.min_count = min_count

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the labels of every category column.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Training rows.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : CategoryGuard
            The fitted guard.
        """
        check_parameters(self)
        table = read_table(X)
        self._remember_names(table)
        self.columns_: list[int] = []
        self.bins_: list[CategoryBins] = []
        self.open_ended_: list[bool] = []
        self.flag_missing_: list[bool] = []
        for index in range(len(self.feature_names_)):
            if table is not None and table.kind(index) == "category":
                self._learn_column(table, index)
        return self

    def all_clear(self, X: Any) -> bool:  # noqa: ARG002
        """Return whether no row has a flag: only where there are no labels."""
        return not getattr(self, "columns_", [None])

    def _learn_column(self, table: Table, index: int) -> None:
        name = self.feature_names_[index]
        limit = table.shape[0]
        bins, counts = CategoryBins.learn(name, table, index, limit, self.min_count)
        n_once = int(np.count_nonzero(counts[2:] == 1))
        open_ended = n_once > max(OPEN_ENDED_SHARE * counts[1:].sum(), 1)
        if self.unseen == "auto" and open_ended:
            bins = CategoryBins(name, [], np.empty(0, dtype=np.int64))
        self.columns_.append(index)
        self.bins_.append(bins)
        self.open_ended_.append(bool(open_ended))
        seen = bool(counts[0])
        self.flag_missing_.append(flags_missing(self.missing, seen_in_training=seen))

    def _findings(self, table: Table) -> Iterator[Finding]:
        if not self.columns_:
            return
        positions = self._positions(table)
        for index, bins, open_ended, flag_missing in zip(
            self.columns_,
            self.bins_,
            self.open_ended_,
            self.flag_missing_,
            strict=True,
        ):
            position = positions[index]
            if position is None:
                continue
            codes, texts = table.labels(position)
            if flag_missing:
                yield "missing", bins.name, codes == MISSING
            if self.unseen == "flag" or not open_ended:
                unseen = np.append(bins.cell_of(texts) == 1, False)
                yield "unseen", bins.name, unseen[codes]
