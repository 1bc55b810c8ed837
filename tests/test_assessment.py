"""An assessment reports in plain words whether action is needed."""

import dataclasses
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, make_regression
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import Bunch

from resilient_estimator import FeatureDrift, ResilientEstimator
from resilient_estimator.assessment import Assessment, accuracy_interval, flags_surged
from resilient_estimator.drift import Drift


def people(n_samples, random_state, *, older=0.0, n_broken=0):
    rng = np.random.default_rng(random_state)
    X = pd.DataFrame(
        {
            "age": rng.normal(40 + older, 10, n_samples),
            "power": rng.normal(100, 20, n_samples),
            "region": rng.choice(["north", "south"], n_samples),
        }
    )
    X.iloc[:n_broken, 1] = 1e6
    return X


@pytest.fixture(scope="module")
def model():
    X = people(2000, 0)
    return ResilientEstimator(DummyClassifier(), fallback="prior").fit(X, X["age"] > 40)


def test_a_clean_batch_needs_no_action(model):
    """It is false, and there is nothing to report."""
    assessment = model.assess(people(1500, 1))
    assert not assessment
    assert assessment.reasons == []
    assert repr(assessment).startswith("Assessment: no action needed; 0 of 3 columns")


def test_reasons_are_sentences_worst_first(model):
    """Drift with its change, then the rows that the fallback answered."""
    assessment = model.assess(people(1500, 1, older=7, n_broken=12))
    assert assessment
    drift, flags = assessment.reasons
    assert drift.startswith("age drifted strongly: 2")
    assert "% of rows are unlike training (median rose from" in drift
    assert flags == "12 of 1,500 rows were answered by the fallback: power out of range"


def test_flags_are_masks_and_rates(model):
    """Masks show which rows are flagged, rates how many."""
    assessment = model.assess(people(100, 1, n_broken=4))
    assert np.flatnonzero(assessment.flags.fallback).tolist() == [0, 1, 2, 3]
    assert assessment.flag_rates["out_of_range"] == 0.04
    assert assessment.flagged_columns == {"out_of_range": {"power": 4}}


def test_many_more_flags_than_in_training_need_action(model):
    """If a tenth of the rows are absurd, action is needed even without drift."""
    batch = people(60, 1, n_broken=6)
    assessment = model.assess(batch)
    assert assessment.flags_surged
    assert assessment


def test_a_surge_is_real_and_material():
    """A few more flags, by chance or immaterial, are not a surge."""
    assert flags_surged(10, 100, 0, 1000)
    assert not flags_surged(1, 10, 1, 1000)
    assert not flags_surged(2000, 100_000, 0, 100_000)
    assert not flags_surged(0, 0, 0, 1000)


def test_a_small_batch_is_never_called_fine(model):
    """Twenty rows are too few to say anything, and the assessment reports that."""
    assessment = model.assess(people(20, 1))
    assert not assessment
    assert repr(assessment).startswith("Assessment: too few rows to say")
    assert assessment.reasons == [
        "20 rows are too few to say whether 3 columns drifted"
    ]


def test_an_empty_batch_is_too_small(model):
    """Without rows there is neither an error nor a verdict."""
    assert "too few rows to say" in repr(model.assess(people(0, 1)))


def test_an_absent_column_is_the_first_reason(model):
    """An absent column needs action, and the others are still judged."""
    assessment = model.assess(people(500, 1, older=7).drop(columns="region"))
    assert assessment.reasons[0] == "region is absent"
    assert assessment.reasons[1].startswith("age drifted")


def test_labels_give_the_realised_score():
    """Given labels, the assessment has accuracy with its interval, or R squared."""
    X, y = load_breast_cancer(return_X_y=True)
    model = ResilientEstimator(LogisticRegression(max_iter=5000), cv=None).fit(X, y)
    performance = model.assess(X, y).performance
    assert performance.value == model.score(X, y)
    assert performance.lower < performance.value < performance.upper
    X, y = make_regression(random_state=0)
    regressor = ResilientEstimator(Ridge()).fit(X, y)
    assert regressor.assess(X, y).performance.value == regressor.score(X, y)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([None] * 50, "50 are missing"),
        ([True] * 20, r"inconsistent numbers of samples: \[50, 20\]"),
    ],
)
def test_missing_or_too_few_labels_are_refused(model, labels, message):
    """A missing label can be neither right nor wrong."""
    with pytest.raises(ValueError, match=message):
        model.assess(people(50, 1), labels)


