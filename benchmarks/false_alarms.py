"""How often clean data raise a false alarm: ten columns, every pair of sample sizes.

    python benchmarks/false_alarms.py [--reps 400] [--quick] [--world NAME] [--jobs 2]
                                      [--largest 50000]

Reference and batch come from the same distribution, so every alarm is false. For each
pair of sizes the tables show the share of batches that are reported as drifted
(significant and material), and the share whose p-value is below alpha = .05, whatever
the severity: for `FeatureDrift` alone, and for `DetectorUnion`, which also compares how
columns depend on one another. The last table compares three ways to treat labels that
are rare in the reference.

With ``--models``: the same for `assess` of a whole model, whose outputs are compared
with its out-of-fold outputs, for stable and for unstable learners.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator import FeatureDrift, ResilientEstimator
from resilient_estimator import statistics as st
from resilient_estimator.detectors import DetectorUnion

REFERENCES = (50, 200, 1000, 5000, 50_000)
BATCHES = (50, 100, 200, 1000, 5000, 50_000)
ALPHA = 0.05
MODELS = {
    "logistic": LogisticRegression(),
    "boosting": HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "tree": DecisionTreeClassifier(max_leaf_nodes=16, random_state=0),
}
DETECTORS = {"FeatureDrift": FeatureDrift, "DetectorUnion": DetectorUnion}


def correlated(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw eight correlated normal numbers, one column of 6 labels, one of 20."""
    common = rng.normal(size=(n, 1))
    numbers = np.sqrt(0.5) * common + np.sqrt(0.5) * rng.normal(size=(n, 8))
    X = pd.DataFrame(numbers).rename(columns="x{}".format)
    for n_levels in (6, 20):
        weights = 1 / np.arange(1, n_levels + 1)
        X[f"c{n_levels}"] = labels(rng, n, weights)
    return X


