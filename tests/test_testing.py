"""The checks for third parties: our own parts pass them, broken ones do not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from resilient_estimator import (
    CategoryGuard,
    FeatureDrift,
    OutlierGuard,
    OutputDrift,
    RangeGuard,
    RegionGuard,
    ResilientEstimator,
)
from resilient_estimator.adversarial import AdversarialAutoencoder, AdversarialGuard
from resilient_estimator.detectors import DependenceDrift, DetectorUnion
from resilient_estimator.guards import GuardUnion
from resilient_estimator.testing import check_detector, check_guard

FOREST = IsolationForest(n_estimators=10, random_state=0)
GUARDS = {
    "range": RangeGuard(),
    "category": CategoryGuard(),
    "region": RegionGuard({0: (2, None)}),
    "outlier": OutlierGuard(FOREST),
    "union": GuardUnion([RangeGuard(), CategoryGuard(), FOREST]),
    "adversarial": AdversarialGuard(),
    "autoencoder": AdversarialAutoencoder(
        LogisticRegression(), hidden_layer_sizes=(8,), encoding_dim=2, random_state=0
    ),
}
DETECTORS = {
    "features": FeatureDrift(),
    "outputs": OutputDrift(),
    "relations": DependenceDrift(),
    "union": DetectorUnion(),
}


@pytest.mark.parametrize("name", GUARDS)
def test_our_own_guards_keep_the_promises(name):
    check_guard(GUARDS[name])


def test_a_guard_of_labels_keeps_the_promises():
    frame = pd.DataFrame({"a": list("xyz") * 100, "b": np.arange(300.0)})
    check_guard(GuardUnion([RangeGuard(), CategoryGuard()]), frame)


@pytest.mark.parametrize("name", DETECTORS)
def test_our_own_detectors_keep_the_promises(name):
    check_detector(DETECTORS[name])


@pytest.mark.parametrize("part", [*GUARDS.values(), *DETECTORS.values()])
def test_a_part_that_is_not_fitted_says_so(part):
    inspect = part.compare if hasattr(part, "compare") else part.inspect
    with pytest.raises(NotFittedError, match="not fitted yet"):
        inspect(np.zeros((3, 2)))


class Plain(BaseEstimator):
    """A guard that keeps every promise."""

    def fit(self, X, y=None):
        return self

    def inspect(self, X):
        return {"odd": np.zeros(len(X), dtype=bool)}


class WholeBatch(Plain):
    def inspect(self, X):
        return {"odd": np.full(len(X), len(X) > 100)}


class Counting(Plain):
    def fit(self, X, y=None):
        self.n_calls_ = 0
        return self

    def inspect(self, X):
        self.n_calls_ += 1
        return super().inspect(X)


class Numbers(Plain):
    def inspect(self, X):
        return {"odd": np.zeros(len(X))}


class Strict(Plain):
    def inspect(self, X):
        return {"odd": np.isnan(np.asarray(X, dtype=float)).any(axis=1)}


class TooClear(Plain):
    def inspect(self, X):
        return {"odd": np.asarray(X, dtype=object).astype(str)[:, 0] == "nan"}

    def all_clear(self, X):
        return True


class Boasting(Plain):
    def explain(self, X):
        return {"odd": {"x0": 7}}


BROKEN = {
    WholeBatch: "each row is flagged independently",
    Counting: "'inspect' changes neither",
    Numbers: "booleans of shape",
    Strict: "'inspect' never raises",
    Boasting: "'explain' counts no more rows",
}


def test_a_plain_guard_passes():
    check_guard(Plain())


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_promise_of_a_guard_is_named(kind):
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        check_guard(kind())


class Calm(FeatureDrift):
    """A detector that never reports drift."""

    def compare(self, X, *, profile=None):
        return super().compare(self.reference_.profile)


class Nervous(FeatureDrift):
    def _profile(self, X):
        return super()._profile(np.asarray(X) + 5)


class Ordered(FeatureDrift):
    def compare(self, X, *, profile=None):
        return super().compare(X[: len(X) // 2] if profile is None else profile)


BROKEN_DETECTORS = {
    Calm: "a large shift",
    Nervous: "show no drift from themselves",
    Ordered: "'n_samples' of a Drift counts the rows",
}


@pytest.mark.parametrize("kind", BROKEN_DETECTORS, ids=lambda kind: kind.__name__)
def test_a_broken_promise_of_a_detector_is_named(kind):
    with pytest.raises(AssertionError, match=BROKEN_DETECTORS[kind]):
        check_detector(kind())


class ThirdParty(BaseEstimator):
    """A detector that works from counts, and inherits from nothing of ours."""

    time_ordered = False

    def fit(self, X, y=None):
        self.inner_ = FeatureDrift().fit(X)
        return self

    def fit_reference(self, reference, X, y):
        self.inner_ = FeatureDrift().fit_reference(reference)
        self.n_rows_ = len(X)
        return self

    def compare(self, X, *, profile=None):
        return self.inner_.compare(X, profile=profile)


@pytest.mark.parametrize("alone", [True, False])
def test_the_hooks_of_a_third_party_are_called_alone_and_in_a_list(alone):
    """Its `fit_reference` gets the estimator's counts; it is never fitted to rows."""
    X = np.random.default_rng(0).normal(size=(400, 2))
    detector = ThirdParty() if alone else [ThirdParty(), DependenceDrift()]
    model = ResilientEstimator(LogisticRegression(), detector=detector)
    model.fit(X, (X[:, 0] > 0).astype(int))
    fitted = model.detector_ if alone else model.detector_.detectors_[0]
    assert fitted.inner_.reference_ is model.reference_
    assert fitted.n_rows_ == 400
    assert model.assess(X + 3).drift.detected
    check_detector(ThirdParty())


