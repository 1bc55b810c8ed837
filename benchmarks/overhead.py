"""What a guard costs: guarded and bare predict of the same model in one run.

    python benchmarks/overhead.py [--quick]

Bare and guarded calls alternate, so that a noisy machine slows both; the figure is the
median of the ratios. "no guard" is a ResilientEstimator without a fallback, which runs
no guard; "guard" has the default guards and a fallback; "1 % bad" is the same on rows
of which one in a hundred lies far out of range and is answered by the fallback.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
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
    bare()
    guarded()
    deadline = time.perf_counter() + budget
    while len(ratios) < 15 or (time.perf_counter() < deadline and len(ratios) < 4000):
        if len(ratios) % 2:
            slow, fast = time_of(guarded), time_of(bare)
        else:
            fast, slow = time_of(bare), time_of(guarded)
        ratios.append(slow / fast)
    return float(np.median(ratios))


def import_seconds() -> tuple[float, float]:
    """Return the seconds to import scikit-learn, and those that this package adds."""
    code = """
import time
start = time.perf_counter()
import sklearn.dummy, sklearn.ensemble, sklearn.metrics, sklearn.pipeline
middle = time.perf_counter()
import resilient_estimator
print(middle - start, time.perf_counter() - middle)
"""
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        for _ in range(9)
    ]
    seconds = np.array([run.stdout.split() for run in runs], dtype=float)
    first, added = np.median(seconds, axis=0)
    return float(first), float(added)


def print_row(
    name: str, parts: tuple[Any, Any, Any], rows: NDArray[np.float64], budget: float
) -> None:
    """Print the ratios of one model and one number of rows."""
    bare, plain, guarded = (part.predict for part in parts)
    bad = rows.copy()
    bad[::100, 0] = 1e6
    seconds = np.median([time_of(lambda: bare(rows)) for _ in range(7)])
    ratios = [
        ratio(lambda: bare(rows), lambda: plain(rows), budget),
        ratio(lambda: bare(rows), lambda: guarded(rows), budget),
    ]
    if len(rows) > 1:
        ratios.append(ratio(lambda: bare(bad), lambda: guarded(bad), budget))
    cells = " ".join(f"{value:9.3f}" for value in ratios)
    print(f"{name:26} {len(rows):8,} {1e6 * seconds:8.0f} us {cells}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    budget = 0.3 if parser.parse_args().quick else 3.0
    X, y = make_classification(20_000, 30, n_informative=10, random_state=0)
    rng = np.random.default_rng(0)
    head = ("bare", "no guard", "guard", "1 % bad")
    print(
        f"{'model':26} {'rows':>8} {head[0]:>11} "
        + " ".join(f"{h:>9}" for h in head[1:])
    )
    for name, estimator in MODELS.items():
        plain = ResilientEstimator(estimator).fit(X, y)
        guarded = ResilientEstimator(estimator, fallback="prior").fit(X, y)
        for size in SIZES:
            rows = X[rng.integers(len(X), size=size)]
            print_row(name, (plain.estimator_, plain, guarded), rows, budget)
    first, added = import_seconds()
    print(f"import: scikit-learn {first:.2f} s; resilient_estimator adds {added:.3f} s")


if __name__ == "__main__":
    main()
