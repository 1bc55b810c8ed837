"""The stream of the small world of our own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from resilient_estimator._demo._stream import Stream
from resilient_estimator.datasets import INSURANCE_FEATURES, make_insurance
from resilient_estimator.estimator._estimator import ResilientEstimator
from resilient_estimator.fallback import RulePredictor
from resilient_estimator.guards import CategoryGuard, GuardUnion, RangeGuard

N_TRAINING = 3000
N_MONTHLY = 1500
BROKEN_SHARE = 0.02
POSSIBLE = {
    "age": (16, 110),
    "braking_distance": (10, 100),
    "power": (10, 1000),
    "miles": (0, 200),
}


def insurance_stream(n_months: int, seed: int) -> Stream:
    """Return month 0 as the reference, and the months after it with broken rows."""
    rng = np.random.RandomState(seed)
    X, y = make_insurance(0, N_TRAINING, rng, n_classes=2)
    rows, targets = [X], [y]
    for month in range(1, n_months + 1):
        X, y = make_insurance(month, N_MONTHLY, rng, n_classes=2)
        rows.append(break_sensors(X, rng))
        targets.append(y)
    return Stream(
        title=(
            "Customers of a car insurance: is the risk of this one higher (1) or lower "
            f"(0)? Trained on {N_TRAINING:,} customers of month 0, then asked about "
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
    """Return a model which by itself would refuse every batch with a missing value."""
    limits: Any = {INSURANCE_FEATURES.index(n): pair for n, pair in POSSIBLE.items()}
    return ResilientEstimator(
        make_pipeline(SplineTransformer(), LogisticRegression(max_iter=1000)),
        fallback=RulePredictor(beginners_are_risky),
        guard=GuardUnion([RangeGuard(limits=limits), CategoryGuard()]),
    )


def beginners_are_risky(X: NDArray[np.float64]) -> NDArray[np.int64]:
    """Judge by age alone, as people did before there was a model."""
    age = X[:, INSURANCE_FEATURES.index("age")]
    return (age < 33).astype(np.int64)


def break_sensors(
    X: NDArray[np.float64], rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Return the rows with a few powers missing and a few absurd distances."""
    X = X.copy()
    chance = rng.random_sample(len(X))
    X[chance < BROKEN_SHARE / 2, INSURANCE_FEATURES.index("power")] = np.nan
    absurd = (chance >= BROKEN_SHARE / 2) & (chance < BROKEN_SHARE)
    X[absurd, INSURANCE_FEATURES.index("braking_distance")] = 9999.0
    return X
