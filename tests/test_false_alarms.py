"""On clean data drift is reported with probability alpha at most (law 7).

The number of alarms in independent draws is binomial; with a probability of .05 it
exceeds the bound in one of a thousand runs of the test.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from resilient_estimator import FeatureDrift, ResilientEstimator
from resilient_estimator.detectors import DetectorUnion

pytestmark = pytest.mark.slow  # simulations: not repeated against the wheel

ALPHA = 0.05
SIZES = [(50, 50), (50, 5000), (200, 1000), (1000, 1000), (5000, 200)]


def most(reps):
    return stats.binom.ppf(0.999, reps, ALPHA)


def labels(rng, n, n_levels):
    weights = 1 / np.arange(1, n_levels + 1)
    codes = rng.choice(n_levels, size=n, p=weights / weights.sum())
    return pd.Categorical.from_codes(codes, [f"label {i}" for i in range(n_levels)])


def ten_columns(rng, n):
    """Return numbers, counts, rare binaries and labels, many of them dependent."""
    common = rng.normal(size=(n, 1))
    X = pd.DataFrame(common + rng.normal(size=(n, 4))).rename(columns="x{}".format)
    X["count"] = rng.poisson(np.exp(common[:, 0] / 2))
    X["amount"] = np.exp(X["x0"]) * (rng.random(n) < 0.2)
    X.loc[rng.random(n) < 0.02, "amount"] = np.nan
    X["rare"] = (X["x1"] > 2.5).astype(float)
    for n_levels in (6, 20, 200):
        X[f"label{n_levels}"] = labels(rng, n, n_levels)
    return X


def alarms(m, n, reps, world=ten_columns, kind=FeatureDrift):
    """Return how often drift was reported and how often p was below alpha."""
    result = np.zeros(2, dtype=int)
    for seed in range(reps):
        rng = np.random.default_rng([seed, m, n])
        drift = kind(alpha=ALPHA).fit(world(rng, m)).compare(world(rng, n))
        result += drift.detected, drift.pvalue < ALPHA
    return result


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_ten_clean_columns_raise_few_false_alarms(m, n):
    reported, significant = alarms(m, n, 60)
    assert reported <= significant <= most(60)


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_more_detectors_do_not_mean_more_false_alarms(m, n):
    """The union also compares how columns depend on one another."""
    reported, significant = alarms(m, n, 60, kind=DetectorUnion)
    assert reported <= significant <= most(60)


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.9])
def test_alarms_stay_rare_if_columns_are_correlated(rho):
    """The Cauchy combination alone would exceed alpha by two fifths here."""

    def equicorrelated(rng, n):
        common = rng.normal(size=(n, 1))
        return np.sqrt(rho) * common + np.sqrt(1 - rho) * rng.normal(size=(n, 50))

    _, significant = alarms(500, 200, 120, equicorrelated)
    assert significant <= most(120)


@pytest.mark.parametrize(("m", "n"), [(50, 1000), (5000, 5000)])
def test_ten_clean_columns_raise_few_false_alarms_in_many_draws(m, n):
    _, significant = alarms(m, n, 250)
    assert significant <= most(250)


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_rare_binaries_raise_few_false_alarms(share):
    def binaries(rng, n):
        return (rng.random((n, 10)) < share).astype(float)

    reported, significant = alarms(500, 100, 100, binaries)
    assert reported <= significant <= most(100)


def test_alarms_are_as_frequent_as_alpha_if_columns_are_independent():
    """A detector that never reports drift would pass every other test of this file."""

    def numbers(rng, n):
        return rng.normal(size=(n, 10))

    _, significant = alarms(500, 200, 250, numbers)
    assert stats.binom.ppf(0.001, 250, ALPHA) <= significant <= most(250)


@pytest.mark.parametrize("test", ["ks", "cvm", "wasserstein", "psi", "jensen-shannon"])
def test_the_other_tests_raise_few_false_alarms_too(test):
    count = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        detector = FeatureDrift(test).fit(ten_columns(rng, 500))
        count += detector.compare(ten_columns(rng, 150)).pvalue < ALPHA
    assert count <= most(60)


def test_assess_of_clean_batches_reports_drift_rarely():
    """Law 7 from the user's point of view: ten columns, a fitted model, a new batch."""
    count = 0
    for seed in range(60):
        X = np.random.default_rng(seed).normal(size=(700, 10))
        model = ResilientEstimator(LogisticRegression())
        model.fit(X[:500], X[:500, 0] > 0)
        count += model.assess(X[500:]).drift.detected
    assert count <= most(60)
