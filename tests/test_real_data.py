"""The whole path on real data, with models that people use."""

from functools import lru_cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import load_real
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from subjects import mixed_pipeline

from resilient_estimator import (
    CategoryGuard,
    RangeGuard,
    ResilientEstimator,
    RulePredictor,
)
from resilient_estimator.guards import GuardUnion

N_TRAIN, N_BATCH = 1000, 500
SETS = (
    "insurance_talk",
    "elec2",
    "adult",
    "california_housing",
    "german_credit",
    "spambase",
    "breast_cancer",
    "digits",
    "diabetes",
)
SKLEARN = {
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
LOGISTIC = LogisticRegression(max_iter=3000)
CLASSIFIERS = {
    "logistic": LOGISTIC,
    "boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "forest": RandomForestClassifier(n_estimators=10, random_state=0),
    "svc": SVC(),
    "knn": KNeighborsClassifier(),
    "mlp": MLPClassifier((16,), max_iter=15, early_stopping=True, random_state=0),
    "stack": StackingClassifier(
        [("logistic", LOGISTIC), ("knn", KNeighborsClassifier())], cv=2
    ),
    "search": GridSearchCV(LOGISTIC, {"C": [0.1, 1.0]}, cv=2),
}
REGRESSORS = {
    "ridge": Ridge(),
    "boosting-regressor": HistGradientBoostingRegressor(max_iter=10, random_state=0),
}


@lru_cache
def load_split(name):
    """Return training rows and a batch, shuffled: rows of one world, not of a time."""
    if name in SKLEARN:
        X, y = SKLEARN[name](return_X_y=True, as_frame=True)
    else:
        X, y, _ = load_real(name)
    order = np.random.default_rng(0).permutation(len(X))
    n_train = min(N_TRAIN, 2 * len(X) // 3)
    train, batch = order[:n_train], order[n_train : n_train + N_BATCH]
    return X.iloc[train], y.iloc[train], X.iloc[batch], y.iloc[batch]


def models_for(y):
    return REGRESSORS if y.dtype.kind == "f" and y.nunique() > 20 else CLASSIFIERS


CASES = [
    (name, model)
    for name in SETS
    for model in (
        REGRESSORS if name in ("california_housing", "diabetes") else CLASSIFIERS
    )
]


@pytest.mark.parametrize(("name", "model"), CASES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_wrapper_loses_nothing_and_finds_no_drift_in_the_same_world(name, model):
    """Same answers as bare, hardly a flag, and no alarm on rows of the same world."""
    X, y, batch, truth = load_split(name)
    estimator = mixed_pipeline(models_for(y)[model])
    bare = mixed_pipeline(models_for(y)[model]).fit(X, y)
    wrapped = ResilientEstimator(estimator).fit(X, y)
    np.testing.assert_array_equal(wrapped.predict(batch), bare.predict(batch))
    assert wrapped.score(batch, truth) == bare.score(batch, truth)
    _, flags = wrapped.predict(batch, return_flags=True)
    assert np.mean(np.any(list(flags.values()), axis=0)) < 0.02
    assessment = wrapped.assess(batch, truth)
    assert not assessment, assessment
    assert assessment.performance.n_samples == len(batch)


@pytest.mark.parametrize("name", SETS)
def test_a_fallback_answers_the_broken_rows_of_any_table(name):
    """Rows that lost their values are answered by the fallback, all others are not."""
    X, y, batch, _ = load_split(name)
    final = Ridge() if models_for(y) is REGRESSORS else LOGISTIC
    model = ResilientEstimator(mixed_pipeline(final), fallback="prior").fit(X, y)
    complete = X.columns[X.notna().all()]
    number = X[complete].select_dtypes("number").columns[0]
    broken = batch.copy()
    broken[number] = broken[number].astype(float)
    position = broken.columns.get_loc(number)
    broken.iloc[:3, position] = [np.nan, np.inf, 1e12]
    answer, flags = model.predict(broken, return_flags=True)
    assert flags.fallback[:3].all()
    assert flags.missing[0]
    assert flags.out_of_range[1:3].all()
    mine = ~flags.fallback
    np.testing.assert_array_equal(answer[mine], model.estimator_.predict(broken[mine]))
    assert model.assess(broken).flagged_columns["missing"][number] >= 1


def test_adult_in_pandas_and_polars_is_answered_and_flagged_alike():
    """Missing values and string categories are read the same from both."""
    X, y, batch, _ = load_split("adult")
    estimator = HistGradientBoostingClassifier(
        max_iter=10, categorical_features="from_dtype", random_state=0
    )
    model = ResilientEstimator(estimator, fallback="prior").fit(X, y)
    twin = ResilientEstimator(estimator, fallback="prior").fit(pl.from_pandas(X), y)
    batch = batch.assign(sex=batch["sex"].astype(str).where(batch.index % 50 != 0, "?"))
    batch["sex"] = pd.Categorical(batch["sex"])
    polars = pl.from_pandas(batch)
    _, flags = model.predict(batch, return_flags=True)
    _, twins = twin.predict(polars, return_flags=True)
    assert pd.DataFrame(flags).equals(pd.DataFrame(twins))
    assert flags.unseen[batch["sex"] == "?"].all()
    assert (batch["sex"] == "?").any()
    assert twin.assess(polars).drift.verdicts == model.assess(batch).drift.verdicts


def test_default_guards_tolerate_what_training_had():
    """Missing values are flagged only in columns that had none in training."""
    X, y, batch, _ = load_split("adult")
    model = ResilientEstimator(mixed_pipeline(LOGISTIC)).fit(X, y)
    assert batch.isna().any(axis=None)
    _, flags = model.predict(batch, return_flags=True)
    assert not flags.missing.any()


def talk_rule(X):
    """The talk's rule: the young and the fast are a high risk (group 0)."""
    risky = (X["age"] < 25) | (X["power"] > 200)
    return np.where(risky, 0, np.where(X["miles"] > 90, 1, 2))


@pytest.fixture(scope="module")
def talk():
    """The talk's model, and its production rows of month 36 with broken ones."""
    X, y, meta = load_real("insurance_talk")
    reference, month = (meta["time"] == 0).to_numpy(), (meta["time"] == 36).to_numpy()
    limits = {"age": (10, 150), "power": (50, 250)}
    model = ResilientEstimator(
        make_pipeline(StandardScaler(), LogisticRegression()),
        fallback=RulePredictor(talk_rule),
        guard=GuardUnion([RangeGuard(margin=None, limits=limits), CategoryGuard()]),
        min_confidence=0.5,
    )
    batch = X[month].copy()
    batch.iloc[:4, batch.columns.get_loc("age")] = [9.0, 151.0, np.nan, 60.0]
    return model.fit(X[reference], y[reference]), batch


def test_the_talk_s_guard_answers_each_row_by_the_right_part(talk):
    """Every flagged row is answered by the rule, every other by the model."""
    model, batch = talk
    answer, flags = model.predict(batch, return_flags=True)
    rule, mine = flags.fallback, ~flags.fallback
    np.testing.assert_array_equal(answer[rule], talk_rule(batch[rule]))
    np.testing.assert_array_equal(answer[mine], model.estimator_.predict(batch[mine]))
    assert 0 < rule.mean() < 0.5


def test_the_talk_s_flags_say_which_and_why(talk):
    """Age outside 10..150, power outside 50..250, confidence below one half."""
    model, batch = talk
    _, flags = model.predict(batch, return_flags=True)
    outside = ~batch["age"].between(10, 150) | ~batch["power"].between(50, 250)
    missing = batch["age"].isna().to_numpy()
    np.testing.assert_array_equal(flags.out_of_range, outside.to_numpy() & ~missing)
    np.testing.assert_array_equal(flags.missing, missing)
    good = ~(flags.out_of_range | flags.missing)
    unsure = model.estimator_.predict_proba(batch[good]).max(axis=1) < 0.5
    np.testing.assert_array_equal(flags.uncertain[good], unsure)
    assert not flags.uncertain[~good].any()
    assert flags.uncertain.any()


def test_the_talk_s_assessment_reads_like_a_person_s(talk):
    """Drifted columns worst first with their change, then who answered which rows."""
    model, batch = talk
    assessment = model.assess(batch)
    assert assessment
    reasons = assessment.reasons
    assert reasons[0].startswith("emergency_braking drifted severely: ")
    assert any(r.startswith("age drifted moderately: ") for r in reasons)
    assert any("rows were answered by the fallback: " in r for r in reasons)
    assert not any("braking_distance drifted" in r for r in reasons)


def test_a_model_without_any_part_still_assesses():
    """Without guard and detector there is nothing to tell, and nothing fails."""
    X, y = load_breast_cancer(return_X_y=True)
    model = ResilientEstimator(DummyClassifier(), guard=None, detector=None).fit(X, y)
    assessment = model.assess(X * 2)
    assert not assessment
    assert assessment.drift is None
    assert assessment.reasons == []
    assert "drift was not checked" in repr(assessment)
