"""What the model says is compared with what it said of rows that it had not learnt."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator import (
    NoReferenceWarning,
    OutputDrift,
    RangeGuard,
    ResilientEstimator,
)
from resilient_estimator.tabular._table import Table

X, y = make_classification(
    900, 6, n_informative=4, n_classes=3, flip_y=0.1, random_state=0
)
TRAIN, FRESH = slice(600), slice(600, None)
BINARY = (y > 0).astype(int)
FOREST = RandomForestClassifier(n_estimators=20, random_state=0)


def fitted(estimator=None, target=y, **options):
    estimator = LogisticRegression() if estimator is None else estimator
    model = ResilientEstimator(estimator, **options)
    return model.fit(X[TRAIN], target[TRAIN])


def names(model):
    return [cells.name for cells in model.reference_.layout.outputs]


def outputs_of(drift):
    """Return the verdicts on the outputs by name."""
    return {drift.features[i]: drift.verdicts[i] for i in drift.of("outputs")}


def reference_counts(model, name):
    """Return the reference's counts of one output."""
    layout = model.reference_.layout
    column = len(layout.columns) + names(model).index(name)
    return model.reference_.profile.counts[slice(*layout.offsets[column : column + 2])]


# What the reference is


def test_the_reference_is_out_of_fold():
    """Its scores are those of cross-validation, not of the model on its own rows."""
    model = fitted(target=BINARY)
    scores = cross_val_predict(
        LogisticRegression(),
        X[TRAIN],
        BINARY[TRAIN],
        cv=KFold(5),
        method="predict_proba",
    )[:, 1]
    table = Table(None, (600, 1), columns=[scores])
    cells = model.reference_.layout.outputs[0]
    expected = reference_counts(model, "probability of class 1")
    np.testing.assert_array_equal(cells.count(table, 0), expected)


def test_answers_to_training_rows_drift_by_themselves():
    """A forest is far too sure of the rows that it learnt from; not of fresh ones."""
    model = fitted(FOREST, target=BINARY)
    known, fresh = (model.assess(X[rows]).drift for rows in (TRAIN, FRESH))
    doubt = known.features.index("uncertainty")
    assert known.statistics[doubt] > 30
    assert fresh.statistics[doubt] < 5
    assert "drifted" not in outputs_of(fresh).values()


@pytest.mark.parametrize(
    ("estimator", "target", "expected"),
    [
        (LogisticRegression(), BINARY, ["probability of class 1", "uncertainty"]),
        (
            LogisticRegression(),
            y,
            [*(f"probability of class {i}" for i in range(3)), "uncertainty"],
        ),
        (SVC(), BINARY, ["decision value"]),
        (SVC(), y, [f"decision value {i}" for i in range(3)]),
        (KNeighborsClassifier(), BINARY > 0, ["probability of class 1", "uncertainty"]),
    ],
)
def test_outputs_of_classifiers_are_scores_doubt_and_labels(
    estimator, target, expected
):
    assert names(fitted(estimator, target)) == [*expected, "predicted label"]


def test_outputs_of_a_regressor_are_its_predictions_and_residuals_are_kept():
    Z, t = make_regression(500, 4, noise=20.0, random_state=0)
    model = ResilientEstimator(Ridge()).fit(Z, t)
    assert names(model) == ["prediction"]
    residuals = t - cross_val_predict(Ridge(), Z, t)
    (cells,) = model.reference_.residuals.layout.columns
    assert cells.scale == pytest.approx(residuals.std(), rel=1e-3)
    counts = model.reference_.residuals.profile.counts
    table = Table(None, (500, 1), columns=[residuals])
    np.testing.assert_array_equal(counts, cells.count(table, 0))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_targets_may_be_a_column():
    """One residual per row, and folds that are stratified all the same."""
    forest = RandomForestRegressor(n_estimators=3, random_state=0)
    column = X[TRAIN, :1] + 0.0
    flat, tall = (
        ResilientEstimator(forest).fit(X[TRAIN], target).reference_
        for target in (column.ravel(), column)
    )
    assert tall.residuals == flat.residuals
    in_order = np.sort(BINARY[TRAIN])
    model = ResilientEstimator(LogisticRegression())
    reference = model.fit(X[TRAIN], in_order[:, None]).reference_
    assert reference == model.fit(X[TRAIN], in_order).reference_


