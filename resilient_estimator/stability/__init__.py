"""Whether a small change of the input would flip the prediction."""

from resilient_estimator._public import publish
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.stability._scorer import StabilityScorer
from resilient_estimator.stability._stability_result import Stability

__all__ = ["Perturbation", "Stability", "StabilityScorer"]

publish(globals())
