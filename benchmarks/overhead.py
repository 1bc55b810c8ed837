"""What a guard costs: guarded and bare predict of the same model in one run.

    python benchmarks/overhead.py [--quick]

Bare and guarded calls alternate, so that a noisy machine slows both; the figure is the
median of the ratios. "no guard" is a ResilientEstimator without a fallback, which asks
nothing; "guard" has the default guards and a fallback; "1 % bad" is the same on rows of
which one in a hundred lies far out of range and is answered by the fallback.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator import ResilientEstimator

MODELS = {
    "LogisticRegression": LogisticRegression(),
    "Pipeline(scaler, LR)": make_pipeline(StandardScaler(), LogisticRegression()),
    "RandomForest(100)": RandomForestClassifier(random_state=0, max_depth=12),
    "HistGradientBoosting(100)": HistGradientBoostingClassifier(random_state=0),
}
SIZES = (1, 100, 10_000, 100_000)


def time_of(call: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(
    bare: Callable[[], object], guarded: Callable[[], object], budget: float
) -> float:
    """Return the median ratio of alternating calls within `budget` seconds."""
    ratios = []
    bare(), guarded()
    deadline = time.perf_counter() + budget
    while len(ratios) < 7 or (time.perf_counter() < deadline and len(ratios) < 4000):
        if len(ratios) % 2:
            slow, fast = time_of(guarded), time_of(bare)
        else:
            fast, slow = time_of(bare), time_of(guarded)
        ratios.append(slow / fast)
    return float(np.median(ratios))


def import_seconds(statement: str) -> float:
    """Return the median seconds that a fresh interpreter takes for `statement`."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, check=True
            ).stdout
        )
        for _ in range(5)
    ]
    return float(np.median(runs))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    budget = 0.3 if parser.parse_args().quick else 3.0
    X, y = make_classification(20_000, 30, n_informative=10, random_state=0)
    rng = np.random.default_rng(0)
    print(
        f"{'model':26} {'rows':>8} {'bare':>11} {'no guard':>9} {'guard':>9} {'1 % bad':>9}"
    )
    for name, estimator in MODELS.items():
        plain = ResilientEstimator(estimator).fit(X, y)
        guarded = ResilientEstimator(estimator, fallback="prior").fit(X, y)
        bare = plain.estimator_
        for size in SIZES:
            rows = X[rng.integers(len(X), size=size)]
            bad = rows.copy()
            bad[:: max(100, 2), 0] = 1e6
            bare_call = lambda rows=rows: bare.predict(rows)
            seconds = np.median([time_of(bare_call) for _ in range(7)])
            cells = [
                ratio(bare_call, lambda rows=rows: plain.predict(rows), budget),
                ratio(bare_call, lambda rows=rows: guarded.predict(rows), budget),
            ]
            dirty = (
                ratio(bare_call, lambda bad=bad: guarded.predict(bad), budget)
                if size > 1
                else np.nan
            )
            print(
                f"{name:26} {size:8,} {1e6 * seconds:8.0f} us {cells[0]:9.3f} "
                f"{cells[1]:9.3f} {dirty:9.3f}",
                flush=True,
            )
    sklearn_alone = "import sklearn.pipeline, sklearn.metrics, sklearn.dummy"
    alone, ours = (
        import_seconds(sklearn_alone),
        import_seconds(f"{sklearn_alone}, resilient_estimator"),
    )
    print(f"import: scikit-learn {alone:.2f} s, with resilient_estimator {ours:.2f} s")


if __name__ == "__main__":
    main()
