"""Each row of docs/faults.md is a test here, and each test here has a row there."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from resilient_estimator import (
    CategoryGuard,
    FallbackError,
    NoReferenceWarning,
    RangeGuard,
    ResilientEstimator,
    RulePredictor,
)
from resilient_estimator.guards import GuardUnion
from resilient_estimator.reference import Reference

FAULTS = Path(__file__).parent.parent / "docs" / "faults.md"
N = 600
ROWS = np.random.default_rng(0).normal(size=(N, 3))
TARGET = (ROWS[:, 0] > 0).astype(int)
LABELS = np.random.default_rng(1).choice(["red", "blue", "green"], N)
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"]).assign(colour=LABELS)
BY_NAME = make_pipeline(
    make_column_transformer(
        ("passthrough", ["a", "b"]),
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
    ),
    LogisticRegression(),
)


@lru_cache
def numbers_model(fallback=None):
    """Return a model of three unnamed columns that does not support NaN."""
    return ResilientEstimator(LogisticRegression(), fallback=fallback).fit(ROWS, TARGET)


@lru_cache
def frame_model(fallback=None):
    """Return a model of named columns; one has labels, another one is not used."""
    return ResilientEstimator(BY_NAME, fallback=fallback).fit(FRAME, TARGET)


def boosted(X, fallback=None):
    """Return a model that supports NaN, fitted to `X`."""
    estimator = HistGradientBoostingClassifier(max_iter=3)
    return ResilientEstimator(estimator, fallback=fallback).fit(X, TARGET)


def rows_flagged(model, X):
    """Return the positions of flagged rows by reason, without predicting."""
    masks = model.guard_.inspect(X)
    return {r: np.flatnonzero(m).tolist() for r, m in masks.items() if m.any()}


def answered_by_fallback(model, X):
    """Return the rows answered by the fallback; check predictions for the others."""
    predictions, flags = model.predict(X, return_flags=True)
    kept = np.flatnonzero(~flags.fallback)
    if len(kept):
        rows = X.iloc[kept] if hasattr(X, "iloc") else np.asarray(X)[kept]
        np.testing.assert_array_equal(predictions[kept], model.estimator_.predict(rows))
    return np.flatnonzero(flags.fallback).tolist()


def verdicts(model, X):
    """Return the verdict of each column."""
    drift = model.assess(X).drift
    return {drift.features[i]: drift.verdicts[i] for i in drift.of("features")}


def with_cell(cell, n_samples=60):
    """Return rows of objects, of which the first one has a bad cell."""
    X = ROWS[:n_samples].astype(object)
    X[0, 1] = cell
    return X


def is_bad_cell(cell, reason, error):
    """Check that only the row of a bad cell is flagged, and that no column drifts."""
    X, model = with_cell(cell), numbers_model("prior")
    with pytest.raises(error):
        numbers_model().predict(X)
    assert rows_flagged(model, X) == {reason: [0]}
    assert answered_by_fallback(model, X) == [0]
    assert "drifted" not in verdicts(model, X).values()


def test_the_table_and_the_tests_are_one():
    """Each row of docs/faults.md names a test of this file, and each test has a row."""
    rows = [line for line in FAULTS.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    documented = [row[0].strip("`") for row in cells]
    tests = [name for name in globals() if name.startswith("test_")]
    assert sorted(documented) == sorted(set(tests) - {THIS})
    assert all(len(row) == 5 and all(row) for row in cells)


THIS = test_the_table_and_the_tests_are_one.__name__


@pytest.mark.parametrize("shift", [0, 1000])
def test_wrong_number_of_columns(shift):
    """An array of the wrong width raises the estimator's error, whatever its values."""
    for X in (ROWS[:, :2] + shift, np.c_[ROWS, ROWS] + shift):
        for fallback in (None, "prior"):
            with pytest.raises(ValueError, match=r"X has \d features, but Logistic"):
                numbers_model(fallback).predict(X)
        with pytest.raises(ValueError, match=r"X has \d features, but the reference"):
            numbers_model().assess(X)


