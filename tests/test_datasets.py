"""The small world drifts as its description says."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from resilient_estimator import ResilientEstimator
from resilient_estimator.datasets import INSURANCE_FEATURES, make_insurance


def fit_month_0(n_classes):
    X, y = make_insurance(0, 1500, 0, n_classes=n_classes)
    pipeline = make_pipeline(SplineTransformer(), LogisticRegression(max_iter=1000))
    return ResilientEstimator(pipeline, fallback="prior").fit(X, y)


def column(name, month):
    X, _ = make_insurance(month, 4000, month)
    return X[:, INSURANCE_FEATURES.index(name)]


def test_same_seed_same_world():
    """The same random state gives the same customers."""
    first, second = make_insurance(3, 50, 7), make_insurance(3, 50, 7)
    assert all(map(np.array_equal, first, second))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_balanced_at_month_0(n_classes):
    """In month 0 the classes are about equally frequent."""
    _, y = make_insurance(0, 20_000, 0, n_classes=n_classes)
    assert np.bincount(y) / len(y) == pytest.approx(1 / n_classes, abs=0.03)


def test_accuracy_decays_steadily():
    """A model of month 0 is good at first and clearly worse every year."""
    model = fit_month_0(3)
    scores = [model.score(*make_insurance(m, 4000, 100 + m)) for m in (0, 12, 24, 36)]
    assert scores[0] >= 0.80
    assert scores[-1] <= 0.60
    assert max(np.diff(scores)) < -0.03


def test_recalibration_lowers_cost():
    """Last month's labels lower this month's cost by a fifth at least."""
    model, costs = fit_month_0(2), []
    for month in (6, 18, 30):
        fresh = make_insurance(month - 1, 1500, month, n_classes=2)
        cheaper = model.recalibrate(*fresh, cost=lambda tp, fp, fn, tn: 5 * fn + fp)
        X, y = make_insurance(month, 4000, 100 + month, n_classes=2)
        answers = [each.predict(X) for each in (model, cheaper)]
        costs.append([np.mean(5 * (a < y) + (a > y)) for a in answers])
    before, after = np.mean(costs, axis=0)
    assert after < 0.8 * before


@pytest.mark.parametrize("name", ["training", "braking_distance", "power"])
def test_what_does_not_drift(name):
    """Training, braking distance and power stay as they are."""
    assert stats.ks_2samp(column(name, 0), column(name, 36)).pvalue > 0.01


@pytest.mark.parametrize(
    ("name", "direction"), [("age", 1), ("emergency_braking", 1), ("miles", -1)]
)
def test_what_drifts(name, direction):
    """People get older and drive less, and cars brake by themselves more."""
    means = [column(name, month).mean() for month in (0, 12, 24, 36)]
    assert (direction * np.diff(means) > 0).all()


def test_emergency_braking_share():
    """The share of cars that brake by themselves is .40 + .015 * month."""
    assert column("emergency_braking", 20).mean() == pytest.approx(0.70, abs=0.03)


def test_frame_holds_the_same_values():
    """A frame has the names of the columns and the same values."""
    frame, _ = make_insurance(2, 20, 0, as_frame=True)
    X, _ = make_insurance(2, 20, 0)
    pd.testing.assert_frame_equal(frame, pd.DataFrame(X, columns=INSURANCE_FEATURES))


@pytest.mark.parametrize("month", [-1, 41, float("nan")])
def test_month_outside_the_world(month):
    """A month outside the world is refused."""
    with pytest.raises(ValueError, match="'month' parameter of make_insurance must be"):
        make_insurance(month)


def test_wrong_number_of_classes():
    """There are two or three risk classes."""
    with pytest.raises(ValueError, match="must be 2 or 3"):
        make_insurance(n_classes=4)
