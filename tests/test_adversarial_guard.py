"""AdversarialGuard separates forged rows from honest ones, whatever the model."""

import pickle
import warnings
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    KFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from resilient_estimator import RangeGuard, ResilientEstimator
from resilient_estimator.adversarial._adversarial_guard import (
    AdversarialGuard,
)
from resilient_estimator.adversarial._neighbours import (
    ClassNeighbours,
    stratified_sample,
)
from resilient_estimator.guards import GuardUnion
from resilient_estimator.statistics._conformal_pvalues import ConformalSum
from resilient_estimator.tabular._valid_rows import predict_readable

ALPHA = 0.05


def standardised(X, y):
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


def forged_for(model, X, y, overshoot=1.05):
    """The shortest move that makes a linear classifier err, and a bit more."""
    X = X[model.predict(X) == y]
    W, b = model.coef_, model.intercept_
    if len(W) == 1:
        W, b = np.array([-W[0], W[0]]) / 2, np.array([-b[0], b[0]]) / 2
    logits = X @ W.T + b
    own = logits.argmax(axis=1)
    gaps = logits[np.arange(len(X)), own][:, None] - logits
    steps = W[own][:, None] - W[None]
    norms = np.linalg.norm(steps, axis=2)
    far = np.where(norms > 0, gaps / np.maximum(norms, 1e-12), np.inf)
    to = far.argmin(axis=1)
    rows = np.arange(len(X))
    unit = steps[rows, to] / norms[rows, to][:, None]
    return X - overshoot * far[rows, to][:, None] * unit, own


@pytest.fixture(scope="module")
def breast():
    X, X_test, y, y_test = standardised(*load_breast_cancer(return_X_y=True))
    guard = AdversarialGuard(LogisticRegression(max_iter=1000)).fit(X, y)
    return guard, X_test, y_test


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    guard = AdversarialGuard(LogisticRegression(max_iter=2000)).fit(X, y)
    return guard, X_test, y_test


def auc(guard, honest, forged):
    truth = np.repeat([0, 1], [len(honest), len(forged)])
    return roc_auc_score(truth, -guard.score_pvalues(np.concatenate([honest, forged])))


def mixed(n_samples, random_state):
    rng = np.random.default_rng(random_state)
    X = pd.DataFrame({"income": rng.normal(3000, 800, n_samples)})
    X["age"] = rng.integers(18, 80, n_samples)
    X["job"] = rng.choice(["clerk", "driver", "nurse"], n_samples)
    score = X["income"] / 800 + (X["job"] == "nurse") - X["age"] / 30
    return X, (score + rng.normal(0, 0.4, n_samples) > 2.4).astype(int)


def mixed_model():
    columns = make_column_transformer(
        (StandardScaler(), ["income", "age"]), (OneHotEncoder(), ["job"])
    )
    return make_pipeline(columns, LogisticRegression())


@pytest.fixture(scope="module")
def lenders():
    return AdversarialGuard(mixed_model()).fit(*mixed(400, random_state=0))


def test_shortest_moves_are_found_in_tables(breast):
    """The least change that makes the model err stands out from honest rows."""
    guard, X, y = breast
    assert auc(guard, X, forged_for(guard.model_, X, y)[0]) > 0.93


def test_shortest_moves_are_found_in_pictures(digits):
    guard, X, y = digits
    assert guard.components_ == ["trust"]
    assert auc(guard, X, forged_for(guard.model_, X, y)[0]) > 0.95


def test_confident_forgeries_are_found(digits):
    """Moves far beyond the boundary fool a score that is the probability alone."""
    guard, X, y = digits
    forged, _ = forged_for(guard.model_, X, y, overshoot=2)
    unsure = -guard.model_.predict_proba(np.concatenate([X, forged])).max(axis=1)
    truth = np.repeat([0, 1], [len(X), len(forged)])
    assert auc(guard, X, forged) > 0.95 > roc_auc_score(truth, unsure)


def test_correction_restores_pictures(digits):
    """The nearest class is nearly always the original one."""
    guard, X, y = digits
    forged, original = forged_for(guard.model_, X, y)
    assert np.mean(guard.model_.predict(forged) == original) == 0
    assert np.mean(guard.correct(forged) == original) > 0.85