def test_missing_column():
    """Without a column, `predict` raises the estimator's error, and it is absent."""
    X = FRAME.drop(columns="a")
    for fallback in (None, "prior"):
        with pytest.raises(ValueError, match=r"columns are missing: \{'a'\}"):
            frame_model(fallback).predict(X)
    assert verdicts(frame_model(), X) == dict.fromkeys(FRAME, "stable") | {
        "a": "absent"
    }


def test_missing_column_that_is_not_used():
    """The pipeline does not select column c, so it predicts without it."""
    X, model = FRAME.drop(columns="c"), frame_model("prior")
    np.testing.assert_array_equal(model.predict(X), model.predict(FRAME))
    assert verdicts(model, X)["c"] == "absent"


def test_extra_column():
    """Pipelines that select by name, guards and `assess` ignore a new column."""
    X, model = FRAME.assign(new=np.inf), frame_model("prior")
    np.testing.assert_array_equal(model.predict(X), model.predict(FRAME))
    assert set(verdicts(model, X).values()) == {"stable"}


def test_reordered_columns():
    """Order does not matter if columns are selected by name; else it is an error."""
    X, model = FRAME[["colour", "c", "b", "a"]], frame_model("prior")
    np.testing.assert_array_equal(model.predict(X), model.predict(FRAME))
    assert set(verdicts(model, X).values()) == {"stable"}
    strict = clone(numbers_model("prior")).fit(FRAME[["a", "b"]], TARGET)
    with pytest.raises(ValueError, match="must be in the same order"):
        strict.predict(FRAME[["b", "a"]])


def test_duplicate_columns():
    """Two columns of the same name are an error; neither is taken for the other."""
    X = FRAME[["a", "a", "b", "c", "colour"]]
    for fallback in (None, "prior"):
        with pytest.raises(ValueError, match=r"features|[Dd]uplicate|unique"):
            frame_model(fallback).predict(X)
    with pytest.raises(ValueError, match="X has 5 features, but the reference has 4"):
        frame_model().assess(X)


def test_text_in_a_column_of_numbers():
    """Text is unreadable; the other rows and columns are not affected."""
    is_bad_cell("abc", "unreadable", ValueError)


def test_numeric_strings():
    """Strings of digits in a column of objects are numbers, as in scikit-learn."""
    X, model = ROWS.astype(str).astype(object), numbers_model("prior")
    np.testing.assert_array_equal(model.predict(X), model.predict(ROWS))
    assert rows_flagged(model, X) == {}
    assert model.profile(X) == model.profile(ROWS)


def test_decimal():
    """Decimals are numbers, and Decimal("NaN") is missing."""
    X, model = np.vectorize(Decimal, otypes=[object])(ROWS), numbers_model("prior")
    np.testing.assert_array_equal(model.predict(X), model.predict(ROWS))
    assert model.profile(X) == model.profile(ROWS)
    is_bad_cell(Decimal("NaN"), "missing", ValueError)


def test_integer_too_large_for_a_float():
    """10**400 counts as infinite."""
    is_bad_cell(10**400, "out_of_range", OverflowError)


@pytest.mark.parametrize("cell", [[1.0, 2.0], {"a": 1}, (), {1}])
def test_container_in_a_cell(cell):
    """A list or dict in a cell is unreadable."""
    is_bad_cell(cell, "unreadable", (ValueError, TypeError))


def test_list_among_labels():
    """A list in a column of labels is an unseen label; other labels are unaffected."""
    X, model = FRAME[:60].astype({"colour": object}), frame_model("prior")
    X.at[0, "colour"] = ["red"]  # noqa: PD008  .loc would take the list for rows
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        frame_model().predict(X)
    assert rows_flagged(model, X) == {"unseen": [0]}
    assert answered_by_fallback(model, X) == [0]
    assert "drifted" not in verdicts(model, X).values()


def test_mixed_columns_of_objects():
    """An array of numbers and labels is read column by column."""
    X = FRAME.to_numpy(dtype=object)
    guard = GuardUnion([RangeGuard(), CategoryGuard()]).fit(X)
    bad = X[:3].copy()
    bad[0, 0], bad[1, 3] = "abc", "purple"
    found = {r: mask.tolist() for r, mask in guard.inspect(bad).items() if mask.any()}
    assert found == {"unreadable": [True, False, False], "unseen": [False, True, False]}


