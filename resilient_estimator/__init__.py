"""Wrap a scikit-learn model with a memory of its training data."""

from resilient_estimator import datasets
from resilient_estimator._estimator import ResilientEstimator
from resilient_estimator._version import __version__
from resilient_estimator.assessment import Assessment
from resilient_estimator.detectors import (
    DependenceDrift,
    DetectorUnion,
    FeatureDrift,
    FlagDrift,
    OutputDrift,
)
from resilient_estimator.drift import Drift
from resilient_estimator.exceptions import (
    FallbackError,
    InconsistentVersionWarning,
    NoReferenceWarning,
)
from resilient_estimator.fallback import RulePredictor
from resilient_estimator.guards import (
    CategoryGuard,
    GuardUnion,
    OutlierGuard,
    RangeGuard,
    RegionGuard,
)
from resilient_estimator.protocols import Detector, Guard
from resilient_estimator.reference import Layout, Profile, Reference
from resilient_estimator.stability import (
    AdversarialAutoencoder,
    AdversarialGuard,
    AnchoredEstimator,
    Churn,
    DistillationScore,
    Explanation,
    Manipulability,
    ProbingDetector,
    Recourse,
    RetrainChurn,
    Soft,
    Stability,
    StabilityScorer,
    churn,
    explain,
    label_only,
    manipulability,
    recourse,
    retrain_churn,
)

__all__ = [
    "AdversarialAutoencoder",
    "AdversarialGuard",
    "AnchoredEstimator",
    "Assessment",
    "CategoryGuard",
    "Churn",
    "DependenceDrift",
    "Detector",
    "DetectorUnion",
    "DistillationScore",
    "Drift",
    "Explanation",
    "FallbackError",
    "FeatureDrift",
    "FlagDrift",
    "Guard",
    "GuardUnion",
    "InconsistentVersionWarning",
    "Layout",
    "Manipulability",
    "NoReferenceWarning",
    "OutlierGuard",
    "OutputDrift",
    "ProbingDetector",
    "Profile",
    "RangeGuard",
    "Recourse",
    "Reference",
    "RegionGuard",
    "ResilientEstimator",
    "RetrainChurn",
    "RulePredictor",
    "Soft",
    "Stability",
    "StabilityScorer",
    "__version__",
    "churn",
    "datasets",
    "explain",
    "label_only",
    "manipulability",
    "recourse",
    "retrain_churn",
]

# A pickle records where a class lives: make that the public place, so that files may
# move without breaking saved models.
for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
del _name
