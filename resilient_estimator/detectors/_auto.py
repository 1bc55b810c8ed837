"""The detector that a ResilientEstimator has by default."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from resilient_estimator.detectors._feature_drift import FeatureDrift
from resilient_estimator.exceptions import parameter_error
from resilient_estimator.protocols import Detector
from resilient_estimator.reference import Reference


def fit_detector(
    detector: Any, reference: Reference, X: Any, y: Any
) -> Detector | None:
    """Return the fitted detector that the parameter of ResilientEstimator stands for.

    Detectors that work from counts share the estimator's; others see the rows.
    """
    if detector is None:
        return None
    if isinstance(detector, str) and detector == "auto":
        return FeatureDrift().fit_reference(reference)
    if not hasattr(detector, "compare") or isinstance(detector, type):
        expected = "'auto', None or an object with 'fit' and 'compare'"
        message = parameter_error("ResilientEstimator", "detector", expected, detector)
        raise TypeError(message)
    detector = clone(detector, safe=False)
    if hasattr(detector, "fit_reference"):
        return detector.fit_reference(reference)  # type: ignore[no-any-return]
    return detector.fit(X, y)  # type: ignore[no-any-return]