def test_masked_array():
    """A masked cell is missing, although scikit-learn reads the value below it."""
    X = np.ma.array(ROWS[:60], mask=np.zeros((60, 3)))
    X[0, 1] = np.ma.masked
    model = numbers_model("prior")
    bare = numbers_model().estimator_.predict(ROWS[:60])
    np.testing.assert_array_equal(numbers_model().predict(X), bare)
    assert rows_flagged(numbers_model(), X) == {"missing": [0]}
    assert answered_by_fallback(model, X) == [0]


@pytest.mark.parametrize("X", [ROWS[0], ROWS[None], 5, None, [], [[1, 2, 3], [1]]])
def test_not_a_table(X):
    """One row, three dimensions, a scalar or ragged lists raise the usual error."""
    for fallback in (None, "prior"):
        with pytest.raises(ValueError, match=r"Expected 2D|dim 3|inhomogeneous"):
            numbers_model(fallback).predict(X)
    with pytest.raises(ValueError, match="Expected a table of 3 columns to compare"):
        numbers_model().assess(X)


def test_no_rows():
    """Without rows `predict` raises the usual error, and `assess` has too few rows."""
    for fallback in (None, "prior"):
        with pytest.raises(ValueError, match="Found array with 0 sample"):
            numbers_model(fallback).predict(ROWS[:0])
    assessment = numbers_model().assess(ROWS[:0])
    assert not assessment
    assert set(assessment.drift.verdicts) == {"too few rows to say"}


def test_one_row():
    """A single row is answered and flagged as in a batch, and too few to compare."""
    model, far = numbers_model("prior"), [[1e6, 0, 0]]
    assert model.predict(ROWS[:1]) == model.predict(ROWS)[0]
    assert rows_flagged(model, far) == {"out_of_range": [0]}
    assert set(verdicts(model, ROWS[:1]).values()) == {"too few rows to say"}


def test_ten_thousand_columns():
    """The time is proportional to the width: seconds, not minutes."""
    X = np.random.default_rng(0).normal(size=(200, 10_000))
    y = np.arange(200) % 2
    start = time.perf_counter()
    model = ResilientEstimator(DummyClassifier(), fallback="prior").fit(X, y)
    X[3, 7] = np.nan
    assert rows_flagged(model, X) == {"missing": [3]}
    assert not model.assess(X).drift.detected
    assert time.perf_counter() - start < 60


def test_nothing_but_nan():
    """In a batch of NaN all rows are flagged, and all columns are missing."""
    X = np.full((60, 3), np.nan)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        numbers_model().predict(X)
    assert answered_by_fallback(numbers_model("prior"), X) == list(range(60))
    assessment = numbers_model().assess(X)
    assert assessment
    changes = [assessment.drift.changes[i] for i in assessment.drift.of("features")]
    assert changes == ["missing values rose from 0 % to 100 %"] * 3


def test_column_of_nan_in_training():
    """A column that was empty in training may be empty; values in it are drift."""
    X = np.c_[ROWS[:, 0], np.full(N, np.nan)]
    imputed = make_pipeline(
        SimpleImputer(keep_empty_features=True), LogisticRegression()
    )
    model = ResilientEstimator(imputed, fallback="prior").fit(X, TARGET)
    filled = np.c_[ROWS[:, 0], ROWS[:, 1]]
    assert rows_flagged(model, X) == rows_flagged(model, filled) == {}
    assert verdicts(model, X) == {"x0": "stable", "x1": "not judged"}
    assert verdicts(model, filled) == {"x0": "stable", "x1": "drifted"}


def test_nan_where_training_had_some():
    """A column that had missing values in training may have them again."""
    X = ROWS.copy()
    X[::10, 1] = np.nan
    model = boosted(X, "prior")
    assert answered_by_fallback(model, X) == []
    assert set(verdicts(model, X).values()) == {"stable"}


@pytest.mark.parametrize("cell", [np.inf, -np.inf])
def test_infinity(cell):
    """Infinity is out of range for every column."""
    is_bad_cell(cell, "out_of_range", ValueError)


