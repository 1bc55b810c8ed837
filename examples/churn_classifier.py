"""Guard a churn model, assess a batch that drifted, and recalibrate with a cost."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from resilient_estimator import RangeGuard, ResilientEstimator, RulePredictor
from resilient_estimator.guards import CategoryGuard, GuardUnion


def make_customers(n_samples: int, random_state: int, complaints: float) -> Any:
    """Return customers, with a mean number of complaints, and whether each leaves."""
    rng = np.random.default_rng(random_state)
    X = pd.DataFrame({"age": rng.normal(45, 12, n_samples).clip(18, 95)})
    X["months"] = rng.gamma(2, 12, n_samples)
    X["calls"] = rng.poisson(complaints, n_samples)
    X["plan"] = rng.choice(["basic", "plus"], n_samples)
    pull = 0.7 * X["calls"] - 0.06 * X["months"] + 0.8 * (X["plan"] == "basic") - 1.6
    return X, (rng.random(n_samples) < 1 / (1 + np.exp(-pull))).astype(int)


def newcomers_leave(X: Any) -> Any:
    """Predict as the call centre did before there was a model."""
    return np.where(X["months"] < 6, 1, 0)


def cost(tp: int, fp: int, fn: int, tn: int) -> int:  # noqa: ARG001  the signature
    """Return the cost: a lost customer costs as much as eight gifts to stay."""
    return 8 * fn + fp


X, y = make_customers(4000, random_state=0, complaints=1.5)
columns = make_column_transformer(
    (StandardScaler(), ["age", "months", "calls"]),
    # The guard keeps unknown plans away from the model: no need to ignore them here.
    (OneHotEncoder(), ["plan"]),
)
model = ResilientEstimator(
    make_pipeline(columns, LogisticRegression()),
    # A rule of thumb is better than an error in the middle of the night.
    fallback=RulePredictor(newcomers_leave),
    # Known limits are given; the guard learns all others from the training rows.
    guard=GuardUnion([RangeGuard(limits={"age": (16, 110)}), CategoryGuard()]),
).fit(X, y)

dirty = X.head(4).astype({"calls": float})
dirty.loc[0, "age"] = 999
dirty.loc[1, "calls"] = np.nan
dirty.loc[2, "plan"] = "gold"
predictions, flags = model.predict(dirty, return_flags=True)
print(pd.DataFrame(flags).assign(prediction=predictions).to_string(), end="\n\n")

later, left = make_customers(2000, random_state=1, complaints=3)
for reason in model.assess(later).reasons:
    print(reason)

# The labels of a few weeks suffice to adjust the threshold, long before retraining.
cheaper = model.recalibrate(later[:1000], left[:1000], cost=cost)
print(f"\nthreshold after recalibration: {cheaper.threshold_:.2f}, before: 0.50")
for name, each in {"before": model, "after": cheaper}.items():
    predictions, truth = each.predict(later[1000:]), left[1000:]
    n_gifts, n_lost = np.sum(predictions > truth), np.sum(predictions < truth)
    print(f"cost {name} recalibration: {cost(0, n_gifts, n_lost, 0):,}")
