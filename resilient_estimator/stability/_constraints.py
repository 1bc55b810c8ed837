"""Constraints on how columns may be perturbed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import (
    MAPPING,
    check_argument,
    parameter_error,
    position_of,
    read_limits,
)


class PerturbationConstraints:
    """Constraints on the columns: which are fixed, between which limits, which way.

    Parameters
    ----------
    immutable : ndarray of bool of shape (n_features,)
        Columns that stay unchanged.
    limits : ndarray of float of shape (n_features, 2)
        Smallest and largest value that a number may be moved to.
    monotonic_cst : ndarray of float of shape (n_features,)
        1: numbers may only increase, -1: only decrease, 0: both.
    """

    def __init__(self, immutable: Mask, limits: Floats, monotonic_cst: Floats) -> None:
        self.immutable = immutable
        self.limits = limits
        self.monotonic_cst = monotonic_cst

    @classmethod
    def none(cls, n_features: int) -> Self:
        """Return constraints that allow everything."""
        limits = np.tile([-np.inf, np.inf], (n_features, 1))
        return cls(np.zeros(n_features, dtype=bool), limits, np.zeros(n_features))

    @classmethod
    def read(
        cls,
        names: Sequence[str],
        *,
        owner: str,
        immutable: Any = (),
        limits: Mapping[Any, Any] | None = None,
        monotonic_cst: Mapping[Any, int] | None = None,
    ) -> Self:
        """Read constraints whose columns are given by name or position.

        Parameters
        ----------
        names : sequence of str
            Names of the columns.
        owner : str
            Class or function that has the parameters, for error messages.
        immutable : str, int or sequence of these, default=()
            Columns that stay unchanged.
        limits : dict of str or int to (lower, upper), default=None
            Limits of numbers; None instead of a number means no limit on that side.
        monotonic_cst : dict of str or int to {-1, 0, 1}, default=None
            Direction in which a number may move; 0 means both.

        Raises
        ------
        InvalidParameterError
            If a column does not exist, limits or a direction are invalid, or every
            column is immutable.
        """
        check_argument(owner, "limits", limits, MAPPING, None)
        check_argument(owner, "monotonic_cst", monotonic_cst, MAPPING, None)
        constraints = cls.none(len(names))
        for key in _as_sequence(immutable):
            constraints.immutable[position_of(owner, "immutable", key, names)] = True
        if len(names) and constraints.immutable.all():
            expected = "only some of the columns, as at least one must be free to move"
            raise parameter_error(owner, "immutable", expected, immutable)
        for key, pair in (limits or {}).items():
            place = position_of(owner, "limits", key, names)
            constraints.limits[place] = read_limits(owner, "limits", key, pair)
        for key, direction in (monotonic_cst or {}).items():
            place = position_of(owner, "monotonic_cst", key, names)
            if direction not in (-1, 0, 1):
                expected = f"-1, 0 or 1 for {key!r}"
                raise parameter_error(owner, "monotonic_cst", expected, direction)
            constraints.monotonic_cst[place] = direction
        return constraints

    def limits_around(self, i: int, values: Floats) -> tuple[Floats, Floats]:
        """Return the limits of a column, widened to values that exceed them already."""
        lower, upper = self.limits[i]
        return np.fmin(lower, values), np.fmax(upper, values)


def _as_sequence(columns: Any) -> Any:
    if isinstance(columns, (str, Integral)):
        return [columns]
    return () if columns is None else columns