def test_huge_numbers():
    """1e308 is out of range unless training had such numbers."""
    X = ROWS[:60].copy()
    X[0, 1] = 1e308
    assert rows_flagged(numbers_model(), X) == {"out_of_range": [0]}
    assert answered_by_fallback(numbers_model("prior"), X) == [0]
    huge = boosted(ROWS * 1e307)
    assert rows_flagged(huge, ROWS * 1e307) == {}
    assert set(verdicts(huge, ROWS * 1e307).values()) == {"stable"}


def test_constant_column_that_starts_to_vary():
    """A constant column is judged, and variation in it is drift."""
    X = np.c_[ROWS[:, 0], np.full(N, 7.0)]
    model, varied = boosted(X, "prior"), np.c_[ROWS[:, 0], 7 + ROWS[:, 1]]
    assert rows_flagged(model, X) == rows_flagged(model, varied) == {}
    assert verdicts(model, X) == {"x0": "stable", "x1": "stable"}
    assert verdicts(model, varied) == {"x0": "stable", "x1": "drifted"}


def test_boolean_columns():
    """Booleans are the numbers zero and one."""
    X = ROWS > 0
    model = boosted(X, "prior")
    assert rows_flagged(model, X) == rows_flagged(model, X.astype(float)) == {}
    assert model.profile(X) == model.profile(X.astype(float))
    assert set(verdicts(model, X).values()) == {"stable"}
    assert set(verdicts(model, X | True).values()) == {"drifted"}


def test_date_columns():
    """Dates are neither flagged nor compared, except for missing ones."""
    X = FRAME.assign(when=pd.date_range("2026-01-01", periods=N, freq="h"))
    model = clone(frame_model("prior")).fit(X, TARGET)
    later = X.assign(when=X["when"] + pd.Timedelta("900D"))
    assert answered_by_fallback(model, later) == []
    unjudged = dict.fromkeys(FRAME, "stable") | {"when": "not judged"}
    assert verdicts(model, later) == unjudged
    assert verdicts(model, X.assign(when=pd.NaT))["when"] == "drifted"


