"""Time to score the stability of 1,000 rows, relative to predicting these rows.

Each row has ten perturbed copies, so the model is called once with 11,000 rows. Figures
are medians of alternating repeats in one process. "moving" is the part of the cost that
is not the model's.

    python benchmarks/stability_speed.py [--repeats 15]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from resilient_estimator import ResilientEstimator

N_COPIES = 10
MODELS = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "forest 100": RandomForestClassifier(100, random_state=0),
    "svc": make_pipeline(StandardScaler(), SVC()),
    "neighbours": KNeighborsClassifier(),
    "mlp 100": MLPClassifier(max_iter=50, random_state=0),
}


def seconds(action: Callable[[], Any]) -> float:
    """Return the seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(estimator: Any, X: Any, y: Any, repeats: int) -> list[float]:
    """Return the median seconds to predict, score and perturb 1,000 rows."""
    rows = X[5000:]
    bare = estimator.fit(X[:5000], y[:5000])
    model = ResilientEstimator(bare, cv=None).fit(X[:5000], y[:5000])
    actions: list[Callable[[], Any]] = [
        lambda: bare.predict(rows),
        lambda: model.score_stability(rows, n_copies=N_COPIES),
        lambda: model.perturbation_.move(rows, n_copies=N_COPIES),
    ]
    times = [[seconds(action) for action in actions] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    X, y = make_classification(6000, 30, n_informative=10, random_state=0)
    print("model        predict ms  stability ms   ratio  moving")
    for name, estimator in MODELS.items():
        predict, score, move = measure(estimator, X, y, repeats)
        print(
            f"{name:12} {1000 * predict:10.2f} {1000 * score:13.1f}"
            f" {score / predict:7.1f} {move / predict:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
