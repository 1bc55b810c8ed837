"""Two versions of a model: how they differ, and whether the new one may go out."""

from resilient_estimator._public import publish
from resilient_estimator.comparison._anchored import AnchoredEstimator
from resilient_estimator.comparison._churn import churn
from resilient_estimator.comparison._gate import (
    ChurnResult,
    GroupChurn,
    PairedPerformance,
)
from resilient_estimator.comparison._predictive_multiplicity import (
    Multiplicity,
    RetrainChurnResult,
)
from resilient_estimator.comparison._retraining import retrain_churn

__all__ = [
    "AnchoredEstimator",
    "ChurnResult",
    "GroupChurn",
    "Multiplicity",
    "PairedPerformance",
    "RetrainChurnResult",
    "churn",
    "retrain_churn",
]

publish(globals())
