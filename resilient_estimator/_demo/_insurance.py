"""The stream of the simulated car insurance."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from resilient_estimator._demo._walk_forward import Stream
from resilient_estimator._typing import Counts, Floats
from resilient_estimator.datasets import INSURANCE_FEATURES, make_insurance
from resilient_estimator.estimator._estimator import ResilientEstimator
from resilient_estimator.fallback import RulePredictor
from resilient_estimator.guards import CategoryGuard, GuardUnion, RangeGuard

N_TRAINING = 3000
N_MONTHLY = 1500
BROKEN_SHARE = 0.02
LIMITS = {
    "age": (16, 110),
    "braking_distance": (10, 100),
    "power": (10, 1000),
    "miles": (0, 200),
}


def insurance_stream(n_months: int, random_state: int) -> Stream:
    """Return month 0 as training rows, followed by months with a few broken rows."""
    rng = np.random.RandomState(random_state)
    X, y = make_insurance(0, N_TRAINING, rng, n_classes=2)
    rows, targets = [X], [y]
    for month in range(1, n_months + 1):
        X, y = make_insurance(month, N_MONTHLY, rng, n_classes=2)
        rows.append(break_sensors(X, rng))
        targets.append(y)
    return Stream(
        title=(
            "Customers of a car insurance: is their risk higher (1) or lower (0)? The "
            f"model is trained on {N_TRAINING:,} customers of month 0, then predicts "
            f"{N_MONTHLY:,} new ones each month, some of them with a broken sensor."
        ),
        model=insurance_model(),
        X=np.concatenate(rows),
        y=np.concatenate(targets),
        edges=[N_TRAINING + N_MONTHLY * i for i in range(n_months + 1)],
        windows=[str(month) for month in range(1, n_months + 1)],
        features=list(INSURANCE_FEATURES),
        unit="month",
        notes=[],
    )


def insurance_model() -> ResilientEstimator:
    """Return a model whose estimator alone fails on batches with missing values."""
    limits: Any = {INSURANCE_FEATURES.index(n): pair for n, pair in LIMITS.items()}
    return ResilientEstimator(
        make_pipeline(SplineTransformer(), LogisticRegression(max_iter=1000)),
        fallback=RulePredictor(young_is_risky),
        guard=GuardUnion([RangeGuard(limits=limits), CategoryGuard()]),
    )


def young_is_risky(X: Floats) -> Counts:
    """Predict the risk from age alone, as people did before there was a model."""
    age = X[:, INSURANCE_FEATURES.index("age")]
    return (age < 33).astype(np.int64)


def break_sensors(X: Floats, rng: np.random.RandomState) -> Floats:
    """Return the rows with a few missing powers and a few impossible distances."""
    X = X.copy()
    draw = rng.random_sample(len(X))
    X[draw < BROKEN_SHARE / 2, INSURANCE_FEATURES.index("power")] = np.nan
    impossible = (draw >= BROKEN_SHARE / 2) & (draw < BROKEN_SHARE)
    X[impossible, INSURANCE_FEATURES.index("braking_distance")] = 9999.0
    return X
