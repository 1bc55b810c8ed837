"""Whether a row may be answered at all."""

from resilient_estimator._public import publish
from resilient_estimator.guards._category import CategoryGuard
from resilient_estimator.guards._outlier import OutlierGuard
from resilient_estimator.guards._range import RangeGuard
from resilient_estimator.guards._region import RegionGuard
from resilient_estimator.guards._union import GuardUnion

__all__ = [
    "CategoryGuard",
    "GuardUnion",
    "OutlierGuard",
    "RangeGuard",
    "RegionGuard",
]

publish(globals())
