"""The detector that a ResilientEstimator has by default."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._dependence_drift import DependenceDrift
from resilient_estimator.detectors._feature_drift import FeatureDrift
from resilient_estimator.detectors._flag_drift import FlagDrift
from resilient_estimator.detectors._output_drift import OutputDrift
from resilient_estimator.detectors._union import DetectorUnion
from resilient_estimator.exceptions import parameter_error
from resilient_estimator.protocols import Detector
from resilient_estimator.reference import Reference

# Most of alpha stays with the columns, which most changes touch.
AUTO = (FeatureDrift, 6.0), (OutputDrift, 2.0), (DependenceDrift, 2.0), (FlagDrift, 0.5)


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
        weights = [weight for _, weight in AUTO]
        return DetectorUnion([kind() for kind, _ in AUTO], weights=weights)
    if isinstance(detector, (list, tuple)):
        return DetectorUnion(list(detector))
    if not hasattr(detector, "compare") or isinstance(detector, type):
        expected = "'auto', None, an object with 'fit' and 'compare', or a list of such"
        message = parameter_error("ResilientEstimator", "detector", expected, detector)
        raise TypeError(message)
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
