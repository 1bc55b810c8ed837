"""Why a prediction was made, what would change it, and how easily it is gamed."""

from resilient_estimator._public import publish
from resilient_estimator.explanation._attribution import Explanation, explain
from resilient_estimator.explanation._manipulability import (
    ManipulabilityResult,
    manipulability,
)
from resilient_estimator.explanation._recourse import (
    FeatureChange,
    RecourseResult,
    recourse,
)
from resilient_estimator.explanation._soft_features import SoftFeature
from resilient_estimator.explanation._universal_tweak import UniversalTweak

__all__ = [
    "Explanation",
    "FeatureChange",
    "ManipulabilityResult",
    "RecourseResult",
    "SoftFeature",
    "UniversalTweak",
    "explain",
    "manipulability",
    "recourse",
]

publish(globals())
