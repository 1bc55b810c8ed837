"""Detect whether a batch differs from the training data."""

from resilient_estimator._public import publish
from resilient_estimator.detectors._dependence_drift import DependenceDrift
from resilient_estimator.detectors._feature_drift import FeatureDrift
from resilient_estimator.detectors._flag_drift import FlagDrift
from resilient_estimator.detectors._output_drift import OutputDrift
from resilient_estimator.detectors._union import DetectorUnion

__all__ = [
    "DependenceDrift",
    "DetectorUnion",
    "FeatureDrift",
    "FlagDrift",
    "OutputDrift",
]

publish(globals())
