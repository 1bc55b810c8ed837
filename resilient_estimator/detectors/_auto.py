"""The detector that a ResilientEstimator has by default."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from resilient_estimator._validation import parameter_error
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._union import DetectorUnion
from resilient_estimator.protocols import Detector
from resilient_estimator.reference import Reference


def make_detector(detector: Any) -> Any:
    """Return the unfitted detector that the parameter of ResilientEstimator stands for.

    Raises
    ------
    TypeError
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


def fit_detector(
    detector: Any, reference: Reference, X: Any, y: Any
) -> Detector | None:
    """Fit a detector; those that work from counts share the estimator's."""
    if detector is None:
        return None
    if isinstance(detector, DetectorUnion):
        return detector.fit_reference(reference, X, y)
    if isinstance(detector, CountDetector) or hasattr(detector, "fit_reference"):
        return detector.fit_reference(reference)  # type: ignore[no-any-return]
    return detector.fit(X, y)  # type: ignore[no-any-return]
