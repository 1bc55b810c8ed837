"""Soft features: columns that people can change at will, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from resilient_estimator._validation import (
    POSITIVE,
    Constraints,
    Options,
    Satisfies,
    check_argument,
    parameter_error,
    position_of,
)


def _is_list(value: Any) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)


_CONSTRAINTS: Constraints = {
    "cost": [POSITIVE],
    "direction": [Options("up", "down"), None],
    "values": [Satisfies(_is_list, "a list of values"), None],
}


class SoftFeature(NamedTuple):
    """How a column can be changed.

    Parameters
    ----------
    cost : float, default=1.0
        Cost of changing a number by one interquartile range, or a label to another.
    direction : {"up", "down"}, default=None
        Whether numbers can only be increased, or only be decreased.
    values : sequence, default=None
        Values to try. None: 25 quantiles of the reference between 2 % and 98 %, or the
        labels of at least 1 % of its rows.

    Examples
    --------
    >>> from resilient_estimator.explanation import SoftFeature
    >>> SoftFeature(cost=2, direction="down")
    SoftFeature(cost=2, direction='down', values=None)
    """

    cost: float = 1.0
    direction: str | None = None
    values: Sequence[Any] | None = None


def read_soft_features(
    owner: str, soft: Any, names: Sequence[str]
) -> dict[int, SoftFeature]:
    """Return the soft features by position.

    Parameters
    ----------
    owner : str
        The calling function, named in errors.
    soft : mapping of column to cost or SoftFeature, or sequence of columns
        Columns by name or position.
    names : sequence of str
        Names of all columns.
    """
    if not isinstance(soft, Mapping) and not _is_list(soft):
        expected = "a list of columns, or a dict of columns to costs"
        raise parameter_error(owner, "soft", expected, soft)
    if not len(soft):
        raise parameter_error(owner, "soft", "at least one column", soft)
    found = {}
    for column in soft:
        value = soft[column] if isinstance(soft, Mapping) else SoftFeature()
        feature = value if isinstance(value, SoftFeature) else SoftFeature(cost=value)
        for name, constraints in _CONSTRAINTS.items():
            check_argument(feature, name, getattr(feature, name), *constraints)
        found[position_of(owner, "soft", column, names)] = feature
    return found
