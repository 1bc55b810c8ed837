"""Make the guard that the `guard` parameter of ResilientEstimator stands for."""

from __future__ import annotations

from typing import Any

from resilient_estimator.guards._category import CategoryGuard
from resilient_estimator.guards._outlier import as_guard
from resilient_estimator.guards._range import RangeGuard
from resilient_estimator.guards._union import GuardUnion
from resilient_estimator.protocols import Guard


def make_guard(guard: Any) -> Guard | None:
    """Return the unfitted guard that the parameter of ResilientEstimator stands for."""
    if guard is None:
        return None
    if isinstance(guard, str) and guard == "auto":
        return GuardUnion([RangeGuard(), CategoryGuard()])
    if isinstance(guard, (list, tuple)):
        return as_guard(GuardUnion(list(guard)))
    return as_guard(guard)
