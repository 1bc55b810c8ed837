"""Would a small change flip the answer: of a row, a model, a new version."""

from resilient_estimator.stability._edits import repeat
from resilient_estimator.stability._residuals import residual_scales
from resilient_estimator.stability._space import Space
from resilient_estimator.stability.adversarial._adversarial_guard import (
    AdversarialGuard,
)
from resilient_estimator.stability.adversarial._autoencoder import (
    AdversarialAutoencoder,
    DistillationScore,
)
from resilient_estimator.stability.local._model_stability import Stability
from resilient_estimator.stability.local._neighbour_differences import Levels
from resilient_estimator.stability.local._perturbation import Perturbation
from resilient_estimator.stability.local._scorer import StabilityScorer, check_tolerance
from resilient_estimator.stability.local._scoring import (
    N_COPIES,
    SIZE,
    Answers,
    Moves,
    RowScores,
    ask_classifier,
    decides_by_proba,
    read_moves,
    score_rows,
    spread_out,
)
from resilient_estimator.stability.manipulation._explanation import Explanation, explain
from resilient_estimator.stability.manipulation._manipulation import (
    Manipulability,
    manipulability,
)
from resilient_estimator.stability.manipulation._moves import Soft
from resilient_estimator.stability.manipulation._recourse import (
    Change,
    Recourse,
    recourse,
)
from resilient_estimator.stability.manipulation._universal import UniversalTweak
from resilient_estimator.stability.probing._hardening import label_only
from resilient_estimator.stability.probing._probing import ProbingDetector
from resilient_estimator.stability.versions._anchored import AnchoredEstimator
from resilient_estimator.stability.versions._churn import churn
from resilient_estimator.stability.versions._gate import (
    Churn,
    GroupChurn,
    PairedPerformance,
)
from resilient_estimator.stability.versions._refits import Multiplicity, RetrainChurn
from resilient_estimator.stability.versions._retrain import retrain_churn

__all__ = [
    "N_COPIES",
    "SIZE",
    "AdversarialAutoencoder",
    "AdversarialGuard",
    "AnchoredEstimator",
    "Answers",
    "Change",
    "Churn",
    "DistillationScore",
    "Explanation",
    "GroupChurn",
    "Levels",
    "Manipulability",
    "Moves",
    "Multiplicity",
    "PairedPerformance",
    "Perturbation",
    "ProbingDetector",
    "Recourse",
    "RetrainChurn",
    "RowScores",
    "Soft",
    "Space",
    "Stability",
    "StabilityScorer",
    "UniversalTweak",
    "ask_classifier",
    "check_tolerance",
    "churn",
    "decides_by_proba",
    "explain",
    "label_only",
    "manipulability",
    "read_moves",
    "recourse",
    "repeat",
    "residual_scales",
    "retrain_churn",
    "score_rows",
    "spread_out",
]

# As in the package itself: a pickle records the public place of a class.
for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
del _name
