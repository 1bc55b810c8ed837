"""What may not move, or not everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator._validation import parameter_error, position_of, read_limits


class Constraints:
    """Which columns stay, within which bounds numbers move, and in which direction.

    Parameters
    ----------
    immutable : ndarray of bool of shape (n_features,)
        Columns that stay as they are.
    bounds : ndarray of float of shape (n_features, 2)
        Least and largest value of a number.
    direction : ndarray of float of shape (n_features,)
        1: only upwards, -1: only downwards, 0: both.
    """

    def __init__(
        self, immutable: NDArray[np.bool_], bounds: Floats, direction: Floats
    ) -> None:
        self.immutable = immutable
        self.bounds = bounds
        self.direction = direction

    @classmethod
    def none(cls, n_features: int) -> Self:
        """Return constraints that allow everything."""
        bounds = np.tile([-np.inf, np.inf], (n_features, 1))
        return cls(np.zeros(n_features, dtype=bool), bounds, np.zeros(n_features))

    @classmethod
    def read(
        cls,
        names: Sequence[str],
        *,
        owner: str,
        immutable: Any = (),
        bounds: Mapping[Any, Any] | None = None,
        monotone: Mapping[Any, int] | None = None,
    ) -> Self:
        """Read constraints that name columns, or give their positions.

        Raises
        ------
        ValueError
            If a column does not exist, a pair of bounds is none, a direction is neither
            1 nor -1, or every column is immutable.
        """
        constraints = cls.none(len(names))
        for name, value in (("bounds", bounds), ("monotone", monotone)):
            if value is not None and not isinstance(value, Mapping):
                expected = "a dict from columns, or None"
                raise parameter_error(owner, name, expected, value)
        if isinstance(immutable, (str, Integral)):
            immutable = [immutable]
        for key in () if immutable is None else immutable:
            constraints.immutable[position_of(owner, "immutable", key, names)] = True
        for key, pair in (bounds or {}).items():
            place = position_of(owner, "bounds", key, names)
            constraints.bounds[place] = read_limits(owner, "bounds", key, pair)
        for key, direction in (monotone or {}).items():
            if direction not in (1, -1):
                expected = f"1 or -1 for {key!r}"
                raise parameter_error(owner, "monotone", expected, direction)
            place = position_of(owner, "monotone", key, names)
            constraints.direction[place] = direction
        if len(names) and constraints.immutable.all():
            expected = "some of the columns: nothing is left that could move"
            raise parameter_error(owner, "immutable", expected, immutable)
        return constraints

    def bounds_about(self, i: int, values: Floats) -> tuple[Floats, Floats]:
        """Return the bounds of a column, widened where a row is beyond them already."""
        low, high = self.bounds[i]
        return np.fmin(low, values), np.fmax(high, values)
