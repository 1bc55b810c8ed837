"""How the rows are split for out-of-fold predictions, and in which order they stand."""

import numpy as np
import pandas as pd
import pytest
from conftest import load_real
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator import ResilientEstimator
from resilient_estimator.estimator._out_of_fold import cross_fit
from resilient_estimator.tabular._folds import (
    contiguous_folds,
    dealt_folds,
    find_row_order,
    locality,
    monotonicity,
)
from resilient_estimator.tabular._table import read_table

RNG = np.random.default_rng(0)
IID = pd.DataFrame(RNG.normal(size=(600, 4)), columns=list("abcd"))
IID["label"] = RNG.choice(list("uvwxyz"), 600)
BINARY = (IID["a"] + RNG.normal(size=600) > 0).astype(int)


def series(n_samples=600):
    """Rows in the order of time: a trend, two slow series and a cycle."""
    walks = np.cumsum(RNG.normal(size=(n_samples, 2)), axis=0)
    hours = np.arange(n_samples) % 24
    return pd.DataFrame(
        {"t": np.arange(n_samples), "x": walks[:, 0], "y": walks[:, 1], "hour": hours}
    )


def order_of(frame, target=None):
    return find_row_order(read_table(frame), target)


def test_rows_in_random_order_are_split_contiguously():
    assert order_of(IID, BINARY).order == "time"


@pytest.mark.parametrize("column", IID)
def test_a_file_sorted_by_a_column_is_recognised(column):
    """Numbers and labels, in whatever order the labels come."""
    row_order = order_of(IID.sort_values(column), BINARY)
    assert row_order.order == "arbitrary"
    assert row_order.reason == f"the rows are sorted by {column!r}"


def test_a_file_sorted_by_the_target_is_recognised():
    order = np.argsort(BINARY, kind="stable")
    row_order = order_of(IID.iloc[order], BINARY.iloc[order])
    assert row_order.reason == "the rows are sorted by the target"
    shuffled_names = BINARY.map({0: "z", 1: "a"}).iloc[order]
    assert order_of(IID.iloc[order], shuffled_names).order == "arbitrary"


def test_a_column_that_rises_with_time_is_no_sort_key():
    """Its neighbours in time resemble one another in the other columns as well."""
    row_order = order_of(series(), RNG.normal(size=600))
    assert row_order.order == "time"
    assert "'t'" in row_order.reason


@pytest.mark.parametrize("name", ["elec2", "bike_hourly", "insurance_talk", "adult"])
@pytest.mark.parametrize("n_rows", [300, 20_000])
def test_real_series_are_told_from_sorted_files(name, n_rows):
    """The sets as they are keep their blocks; sorted by a number they lose them."""
    X, y, _ = load_real(name)
    X, y = X.iloc[:n_rows], y.iloc[:n_rows]
    assert order_of(X, y).order == "time"
    mixed = np.random.default_rng(0).permutation(len(X))
    number = X.select_dtypes("number").nunique().idxmax()
    order = mixed[np.argsort(X[number].to_numpy()[mixed], kind="stable")]
    assert order_of(X.iloc[order], y.iloc[order]).order == "arbitrary"


def test_monotonicity_is_the_balance_of_steps():
    assert monotonicity(np.array([3, 2, 2, 1])) == 1
    assert monotonicity(np.array([1, 2, 1, 2, 3])) == pytest.approx(0.5)
    assert monotonicity(np.zeros(9)) == 0


def test_locality_is_near_one_for_slow_series_and_zero_for_random_rows():
    slow = np.cumsum(np.random.default_rng(0).normal(size=5000))
    assert locality(slow) > 0.7
    assert abs(locality(np.random.default_rng(0).normal(size=5000))) < 0.05


