"""Rows that were made to fool the model, and drift that harms it."""

from resilient_estimator._public import publish
from resilient_estimator.adversarial._adversarial_guard import AdversarialGuard
from resilient_estimator.adversarial._autoencoder import AdversarialAutoencoder
from resilient_estimator.adversarial._distillation_score import DistillationScore

__all__ = ["AdversarialAutoencoder", "AdversarialGuard", "DistillationScore"]

publish(globals())
