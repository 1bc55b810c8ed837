"""How often real changes are detected: ten columns, one of which changes.

    python benchmarks/power.py [--reps 400] [--quick] [--jobs 2]

Eight correlated normal numbers, one column of 6 labels and one of 21. "batch" is the
share of batches that are reported as drifted (significant and material), "column" the
share in which the changed column is named, and "p < .05" the share in which the p-value
of the batch is below .05: by `FeatureDrift`, and by `DetectorUnion`, which also
compares how columns depend on one another. "KS" is the share in which
`scipy.stats.ks_2samp` detects the change of the column, with Bonferroni's correction
for ten columns (labels are replaced by their codes, missing values by 1 and others by
0).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from false_alarms import ALPHA, correlated
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import stats

from resilient_estimator import FeatureDrift
from resilient_estimator.detectors import DetectorUnion

VERY_RARE = "very rare"
SIZES = ((5000, 200), (1000, 1000))
DETECTORS = {"FeatureDrift": FeatureDrift, "DetectorUnion": DetectorUnion}


def nothing(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Leave the batch unchanged."""


def shift(X: pd.DataFrame, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Move the mean by .2 standard deviations."""
    X["x0"] += 0.2


def widen(X: pd.DataFrame, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Multiply the standard deviation by 1.3."""
    X["x0"] *= 1.3


def more_of_a_rare_label(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Replace the labels of 5 % of the rows by one that 1.4 % had before."""
    X.loc[rng.random(len(X)) < 0.05, "c20"] = X["c20"].cat.categories[19]


def more_of_a_very_rare_label(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Replace the labels of 5 % of the rows by one that .5 % had before."""
    X.loc[rng.random(len(X)) < 0.05, "c20"] = VERY_RARE


def unlink(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Shuffle one of the correlated columns; no column by itself changes."""
    X["x0"] = rng.permutation(X["x0"].to_numpy())


def lose_values(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Remove 3 % of the values; none was missing before."""
    X.loc[rng.random(len(X)) < 0.03, "x0"] = np.nan


CHANGES: dict[str, tuple[str, Callable[..., None]]] = {
    "nothing": ("x0", nothing),
    "mean + .2 sd": ("x0", shift),
    "sd x 1.3": ("x0", widen),
    "label 1.4 % + 5 points": ("c20", more_of_a_rare_label),
    "label .5 % + 5 points": ("c20", more_of_a_very_rare_label),
    "missing 0 -> 3 %": ("x0", lose_values),
    "correlation only": ("x0", unlink),
}


def codes(column: pd.Series) -> NDArray[np.float64]:
    """Return labels as their codes and other values as they are."""
    values = column.cat.codes if hasattr(column, "cat") else column
    return values.to_numpy(dtype=float)


def world(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw the ten columns; .5 % of the rows have a very rare label."""
    X = correlated(rng, n)
    X["c20"] = X["c20"].cat.add_categories([VERY_RARE])
    X.loc[rng.random(n) < 0.005, "c20"] = VERY_RARE
    return X


def bonferroni_ks(reference: pd.Series, batch: pd.Series) -> bool:
    """Return whether SciPy's test detects the change among ten columns."""
    r, b = codes(reference), codes(batch)
    tests = [stats.ks_2samp(r[~np.isnan(r)], b[~np.isnan(b)], method="asymp").pvalue]
    if np.isnan(r).any() or np.isnan(b).any():
        tests.append(stats.ks_2samp(np.isnan(r), np.isnan(b), method="asymp").pvalue)
    return bool(min(tests) < ALPHA / 10 / len(tests))


def detections(change: str, m: int, n: int, seed: int) -> list[bool]:
    """Return [batch, column reported, p < alpha] for each detector, and that of KS."""
    rng = np.random.default_rng([seed, m, n])
    reference, batch = world(rng, m), world(rng, n)
    name, apply = CHANGES[change]
    apply(batch, rng)
    result: list[bool] = []
    for kind in DETECTORS.values():
        drift = kind(alpha=ALPHA).fit(reference).compare(batch)
        column = drift.features.index(name)
        result += [drift.detected, drift.drifted[column], drift.pvalue < ALPHA]
    return [*result, bonferroni_ks(reference[name], batch[name])]


def immaterial(seed: int) -> list[bool]:
    """Return the detections if all numbers move by .02 standard deviations."""
    rng = np.random.default_rng([seed, 50_000])
    reference, batch = world(rng, 50_000), world(rng, 50_000)
    batch.iloc[:, :8] += 0.02
    result: list[bool] = []
    for kind in DETECTORS.values():
        drift = kind(alpha=ALPHA).fit(reference).compare(batch)
        result += [drift.detected, bool(drift.drifted[0]), drift.pvalue < ALPHA]
    return [*result, bonferroni_ks(reference["x0"], batch["x0"])]


def print_row(sizes: str, change: str, runs: list[list[bool]]) -> None:
    """Print the shares of the runs."""
    shares = np.mean(runs, axis=0)
    cells = "".join(f"{share:9.3f}" for share in shares)
    print(f"{sizes:>11}  {change:23}{cells}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="twenty repetitions")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    reps = 20 if options.quick else options.reps
    print(f"{reps} repetitions, standard error at most {0.5 / np.sqrt(reps):.3f}")
    print(f"{'':36}" + "".join(f"{name:^27}" for name in DETECTORS))
    heads = ["batch", "column", "p < .05"] * len(DETECTORS) + ["KS"]
    print(f"{'sizes':>11}  {'change':23}" + "".join(f"{h:>9}" for h in heads))
    parallel = Parallel(n_jobs=options.jobs)
    for m, n in SIZES:
        for change in CHANGES:
            runs = parallel(delayed(detections)(change, m, n, i) for i in range(reps))
            print_row(f"{m}/{n}", change, runs)
    runs = parallel(delayed(immaterial)(i) for i in range(max(reps // 4, 5)))
    print_row("50000/50000", "all + .02 sd", runs)


if __name__ == "__main__":
    main()
