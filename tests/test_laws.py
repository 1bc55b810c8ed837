"""The ten laws that hold for every ResilientEstimator."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from copy import copy, deepcopy

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from subjects import (
    ALONE,
    METHODS,
    MODELS,
    WITH_FALLBACK,
    answers,
    as_frame,
    production_rows,
    training_data,
)

from resilient_estimator import (
    FallbackError,
    FeatureDrift,
    InconsistentVersionWarning,
    RangeGuard,
    ResilientEstimator,
)
from resilient_estimator.reference import Layout, Profile, Reference

FITTED = {}


def fitted(name):
    if name not in FITTED:
        FITTED[name] = clone(MODELS[name]).fit(*training_data(name))
    return FITTED[name]


@pytest.fixture(params=MODELS, scope="module")
def model(request):
    return fitted(request.param)


class Counting(ClassifierMixin, BaseEstimator):
    """Constant classifier that records which rows it is asked about."""

    calls = []

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        Counting.calls.append(np.asarray(X))
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("shift", [0, 3])
def test_law_1_without_a_fallback_answers_are_those_of_the_bare_estimator(name, shift):
    """Bit for bit those of the same estimator fitted bare, drift or no drift."""
    bare = clone(ALONE[name].estimator).fit(*training_data(name))
    X = production_rows(ALONE[name], shift=shift)
    for method in METHODS:
        assert hasattr(fitted(name), method) == hasattr(bare, method)
        if hasattr(bare, method):
            with np.errstate(divide="ignore"):  # forests take the logarithm of zero
                got = getattr(fitted(name), method)(X)
                expected = getattr(bare, method)(X)
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("wants", ["plain", "return_flags", "return_assessment"])
@pytest.mark.parametrize("fallback", [None, "prior"])
def test_law_1_the_estimator_is_asked_once_per_call(wants, fallback):
    """One inference, whether flags or an assessment are wanted or not."""
    X, y = training_data("logistic")
    model = ResilientEstimator(Counting(), fallback=fallback).fit(X, y)
    Counting.calls.clear()
    model.predict(X, **({} if wants == "plain" else {wants: True}))
    assert len(Counting.calls) == 1


@settings(max_examples=8)
@given(rows=st.lists(st.integers(0, 59), min_size=1, max_size=120))
def test_law_2_an_answer_does_not_depend_on_the_other_rows(model, rows):
    """Any selection of rows, repeated or reordered, gets the same answers and flags."""
    X = production_rows(model, shift=1.5)
    for name, whole in answers(model, X).items():
        part = answers(model, X[rows])[name]
        np.testing.assert_allclose(part, whole[rows], rtol=1e-9, err_msg=name)


def test_law_2_an_assessment_does_not_change_the_answers(model):
    """The answers beside an assessment are those without it."""
    X = production_rows(model, shift=3)
    answer, assessment = model.predict(X, return_assessment=True)
    np.testing.assert_array_equal(answer, model.predict(X))
    _, flags = model.predict(X, return_flags=True)
    for reason, mask in flags.items():
        np.testing.assert_array_equal(assessment.flags[reason], mask)


def test_law_3_asking_changes_neither_model_nor_data_nor_random_state(model):
    """Whatever is asked, hashes and the global random state stay."""
    X = production_rows(model, shift=1)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    before = pickle.dumps(model), joblib.hash(X)  # joblib cannot hash a masked array
    answers(model, X)
    model.assess(X)
    model.profile(X)
    assert (pickle.dumps(model), joblib.hash(X)) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", WITH_FALLBACK)
def test_law_4_each_row_is_answered_by_exactly_one_part(name):
    """The fallback answers the flagged rows, the estimator all others."""
    model = fitted(name)
    X = production_rows(model)
    answer, flags = model.predict(X, return_flags=True)
    theirs = flags.pop("fallback")
    np.testing.assert_array_equal(theirs, np.any(list(flags.values()), axis=0))
    assert 0 < theirs.sum() < len(X)
    np.testing.assert_array_equal(answer[~theirs], model.estimator_.predict(X[~theirs]))
    np.testing.assert_array_equal(answer[theirs], model.fallback_.predict(X[theirs]))


def test_law_4_each_part_is_asked_about_its_own_rows_only():
    """A row that the guard flags never reaches the estimator."""
    X, y = training_data("logistic")
    model = ResilientEstimator(Counting(), fallback="prior").fit(X, y)
    Counting.calls.clear()
    model.predict(production_rows(model))
    assert np.isfinite(Counting.calls[0]).all()
    assert 0 < len(Counting.calls[0]) < 60


def _predict_in_another_process(folder, batches):
    return {name: answers(joblib.load(folder / name), X) for name, X in batches.items()}


REVIVALS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "copy": copy,
    "deepcopy": deepcopy,
}


@pytest.mark.parametrize("revival", REVIVALS)
def test_law_5_a_revived_model_gives_the_same_answers(model, revival):
    """Pickle and copies keep every answer, every flag and every verdict."""
    X = production_rows(model, shift=1)
    revived = REVIVALS[revival](model)
    for name, answer in answers(model, X).items():
        np.testing.assert_array_equal(answers(revived, X)[name], answer, err_msg=name)
    assert repr(revived.assess(X)) == repr(model.assess(X))


def test_law_5_a_spawned_process_gives_the_same_answers(tmp_path):
    """A model saved by joblib answers alike in a process that knows only the file."""
    names = "logistic+rule", "unsure+prior", "ridge+prior"
    batches = {name: production_rows(fitted(name)) for name in names}
    for name in names:
        joblib.dump(fitted(name), tmp_path / name)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        there = pool.submit(_predict_in_another_process, tmp_path, batches).result()
    for name, X in batches.items():
        for key, answer in answers(fitted(name), X).items():
            np.testing.assert_array_equal(there[name][key], answer, err_msg=key)


PLAIN = (str, int, float, bool, type(None), np.generic, np.ndarray)


def _foreign_state(value, path="model"):
    """Yield where fitted state is neither plain nor a scikit-learn style object."""
    if isinstance(value, PLAIN):
        return
    if isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _foreign_state(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{path} has the key {key!r}"
            yield from _foreign_state(item, f"{path}[{key!r}]")
    elif type(value).__module__.startswith("resilient_estimator"):
        for key, item in vars(value).items():
            yield from _foreign_state(item, f"{path}.{key}")
    elif not isinstance(value, BaseEstimator):
        yield f"{path} is a {type(value).__name__}"


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"logistic+rule"}))
def test_law_5_fitted_state_is_plain(name):
    """Arrays, text, numbers, lists and str-keyed dicts: what every format can keep."""
    stored = pickle.loads(pickle.dumps(fitted(name)))
    assert list(_foreign_state(stored)) == []


@pytest.mark.parametrize("container", [as_frame, lambda X: pl.from_pandas(as_frame(X))])
@pytest.mark.parametrize("name", ["logistic+prior", "unsure+prior", "ridge+prior"])
def test_law_6_the_container_does_not_matter(name, container):
    """Frames get the answers and the flags that arrays get."""
    X, y = training_data(name)
    rows = production_rows(MODELS[name])
    model = clone(MODELS[name]).fit(container(X), y)
    for key, expected in answers(fitted(name), rows).items():
        np.testing.assert_allclose(answers(model, container(rows))[key], expected)
    verdicts = model.assess(container(rows)).drift.verdicts
    assert verdicts == fitted(name).assess(rows).drift.verdicts


@pytest.mark.parametrize(
    "container",
    [sparse.csr_array, sparse.csc_matrix, sparse.coo_array, np.ndarray.tolist],
)
def test_law_6_sparse_matrices_and_lists_are_read_alike(container):
    """The same rows, sparse or as lists, get the same answers and flags."""
    X, y = training_data("logistic")
    X = np.where(np.abs(X) < 0.5, 0, X)
    rows = np.where(np.abs(X) < 1, 0, X * 3)
    model = ResilientEstimator(LogisticRegression(), fallback=LogisticRegression())
    as_array, as_other = clone(model).fit(X, y), clone(model).fit(container(X), y)
    for key, expected in answers(as_array, rows).items():
        np.testing.assert_allclose(answers(as_other, container(rows))[key], expected)
    assert as_other.profile(container(rows)) == as_array.profile(rows)


def test_law_6_the_estimator_receives_the_original_container():
    """Names and dtypes are not lost on the way to the wrapped estimator."""
    X, y = training_data("logistic")
    frame = as_frame(X)
    model = ResilientEstimator(LogisticRegression(), fallback="prior").fit(frame, y)
    assert list(model.estimator_.feature_names_in_) == list(frame.columns)
    assert list(model.feature_names_in_) == list(frame.columns)


BAD_COLUMNS = {
    "missing": lambda n: np.full(n, np.nan),
    "none": lambda n: np.full(n, None),
    "constant": lambda n: np.full(n, 7.0),
    "text": lambda n: np.array(["?"] * n, dtype=object),
    "unseen": lambda n: np.array([f"new{i}" for i in range(n)], dtype=object),
    "infinite": lambda n: np.full(n, np.inf),
    "huge": lambda n: np.where(np.arange(n) % 2, 1e308, -1e308),
    "lists": lambda n: pd.Series([[i] for i in range(n)]).to_numpy(),
}


@pytest.mark.parametrize("bad", BAD_COLUMNS)
@pytest.mark.parametrize("kind", ["number", "label"])
def test_law_8_one_bad_column_never_takes_the_others_away(bad, kind):
    """Guards and detectors judge the other columns as if it were fine."""
    rng = np.random.default_rng(0)

    def table(n):
        label = rng.choice(list("abc"), n)
        return pd.DataFrame({"number": rng.normal(size=n), "label": label})

    train, batch = table(500), table(300)
    model = ResilientEstimator(DummyClassifier(), fallback="prior")
    model.fit(train, train["label"] == "a")
    other = "label" if kind == "number" else "number"
    fine = model.assess(batch).drift
    batch = batch.assign(**{kind: BAD_COLUMNS[bad](300)})
    drift = model.assess(batch).drift
    i = drift.features.index(other)
    assert drift.statistics[i] == fine.statistics[i]
    assert drift.severities[i] == fine.severities[i]
    assert drift.drifted[1 - i]


@settings(max_examples=30)
@given(
    cuts=st.lists(st.integers(0, 300), min_size=1, max_size=6),
    seed=st.integers(0, 2**16),
)
def test_law_9_profiles_add_up(cuts, seed):
    """The profile of a whole is the sum of its parts, in any split and order."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=300), rng.integers(0, 3, 300)])
    X[rng.random(X.shape) < 0.05] = np.nan
    layout = Reference.learn(X[:200]).layout
    parts = np.split(X, sorted(cuts))
    rng.shuffle(parts)
    assert sum(layout.profile(part) for part in parts) == layout.profile(X)


