"""Rows that were made to fool the model, and drift that harms it."""

from resilient_estimator._public import publish
from resilient_estimator.adversarial._adversarial_guard import AdversarialGuard
from resilient_estimator.adversarial._autoencoder import AdversarialAutoencoder
from resilient_estimator.adversarial._distillation_score import DistillationScore
from resilient_estimator.adversarial._neighbours import ClassNeighbours
from resilient_estimator.adversarial._nonconformity import (
    ClassifierScorer,
    RegressorScorer,
)

__all__ = ["AdversarialAutoencoder", "AdversarialGuard", "DistillationScore"]

publish(globals(), ClassNeighbours, ClassifierScorer, RegressorScorer)