def test_outputs_of_several_targets_are_told_apart():
    targets = np.column_stack([BINARY, y])
    model = ResilientEstimator(FOREST).fit(X[TRAIN], targets[TRAIN])
    assert "probability of class 1 of target 0" in names(model)
    assert "predicted label of target 1" in names(model)
    Z, t = make_regression(200, 4, n_targets=2, random_state=0)
    regressor = ResilientEstimator(LinearRegression()).fit(Z, t)
    assert names(regressor) == ["prediction of target 0", "prediction of target 1"]
    assert regressor.reference_.residuals.layout.names == ["x0", "x1"]


def test_without_folds_answers_are_not_compared():
    model = fitted(cv=None)
    assert names(model) == []
    assert outputs_of(model.assess(X[FRESH]).drift) == {}


def test_a_frozen_estimator_is_asked_about_the_rows_given_to_fit():
    """It is not fitted again: the rows are held out, and there is one model only."""
    inner = LogisticRegression().fit(X[:300], BINARY[:300])
    model = ResilientEstimator(FrozenEstimator(inner)).fit(X[300:600], BINARY[300:600])
    scores = inner.predict_proba(X[300:600])[:, 1]
    cells = model.reference_.layout.outputs[0]
    table = Table(None, (300, 1), columns=[scores])
    expected = reference_counts(model, "probability of class 1")
    np.testing.assert_array_equal(cells.count(table, 0), expected)
    assert model.reference_.model_variance is None


def test_rows_that_the_guard_flags_are_no_answers():
    """As in production: the estimator is not asked about them."""
    guard = RangeGuard(limits={0: (-1, 1)})
    model = fitted(target=BINARY, guard=guard)
    n_flagged = int(np.sum(np.abs(X[TRAIN, 0]) > 1))
    assert 0 < n_flagged < 600
    assert reference_counts(model, "probability of class 1").sum() == 600 - n_flagged


# How rows are split


def test_regressors_are_split_into_blocks():
    """Shuffled folds would flatter a series: its neighbours give a row away."""
    walk = np.cumsum(np.random.default_rng(0).normal(size=400))
    time = np.arange(400.0).reshape(-1, 1)
    model = ResilientEstimator(DecisionTreeRegressorOfBlocks()).fit(time, walk)
    assert model.estimator_.asked_ == 0
    # All of them were asked about all rows too, to learn how much they differ.
    blocks = [block for block in BLOCKS if block != (0, 399)]
    assert blocks == [(0, 79), (80, 159), (160, 239), (240, 319), (320, 399)]


BLOCKS = []


class DecisionTreeRegressorOfBlocks(LinearRegression):
    """A regressor that notes the blocks of times that it is asked about."""

    def fit(self, X, y):
        self.asked_ = 0
        return super().fit(X, y)

    def predict(self, X):
        BLOCKS.append((int(X[0, 0]), int(X[-1, 0])))
        assert np.all(np.diff(X[:, 0]) == 1)
        return super().predict(X)


@pytest.mark.parametrize("n_rare", [1, 2, 4])
def test_a_rare_class_does_not_prevent_folds(n_rare):
    """Its rows go with the largest class; a fold without it gives it no chance."""
    target = BINARY[TRAIN].astype(object)
    target[:n_rare] = "rare"
    target = target.astype(str)
    model = ResilientEstimator(LogisticRegression()).fit(X[TRAIN], target)
    assert "probability of class rare" in names(model)


@pytest.mark.parametrize(("n_second", "n_folds"), [(1, 0), (2, 2), (4, 4), (9, 5)])
def test_as_many_folds_as_the_classes_allow(n_second, n_folds):
    rows, target = X[:100], np.zeros(100, dtype=int)
    target[:n_second] = 1
    model = ResilientEstimator(CountingClassifier()).fit(rows, target)
    assert model.estimator_.n_fits() - 1 == n_folds
    assert bool(names(model)) == bool(n_folds)


class CountingClassifier(ClassifierMixin, BaseEstimator):
    """Counts how often it was fitted since it was last asked."""

    fits = []

    def fit(self, X, y):
        CountingClassifier.fits.append(len(X))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def n_fits(self):
        n_fits = len(CountingClassifier.fits)
        CountingClassifier.fits.clear()
        return n_fits


SPLITS = {
    "splitter": StratifiedKFold(3),
    "shuffled": KFold(4, shuffle=True, random_state=0),
    "repeated rows": ShuffleSplit(3, test_size=0.5, random_state=0),
    "iterable": [(np.arange(300), np.arange(300, 600))],
}


@pytest.mark.parametrize("name", SPLITS)
def test_any_split_may_be_given(name):
    model = fitted(target=BINARY, cv=SPLITS[name])
    n_answers = {"repeated rows": 900, "iterable": 300}.get(name, 600)
    assert reference_counts(model, "uncertainty").sum() == n_answers


