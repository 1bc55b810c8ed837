"""What has a memory over time: the detector of decision-boundary probing."""

from resilient_estimator._public import publish
from resilient_estimator.monitor._hard_labels import label_only
from resilient_estimator.monitor._probing import ProbingDetector

__all__ = ["ProbingDetector", "label_only"]

publish(globals())