def test_correction_leaves_honest_rows_alone(breast):
    """Rows that are not flagged keep the model's prediction, others the forest's."""
    guard, X, _ = breast
    flagged = guard.inspect(X)["adversarial"]
    predictions, corrected = guard.model_.predict(X), guard.correct(X, by="forest")
    assert np.array_equal(predictions[~flagged], corrected[~flagged])
    assert np.mean(predictions[flagged] != corrected[flagged]) > 0.5


def false_positives(model, sample, n_rounds):
    shares = []
    for i in range(n_rounds):
        X, y = sample(i, 300)
        X_new, _ = sample(1000 + i, 500)
        guard = AdversarialGuard(model, random_state=i).fit(X, y)
        shares.append(np.mean(guard.inspect(X_new)["adversarial"]))
    return np.mean(shares)


def noisy_classes(random_state, n_samples):
    rng = np.random.default_rng(random_state)
    X = rng.normal(size=(n_samples, 4))
    return X, (X[:, 0] + rng.normal(0, 0.7, n_samples) > 0.5).astype(int)


def noisy_numbers(random_state, n_samples):
    rng = np.random.default_rng(random_state)
    X = rng.normal(size=(n_samples, 4))
    return X, np.abs(X[:, 0]) + rng.normal(0, 0.3, n_samples)


@pytest.mark.parametrize("model", [LogisticRegression(), DecisionTreeClassifier()])
def test_honest_rows_are_flagged_at_the_nominal_rate(model):
    """Even for a tree that has memorised its training rows."""
    assert 0.03 < false_positives(model, noisy_classes, 8) < 0.065


@pytest.mark.parametrize(
    "model", [LinearRegression(), DecisionTreeRegressor(random_state=0)]
)
def test_honest_rows_of_regressors_are_flagged_at_the_nominal_rate(model):
    assert 0.03 < false_positives(model, noisy_numbers, 6) < 0.065


def test_forged_rows_of_regressors_are_found():
    """A prediction far from the targets of the neighbours is flagged."""
    X, X_test, y, _ = standardised(*load_diabetes(return_X_y=True))
    guard = AdversarialGuard(Ridge()).fit(X, y)
    slope = guard.model_.coef_ / np.linalg.norm(guard.model_.coef_)
    forged = X_test + 6 * slope
    assert auc(guard, X_test, forged) > 0.95
    nearest = guard.explain_rows(forged)["nearest"]
    flagged = guard.inspect(forged)["adversarial"]
    assert np.array_equal(guard.correct(forged)[flagged], nearest[flagged])


def test_pvalues_of_a_row_do_not_depend_on_its_batch(lenders):
    """The other rows make no difference."""
    X, _ = mixed(60, random_state=1)
    whole = lenders.score_pvalues(X)
    rows = np.random.default_rng(0).permutation(60)[:25]
    assert np.array_equal(lenders.score_pvalues(X.iloc[rows]), whole[rows])
    alone = [lenders.score_pvalues(X.iloc[[i]])[0] for i in range(10)]
    assert np.array_equal(alone, whole[:10])


def test_pvalues_of_a_picture_do_not_depend_on_its_batch(digits):
    guard, X, _ = digits
    whole = guard.score_pvalues(X)
    assert np.array_equal(guard.score_pvalues(X[5:]), whole[5:])
    assert guard.score_pvalues(X[7:8]) == whole[7:8]


def test_unreadable_rows_do_not_affect_the_others(lenders):
    """They are not flagged here, and have no p-value."""
    X, _ = mixed(30, random_state=1)
    clean = lenders.score_pvalues(X)
    X = X.astype({"age": float, "job": object})
    X.loc[3, "income"] = np.nan
    X.loc[5, "age"] = np.inf
    X.loc[8, "job"] = "astronaut"
    X.loc[11, "job"] = None
    p = lenders.score_pvalues(X)
    bad = np.isin(np.arange(30), [3, 5, 8, 11])
    assert np.array_equal(np.isnan(p), bad)
    assert np.array_equal(p[~bad], clean[~bad])
    assert not lenders.inspect(X)["adversarial"][bad].any()
    assert len(lenders.correct(X)) == 30


def test_huge_numbers_do_not_raise(breast):
    guard, X, _ = breast
    X = X[:5].copy()
    X[0, 0], X[1, :] = 1e308, -1e308
    assert guard.inspect(X)["adversarial"][:2].all()


