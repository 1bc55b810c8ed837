"""The wrapper itself: how it is fitted, and how rows pass through it."""

from resilient_estimator.estimator._estimator import ResilientEstimator

__all__ = ["ResilientEstimator"]