@pytest.mark.parametrize("bad", [1, 0, True, "five", 2.5])
def test_a_bad_cv_is_told(bad):
    with pytest.raises((ValueError, TypeError), match="'cv' parameter of Resilient"):
        fitted(cv=bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_jobs": "two"}, "'n_jobs' parameter .* an int or None. Got 'two' instead"),
        ({"importance": "yes"}, "'importance' parameter .* a bool. Got 'yes' instead"),
    ],
)
def test_parameters_that_would_make_every_fold_fail_are_told(options, message):
    with pytest.raises(TypeError, match=message):
        fitted(**options)


def test_columns_of_a_sparse_matrix_cannot_be_shuffled():
    model = ResilientEstimator(LogisticRegression(), importance=True)
    with pytest.raises(ValueError, match="False where X is a sparse matrix"):
        model.fit(sparse.csr_array(X), BINARY)


def test_folds_in_parallel_give_the_same_reference():
    assert fitted(n_jobs=2).reference_ == fitted().reference_


def test_weights_follow_their_rows_into_the_folds():
    weight = np.where(np.arange(600) % 2, 1.0, 1e-9)
    model = ResilientEstimator(LogisticRegression())
    model.fit(X[TRAIN], BINARY[TRAIN], sample_weight=weight)
    assert model.reference_ != fitted(target=BINARY).reference_
    half = ResilientEstimator(LogisticRegression())
    half.fit(X[1:600:2], BINARY[1:600:2])
    weighed = model.assess(X[FRESH]).drift, half.assess(X[FRESH]).drift
    assert len(weighed[0].of("outputs")) == len(weighed[1].of("outputs"))


def test_groups_are_routed_to_the_splitter():
    with config_context(enable_metadata_routing=True):
        model = ResilientEstimator(LogisticRegression(), cv=GroupKFold(3))
        model.fit(X[TRAIN], BINARY[TRAIN], groups=np.arange(600) // 50)
    assert reference_counts(model, "uncertainty").sum() == 600


class Fussy(LogisticRegression):
    """Needs all 600 rows."""

    def fit(self, X, y):
        if len(X) < 600:
            raise RuntimeError("too few rows")
        return super().fit(X, y)


def test_a_fold_that_fails_is_a_warning_and_the_model_is_fitted():
    with pytest.warns(NoReferenceWarning, match="Fussy raised RuntimeError: too few"):
        model = fitted(Fussy(), BINARY)
    np.testing.assert_array_equal(
        model.predict(X[FRESH]), model.estimator_.predict(X[FRESH])
    )
    assert outputs_of(model.assess(X[FRESH]).drift) == {}


# What is found


def test_a_batch_that_is_answered_otherwise_has_drifted_outputs():
    model = fitted(target=BINARY)
    certain = X[FRESH][model.predict(X[FRESH]) == 1]
    drift = model.assess(certain).drift
    assert outputs_of(drift)["predicted label"] == "drifted"


def test_the_reason_names_the_worst_output_once():
    model = fitted(target=BINARY)
    certain = X[FRESH][model.predict_proba(X[FRESH])[:, 1] > 0.8]
    told = [r for r in model.assess(certain).reasons if r.startswith("the model's ")]
    assert len(told) == 1
    assert "of rows are unlike training" in told[0]


def test_a_profile_of_a_day_is_judged_as_its_rows():
    """Features, outputs, relations and flags: the same numbers, from sums of hours."""
    model = fitted(target=BINARY, fallback="prior", min_confidence=0.6)
    rows = X[FRESH] * 1.5
    rows[:10, 0] = np.nan
    day = sum(model.profile(hour) for hour in np.array_split(rows, 24))
    assert day == model.profile(rows)
    whole, summed = model.assess(rows).drift, model.detector_.compare(day)
    assert set(whole.parts) == {"features", "outputs", "relations", "flags"}
    for name in ("pvalues", "severities", "upper_severities", "statistics"):
        np.testing.assert_array_equal(getattr(summed, name), getattr(whole, name))
    assert summed.verdicts == whole.verdicts
    assert summed.changes == whole.changes


def test_assessments_beside_answers_are_those_of_assess():
    for options in ({}, {"fallback": "prior"}, {"min_confidence": 0.6}):
        model = fitted(target=BINARY, **options)
        _, beside = model.predict(X[FRESH] * 2, return_assessment=True)
        alone = model.assess(X[FRESH] * 2)
        assert beside.reasons == alone.reasons
        np.testing.assert_array_equal(beside.drift.pvalues, alone.drift.pvalues)


def test_a_moved_threshold_is_no_drift_of_the_scores():
    model = fitted(target=BINARY).recalibrate(threshold=0.9)
    drift = model.assess(X[FRESH]).drift
    assert "drifted" not in outputs_of(drift).values()
    _, beside = model.predict(X[FRESH], return_assessment=True)
    np.testing.assert_array_equal(beside.drift.pvalues, drift.pvalues)


def test_an_estimator_that_fails_takes_no_verdict_away():
    """The columns are judged, and the reason is told."""
    model = fitted(target=BINARY, guard=None)
    broken = X[FRESH].copy()
    broken[0, 0] = np.nan
    assessment = model.assess(broken)
    assert set(outputs_of(assessment.drift).values()) == {"too few rows to say"}
    assert len(assessment.drift.of("features")) == 6
    assert any(
        "predictions could not be compared: ValueError" in reason
        for reason in assessment.reasons
    )


def test_columns_are_told_first_that_drift_and_are_used():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(2000, 3)), columns=["used", "little", "idle"])
    target = 3 * rows["used"] + 0.5 * rows["little"] + rng.normal(size=2000) > 0
    model = ResilientEstimator(LogisticRegression(), importance=True)
    model.fit(rows, target)
    assert model.importances_.sum() == pytest.approx(1)
    used, little, idle = model.importances_
    assert used > 0.8
    assert 0.005 < little < 0.1
    assert idle < 0.005
    batch = rows[:500] + np.array([0.3, 0.6, 1.5])
    told = [r for r in model.assess(batch).reasons if "feature importance" in r]
    assert [text.split()[0] for text in told] == ["used", "little", "idle"]
    frame = model.assess(batch).to_frame()
    np.testing.assert_allclose(frame["importance"].dropna().max(), used)