def test_models_that_accept_missing_values_predict_for_them():
    """Columns with missing values in training may have some in new rows."""
    X, y = noisy_classes(0, 200)
    X[::7, 1] = np.nan
    guard = AdversarialGuard(HistGradientBoostingClassifier(max_iter=10)).fit(X, y)
    X_new, _ = noisy_classes(1, 3)
    X_new[0, 1] = X_new[1, 2] = np.nan
    assert np.array_equal(np.isnan(guard.score_pvalues(X_new)), [False, True, False])


@pytest.mark.parametrize("X", [np.zeros((3, 2)), np.zeros(3), [["a"], ["b"], ["c"]]])
def test_malformed_tables_are_left_to_the_model(breast, X):
    guard, _, _ = breast
    assert guard.inspect(X)["adversarial"].tolist() == [False] * 3


def test_malformed_tables_are_not_corrected(breast):
    """The model raises its own error."""
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 30"):
        breast[0].correct(np.zeros((3, 2)))


def test_a_batch_may_be_empty(breast):
    guard, X, _ = breast
    assert guard.inspect(X[:0])["adversarial"].shape == (0,)
    assert len(guard.explain_rows(X[:0])["nearest"]) == 0


def test_many_rows_are_scored_in_batches(lenders):
    """Rows have the same p-values in a large batch."""
    X, _ = mixed(3000, random_state=3)
    many = pd.concat([X] * 3, ignore_index=True)
    assert np.array_equal(
        lenders.score_pvalues(many), np.tile(lenders.score_pvalues(X), 3)
    )


CONTAINERS = [
    pd.DataFrame,
    pl.from_numpy,
    sparse.csr_matrix,
    lambda X: X.tolist(),
]


@pytest.mark.parametrize("container", CONTAINERS)
def test_container_does_not_matter(container):
    X, y = noisy_classes(0, 200)
    X[X < 0] = 0  # something for the sparse ones
    expected = AdversarialGuard(LogisticRegression()).fit(X, y).score_pvalues(X[:50])
    guard = AdversarialGuard(LogisticRegression()).fit(container(X), y)
    assert np.array_equal(guard.score_pvalues(container(X[:50])), expected)


def test_inspection_changes_nothing_and_pickles_agree(lenders):
    X, _ = mixed(20, random_state=2)
    before = joblib.hash(lenders)
    p = lenders.score_pvalues(X)
    lenders.correct(X)
    assert joblib.hash(lenders) == before
    assert np.array_equal(pickle.loads(pickle.dumps(lenders)).score_pvalues(X), p)


def test_clone_is_unfitted_and_fits_to_the_same_guard(lenders):
    X, y = mixed(400, random_state=0)
    again = clone(lenders)
    assert not hasattr(again, "model_")
    assert np.array_equal(again.fit(X, y).score_pvalues(X), lenders.score_pvalues(X))


def test_frozen_models_are_used_as_they_are():
    """No clone is fitted: the rows serve as reference only."""
    X, y = noisy_classes(0, 400)
    model = FrozenEstimator(
        DecisionTreeClassifier(random_state=0).fit(X[:200], y[:200])
    )
    guard = AdversarialGuard(model).fit(X[200:], y[200:])
    assert guard.model_.estimator is model.estimator
    X_new, _ = noisy_classes(1, 2000)
    assert 0.02 < np.mean(guard.inspect(X_new)["adversarial"]) < 0.09


class HeldOut(NamedTuple):
    rows: Any
    predictions: Any


def test_given_held_out_predictions_save_the_cross_validation():
    """With them, no clone of the model is fitted."""

    class Once(LogisticRegression):
        n_fits = 0

        def fit(self, X, y):
            type(self).n_fits += 1
            return super().fit(X, y)

    X, y = noisy_classes(0, 200)
    model = Once().fit(X, y)
    out_of_fold = HeldOut(np.arange(200), model.predict(X))
    AdversarialGuard().fit_model(model, X, y, out_of_fold=out_of_fold)
    assert Once.n_fits == 1


def test_given_held_out_predictions_count_as_its_own():
    X, y = noisy_classes(0, 200)
    model = LogisticRegression().fit(X, y)
    own = AdversarialGuard().fit_model(model, X, y)
    predictions = cross_val_predict(model, X, y, cv=KFold(5))
    given = AdversarialGuard().fit_model(
        model, X, y, out_of_fold=HeldOut(np.arange(200), predictions)
    )
    assert np.array_equal(given.training_flags_, own.training_flags_)
    assert np.array_equal(given.score_pvalues(X), own.score_pvalues(X))