def test_the_interval_of_accuracy_is_wilsons():
    """8 of 10 correct: .490 to .943 (Wilson 1927, as in Newcombe 1998)."""
    performance = accuracy_interval(np.arange(10) < 8)
    assert performance.lower == pytest.approx(0.4902, abs=1e-4)
    assert performance.upper == pytest.approx(0.9433, abs=1e-4)


def test_an_assessment_is_frozen(model):
    """Its attributes cannot be set."""
    with pytest.raises(dataclasses.FrozenInstanceError, match="n_samples"):
        model.assess(people(50, 1)).n_samples = 3


def test_the_frame_has_one_row_per_column_worst_first(model):
    """`to_frame` returns the comparison of the columns as a table."""
    frame = model.assess(people(1500, 1, older=7)).to_frame()
    columns = frame[frame["part"] == "features"]
    assert columns["feature"].iloc[0] == "age"
    assert columns["detected"].tolist() == [True, False, False]
    assert set(frame.columns) >= {"verdict", "severity", "word", "pvalue", "change"}


class _Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_html_is_a_table_and_escapes_names():
    """A column name that contains markup remains text."""
    name = "<script>alert(1)</script>"
    X = pd.DataFrame({name: np.arange(500.0)})
    model = ResilientEstimator(DummyClassifier()).fit(X, X[name] > 9)
    page = _Texts()
    assessment = model.assess(X + 300)
    page.feed(assessment._repr_html_())
    assert "script" not in page.tags
    assert page.tags.count("tr") == 1 + len(assessment.drift.features)
    assert name in page.texts


def test_flags_and_assessment_cannot_both_be_returned(model):
    """The error explains that the assessment contains the flags."""
    with pytest.raises(ValueError, match="Only one of"):
        model.predict(people(5, 1), return_flags=True, return_assessment=True)


def test_importance_is_part_of_the_table_and_of_the_reasons():
    """Columns have an importance; outputs, relations and flags have none."""
    X = people(500, 0)[["age", "power"]]
    model = ResilientEstimator(LogisticRegression(max_iter=1000), importance=True)
    assessment = model.fit(X, X["age"] > 40).assess(X + 20)
    frame = assessment.to_frame()
    known = frame["importance"].notna()
    assert (known == (frame["part"] == "features")).all()
    assert frame["importance"].sum() == pytest.approx(1)
    assert any("% of the model's feature importance" in r for r in assessment.reasons)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdicts": ("absent",)}, "age is absent"),
        ({"severities": np.array([0.19])}, "age drifted moderately: 19 % of rows"),
        ({"severities": np.array([0.03])}, "age: missing values rose"),
        ({"parts": ("outputs",)}, "the model's age drifted strongly"),
        ({"parts": ("relations",)}, "the relationships between columns changed: "),
    ],
)
def test_each_kind_of_drift_has_its_sentence(changes, message):
    """Absent columns, drift, surges, outputs and relations read differently."""
    drift = Drift(
        features=("age",),
        statistics=np.array([1.0]),
        pvalues=np.array([0.001]),
        severities=np.array([0.3]),
        verdicts=("drifted",),
        changes=("missing values rose from 0 % to 3 %",),
        n_reference=1000,
        n_samples=1000,
        alpha=0.05,
        min_severity=0.04,
    )
    drift = dataclasses.replace(drift, **changes)
    assert Assessment(1000, drift, Bunch()).reasons[0].startswith(message)


def test_drift_that_no_single_column_explains_names_the_worst():
    """The batch drifted, but none of its columns did."""
    X = people(500, 0)
    drift = FeatureDrift().fit(X).compare(X)
    spread = dataclasses.replace(drift, batch_drifted=True, batch_pvalue=0.003)
    assessment = Assessment(500, spread, Bunch())
    assert assessment
    (reason,) = assessment.reasons
    assert reason.startswith("the batch as a whole differs from training (p = 0.003)")
    assert reason.endswith(f"no single column stands out; look at {drift.worst} first")


def test_columns_beyond_the_third_are_counted():
    """A reason names the three columns that are flagged most often."""
    flags = Bunch(out_of_range=np.ones(10, dtype=bool))
    columns = {"out_of_range": {"a": 1, "b": 5, "c": 2, "d": 3}}
    assessment = Assessment(10, None, flags, columns)
    text = "10 of 10 rows were flagged: b, d, c and 1 more out of range"
    assert assessment.reasons == [text]


def test_results_without_a_meaning_of_truth_refuse_bool(model):
    """The error names the attribute to use instead."""
    assessment = model.assess(people(500, 1), stability=True)
    with pytest.raises(TypeError, match=r"Drift has no truth.* .detected."):
        bool(assessment.drift)
    with pytest.raises(TypeError, match=r"Stability has no truth.* .value."):
        bool(assessment.stability)