def test_without_importance_columns_are_told_by_severity():
    assert fitted().importances_ is None


# Noise of the models


@pytest.mark.parametrize("n_samples", [200, 5000])
def test_folds_of_one_model_have_no_noise_and_those_of_many_do(n_samples):
    """Trees differ from fold to fold, logistic regressions hardly."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_samples, 5))
    target = rows[:, 0] + rng.normal(size=n_samples) > 0
    tree = ResilientEstimator(DecisionTreeClassifier(max_leaf_nodes=4, random_state=0))
    smooth = ResilientEstimator(LogisticRegression())
    noise = [
        m.fit(rows, target).reference_.model_variance.max() for m in (tree, smooth)
    ]
    assert noise[0] > noise[1]


@pytest.mark.slow
def test_clean_batches_raise_few_alarms_though_the_model_is_another():
    """An unstable model, 60 fresh worlds: more than 7 alarms have a chance of .01.

    Without the noise of the models half of the batches or more would raise one.
    """
    with_noise = without = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(3000, 5))
        target = rows[:, 0] + rows[:, 1] ** 2 + rng.normal(size=3000) > 1
        tree = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0)
        model = ResilientEstimator(tree, detector=OutputDrift())
        model.fit(rows[:1000], target[:1000])
        with_noise += model.assess(rows[1000:]).drift.pvalue < 0.05
        model.reference_.model_variance = None
        without += model.assess(rows[1000:]).drift.pvalue < 0.05
    assert with_noise <= 7
    assert without >= 30


def test_asking_warns_of_nothing():
    model = fitted(CalibratedClassifierCV(LogisticRegression(), cv=2), BINARY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.assess(X[FRESH])
        model.predict(X[FRESH], return_assessment=True)


def test_scores_alone_can_be_compared():
    rng = np.random.default_rng(0)
    held_out = pd.DataFrame({"score": rng.beta(2, 5, 2000), "label": ["a", "b"] * 1000})
    now = pd.DataFrame({"score": rng.beta(2, 5, 500), "label": ["a"] * 500})
    drift = OutputDrift().fit(held_out).compare(now)
    assert dict(zip(drift.features, drift.verdicts, strict=True)) == {
        "score": "stable",
        "label": "drifted",
    }


def test_what_is_no_table_of_scores_is_told():
    with pytest.raises(ValueError, match="Outputs must be a table of shape"):
        OutputDrift().fit([0.1, 0.2])
    with pytest.raises(ValueError, match=r"a table of 6 outputs.* Got 2 columns"):
        OutputDrift().fit(X).compare(X[:, :2])
