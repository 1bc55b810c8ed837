"""Wrap a scikit-learn model with a memory of its training data.

These are the names that most users need first. Everything else lives in the module
that is named after its question: `guards`, `detectors`, `drift`, `stability`,
`comparison`, `explanation`, `adversarial`, `monitor`, `reference`, `protocols`,
`testing`, `datasets`, `display`.
"""

from resilient_estimator._public import publish
from resilient_estimator._version import __version__
from resilient_estimator.assessment import Assessment
from resilient_estimator.detectors import FeatureDrift, OutputDrift
from resilient_estimator.estimator import ResilientEstimator
from resilient_estimator.exceptions import (
    FallbackError,
    InconsistentVersionWarning,
    NoReferenceWarning,
)
from resilient_estimator.fallback import RulePredictor
from resilient_estimator.guards import (
    CategoryGuard,
    OutlierGuard,
    RangeGuard,
    RegionGuard,
)
from resilient_estimator.reference import Profile

__all__ = [
    "Assessment",
    "CategoryGuard",
    "FallbackError",
    "FeatureDrift",
    "InconsistentVersionWarning",
    "NoReferenceWarning",
    "OutlierGuard",
    "OutputDrift",
    "Profile",
    "RangeGuard",
    "RegionGuard",
    "ResilientEstimator",
    "RulePredictor",
    "__version__",
]

publish(globals())
