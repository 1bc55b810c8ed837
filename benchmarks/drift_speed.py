"""Time to compare a batch, relative to SciPy's Kolmogorov-Smirnov test per column.

    python benchmarks/drift_speed.py [--quick] [--curve]

Reference and batch from the same normal distribution, float64, one thread. "KS" is
`scipy.stats.ks_2samp` for each column with its default options, "asymp" the same with
``method="asymp"``. The ratios compare medians of alternating calls in one run: how many
times faster `compare` is with rows in memory, for the same test ("ks"), for the default
tests of single columns ("auto"), and for the default `DetectorUnion`, which also
compares how columns depend on one another.

With ``--curve``: time and memory of `assess` for growing numbers of rows and columns.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pickle
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import SGDClassifier

from resilient_estimator import FeatureDrift, ResilientEstimator
from resilient_estimator.detectors import DetectorUnion

SIZES = ((10_000, 20, 1000), (100_000, 50, 10_000), (1_000_000, 30, 100_000))
DETECTORS = {
    "ks": FeatureDrift("ks"),
    "auto": FeatureDrift(),
    "union": DetectorUnion(),
}
ROWS = (1000, 10_000, 100_000, 1_000_000)
COLUMNS = (10, 100, 300, 1000)


def seconds(call: Callable[[], object]) -> float:
    """Return the duration of one call in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ks(reference: NDArray[np.float64], batch: NDArray[np.float64], method: str) -> None:
    """Run SciPy's test on each column, which needs all rows of the reference."""
    for r, b in zip(reference.T, batch.T, strict=True):
        stats.ks_2samp(r, b, method=method)


def print_size(m: int, d: int, n: int, *, quick: bool) -> None:
    """Print one row of the table of ratios."""
    rng = np.random.default_rng(0)
    reference, batch = rng.normal(size=(m, d)), rng.normal(size=(n, d))
    sort = np.median([seconds(lambda: np.sort(reference, axis=0)) for _ in range(3)])
    fit = {name: seconds(lambda d=d: d.fit(reference)) for name, d in DETECTORS.items()}
    few = 1 if m > 500_000 else 3 if quick else 7
    many = 5 if m > 500_000 else 7 if quick else 15
    slow: dict[str, list[float]] = {"auto": [], "asymp": []}
    fast: dict[str, list[float]] = {name: [] for name in DETECTORS}
    for detector in DETECTORS.values():
        detector.compare(batch)  # look-up tables are built at the first call
    for _ in range(few):
        for method, times in slow.items():
            times.append(seconds(lambda method=method: ks(reference, batch, method)))
        for name, detector in DETECTORS.items():
            fast[name] += [
                seconds(lambda detector=detector: detector.compare(batch))
                for _ in range(many)
            ]
    ours = {name: float(np.median(times)) for name, times in fast.items()}
    base = {name: float(np.median(times)) for name, times in slow.items()}
    print(
        f"{m:>9,} x {d} / {n:>7,}  KS {1e3 * base['auto']:8.1f} ms  "
        f"asymp {1e3 * base['asymp']:8.1f} ms"
    )
    for name, own in ours.items():
        size = len(pickle.dumps(DETECTORS[name])) / 1e6
        print(
            f"{name:>26}  {1e3 * own:8.2f} ms  {base['auto'] / own:6.0f} x  "
            f"{base['asymp'] / own:6.0f} x  {own / ours['auto']:5.2f} of auto  "
            f"fit {1e3 * fit[name]:6.0f} ms ({fit[name] / sort:.1f} sorts)  "
            f"pickle {size:.2f} MB",
            flush=True,
        )


def print_assess(n: int, d: int) -> None:
    """Print time and memory of `assess` for one batch."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, d))
    model = ResilientEstimator(SGDClassifier(random_state=0), cv=2)
    model.fit(X, X[:, 0] > 0)
    batch = rng.normal(size=(n, d))
    model.assess(batch)
    each = [seconds(lambda: model.assess(batch)) for _ in range(3)]
    tracemalloc.start()
    model.assess(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    took = float(np.median(each))
    print(
        f"{n:>9,} x {d:<5} {took:8.3f} s  {1e9 * took / n / d:7.1f} ns per value  "
        f"memory {peak / 1e6:7.1f} MB = {peak / batch.nbytes:5.2f} x the batch",
        flush=True,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--curve", action="store_true", help="assess growing batches")
    options = parser.parse_args()
    if options.curve:
        for n in ROWS:
            print_assess(n, 30)
        for d in COLUMNS:
            print_assess(10_000, d)
        return
    for size in SIZES[:2] if options.quick else SIZES:
        print_size(*size, quick=options.quick)


if __name__ == "__main__":
    main()