def test_law_9_profiles_survive_json():
    """JSON out and in gives an equal layout and an equal profile."""
    X, _ = training_data("logistic")
    reference = Reference.learn(as_frame(X))
    assert Layout.from_json(reference.layout.to_json()) == reference.layout
    assert Profile.from_json(reference.profile.to_json()) == reference.profile


CANARY, CANARY_LABEL = 123456.789, "CANARY-8472"


def _canary_model():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "number": np.append(rng.normal(size=499), CANARY),
            "whole": np.append(rng.integers(0, 9, 499), 123457),
            "label": [*rng.choice(["a", "b"], 499), CANARY_LABEL],
            "constant": 5.4321,
        }
    )
    model = ResilientEstimator(DummyClassifier(), fallback="prior")
    return X, model.fit(X, X["label"] == "a")


def test_law_10_no_training_row_can_be_read_back():
    """Neither a value that stands out nor a rare label is in the pickle."""
    X, model = _canary_model()
    stored = pickle.dumps(model)
    for needle in (CANARY, 123457.0, 5.4321):
        assert np.float64(needle).tobytes() not in stored
        assert np.float64(needle).tobytes()[::-1] not in stored
    assert CANARY_LABEL.encode() not in stored
    assert CANARY_LABEL not in model.reference_.to_json()
    assert str(CANARY) not in model.reference_.to_json()
    assert model.predict(X.tail(1), return_flags=True)[1].unseen.tolist() == [False]


