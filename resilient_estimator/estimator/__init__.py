"""The wrapper itself: the way of the rows through it, in the order of its modules."""

from resilient_estimator.estimator._estimator import ResilientEstimator

__all__ = ["ResilientEstimator"]
