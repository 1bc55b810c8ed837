"""Real changes of one of ten columns are detected with the documented power.

The number of detections in independent draws is binomial; with the documented power it
falls below the bound in one of a thousand runs of the test.
"""

from copy import deepcopy
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from resilient_estimator.detectors import DetectorUnion

pytestmark = pytest.mark.slow

REPS = 40
SIZES = [(5000, 200), (1000, 1000)]


def ten_columns(rng, n):
    """Return eight correlated numbers, and columns of 6 and of 20 labels."""
    common = rng.normal(size=(n, 1))
    X = pd.DataFrame(np.sqrt(0.5) * (common + rng.normal(size=(n, 8))))
    X = X.rename(columns="x{}".format)
    for n_levels in (6, 20):
        weights = 1 / np.arange(1, n_levels + 1)
        codes = rng.choice(n_levels, size=n, p=weights / weights.sum())
        names = [f"label {i}" for i in range(n_levels)]
        X[f"c{n_levels}"] = pd.Categorical.from_codes(codes, names)
    return X


def shift(X, rng):
    X["x0"] += 0.2


def widen(X, rng):
    X["x0"] *= 1.3


def more_of_a_rare_label(X, rng):
    X.loc[rng.random(len(X)) < 0.05, "c20"] = "label 19"


def lose_values(X, rng):
    X.loc[rng.random(len(X)) < 0.03, "x0"] = np.nan


def unlink(X, rng):
    X["x0"] = rng.permutation(X["x0"].to_numpy())


@lru_cache
def draw(seed, m, n):
    """Return a detector, a clean batch and the generator that drew both."""
    rng = np.random.default_rng([seed, m, n])
    return DetectorUnion().fit(ten_columns(rng, m)), ten_columns(rng, n), rng


def n_detected(change, m, n, reps=REPS):
    """Return the number of draws in which the batch is reported as drifted."""
    count = 0
    for seed in range(reps):
        detector, clean, rng = draw(seed, m, n)
        batch = clean.copy()
        change(batch, deepcopy(rng))
        count += detector.compare(batch).detected
    return count


@pytest.mark.parametrize(
    ("change", "powers"),
    [
        (shift, (0.49, 0.96)),
        (widen, (0.58, 0.90)),
        (more_of_a_rare_label, (0.70, 0.97)),
        (lose_values, (0.80, 0.95)),
        (unlink, (0.96, 0.99)),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_power(change, powers, size):
    least = stats.binom.ppf(0.001, REPS, powers[size])
    assert n_detected(change, *SIZES[size]) >= least


def test_an_immaterial_shift_is_never_reported():
    """A shift by .02 standard deviations is significant with fifty thousand rows."""

    def shift_slightly(X, rng):
        X.iloc[:, :8] += 0.02

    assert n_detected(shift_slightly, 50_000, 50_000, reps=8) == 0
