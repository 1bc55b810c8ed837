"""The simulated insurance drifts as documented."""

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


def test_the_random_state_determines_the_customers():
    """The same random state gives the same customers."""
    first, second = make_insurance(3, 50, 7), make_insurance(3, 50, 7)
    assert all(map(np.array_equal, first, second))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_are_balanced_in_month_0(n_classes):
    """All classes are about equally frequent."""
    _, y = make_insurance(0, 20_000, 0, n_classes=n_classes)
    assert np.bincount(y) / len(y) == pytest.approx(1 / n_classes, abs=0.03)


def test_accuracy_decays_steadily():
    """A model of month 0 is good at first and clearly worse each year."""
    model = fit_month_0(3)
    scores = [model.score(*make_insurance(m, 4000, 100 + m)) for m in (0, 12, 24, 36)]
    assert scores[0] >= 0.80
    assert scores[-1] <= 0.60
    assert max(np.diff(scores)) < -0.03


def test_recalibration_lowers_cost():
    """The labels of last month lower the cost of this month by at least a fifth."""
    model, costs = fit_month_0(2), []
    for month in (6, 18, 30):
        fresh = make_insurance(month - 1, 1500, month, n_classes=2)
        cheaper = model.recalibrate(*fresh, cost=lambda tp, fp, fn, tn: 5 * fn + fp)
        X, y = make_insurance(month, 4000, 100 + month, n_classes=2)
        predictions = [each.predict(X) for each in (model, cheaper)]
        costs.append([np.mean(5 * (p < y) + (p > y)) for p in predictions])
    before, after = np.mean(costs, axis=0)
    assert after < 0.8 * before


@pytest.mark.parametrize("name", ["training", "braking_distance", "power"])
def test_columns_that_do_not_drift(name):
    """Training, braking distance and power keep their distributions."""
    assert stats.ks_2samp(column(name, 0), column(name, 36)).pvalue > 0.01


@pytest.mark.parametrize(
    ("name", "direction"), [("age", 1), ("emergency_braking", 1), ("miles", -1)]
)
def test_columns_that_drift(name, direction):
    """Drivers get older and drive less, and more cars have emergency braking."""
    means = [column(name, month).mean() for month in (0, 12, 24, 36)]
    assert (direction * np.diff(means) > 0).all()


def test_share_of_emergency_braking():
    """The share of cars with emergency braking is .40 + .015 * month."""
    assert column("emergency_braking", 20).mean() == pytest.approx(0.70, abs=0.03)


def test_a_frame_has_the_values_of_the_array():
    """With `as_frame`, only the names of the columns are added."""
    frame, _ = make_insurance(2, 20, 0, as_frame=True)
    X, _ = make_insurance(2, 20, 0)
    pd.testing.assert_frame_equal(frame, pd.DataFrame(X, columns=INSURANCE_FEATURES))


@pytest.mark.parametrize("month", [-1, 41, float("nan")])
def test_a_month_out_of_range_is_refused(month):
    """There are months 0 to 40."""
    with pytest.raises(ValueError, match="'month' parameter of make_insurance must be"):
        make_insurance(month)


def test_a_wrong_number_of_classes_is_refused():
    """There are two or three risk classes."""
    with pytest.raises(ValueError, match=r"an int in the range \[2, 3\]. Got 4"):
        make_insurance(n_classes=4)