@pytest.mark.parametrize("dtype", ["Float64", "double[pyarrow]"])
def test_nullable_columns(dtype):
    """pandas.NA is missing; other cells are read as in an array of floats."""
    X, model = pd.DataFrame(ROWS[:60]).astype(dtype), numbers_model("prior")
    X.iloc[0, 1] = pd.NA
    plain = ROWS[:60].copy()
    plain[0, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        numbers_model().predict(X)
    assert rows_flagged(model, X) == {"missing": [0]}
    np.testing.assert_array_equal(model.predict(X), model.predict(plain))
    assert model.profile(X) == model.profile(plain)


@pytest.mark.parametrize(
    "labels",
    [
        pl.Series("colour", LABELS),
        pl.Series("colour", LABELS, dtype=pl.Categorical),
        pl.Series("colour", LABELS, dtype=pl.Enum(["blue", "green", "red"])),
    ],
)
def test_polars_labels(labels):
    """Categoricals and enums are labels, with the same results as for pandas."""
    X, model = pl.from_pandas(FRAME).with_columns(labels), frame_model("prior")
    np.testing.assert_array_equal(model.predict(X), model.predict(FRAME))
    assert rows_flagged(model, X) == {}
    assert model.profile(X) == model.profile(FRAME)


@pytest.mark.parametrize("dtype", ["category", "str", object])
def test_unseen_labels(dtype):
    """A label that was not in training is flagged, whatever its dtype."""
    X = FRAME[:60].copy()
    X.loc[0, "colour"] = "purple"
    X["colour"] = X["colour"].astype(dtype)
    model = frame_model("prior")
    np.testing.assert_array_equal(frame_model().predict(X), model.estimator_.predict(X))
    assert rows_flagged(model, X) == {"unseen": [0]}
    assert answered_by_fallback(model, X) == [0]
    assert verdicts(model, FRAME.assign(colour="purple"))["colour"] == "drifted"


@pytest.mark.parametrize(
    "make",
    [
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.coo_matrix,
        sparse.csr_array,
        sparse.csc_array,
        sparse.coo_array,
    ],
)
def test_sparse_matrices(make):
    """Sparse matrices give the predictions, flags and counts of dense arrays."""
    X, model = ROWS * (ROWS > 0), numbers_model("prior")
    X[0, 1], X[1, 2] = np.nan, 1e9
    np.testing.assert_array_equal(model.predict(make(X)), model.predict(X))
    assert rows_flagged(model, make(X)) == {"missing": [0], "out_of_range": [1]}
    assert model.profile(make(X)) == model.profile(X)


def test_sparse_matrices_are_never_densified(monkeypatch):
    """50,000 x 10,000 numbers would take 4 GB, so the matrix is never made dense."""
    X = sparse.random(50_000, 10_000, density=1e-5, format="csr", rng=0)

    def refuse(matrix, *_, **__):
        raise MemoryError(matrix.shape)

    for kind in (sparse.csr_matrix, sparse.csc_matrix):
        monkeypatch.setattr(kind, "toarray", refuse)
    guard = GuardUnion([RangeGuard(), CategoryGuard()]).fit(X)
    X.data[7] = np.inf
    row = X.tocoo().row[7]
    assert np.flatnonzero(guard.inspect(X)["out_of_range"]).tolist() == [row]
    reference = Reference.learn(X[:, :500])
    assert reference.layout.profile(X[:, :500]) == reference.profile


def test_read_only_memory_map(tmp_path):
    """Rows on disk that are read-only are treated like any others."""
    np.save(tmp_path / "rows.npy", ROWS)
    X, model = np.load(tmp_path / "rows.npy", mmap_mode="r"), numbers_model("prior")
    np.testing.assert_array_equal(model.predict(X), model.predict(ROWS))
    assert rows_flagged(model, X) == {}
    assert model.profile(X) == model.profile(ROWS)


def test_many_threads():
    """32 threads that share one model get the same predictions as a single one."""
    model, X = frame_model("prior"), FRAME.copy()
    X.loc[::7, "a"] = np.nan
    expected, flags = model.predict(X, return_flags=True)
    with ThreadPoolExecutor(32) as threads:
        tasks = [threads.submit(model.predict, X, return_flags=True) for _ in range(64)]
        for task in tasks:
            predictions, masks = task.result()
            np.testing.assert_array_equal(predictions, expected)
            np.testing.assert_array_equal(masks.fallback, flags.fallback)


class Broken(ClassifierMixin, BaseEstimator):
    """A classifier that can be fitted but fails to predict."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        raise ZeroDivisionError(f"cannot predict {len(X)} rows")


def test_estimator_that_raises():
    """The estimator's error is raised unchanged: no fallback hides it."""
    for fallback in (None, "prior"):
        model = ResilientEstimator(Broken(), fallback=fallback)
        with pytest.warns(NoReferenceWarning, match=r"Broken raised ZeroDivisionError"):
            model.fit(ROWS, TARGET)
        with pytest.raises(ZeroDivisionError, match=f"cannot predict {N} rows"):
            model.predict(ROWS)
        assert not model.assess(ROWS)


def test_fallback_that_raises():
    """The error names the rows without an answer, and has the other predictions."""
    model = ResilientEstimator(LogisticRegression(), fallback=Broken())
    model.fit(ROWS, TARGET)
    X = ROWS[:4].copy()
    X[2, 0] = np.nan
    with pytest.raises(
        FallbackError, match=r"Broken failed .*1 of 4: 2.*cannot"
    ) as got:
        model.predict(X)
    assert got.value.rows.tolist() == [2]
    assert got.value.answered_rows.tolist() == [0, 1, 3]
    expected = model.estimator_.predict(X[[0, 1, 3]])
    np.testing.assert_array_equal(got.value.answers, expected)


def no_answer(X):
    raise ValueError("no answer")


class BrokenFunction(ClassifierMixin, BaseEstimator):
    """A fallback whose `predict` is a function and not a method."""

    predict = staticmethod(no_answer)

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self


def test_fallback_without_methods_is_named_too():
    """The error names the fallback, however its `predict` is defined."""
    model = ResilientEstimator(LogisticRegression(), fallback=BrokenFunction())
    with pytest.raises(FallbackError, match=r"BrokenFunction failed .*no answer"):
        model.fit(ROWS, TARGET).predict(ROWS * np.nan)


def too_short(X):
    """Return a single label for any number of rows."""
    return np.zeros(1) if len(X) > 1 else np.zeros(0)


def test_rule_of_another_length():
    """A rule must return one value per row; a single one is not broadcast."""
    model = ResilientEstimator(LogisticRegression(), fallback=RulePredictor(too_short))
    model.fit(ROWS, TARGET)
    X = np.full((3, 3), np.nan)
    with pytest.raises(FallbackError, match="must return one value per row"):
        model.predict(X)


def test_text_documents():
    """Documents are not a table, so they are neither flagged nor compared.

    The model's outputs for them are compared.
    """
    X = ["good rows", "bad rows", "good", "bad"] * 10
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    model = ResilientEstimator(pipeline, fallback="prior").fit(X, [1, 0, 1, 0] * 10)
    predictions, flags = model.predict(["good", "unheard of"], return_flags=True)
    assert predictions[0] == 1
    assert not flags.fallback.any()
    drift = model.assess(X).drift
    assert len(drift.of("features")) == len(drift.of("relations")) == 0
    assert len(drift.of("outputs")) == 3
    assert model.assess(["good"] * 40).drift.drifted[drift.of("outputs")].any()


def test_lists_of_lists():
    """Lists give the predictions, flags and counts of the array they stand for."""
    X, model = ROWS.tolist(), numbers_model("prior")
    X[0][1], X[1][0] = None, 1e9
    plain = np.array(X, dtype=float)
    assert rows_flagged(model, X) == {"missing": [0], "out_of_range": [1]}
    np.testing.assert_array_equal(model.predict(X), model.predict(plain))
    assert model.profile(X) == model.profile(plain)


def test_lazy_frame():
    """The errors explain that a polars LazyFrame must be collected first."""
    X = pl.from_pandas(FRAME).lazy()
    for fallback in (None, "prior"):
        with pytest.raises((ValueError, TypeError), match=r"2D|DataFrame|subscript"):
            frame_model(fallback).predict(X)
    with pytest.raises(ValueError, match="collect a lazy frame first"):
        frame_model().assess(X)


def test_arrow_table():
    """The columns of a pyarrow Table are read by name, like those of a frame."""
    model = clone(numbers_model("prior")).fit(FRAME[["a", "b"]], TARGET)
    X = FRAME[["a", "b"]].copy()
    X.loc[0, "a"] = np.nan
    arrow = pa.Table.from_pandas(X)
    assert rows_flagged(model, arrow) == {"missing": [0]}
    np.testing.assert_array_equal(model.predict(arrow), model.predict(X))
    assert model.profile(arrow) == model.profile(X)


def test_complex_numbers():
    """Complex numbers are unreadable; their real part is not used instead."""
    X = ROWS[:60] + 1j
    with pytest.raises(ValueError, match="Complex data not supported"):
        numbers_model().predict(X)
    model = numbers_model("prior")
    assert answered_by_fallback(model, X) == list(range(60))
    assert set(verdicts(model, X).values()) == {"drifted"}
    with pytest.raises(ValueError, match="Complex data not supported"):
        model.predict(sparse.csr_matrix(X))


OUR_TAGS = {"div", "p", "strong", "ul", "li"}
OUR_TAGS |= {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "two\nlines", "x" * 10_000, "'\"&", ""]
)
def test_hostile_column_names(name):
    """A column name never becomes markup, and its drift is reported."""
    X = pd.DataFrame(ROWS[:, :2], columns=["a", name])
    model = clone(numbers_model("prior")).fit(X, TARGET)
    batch = X.assign(**{name: X[name] + 1})
    html = model.assess(batch)._repr_html_()
    tags = set(re.findall(r"<\s*/?(\w+)", html))
    assert tags <= OUR_TAGS
    assert verdicts(model, batch)[name] == "drifted"


def test_identifiers():
    """New values are not flagged in a column where all values are distinct."""
    X = FRAME.assign(key=[f"key {k}" for k in range(N)])
    model = clone(frame_model("prior")).fit(X, TARGET)
    new = X.assign(key=[f"new {k}" for k in range(N)])
    assert answered_by_fallback(model, new) == []
    assert rows_flagged(model, new.assign(key=None)) == {"missing": list(range(N))}
    assert verdicts(model, new)["key"] != "drifted"
