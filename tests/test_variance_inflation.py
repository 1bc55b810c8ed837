"""Dependent rows are worth fewer independent ones, and models differ."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal, stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from resilient_estimator import FeatureDrift, OutputDrift, ResilientEstimator
from resilient_estimator.detectors import DependenceDrift
from resilient_estimator.reference import Reference
from resilient_estimator.reference._variance_inflation import (
    autocorrelation_time,
    between_model_variance,
)


def autoregressive(phi, n, rng, n_features=1):
    noise = rng.normal(size=(n + 500, n_features)) * np.sqrt(1 - phi**2)
    return signal.lfilter([1], [1, -phi], noise, axis=0)[500:]


def ranks(x):
    return np.argsort(np.argsort(x))


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_an_autoregressive_series(phi):
    """(1 + phi) / (1 - phi) for the values; that of the ranks is a little smaller."""
    series = autoregressive(phi, 50_000, np.random.default_rng(0))[:, 0]
    time = autocorrelation_time(ranks(series), ordered=True)
    assert time == pytest.approx((1 + phi) / (1 - phi), rel=0.2)


def test_autocorrelation_time_of_labels_in_runs_is_their_length():
    """Runs of ten rows: sum of 1 + 2 (.9 + .8 + ... + .1) = 10."""
    codes = np.repeat(np.random.default_rng(0).integers(0, 4, 5000), 10)
    assert autocorrelation_time(codes, ordered=False) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("codes", [[], [1], [2, 2, 2, 2, 2], [0, 1] * 50])
def test_autocorrelation_time_is_at_least_one(codes):
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
def test_a_slow_wave_is_not_drift(test):
    """100 draws at .05: more than 11 alarms have a chance of .004."""
    assert alarms(0.9, 100, test=test, time_ordered=True) <= 11
    assert alarms(0.9, 30) > 15


def test_a_season_is_not_drift():
    """Ten seasons in the reference, a third of a season in each batch."""
    rng = np.random.default_rng(0)
    time = np.arange(4000)
    X = np.sin(time / 300 * 2 * np.pi)[:, None] + rng.normal(size=(4000, 1))
    independent, ordered = (
        FeatureDrift(time_ordered=t).fit(X[:3000]) for t in (False, True)
    )
    batches = [X[start : start + 100] for start in range(3000, 4000, 100)]
    assert sum(independent.compare(batch).detected for batch in batches) >= 5
    assert sum(ordered.compare(batch).detected for batch in batches) <= 1


def test_a_real_shift_of_a_slow_series_is_detected():
    rng = np.random.default_rng(0)
    detector = FeatureDrift(time_ordered=True).fit(autoregressive(0.9, 8000, rng))
    assert detector.compare(autoregressive(0.9, 800, rng) + 1.5).detected


def test_labels_in_runs_are_not_drift():
    rng = np.random.default_rng(0)

    def draw(n):
        return pd.DataFrame({"c": np.repeat(rng.choice([*"abcd"], n // 25), 25)})

    detector = FeatureDrift(time_ordered=True).fit(draw(10_000))
    independent = FeatureDrift().fit(draw(10_000))
    batches = [draw(500) for _ in range(40)]
    assert sum(detector.compare(batch).detected for batch in batches) <= 6
    assert sum(independent.compare(batch).detected for batch in batches) > 20


def test_independent_rows_have_an_autocorrelation_time_of_one():
    X = np.random.default_rng(0).normal(size=(4000, 3))
    reference = Reference.learn(X, time_ordered=True)
    np.testing.assert_allclose(reference.autocorrelation_times, 1, atol=0.15)
    assert Reference.from_json(reference.to_json()) == reference


def test_outputs_and_relations_have_autocorrelation_times_too():
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


# Variance between models


def variance_by_hand(codes, folds, n_outputs=1):
    """Return the between-model variance of ordered outputs, model by model."""
    n_models = len(codes)
    rank = (stats.rankdata(codes.ravel()) - 0.5) / codes.size - 0.5
    relative = []
    for moment in (rank, rank**2):
        values = moment.reshape(codes.shape)
        differences = []
        for model in range(n_models):
            others = [k for k in range(n_models) if k != model]
            rows = np.flatnonzero(folds == model)
            own = np.mean([values[model, row] for row in rows])
            rest = np.mean([values[k, row] for k in others for row in rows])
            differences.append(own - rest)
        # The mean of the other models varies too, so differences vary more.
        between = np.var(differences, ddof=1) * (1 - 1 / n_models)
        relative.append(between / np.var(moment))
    tail = 0.01 / n_outputs / 2
    few_models = stats.t.isf(tail, n_models - 1) / stats.norm.isf(tail)
    return max(relative) * few_models**2 * (1 + 1 / n_models)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_between_model_variance_matches_its_formula(n_outputs):
    rng = np.random.default_rng(0)
    folds = rng.permutation(np.repeat(np.arange(5), [10, 20, 30, 40, 50]))
    rows, levels = rng.normal(size=150), np.array([0.0, 0.4, -0.3, 0.1, 0.9])
    wide = np.array([1.0, 1.0, 2.0, 1.0, 1.0])[:, None]
    for outputs in (rows + levels[:, None], rows * wide):
        codes = ranks(outputs.ravel()).reshape(outputs.shape)
        found = between_model_variance(codes, folds, ordered=True, n_outputs=n_outputs)
        assert found == pytest.approx(variance_by_hand(codes, folds, n_outputs))


def test_between_model_variance_ignores_the_sampling_of_rows():
    """The rows of one fold differ, then one of the models."""
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


def test_a_single_model_or_a_constant_output_has_no_variance():
    codes = np.arange(100)
    folds = np.zeros(100, dtype=int)
    assert between_model_variance(codes[None], folds, ordered=True) == 0
    constant = np.zeros((5, 100), dtype=int)
    assert between_model_variance(constant, codes % 5, ordered=False) == 0


class Memory(RegressorMixin, BaseEstimator):
    """Predicts 0 for training rows and a number of its own for all others."""

    def fit(self, X, y):
        self.rows_, self.level_ = set(X[:, 0].tolist()), 1.0 + X[:, 0].mean()
        return self

    def predict(self, X):
        known = [x in self.rows_ for x in X[:, 0].tolist()]
        return np.where(known, 0.0, self.level_)


def test_models_are_compared_on_the_rows_that_they_were_not_trained_on():
    """Each fold's model is known, so that any other order of the folds would show."""
    X = np.arange(200.0)[:, None]
    model = ResilientEstimator(Memory(), cv=KFold(5), guard=None).fit(X, X[:, 0])
    folds = np.repeat(np.arange(5), 40)
    levels = [1 + X[folds != k, 0].mean() for k in range(5)]
    codes = np.where(folds == np.arange(5)[:, None], np.array(levels)[:, None], 0.0)
    expected = variance_by_hand(codes, folds)
    assert model.reference_.model_variance == pytest.approx([expected])
