"""Rows that resemble their neighbours count for fewer."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal
from sklearn.linear_model import LogisticRegression

from resilient_estimator import FeatureDrift, OutputDrift, ResilientEstimator
from resilient_estimator.detectors import DependenceDrift
from resilient_estimator.reference import Reference
from resilient_estimator.reference._effective_sample_size import (
    autocorrelation_time,
    between_model_variance,
)


def autoregressive(phi, n, rng, n_features=1):
    noise = rng.normal(size=(n + 500, n_features)) * np.sqrt(1 - phi**2)
    return signal.lfilter([1], [1, -phi], noise, axis=0)[500:]


def ranks(x):
    return np.argsort(np.argsort(x))


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_time_of_an_autoregressive_series(phi):
    """It is (1 + phi) / (1 - phi) for the values; ranks are a little less alike."""
    series = autoregressive(phi, 50_000, np.random.default_rng(0))[:, 0]
    time = autocorrelation_time(ranks(series), ordered=True)
    assert time == pytest.approx((1 + phi) / (1 - phi), rel=0.2)


def test_labels_in_runs_have_the_time_of_the_runs():
    """Runs of ten rows: sum of 1 + 2 (.9 + .8 + ... + .1) = 10."""
    codes = np.repeat(np.random.default_rng(0).integers(0, 4, 5000), 10)
    assert autocorrelation_time(codes, ordered=False) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("codes", [[], [1], [2, 2, 2, 2, 2], [0, 1] * 50])
def test_nothing_counts_for_more_than_independent_rows(codes):
    assert autocorrelation_time(np.array(codes, dtype=int), ordered=True) == 1


def alarms(phi, reps, **options):
    n_alarms = 0
    for seed in range(reps):
        rng = np.random.default_rng(seed)
        reference = autoregressive(phi, 8000, rng)
        batch = autoregressive(phi, 400, rng)
        detector = FeatureDrift(**options).fit(reference)
        n_alarms += detector.compare(batch).pvalue < 0.05
    return n_alarms


@pytest.mark.parametrize("test", ["auto", "ks"])
def test_a_slow_wave_is_no_drift(test):
    """100 draws at .05: more than 11 alarms have a chance of .004."""
    assert alarms(0.9, 100, test=test, time_ordered=True) <= 11
    assert alarms(0.9, 30) > 15


def test_a_season_is_no_drift():
    """A reference of ten seasons, batches of a third of one."""
    rng = np.random.default_rng(0)
    time = np.arange(4000)
    X = np.sin(time / 300 * 2 * np.pi)[:, None] + rng.normal(size=(4000, 1))
    plain, wise = (FeatureDrift(time_ordered=t).fit(X[:3000]) for t in (False, True))
    batches = [X[start : start + 100] for start in range(3000, 4000, 100)]
    assert sum(plain.compare(batch).detected for batch in batches) >= 5
    assert sum(wise.compare(batch).detected for batch in batches) <= 1


def test_a_real_shift_of_a_slow_series_is_found():
    rng = np.random.default_rng(0)
    detector = FeatureDrift(time_ordered=True).fit(autoregressive(0.9, 8000, rng))
    assert detector.compare(autoregressive(0.9, 800, rng) + 1.5).detected


def test_labels_in_runs_are_no_drift():
    rng = np.random.default_rng(0)

    def draw(n):
        return pd.DataFrame({"c": np.repeat(rng.choice([*"abcd"], n // 25), 25)})

    detector = FeatureDrift(time_ordered=True).fit(draw(10_000))
    plain = FeatureDrift().fit(draw(10_000))
    batches = [draw(500) for _ in range(40)]
    assert sum(detector.compare(batch).detected for batch in batches) <= 6
    assert sum(plain.compare(batch).detected for batch in batches) > 20


def test_independent_rows_lose_nothing():
    X = np.random.default_rng(0).normal(size=(4000, 3))
    reference = Reference.learn(X, time_ordered=True)
    np.testing.assert_allclose(reference.autocorrelation_times, 1, atol=0.15)
    assert Reference.from_json(reference.to_json()) == reference


def test_outputs_and_relations_are_ordered_too():
    rng = np.random.default_rng(0)
    X = autoregressive(0.9, 3000, rng, n_features=2)
    detectors = [
        kind(time_ordered=True) for kind in (FeatureDrift, OutputDrift, DependenceDrift)
    ]
    model = ResilientEstimator(LogisticRegression(), detector=detectors)
    model.fit(X, X[:, 0] + rng.normal(size=3000) > 0)
    times = model.reference_.autocorrelation_times
    assert len(times) == 2 + 3
    assert times.min() > 5
    assert not model.assess(autoregressive(0.9, 500, rng, n_features=2))


def test_noise_of_models_is_that_of_their_answers_to_the_same_rows():
    """The rows of one fold are others; one of the models is another one."""
    rng = np.random.default_rng(0)
    folds = np.repeat(np.arange(5), 400)
    rows = rng.normal(size=2000) + 3 * (folds == 2)
    alike = np.tile(rows, (5, 1))
    odd = alike + 0.5 * (np.arange(5) == 0)[:, None]
    none, some = (
        between_model_variance(ranks(x.ravel()).reshape(x.shape), folds, ordered=True)
        for x in (alike + 1e-6 * rng.normal(size=alike.shape), odd)
    )
    assert none < 1e-4
    assert some > 0.01


def test_one_model_has_no_noise():
    codes = np.arange(100)
    assert (
        between_model_variance(codes[None], np.zeros(100, dtype=int), ordered=True) == 0
    )
    constant = np.zeros((5, 100), dtype=int)
    assert between_model_variance(constant, codes % 5, ordered=False) == 0