class Watchful(Plain):
    """A guard with every hook, which notes what it was given."""

    def fit_model(self, model, X, y, out_of_fold):
        self.out_of_fold_ = out_of_fold
        self.model_ = model
        return self

    def inspect_training(self, X):
        return {"odd": np.arange(len(X)) < 7}

    def explain(self, X):
        return {"odd": {}}

    def all_clear(self, X):
        return False


@pytest.mark.parametrize("alone", [True, False])
def test_the_hooks_of_a_guard_are_called_alone_and_in_a_list(alone):
    X = np.random.default_rng(0).normal(size=(400, 2))
    y = (X[:, 0] > 0).astype(int)
    guard = Watchful() if alone else [RangeGuard(), Watchful()]
    model = ResilientEstimator(LogisticRegression(), guard=guard).fit(X, y)
    fitted = model.guard_ if alone else model.guard_.guards_[1]
    assert fitted.model_ is model.estimator_
    assert fitted.out_of_fold_.rows.tolist() == list(range(400))
    assert np.mean(fitted.out_of_fold_.predictions == y) > 0.9
    assert model.training_flags_["n_flagged"] == 7


class Bare:
    """A guard and a detector without `get_params`: not a scikit-learn object."""

    def fit(self, X, y=None):
        self.n_rows_ = len(X)
        return self

    def inspect(self, X):
        return {"odd": np.zeros(len(X), dtype=bool)}

    def compare(self, X):
        return FeatureDrift().fit(np.zeros((30, 1))).compare(np.zeros((9, 1)))


@pytest.mark.parametrize("in_list", [False, True])
def test_parts_need_not_be_scikit_learn_objects(in_list):
    """They are copied, and the one that was passed stays unfitted."""
    X = np.random.default_rng(0).normal(size=(300, 2))
    part = Bare()
    given = [part] if in_list else part
    model = ResilientEstimator(LogisticRegression(), guard=given, detector=given)
    model.fit(X, (X[:, 0] > 0).astype(int))
    assert not hasattr(part, "n_rows_")
    assert model.assess(X).drift.n_columns == 1
