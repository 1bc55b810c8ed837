"""Release a new version of a model only if churn is low and accuracy is kept.

Run this in CI: the exit code is 0 if the new version may be released.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier

from resilient_estimator.comparison import AnchoredEstimator, churn, retrain_churn


def make_applications(n_samples: int, random_state: int) -> Any:
    """Return loan applications, and whether each loan was repaid."""
    rng = np.random.default_rng(random_state)
    X = pd.DataFrame({"income": rng.gamma(4, 900, n_samples).round(-1)})
    X["age"] = rng.integers(18, 80, n_samples)
    X["amount"] = (X["income"] * rng.uniform(1, 12, n_samples)).round(-2)
    region = rng.choice(["north", "south", "west"], n_samples, p=[0.5, 0.4, 0.1])
    X["region"] = pd.Categorical(region)
    months = X["amount"] / X["income"]
    odds = 5 - 1.2 * months + 0.05 * X["age"] - 2 * (region == "west")
    return X, np.where(
        rng.random(n_samples) < 1 / (1 + np.exp(-odds)), "repaid", "lost"
    )


def main() -> int:
    """Compare two new versions with the old one; return the exit code of the second."""
    X, y = make_applications(3000, random_state=0)
    fresh, truth = make_applications(3000, random_state=1)
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    old = clone(model).fit(X[:2000], y[:2000])

    # Half of the training rows are new; nothing else has changed.
    plain = clone(model).fit(X[1000:], y[1000:])
    print("An ordinary refit:")
    result = churn(old, plain, fresh, truth, groups="region")
    print(result, end="\n\n")

    # How much of the churn is chance? About as much as between any two refits.
    print("Two refits of the same model:")
    print(retrain_churn(model, X, y, n_refits=5, random_state=0))

    # Customers notice unnecessary changes, so anchor the new version to the old one.
    anchored = AnchoredEstimator(model, old).fit(X[1000:], y[1000:])
    print("\nThe same refit, anchored to the old version:")
    result = churn(old, anchored, fresh, truth, groups="region")
    print(result)
    return 0 if result.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
