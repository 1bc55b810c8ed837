"""Flag rows that lie in regions excluded by the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from resilient_estimator._typing import Mask
from resilient_estimator._validation import parameter_error, read_limits
from resilient_estimator.guards._base import ColumnGuard, Finding
from resilient_estimator.tabular._column import MISSING, label_text
from resilient_estimator.tabular._table import Table, read_table

EXPECTED = "a non-empty dict of column to condition, or a list of them"


class RegionGuard(ColumnGuard):
    """Flag rows in regions where the model is not to be used.

    Parameters
    ----------
    regions : dict or list of dict
        A region is a dict of column to condition. A row lies in it if *all* conditions
        hold, and is excluded if it lies in *any* of the regions. A condition is a tuple
        ``(lower, upper)`` with both ends included and None for an open side, or a set
        of values. A missing value meets no condition. Columns without names are given
        by position.

    Attributes
    ----------
    conditions_ : list of list
        Column positions and conditions of each region.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import RegionGuard
    >>> X = np.array([[20.0, 0.0], [20.0, 1.0], [50.0, 1.0]])
    >>> guard = RegionGuard([{0: (None, 25), 1: {1}}, {0: (90, None)}]).fit(X)
    >>> guard.inspect(X)["excluded"]
    array([False,  True, False])
    """

    _reasons: ClassVar[tuple[str, ...]] = ("excluded",)

    def __init__(
        self, regions: Mapping[str | int, Any] | Sequence[Mapping[str | int, Any]]
    ) -> None:
        self.regions = regions

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Find the columns that the regions name.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Training rows.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : RegionGuard
            The fitted guard.

        Raises
        ------
        ValueError
            If a region names a column that `X` does not have, or a condition is
            neither a range nor a set.
        """
        self._remember_names(read_table(X))
        single = isinstance(self.regions, Mapping)
        regions: Any = [self.regions] if single else self.regions
        if not isinstance(regions, Sequence) or isinstance(regions, str):
            raise parameter_error(self, "regions", EXPECTED, regions)
        self.conditions_ = [self._read_region(region) for region in regions]
        return self

    def _read_region(self, region: Any) -> list[dict[str, Any]]:
        if not isinstance(region, Mapping) or not region:
            raise parameter_error(self, "regions", EXPECTED, region)
        conditions: list[dict[str, Any]] = []
        for key, condition in region.items():
            position = self._position_of("regions", key)
            if isinstance(condition, (set, frozenset, list)):
                labels = sorted(label_text(value) for value in condition)
                conditions.append({"column": position, "labels": labels})
            else:
                lower, upper = read_limits(self, "regions", key, condition)
                conditions.append({"column": position, "lower": lower, "upper": upper})
        return conditions

    def _findings(self, table: Table) -> Iterator[Finding]:
        positions = self._positions(table)
        for conditions in self.conditions_:
            inside = np.ones(table.shape[0], dtype=bool)
            for condition in conditions:
                position = positions[condition["column"]]
                if position is None:
                    inside[:] = False
                    break
                inside &= _meets(table, position, condition)
            names = [self.feature_names_[c["column"]] for c in conditions]
            yield "excluded", " and ".join(names), inside


def _meets(table: Table, position: int, condition: dict[str, Any]) -> Mask:
    if "labels" in condition:
        codes, texts = table.labels(position)
        chosen = np.array([text in condition["labels"] for text in texts], dtype=bool)
        inside = np.append(chosen, False)[codes]
        return np.asarray(inside & (codes != MISSING))
    lower, upper = condition["lower"], condition["upper"]
    if table.is_sparse:
        values = table.matrix[:, [position]].toarray().ravel()
    else:
        values = table.numbers(position).values
    return np.asarray((values >= lower) & (values <= upper))
