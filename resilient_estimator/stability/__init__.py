"""Whether a small change of the input would flip the prediction."""

from resilient_estimator._public import publish
from resilient_estimator.stability._neighbour_differences import LabelExchange
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.stability._scorer import Stability, StabilityScorer

__all__ = ["Perturbation", "Stability", "StabilityScorer"]

publish(globals(), LabelExchange)
