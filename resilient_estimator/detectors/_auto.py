"""The detector that a ResilientEstimator has by default."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from resilient_estimator._validation import parameter_error
from resilient_estimator.detectors._union import DetectorUnion


def make_detector(detector: Any) -> Any:
    """Return the unfitted detector that the parameter of ResilientEstimator stands for.

    Raises
    ------
    InvalidParameterError
        If it stands for none.
    """
    if detector is None:
        return None
    if isinstance(detector, str) and detector == "auto":
        return DetectorUnion()
    if isinstance(detector, (list, tuple)):
        return DetectorUnion(list(detector))
    if not hasattr(detector, "compare") or isinstance(detector, type):
        expected = "'auto', None, an object with 'fit' and 'compare', or a list of such"
        raise parameter_error("ResilientEstimator", "detector", expected, detector)
    return clone(detector, safe=False)
