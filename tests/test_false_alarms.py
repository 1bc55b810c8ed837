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
from resilient_estimator.reference import Reference

pytestmark = pytest.mark.slow

ALPHA = 0.05
SIZES = [(50, 50), (50, 5000), (200, 1000), (1000, 1000), (5000, 200)]


def most(reps):
    return stats.binom.ppf(0.999, reps, ALPHA)


LABELS = {
    n: pd.CategoricalDtype([f"label {i}" for i in range(n)]) for n in (6, 20, 200)
}


def labels(rng, n, n_levels):
    weights = 1 / np.arange(1, n_levels + 1)
    codes = rng.choice(n_levels, size=n, p=weights / weights.sum())
    return pd.Categorical.from_codes(codes, dtype=LABELS[n_levels])


def ten_columns(rng, n):
    """Return numbers, counts, rare binaries and labels, many of them dependent."""
    common = rng.normal(size=(n, 1))
    numbers = common + rng.normal(size=(n, 4))
    X = {f"x{i}": column for i, column in enumerate(numbers.T)}
    X["count"] = rng.poisson(np.exp(common[:, 0] / 2))
    X["amount"] = np.exp(X["x0"]) * (rng.random(n) < 0.2)
    X["amount"][rng.random(n) < 0.02] = np.nan
    X["rare"] = (X["x1"] > 2.5).astype(float)
    X |= {f"label{n_levels}": labels(rng, n, n_levels) for n_levels in LABELS}
    return pd.DataFrame(X)


def alarms(m, n, reps, detectors, world=ten_columns):
    """Return how often each detector reported drift, and how often p was below alpha.

    All detectors see the same draws, counted once.
    """
    result = np.zeros((len(detectors), 2), dtype=int)
    pairs = any(isinstance(each, DetectorUnion) for each in detectors)
    for seed in range(reps):
        rng = np.random.default_rng([seed, m, n])
        reference = Reference.learn(world(rng, m), pairs=pairs)
        profile = reference.layout.profile(world(rng, n))
        for i, detector in enumerate(detectors):
            drift = detector.fit_reference(reference).compare(profile)
            result[i] += drift.detected, drift.pvalue < ALPHA
    return result


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_ten_clean_columns_raise_few_false_alarms(m, n):
    """More detectors do not mean more: the union compares relationships too."""
    for counts in alarms(m, n, 60, [FeatureDrift(), DetectorUnion()]):
        reported, significant = counts
        assert reported <= significant <= most(60)


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.9])
def test_alarms_stay_rare_if_columns_are_correlated(rho):
    """The Cauchy combination alone would exceed alpha by two fifths here."""

    def equicorrelated(rng, n):
        common = rng.normal(size=(n, 1))
        return np.sqrt(rho) * common + np.sqrt(1 - rho) * rng.normal(size=(n, 50))

    ((_, significant),) = alarms(500, 200, 120, [FeatureDrift()], equicorrelated)
    assert significant <= most(120)


@pytest.mark.parametrize(("m", "n"), [(50, 1000), (5000, 5000)])
def test_ten_clean_columns_raise_few_false_alarms_in_many_draws(m, n):
    ((_, significant),) = alarms(m, n, 250, [FeatureDrift()])
    assert significant <= most(250)


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_rare_binaries_raise_few_false_alarms(share):
    def binaries(rng, n):
        return (rng.random((n, 10)) < share).astype(float)

    ((reported, significant),) = alarms(500, 100, 100, [FeatureDrift()], binaries)
    assert reported <= significant <= most(100)


def test_alarms_are_as_frequent_as_alpha_if_columns_are_independent():
    """A detector that never reports drift would pass every other test of this file."""

    def numbers(rng, n):
        return rng.normal(size=(n, 10))

    ((_, significant),) = alarms(500, 200, 250, [FeatureDrift()], numbers)
    assert stats.binom.ppf(0.001, 250, ALPHA) <= significant <= most(250)


def test_the_other_tests_raise_few_false_alarms_too():
    tests = ["ks", "cvm", "wasserstein", "psi", "jensen-shannon"]
    counts = alarms(500, 150, 60, [FeatureDrift(test) for test in tests])
    significant = dict(zip(tests, counts[:, 1], strict=True))
    assert {t: n for t, n in significant.items() if n > most(60)} == {}


def test_assess_of_clean_batches_reports_drift_rarely():
    """Law 7 from the user's point of view: ten columns, a fitted model, a new batch."""
    count = 0
    for seed in range(60):
        X = np.random.default_rng(seed).normal(size=(700, 10))
        model = ResilientEstimator(LogisticRegression())
        model.fit(X[:500], X[:500, 0] > 0)
        count += model.assess(X[500:]).drift.detected
    assert count <= most(60)