def test_law_10_no_minimum_and_no_maximum_is_kept():
    """No number in guard or reference equals an extreme value of training."""
    rng = np.random.default_rng(1)
    X = rng.lognormal(size=(777, 3)).round(3)
    model = ResilientEstimator(DummyClassifier()).fit(X, X[:, 0] > 1)
    guard = model.guard_.guards_[0]
    for i, cells in enumerate(model.reference_.layout.columns):
        kept = np.append(cells.edges, [guard.lower_[i], guard.upper_[i]])
        assert not np.isin(kept, X[:, i]).any()


SHAPES = {
    "normal": lambda rng: rng.normal(50, 10, 777),
    "skewed": lambda rng: rng.lognormal(sigma=2, size=777),
    "far from zero": lambda rng: 1e6 + rng.uniform(size=777),
    "tiny": lambda rng: rng.normal(size=777) * 1e-12,
    "whole numbers": lambda rng: rng.integers(-4321, 98765, 777),
    "counts": lambda rng: rng.poisson(200, 777),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("margin", [1.0, 0.25, 0.0])
def test_law_10_the_range_cannot_be_computed_back(shape, margin):
    """Undoing the margin does not give the training minimum and maximum.

    Counts in the hundreds are hit by chance: their limits are multiples of five.
    """
    rng = np.random.default_rng(0)
    X = np.column_stack([SHAPES[shape](rng) for _ in range(100)])
    guard = RangeGuard(margin=margin).fit(X)
    kept = [v for v in vars(guard).values() if isinstance(v, np.ndarray)]
    lower, upper = (v for v in kept if v.dtype.kind == "f")
    width = (upper - lower) / (1 + 2 * margin)
    minimum, maximum = X.min(axis=0), X.max(axis=0)
    for found, extreme in [
        (lower + margin * width, minimum),
        (upper - margin * width, maximum),
    ]:
        close = 1e-6 * np.minimum(np.abs(extreme), maximum - minimum)
        close = 0.5 if X.dtype.kind == "i" else close
        chance = 0.3 if shape == "counts" else 0.0
        assert np.mean(np.abs(found - extreme) <= close) <= chance


@pytest.mark.parametrize("test", ["auto", "ks", "chi2"])
def test_law_7_is_kept_whatever_the_test(test):
    """Ten clean columns raise an alarm in at most alpha of 200 batches.

    Twenty alarms would be twice alpha: a rate of .05 gives more with probability .003.
    """
    rng = np.random.default_rng(0)
    mixing = np.linalg.cholesky(0.5 + 0.5 * np.eye(10)).T
    n_alarms = 0
    for _ in range(200):
        reference, batch = rng.normal(size=(2, 400, 10)) @ mixing
        n_alarms += FeatureDrift(test).fit(reference).compare(batch).detected
    assert n_alarms < 20


def test_law_2_holds_for_categories():
    """A pipeline on labels answers and flags each row by itself."""
    X = pd.DataFrame({"label": ["a", "b"] * 50})
    y = np.tile([0, 1], 50)
    encoder = OneHotEncoder(handle_unknown="ignore")
    pipeline = make_pipeline(encoder, LogisticRegression())
    model = ResilientEstimator(pipeline, fallback="prior").fit(X, y)
    rows = pd.DataFrame({"label": ["a", "zebra", None, "b"]})
    whole = answers(model, rows)
    for i in range(len(rows)):
        for key, value in answers(model, rows.iloc[[i]]).items():
            np.testing.assert_array_equal(value, whole[key][[i]])
    assert whole["unseen"].tolist() == [False, True, False, False]
    assert whole["missing"].tolist() == [False, False, True, False]


def test_a_model_of_another_version_says_so():
    """A pickle of another version of the package warns when it is loaded."""
    model = copy(fitted("logistic+prior"))
    state = model.__getstate__() | {"_resilient_estimator_version": "0.0.1"}
    with pytest.warns(InconsistentVersionWarning, match=r"saved by .* 0\.0\.1"):
        model.__setstate__(state)


def test_a_fallback_error_survives_pickling():
    """The error crosses process borders with its rows and its answers."""
    error = FallbackError("no answer", np.array([1]), np.array([5.0]), np.array([0]))
    revived = pickle.loads(pickle.dumps(error))
    assert str(revived) == "no answer"
    assert revived.rows.tolist() == [1]
    assert revived.answers.tolist() == [5.0]
