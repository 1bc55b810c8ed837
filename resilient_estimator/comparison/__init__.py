"""Two versions of a model: how they differ, and whether the new one may be released."""

from resilient_estimator._public import publish
from resilient_estimator.comparison._anchored_estimator import AnchoredEstimator
from resilient_estimator.comparison._churn import churn
from resilient_estimator.comparison._churn_result import (
    ChurnResult,
    GroupChurn,
    PairedPerformance,
)
from resilient_estimator.comparison._retrain_churn import retrain_churn
from resilient_estimator.comparison._retrain_churn_result import (
    Multiplicity,
    RetrainChurnResult,
)

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
