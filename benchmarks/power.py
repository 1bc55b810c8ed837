"""How often real changes are found: ten columns, one of which changes.

    python benchmarks/power.py [--reps 400] [--quick] [--jobs 2]

Eight correlated normal numbers, one column of 6 labels and one of 20. "reported" is the
share of batches in which the changed column is reported as drifted (real and material),
"p < .05" the share in which its corrected p-value alone says so, and "KS" the
share in which `scipy.stats.ks_2samp` on that column does, with Bonferroni's
correction for ten columns (labels and missing values as their codes, as 0 and 1).
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

SIZES = ((5000, 200), (1000, 1000))


def nothing(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Leave the batch as it is."""


def shift(X: pd.DataFrame, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Move the mean by .2 standard deviations."""
    X["x0"] += 0.2


def widen(X: pd.DataFrame, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Multiply the standard deviation by 1.3."""
    X["x0"] *= 1.3


def more_of_a_rare_label(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Turn 5 % of the rows into the rarest of 20 labels, which had 1.4 %."""
    X.loc[rng.random(len(X)) < 0.05, "c20"] = X["c20"].cat.categories[-1]


def lose_values(X: pd.DataFrame, rng: np.random.Generator) -> None:
    """Lose 3 % of the values, none of which was missing before."""
    X.loc[rng.random(len(X)) < 0.03, "x0"] = np.nan


CHANGES: dict[str, tuple[str, Callable[..., None]]] = {
    "nothing": ("x0", nothing),
    "mean + .2 sd": ("x0", shift),
    "sd x 1.3": ("x0", widen),
    "rare label + 5 points": ("c20", more_of_a_rare_label),
    "missing 0 -> 3 %": ("x0", lose_values),
}


def codes(column: pd.Series) -> NDArray[np.float64]:
    """Return labels as their codes and other values as they are."""
    values = column.cat.codes if hasattr(column, "cat") else column
    return values.to_numpy(dtype=float)


def bonferroni_ks(reference: pd.Series, batch: pd.Series) -> bool:
    """Return whether SciPy's test finds the change among ten columns."""
    r, b = codes(reference), codes(batch)
    tests = [stats.ks_2samp(r[~np.isnan(r)], b[~np.isnan(b)], method="asymp").pvalue]
    if np.isnan(r).any() or np.isnan(b).any():
        tests.append(stats.ks_2samp(np.isnan(r), np.isnan(b), method="asymp").pvalue)
    return bool(min(tests) < ALPHA / 10 / len(tests))


def found(change: str, m: int, n: int, seed: int) -> tuple[bool, bool, bool]:
    """Return whether one change was reported, significant, and found by KS."""
    rng = np.random.default_rng([seed, m, n])
    reference, batch = correlated(rng, m), correlated(rng, n)
    name, apply = CHANGES[change]
    apply(batch, rng)
    drift = FeatureDrift(alpha=ALPHA).fit(reference).compare(batch)
    column = drift.features.index(name)
    return (
        bool(drift.drifted[column]),
        bool(drift.pvalues[column] < ALPHA),
        bonferroni_ks(reference[name], batch[name]),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="twenty repetitions")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    reps = 20 if options.quick else options.reps
    print(f"{reps} repetitions, standard error at most {0.5 / np.sqrt(reps):.3f}")
    print(f"{'sizes':>10}  {'change':22} {'reported':>9} {'p < .05':>9} {'KS':>9}")
    for m, n in SIZES:
        for change in CHANGES:
            runs = Parallel(n_jobs=options.jobs)(
                delayed(found)(change, m, n, seed) for seed in range(reps)
            )
            cells = "".join(f"{share:10.3f}" for share in np.mean(runs, axis=0))
            print(f"{m:>5}/{n:<4}  {change:22}{cells}", flush=True)


if __name__ == "__main__":
    main()
