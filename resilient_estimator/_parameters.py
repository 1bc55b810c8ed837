"""Read parameters that name columns, or ranges of them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from resilient_estimator.exceptions import parameter_error


def position_of(owner: Any, parameter: str, key: Any, names: Sequence[str]) -> int:
    """Return where the column stands that a parameter names, or gives the place of."""
    if isinstance(key, Integral) and 0 <= int(key) < len(names):
        return int(key)
    if isinstance(key, str) and key in names:
        return list(names).index(key)
    owner = owner if isinstance(owner, str) else type(owner).__name__
    raise ValueError(
        f"The {parameter!r} parameter of {owner} names the column {key!r}, which X "
        f"does not have. Its columns are {list(names)!r}."
    )


def read_range(owner: Any, parameter: str, key: Any, pair: Any) -> tuple[float, float]:
    """Return a (low, high) pair as floats, None meaning no limit on that side."""
    expected = f"a pair (low, high) with low <= high or None, for {key!r}"
    try:
        low, high = pair
        low = -np.inf if low is None else float(low)
        high = np.inf if high is None else float(high)
    except (TypeError, ValueError):
        raise ValueError(parameter_error(owner, parameter, expected, pair)) from None
    if not low <= high:
        raise ValueError(parameter_error(owner, parameter, expected, pair))
    return low, high