@given(st.integers(2, 8), st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_dealt_folds_hold_every_row_once_and_each_class_evenly(n_splits, classes):
    """No fold has more than one row of a class more than another fold."""
    classes = np.array(classes)
    folds = dealt_folds(n_splits, classes)
    if not folds:
        counts = np.sort(np.bincount(classes))[::-1]
        assert len(classes) < 2 or (len(counts) > 1 and counts[1] < 2)
        return
    held_out = np.concatenate([test for _, test in folds])
    assert sorted(held_out.tolist()) == list(range(len(classes)))
    for train, test in folds:
        assert not set(train) & set(test)
    for label in np.unique(classes):
        counts = [np.count_nonzero(classes[test] == label) for _, test in folds]
        assert max(counts) - min(counts) <= 1


def test_contiguous_folds_are_blocks():
    folds = contiguous_folds(3, 10)
    assert [test.tolist() for _, test in folds] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert contiguous_folds(5, 1) == []


def test_the_estimator_reports_how_its_rows_were_split():
    order = np.argsort(IID["a"].to_numpy())
    X, y = IID[["a", "b", "c"]].iloc[order], BINARY.iloc[order]
    model = ResilientEstimator(LogisticRegression()).fit(X, y)
    assert model.row_order_.order == "arbitrary"
    assert model.row_order_.reason == "the rows are sorted by 'a'"
    model = ResilientEstimator(LogisticRegression(), row_order="time").fit(X, y)
    assert model.row_order_.order == "time"


def test_an_unknown_row_order_is_named():
    model = ResilientEstimator(LogisticRegression(), row_order="random")
    expected = r"'row_order' parameter .* one of 'auto', 'time', 'arbitrary'. Got 'rand"
    with pytest.raises(ValueError, match=expected):
        model.fit(IID[["a", "b"]], BINARY)


def crossed(estimator, X, y, **options):
    defaults = {
        "cv": 5,
        "row_order": "auto",
        "n_jobs": None,
        "fit_params": {},
        "split_params": {},
        "importance": False,
    }
    return cross_fit(estimator.fit(X, y), X, y, **defaults | options)


def test_shuffled_folds_flatter_a_series_and_contiguous_ones_do_not():
    """The reason for blocks: a tree that looks up the neighbours in time."""
    X = np.arange(2000.0)[:, np.newaxis]
    y = np.repeat(np.random.default_rng(1).integers(0, 2, 40), 50)
    tree = DecisionTreeClassifier(random_state=0)
    errors = {
        order: np.mean(crossed(tree, X, y, row_order=order).predictions != y)
        for order in ("time", "arbitrary")
    }
    assert errors["arbitrary"] < 0.1
    assert errors["time"] > 0.3


def test_predictions_belong_to_their_rows_whatever_the_splits():
    """Folds in any order: each prediction is that of a model without the row."""
    X = np.arange(60.0)[:, np.newaxis]
    y = 3 * X.ravel()
    tests = [np.arange(40, 60), np.arange(0, 20), np.arange(20, 40)]
    splits = [(np.setdiff1d(np.arange(60), test), test[::-1]) for test in tests]
    found = crossed(LinearRegression(), X, y, cv=splits)
    assert found.rows.tolist() == list(range(60))
    np.testing.assert_allclose(found.predictions, y)
    np.testing.assert_allclose(found.scores, y)


def test_probabilities_of_several_targets_belong_to_their_rows():
    X = np.random.default_rng(0).normal(size=(60, 2))
    targets = (X > 0).astype(int)
    splits = [
        (np.arange(30), np.arange(59, 29, -1)),
        (np.arange(30, 60), np.arange(30)),
    ]
    tree = DecisionTreeClassifier(max_depth=1, random_state=0)
    found = crossed(tree, X, targets, cv=splits).scores
    expected = cross_val_predict(tree, X, targets, cv=splits, method="predict_proba")
    for scores, proba in zip(found, expected, strict=True):
        np.testing.assert_array_equal(scores, proba)


class KnowsAllClasses(ClassifierMixin, BaseEstimator):
    """A classifier that raises where its labels are not 0, 1, ..., as boosters do."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.classes_.tolist() != list(range(len(self.classes_))):
            raise ValueError(f"Expected successive classes. Got {self.classes_}.")
        self.inner_ = LogisticRegression().fit(X, y)
        return self

    def predict(self, X):
        return self.inner_.predict(X)

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)


@pytest.mark.parametrize("order", ["sorted", "one block", "shuffled"])
def test_a_rare_class_is_no_reason_to_go_without_a_reference(order):
    """Rows of a class that stand together are spread where an estimator needs them."""
    X = np.random.default_rng(0).normal(size=(600, 2))
    y = np.repeat([0, 2, 1], [400, 196, 4])
    mixed = np.random.default_rng(1).permutation(600)
    if order == "one block":
        y = np.r_[y[:596][np.random.default_rng(1).permutation(596)], [1] * 4]
    elif order == "shuffled":
        y = y[mixed]
    found = crossed(KnowsAllClasses(), X, y)
    assert found.scores.shape == (600, 3)
    expected = "time" if order == "shuffled" else "arbitrary"
    assert found.row_order.order == expected


def test_a_class_that_one_block_holds_costs_no_contiguous_folds():
    """An estimator that does without the class is asked in blocks all the same."""
    X = np.random.default_rng(0).normal(size=(600, 2))
    y = np.r_[np.random.default_rng(1).integers(0, 2, 590), [2] * 10]
    found = crossed(LogisticRegression(), X, y)
    assert found.row_order.order == "time"
    assert found.scores.shape == (600, 3)
    assert (found.scores[590:, 2] == 0).all()