@pytest.mark.parametrize("max_reference", [20_000, 300])
def test_rows_without_a_held_out_prediction_are_not_calibrated_on(max_reference):
    """Nor are they flagged in training, though they are neighbours of others."""
    X, y = noisy_classes(0, 1000)
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    rows = np.arange(200, 1000)
    out_of_fold = HeldOut(rows, cross_val_predict(tree, X, y)[rows])
    guard = AdversarialGuard(max_reference=max_reference)
    guard.fit_model(tree, X, y, out_of_fold=out_of_fold)
    kept = min(max_reference, 1000)
    assert guard.n_reference_rows_ == kept
    assert len(guard.calibration_.sums) == pytest.approx(0.8 * kept, rel=0.05)
    flags = guard.inspect_training()["adversarial"]
    assert not flags[:200].any()
    assert 0.03 < flags[200:].mean() < 0.09
    X_new, _ = noisy_classes(1, 2000)
    assert 0.02 < np.mean(guard.inspect(X_new)["adversarial"]) < 0.09


@pytest.mark.parametrize(
    ("rows", "n_predictions", "message"),
    [
        ([3, 2, 1], 3, r"increasing positions of the 100 training rows"),
        ([-1, 5], 2, r"increasing positions"),
        ([5, 100], 2, r"increasing positions"),
        ([], 0, r"one or more increasing positions"),
        ([1, 2, 3], 4, r"one held-out prediction for each of 3 rows\. .* \(4,\)"),
    ],
)
def test_odd_held_out_predictions_are_refused(rows, n_predictions, message):
    X, y = noisy_classes(0, 100)
    model = LogisticRegression().fit(X, y)
    out_of_fold = HeldOut(rows, np.zeros(n_predictions, dtype=int))
    with pytest.raises(ValueError, match=message):
        AdversarialGuard().fit_model(model, X, y, out_of_fold=out_of_fold)


def test_the_first_prediction_of_a_repeated_row_counts():
    """As where splits are repeated."""
    X, y = noisy_classes(0, 300)
    model = LogisticRegression().fit(X, y)
    predictions = model.predict(X)
    rows = np.repeat(np.arange(300), 2)
    twice = np.column_stack([predictions, 1 - predictions]).ravel()
    guards = [
        AdversarialGuard().fit_model(model, X, y, out_of_fold=out_of_fold)
        for out_of_fold in (HeldOut(np.arange(300), predictions), HeldOut(rows, twice))
    ]
    assert np.array_equal(*(guard.score_pvalues(X) for guard in guards))


def test_some_kept_row_needs_a_held_out_prediction():
    X, y = noisy_classes(0, 1000)
    model = LogisticRegression().fit(X, y)
    guard = AdversarialGuard(max_reference=100).fit_model(model, X, y)
    unkept = np.setdiff1d(np.arange(1000), kept_rows(guard, X))[:1]
    with pytest.raises(ValueError, match=r"for some of the 100 training rows"):
        guard.fit_model(model, X, y, out_of_fold=HeldOut(unkept, y[unkept]))


def kept_rows(guard, X):
    """Return which rows of `X` are in the reference."""
    reference = guard.scorer_.neighbours.points
    coordinates = guard.embedding_.embed(X)
    same = (coordinates[:, np.newaxis] == reference).all(axis=2)
    return np.flatnonzero(same.any(axis=1))


def test_in_resilient_estimator_the_fallback_answers_what_is_flagged():
    """The guard shares the estimator fitted there."""
    X, X_test, y, y_test = standardised(*load_breast_cancer(return_X_y=True))
    fallback = RandomForestClassifier(30, random_state=0)
    guard = AdversarialGuard(alpha=0.1)
    model = ResilientEstimator(
        LogisticRegression(max_iter=1000), fallback=fallback, guard=guard, detector=None
    ).fit(X, y)
    forged, original = forged_for(model.estimator_, X_test, y_test)
    answers, flags = model.predict(forged, return_flags=True)
    assert model.guard_.model_ is model.estimator_
    assert flags.adversarial.mean() > 0.75
    assert np.mean(answers == original) > 0.5


def test_a_model_is_needed():
    X, y = noisy_classes(0, 50)
    with pytest.raises(
        TypeError, match=r"needs a model to guard: pass 'model', or use"
    ):
        AdversarialGuard().fit(X, y)


