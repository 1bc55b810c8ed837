"""The way of the rows through a fitted model: read once, flagged once, scored once."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression

from resilient_estimator import RangeGuard, ResilientEstimator
from resilient_estimator.adversarial import AdversarialGuard
from resilient_estimator.tabular import _table

X = np.random.default_rng(0).normal(size=(400, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"]).assign(d=np.tile(["u", "v"], 200))


class FirstColumn(ClassifierMixin, BaseEstimator):
    """A classifier of any container that counts its fits and its calls."""

    fits = 0
    calls = []

    def fit(self, X, y):
        FirstColumn.fits += 1
        self.classes_ = np.unique(y)
        return self

    def _first(self, X):
        column = X.iloc[:, 0] if hasattr(X, "iloc") else np.asarray(X)[:, 0]
        return np.nan_to_num(np.asarray(column, dtype=float))

    def predict(self, X):
        FirstColumn.calls.append("predict")
        return self.classes_[(self._first(X) > 0).astype(int)]

    def predict_proba(self, X):
        FirstColumn.calls.append("predict_proba")
        positive = 1 / (1 + np.exp(-np.clip(self._first(X), -30, 30)))
        return np.column_stack([1 - positive, positive])


@pytest.fixture
def reads(monkeypatch):
    """Note the number of rows of each data frame that is read."""
    counted = []
    read = _table._read

    def counting(container):
        if isinstance(container, pd.DataFrame):
            counted.append(len(container))
        return read(container)

    monkeypatch.setattr(_table, "_read", counting)
    return counted


def spoilt():
    rows = FRAME.iloc[:50].copy()
    rows.loc[3, "a"] = np.nan
    rows.loc[4, "d"] = "new"
    return rows


CALLS = {
    "predict": lambda model: model.predict(spoilt()),
    "flags": lambda model: model.predict(spoilt(), return_flags=True),
    "assessment": lambda model: model.predict(spoilt(), return_assessment=True),
    "proba": lambda model: model.predict_proba(spoilt()),
    "profile": lambda model: model.profile(spoilt()),
    "assess": lambda model: model.assess(spoilt(), Y[:50], stability=True),
    "stability": lambda model: model.score_stability(spoilt()),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_rows_are_read_once_per_call(call, reads):
    """Guards, detector, stability and performance share one reading of the frame."""
    model = ResilientEstimator(FirstColumn(), fallback="prior").fit(FRAME, Y)
    reads.clear()
    CALLS[call](model)
    assert reads.count(50) == 1
    assert len(reads) == 1


def test_fit_reads_the_training_rows_once(reads):
    ResilientEstimator(FirstColumn(), fallback="prior", min_stability=0.5).fit(FRAME, Y)
    assert reads.count(400) == 1


ONCE = [{}, {"min_confidence": 0.6}, {"fallback": "prior", "min_confidence": 0.6}]


@pytest.mark.parametrize("options", ONCE, ids=str)
@pytest.mark.parametrize("call", ["predict", "flags", "assessment", "assess_y"])
def test_each_method_of_the_estimator_is_called_once_per_call(call, options):
    """Law 1, also where flags, an assessment and a score are wanted together."""
    model = ResilientEstimator(FirstColumn(), **options).fit(FRAME, Y)
    calls = CALLS | {"assess_y": lambda model: model.assess(spoilt(), Y[:50])}
    FirstColumn.calls.clear()
    calls[call](model)
    assert len(FirstColumn.calls) == len(set(FirstColumn.calls))


def test_one_method_suffices_where_labels_are_not_wanted():
    """A model with a threshold of its own needs probabilities only."""
    model = ResilientEstimator(FirstColumn()).fit(FRAME, Y).recalibrate(threshold=0.3)
    FirstColumn.calls.clear()
    model.predict(spoilt(), return_assessment=True)
    assert FirstColumn.calls == ["predict_proba"]


def test_guards_of_the_model_share_its_cross_fit():
    """One fit to all rows and one per fold, however many guards look at predictions."""
    FirstColumn.fits = 0
    guard = [RangeGuard(), AdversarialGuard(), AdversarialGuard()]
    ResilientEstimator(FirstColumn(), guard=guard).fit(X, Y)
    assert FirstColumn.fits == 6


@pytest.mark.parametrize("fallback", [None, "prior"])
def test_assess_flags_the_rows_that_predict_flags(fallback):
    """Whichever way the flags are obtained, with and without a fallback."""
    model = ResilientEstimator(
        HistGradientBoostingClassifier(max_iter=5),
        fallback=fallback,
        min_confidence=0.7,
        min_stability=0.6,
    ).fit(X, Y)
    rows = X[:60] * 1.5
    rows[0, 0] = np.nan
    _, expected = model.predict(rows, return_flags=True)
    beside = model.predict(rows, return_assessment=True)[1].flags
    flags = model.assess(rows).flags
    assert expected.uncertain.any()
    for reason, mask in expected.items():
        np.testing.assert_array_equal(flags[reason], mask, err_msg=reason)
        np.testing.assert_array_equal(beside[reason], mask, err_msg=reason)


def test_assess_judges_a_batch_that_the_estimator_cannot_score():
    """The columns are compared, and the assessment names the estimator's error."""
    model = ResilientEstimator(LinearRegression(), guard=None).fit(X, X[:, 0])
    rows = X.copy()
    rows[:40, 1] = np.nan
    assessment = model.assess(rows)
    assert assessment.failure.startswith("ValueError: Input X contains NaN")
    assert assessment.drift.drifted[1]
    with pytest.raises(ValueError, match="contains NaN"):
        model.predict(rows, return_assessment=True)
    unsure = ResilientEstimator(LogisticRegression(), guard=None, min_confidence=0.6)
    unsure.fit(X, X[:, 0] > 0)
    first = unsure.reference_.layout.offsets[1]
    assert unsure.profile(rows).counts[:first].sum() == len(rows)


def test_an_outlier_detector_shares_the_reading_of_the_rows(reads):
    guard = [RangeGuard(), IsolationForest(n_estimators=5, random_state=0)]
    frame = FRAME[["a", "b"]]
    model = ResilientEstimator(FirstColumn(), guard=guard, fallback="prior")
    model.fit(frame, Y)
    reads.clear()
    model.predict(frame.iloc[:50], return_flags=True)
    assert reads == [50]
