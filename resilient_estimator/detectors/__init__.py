"""Detectors say whether a batch looks like the training data."""

from resilient_estimator.detectors._auto import fit_detector
from resilient_estimator.detectors._feature_drift import FeatureDrift

__all__ = ["FeatureDrift", "fit_detector"]