def rare_binaries(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Draw ten columns of 0 and 1, with 2 to 20 % ones; half of them are one-hot."""
    independent = rng.random((n, 5)) < np.linspace(0.02, 0.20, 5)
    shares = [0.05, 0.1, 0.02, 0.2, 0.08]
    level = np.searchsorted(np.cumsum(shares), rng.random((n, 1)))
    return np.hstack([independent, level == np.arange(5)]).astype(float)


def counts(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Draw counts and zero-inflated numbers with 2 % missing values."""
    means = np.array([0.1, 0.5, 2.0, 10.0, 100.0])
    amounts = np.exp(rng.normal(size=(n, 5))) * np.array([1, 10, 100, 1000, 10_000])
    amounts *= rng.random((n, 5)) < np.array([0.05, 0.2, 0.4, 0.7, 0.95])
    X = np.hstack([rng.poisson(means, size=(n, 5)), amounts.round(2)])
    X[rng.random(X.shape) < 0.02] = np.nan
    return X


def many_labels(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw five columns of 500 labels with Zipf's shares, five with heavy tails."""
    degrees = (1, 1.5, 2, 3, 5)
    X = pd.DataFrame({f"t{df}": rng.standard_t(df, size=n) for df in degrees})
    for exponent in (0.0, 0.5, 1.0, 1.5, 2.0):
        X[f"zipf{exponent}"] = labels(rng, n, np.arange(1, 501.0) ** -exponent)
    return X


def labels(
    rng: np.random.Generator, n: int, weights: NDArray[np.float64]
) -> pd.Categorical:
    """Draw labels with probabilities proportional to `weights`."""
    bounds = np.cumsum(weights / weights.sum())[:-1]
    codes = np.searchsorted(bounds, rng.random(n))
    names = [f"label {i}" for i in range(len(weights))]
    return pd.Categorical.from_codes(codes, categories=names)


WORLDS: dict[str, Callable[[np.random.Generator, int], object]] = {
    "correlated": correlated,
    "rare_binaries": rare_binaries,
    "counts": counts,
    "many_labels": many_labels,
}


def false_alarms(
    world: str, seed: int, sizes: tuple[list[int], list[int]]
) -> NDArray[np.bool_]:
    """Return [drift reported, p < alpha] for each detector and pair of sizes."""
    rng = np.random.default_rng([seed, list(WORLDS).index(world)])
    rows, batch = (WORLDS[world](rng, max(each)) for each in sizes)
    shape = (len(DETECTORS), 2, len(sizes[0]), len(sizes[1]))
    result = np.empty(shape, dtype=bool)
    for i, m in enumerate(sizes[0]):
        detectors = [kind(alpha=ALPHA).fit(rows[:m]) for kind in DETECTORS.values()]
        for j, n in enumerate(sizes[1]):
            drifts = [detector.compare(batch[:n]) for detector in detectors]
            result[:, :, i, j] = [(d.detected, d.pvalue < ALPHA) for d in drifts]
    return result


def rare_label_alarms(m: int, n: int, seed: int) -> list[bool]:
    """Return p < alpha for a cell per label, and for labels pooled in two ways."""
    rng = np.random.default_rng([seed, m, n])
    weights = 1 / np.arange(1, 501.0)
    r, b = (rng.multinomial(size, weights / weights.sum()) for size in (m, n))
    unseen = r == 0
    known = [np.append(x[unseen].sum(), x[~unseen]) for x in (r, b)]
    few = r < 10
    pooled = [np.append(x[few].sum(), x[~few]) for x in (r, b)]
    tables = known, pooled, st.pool_rare_labels(*known)
    return [st.chi_square(*table).pvalue < ALPHA for table in tables]


def model_alarms(name: str, m: int, n: int, seed: int) -> list[bool]:
    """Return whether a clean batch drifts, and whether its outputs do."""
    rng = np.random.default_rng([seed, m, n])
    X, batch = (correlated(rng, size).iloc[:, :8] for size in (m, n))
    y = X["x0"] + X["x1"] ** 2 + rng.normal(size=m) > 1
    drift = ResilientEstimator(MODELS[name]).fit(X, y).assess(batch).drift
    outputs = drift.drifted[drift.of("outputs")]
    return [drift.detected, bool(outputs.any()), drift.pvalue < ALPHA]


def print_models(reps: int, jobs: int) -> None:
    """Print how often a clean batch of a whole model is reported."""
    print(f"{'model':>10} {'sizes':>12} {'batch':>9} {'outputs':>9} {'p < .05':>9}")
    for name in MODELS:
        for m, n in [(1000, 200), (1000, 5000), (10_000, 5000)]:
            runs = Parallel(n_jobs=jobs)(
                delayed(model_alarms)(name, m, n, seed) for seed in range(reps)
            )
            shares = "".join(f"{share:10.3f}" for share in np.mean(runs, axis=0))
            print(f"{name:>10} {m:>6}/{n:<5}{shares}", flush=True)


def print_world(world: str, reps: int, jobs: int, largest: int) -> None:
    """Simulate and print the two tables of one world."""
    sizes = tuple([n for n in each if n <= largest] for each in (REFERENCES, BATCHES))
    runs = Parallel(n_jobs=jobs)(
        delayed(false_alarms)(world, seed, sizes) for seed in range(reps)
    )
    shares = np.mean(runs, axis=0)
    print(f"\n{world}: {WORLDS[world].__doc__}")
    titles = [
        f"{name}: {what}"
        for name in DETECTORS
        for what in ("reported as drifted", "p < .05")
    ]
    tables = shares.reshape(-1, *shares.shape[2:])
    for title, table in zip(titles, tables, strict=True):
        print(f"{title} (standard error at .05: {np.sqrt(0.0475 / reps):.3f})")
        print(f"{'reference':>9} |" + "".join(f"{n:>15,}" for n in sizes[1]))
        for m, row in zip(sizes[0], table, strict=True):
            errors = np.sqrt(row * (1 - row) / reps)
            cells = [f"{p:8.3f} ±{e:5.3f}" for p, e in zip(row, errors, strict=True)]
            print(f"{m:>9,} |" + "".join(cells))
        print(f"worst: {table.max():.3f}", flush=True)


def print_rare_labels(reps: int, jobs: int) -> None:
    """Print the false alarms of one column of 500 labels with Zipf's shares."""
    print(
        "\nOne column of 500 labels: share of p < .05, by the treatment of rare labels"
    )
    print(f"{'sizes':>14} {'as found':>9} {'r < 10 pooled':>14} {'by both':>9}")
    for m, n in [(200, 200), (200, 5000), (1000, 1000), (5000, 200), (5000, 5000)]:
        runs = Parallel(n_jobs=jobs)(
            delayed(rare_label_alarms)(m, n, seed) for seed in range(reps)
        )
        as_found, by_reference, by_both = np.mean(runs, axis=0)
        print(f"{m:>7}/{n:<6} {as_found:9.3f} {by_reference:14.3f} {by_both:9.3f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="twenty repetitions")
    parser.add_argument("--world", choices=WORLDS, help="only this one")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--largest", type=int, default=50_000, help="only smaller sizes"
    )
    parser.add_argument("--models", action="store_true", help="assess whole models")
    options = parser.parse_args()
    reps = 20 if options.quick else options.reps
    if options.models:
        print_models(reps, options.jobs)
        return
    for world in [options.world] if options.world else WORLDS:
        print_world(world, reps, options.jobs, options.largest)
    print_rare_labels(reps, options.jobs)


if __name__ == "__main__":
    main()