@pytest.mark.parametrize(
    "model", [IsolationForest(), StandardScaler(), LogisticRegression]
)
def test_only_classifiers_and_regressors_are_guarded(model):
    X, y = noisy_classes(0, 50)
    with pytest.raises(TypeError, match=r"'model' .* a classifier or a regressor"):
        AdversarialGuard(model).fit(X, y)


BAD = [
    ({"alpha": 1}, r"'alpha' .* float in the range \(0, 1\)\. Got 1 instead"),
    ({"alpha": None}, r"'alpha' parameter of AdversarialGuard"),
    ({"components": "trust"}, r"'components' .* 'auto' or a list of some of \['trust'"),
    ({"components": ["noise"]}, r"'components' .* Got \['noise'\] instead"),
    ({"components": []}, r"'components' .* Got \[\] instead"),
    ({"n_neighbors": 0}, r"'n_neighbors' .* 'auto' or an int in the range \[1, inf\)"),
    ({"n_neighbors": 2.5}, r"'n_neighbors' .* Got 2\.5 instead"),
    ({"scaling": "none"}, r"'scaling' .* one of 'auto', 'columns', 'common'\. Got"),
    ({"max_reference": 3}, r"'max_reference' .* an int in the range \[100, inf\)"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_parameters_are_named(options, message):
    X, y = noisy_classes(0, 50)
    with pytest.raises(ValueError, match=message):
        AdversarialGuard(LogisticRegression(), **options).fit(X, y)


def test_unknown_corrections_are_named(breast, digits):
    with pytest.raises(ValueError, match=r"'by' .* 'nearest_class', 'forest'\. Got"):
        breast[0].correct(breast[1], by="oracle")
    with pytest.raises(ValueError, match=r"'by' parameter .* be 'nearest_class'\. Got"):
        digits[0].correct(digits[1], by="forest")


def test_one_target_per_row_is_needed():
    X, y = noisy_classes(0, 50)
    model = RandomForestClassifier(5).fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match=r"one target per row\. .* shape \(50, 2\)"):
        AdversarialGuard().fit_model(model, X, np.c_[y, y])


def test_two_classes_are_needed():
    X, y = noisy_classes(0, 50)
    model = DecisionTreeClassifier().fit(X, y * 0)
    with pytest.raises(ValueError, match=r"two rows each of two classes"):
        AdversarialGuard().fit_model(model, X, y * 0)


def test_rare_classes_do_no_harm():
    """The only row of a class has no neighbours in its class."""
    X, y = noisy_classes(0, 150)
    y[7] = 2
    guard = AdversarialGuard(DecisionTreeClassifier(random_state=0)).fit(X, y)
    assert guard.classes_.tolist() == [0, 1, 2]
    assert np.isfinite(guard.score_pvalues(X)).all()


def test_text_labels_are_corrected_to_text(breast):
    X, y = noisy_classes(0, 150)
    names = np.array(["no", "yes"], dtype=object)[y]
    guard = AdversarialGuard(LogisticRegression()).fit(X, names)
    assert set(guard.correct(X)) == {"no", "yes"}


def test_rows_are_explained_by_the_pvalue_of_each_component(breast):
    """And by the class of the neighbours."""
    guard, X, y = breast
    table = pd.DataFrame(guard.explain_rows(forged_for(guard.model_, X, y)[0]))
    assert list(table) == ["pvalue", "trust", "forest", "distance", "nearest"]
    assert table["trust"].median() < 0.1 < table["distance"].median()


def test_only_chosen_components_are_computed():
    X, y = noisy_classes(0, 150)
    guard = AdversarialGuard(
        LogisticRegression(), components=["distance"], n_neighbors=3
    ).fit(X, y)
    assert guard.components_ == ["distance"]
    assert guard.inspect([[9.0, 9.0, 9.0, 9.0]])["adversarial"].tolist() == [True]


def test_few_rows_are_kept():
    """A share of each class; only they are in the forest and the calibration."""
    X, y = noisy_classes(0, 3000)
    model = LogisticRegression()
    guard = AdversarialGuard(model, max_reference=500).fit(X, y)
    assert guard.n_reference_rows_ == 500
    assert len(guard.calibration_.sums) == 500
    X_new, _ = noisy_classes(1, 2000)
    assert 0.02 < np.mean(guard.inspect(X_new)["adversarial"]) < 0.08


@pytest.mark.parametrize("max_reference", [20_000, 200])
def test_training_rows_are_flagged_as_if_new(max_reference):
    """`inspect` finds a row beside itself, and a tree that memorised its target."""
    X, y = noisy_classes(0, 1500)
    tree = DecisionTreeClassifier(random_state=0)
    guard = AdversarialGuard(tree, max_reference=max_reference).fit(X, y)
    if guard.n_reference_rows_ == len(X):
        assert np.mean(guard.inspect(X)["adversarial"]) < 0.02
    assert 0.03 < np.mean(guard.inspect_training()["adversarial"]) < 0.09


def test_samples_are_stratified():
    codes = np.repeat([0, 1, 2], [9000, 990, 10])
    rng = np.random.default_rng(0)
    rows = stratified_sample(codes, 1000, min_per_class=10, rng=rng)
    assert len(np.unique(rows)) == len(rows)
    assert np.bincount(codes[rows]).tolist() == [900, 99, 10]


def distances_by_hand(points, codes, rows, k):
    every = np.linalg.norm(rows[:, None] - points[None], axis=2)
    return np.array(
        [[np.sort(d[codes == c])[:k].mean() for c in np.unique(codes)] for d in every]
    )


@pytest.mark.parametrize("n_dims", [2, 30])
def test_neighbours_are_those_found_by_hand(n_dims):
    rng = np.random.default_rng(0)
    points, rows = rng.normal(size=(200, n_dims)), rng.normal(size=(20, n_dims))
    codes = np.repeat([0, 1, 2], [100, 97, 3])
    found = ClassNeighbours(points, codes, 3).look_up(rows, 5)
    assert np.allclose(found.of_class, distances_by_hand(points, codes, rows, 5))
    every = np.linalg.norm(rows[:, None] - points[None], axis=2)
    assert np.allclose(found.nearest(4), np.sort(every)[:, :4].mean(axis=1))


def test_rows_of_the_reference_are_not_their_own_neighbours():
    """Duplicates count, the row itself does not."""
    points = np.array([[0.0], [0.0], [1.0], [5.0]])
    codes = np.array([0, 0, 0, 1])
    neighbours = ClassNeighbours(points, codes, 3)
    found = neighbours.look_up(points, 2, own=np.arange(4))
    assert found.distances[:3, 0].tolist() == [[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    assert found.of_class[3, 1] == found.of_class[0, 2] == 1e6


def test_ranks_of_dependent_scores_are_calibrated():
    """The same score twice: Fisher's chi-square would be far off, the ranks are not."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 2000))
    ranks = ConformalSum({"a": first, "b": first})
    p = ranks.pvalues({"a": second, "b": second})
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_ranks_count_ties_against_the_row():
    ranks = ConformalSum({"a": np.array([1.0, 2.0, 2.0, 3.0])})
    found = ranks.parts({"a": np.array([0.0, 2.0, 3.5])})["a"]
    assert found.tolist() == [1.0, 0.8, 0.2]


@pytest.mark.slow
def test_attacks_of_another_library_are_found():
    """HopSkipJump of adversarial-robustness-toolbox, which needs labels only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attacks = pytest.importorskip("art.attacks.evasion")
        wrappers = pytest.importorskip("art.estimators.classification")
    X, X_test, y, y_test = standardised(*load_breast_cancer(return_X_y=True))
    model = MLPClassifier((20,), alpha=0.1, max_iter=1000, random_state=0).fit(X, y)
    wrapped = wrappers.BlackBoxClassifier(
        model.predict_proba, (X.shape[1],), 2, clip_values=(-5.0, 15.0)
    )
    np.random.seed(0)  # noqa: NPY002  ART draws from the global state
    attack = attacks.HopSkipJump(wrapped, max_iter=5, max_eval=300, verbose=False)
    rows = X_test[model.predict(X_test) == y_test][:20]
    forged = attack.generate(rows.astype(np.float32)).astype(float)
    forged = forged[model.predict(forged) != model.predict(rows)]
    assert len(forged) > 12
    assert auc(AdversarialGuard().fit_model(model, X, y), X_test, forged) > 0.9


def test_a_union_passes_the_model_on_and_reports_the_flags_of_training():
    """Guards in a list share the wrapped model; training flags are out of fold."""
    X, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    guards = GuardUnion([RangeGuard(), AdversarialGuard()])
    model = ResilientEstimator(pipeline, guard=guards, cv=None).fit(X, y)
    inside = model.guard_.guards_[1]
    assert inside.model_ is model.estimator_
    expected = inside.inspect_training()["adversarial"].sum()
    layout, counts = model.reference_.layout, model.reference_.profile.counts
    n_columns = len(layout.columns) + len(layout.outputs)
    start = layout.offsets[layout.flags.index("adversarial") + n_columns]
    assert counts[start : start + 2].tolist() == [len(X) - expected, expected]


def test_the_choice_among_equally_near_rows_does_not_depend_on_the_batch():
    """The same neighbours are chosen each time."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(500, 3)) * 0.37
    guard = AdversarialGuard(Ridge()).fit(X, X[:, 0] + rng.normal(size=500))
    alone = [guard.score_pvalues(X[[i]])[0] for i in range(60)]
    assert np.array_equal(guard.score_pvalues(X)[:60], alone)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": None}, r"'components' .* Got None instead"),
        ({"components": [["trust"]]}, r"'components' .* Got \[\['trust'\]\] instead"),
        ({"n_neighbors": np.ones(2)}, r"'n_neighbors' .* Got array"),
        ({"n_neighbors": True}, r"'n_neighbors' .* Got True instead"),
        ({"max_reference": np.inf}, r"'max_reference' .* Got inf instead"),
        ({"max_reference": 100.5}, r"'max_reference' .* Got 100\.5 instead"),
        ({"cv": 1}, r"'cv' .* an int of at least 2.* Got 1 instead"),
    ],
)
def test_odd_parameters_are_named(options, message):
    X, y = noisy_classes(0, 50)
    with pytest.raises(ValueError, match=message):
        AdversarialGuard(LogisticRegression(), **options).fit(X, y)


def test_unreadable_rows_cost_few_calls():
    """Batches are halved; what is not finite is no prediction."""
    batches = []

    def predict(X):
        batches.append(len(X))
        if (X == 666).any():
            raise ValueError
        return np.where(X[:, 0] == 777, np.nan, X[:, 0])

    X = np.arange(64.0)[:, np.newaxis]
    X[[3, 9, 40], 0] = 666, 777, 666
    predictions, rows = predict_readable(predict, X, np.arange(1, 64))
    expected = np.setdiff1d(np.arange(1, 64), [3, 9, 40])
    assert rows.tolist() == predictions.tolist() == expected.tolist()
    assert len(batches) < 25
    predictions, rows = predict_readable(predict, X, np.array([3]))
    assert len(predictions) == len(rows) == 0


def test_unfitted_models_are_not_mistaken_for_unreadable_rows():
    X, y = noisy_classes(0, 100)
    guard = AdversarialGuard().fit_model(LogisticRegression(), X, y)
    with pytest.raises(NotFittedError, match=r"LogisticRegression .* not fitted"):
        guard.score_pvalues(X)


def test_held_out_predictions_must_be_finite():
    X, y = noisy_numbers(0, 100)
    model = Ridge().fit(X, y)
    predictions = np.where(np.arange(100) < 20, np.nan, y)
    out_of_fold = HeldOut(np.arange(100), predictions)
    with pytest.raises(ValueError, match=r"needs finite held-out predictions"):
        AdversarialGuard().fit_model(model, X, y, out_of_fold=out_of_fold)


def test_labels_that_the_guard_was_not_fitted_to_are_not_truncated():
    """A frozen model may know longer labels than the rows of the guard have."""
    X, y = noisy_classes(0, 300)
    y[X[:, 1] > 0.8] = 2
    names = np.array(["no", "yes", "undecided"])[y]
    model = FrozenEstimator(LogisticRegression().fit(X, names))
    short = names[y < 2].astype("U3")
    guard = AdversarialGuard(model, components=["distance"]).fit(X[y < 2], short)
    assert "undecided" in set(guard.correct(X))


def test_a_calibration_row_is_not_ranked_against_itself():
    """The sums of the calibration rows, counted by hand."""
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(size=7) for name in "ab"}

    def rank(values, i):
        others = np.delete(values, i)
        return (1 + np.sum(others >= values[i])) / (len(others) + 1)

    expected = [-sum(np.log(rank(scores[n], i)) for n in "ab") for i in range(7)]
    np.testing.assert_allclose(ConformalSum(scores).sums, np.sort(expected))
