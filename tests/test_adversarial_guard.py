"""AdversarialGuard tells forged rows from honest ones, whatever the model."""

import pickle
import warnings

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
from sklearn.model_selection import train_test_split
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
    proportional_sample,
)
from resilient_estimator.guards import GuardUnion
from resilient_estimator.statistics._conformal_pvalues import ConformalSum

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
    return roc_auc_score(truth, -guard.p_values(np.concatenate([honest, forged])))


def mixed(n_samples, seed):
    rng = np.random.default_rng(seed)
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
    return AdversarialGuard(mixed_model()).fit(*mixed(400, seed=0))


def test_shortest_moves_are_found_in_tables(breast):
    """The least change that makes the model err stands out from honest rows."""
    guard, X, y = breast
    assert auc(guard, X, forged_for(guard.model_, X, y)[0]) > 0.93


def test_shortest_moves_are_found_in_pictures(digits):
    guard, X, y = digits
    assert guard.components_ == ["trust"]
    assert auc(guard, X, forged_for(guard.model_, X, y)[0]) > 0.95


def test_confident_forgeries_are_found(digits):
    """Moves far beyond the boundary fool who looks at the probability alone."""
    guard, X, y = digits
    forged, _ = forged_for(guard.model_, X, y, overshoot=2)
    surest = -guard.model_.predict_proba(np.concatenate([X, forged])).max(axis=1)
    truth = np.repeat([0, 1], [len(X), len(forged)])
    assert auc(guard, X, forged) > 0.95 > roc_auc_score(truth, surest)


def test_correction_restores_pictures(digits):
    """The nearest class is nearly always what the picture was."""
    guard, X, y = digits
    forged, was = forged_for(guard.model_, X, y)
    assert np.mean(guard.model_.predict(forged) == was) == 0
    assert np.mean(guard.correct(forged) == was) > 0.85


def test_correction_leaves_honest_rows_alone(breast):
    """Rows that are not flagged keep the model's answer, the others another's."""
    guard, X, _ = breast
    flagged = guard.inspect(X)["adversarial"]
    said, corrected = guard.model_.predict(X), guard.correct(X, by="witness")
    assert np.array_equal(said[~flagged], corrected[~flagged])
    assert np.mean(said[flagged] != corrected[flagged]) > 0.5


def false_positives(model, sample, n_rounds):
    shares = []
    for seed in range(n_rounds):
        X, y = sample(seed, 300)
        X_new, _ = sample(1000 + seed, 500)
        guard = AdversarialGuard(model, random_state=seed).fit(X, y)
        shares.append(np.mean(guard.inspect(X_new)["adversarial"]))
    return np.mean(shares)


def noisy_classes(seed, n_samples):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 4))
    return X, (X[:, 0] + rng.normal(0, 0.7, n_samples) > 0.5).astype(int)


def noisy_numbers(seed, n_samples):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 4))
    return X, np.abs(X[:, 0]) + rng.normal(0, 0.3, n_samples)


@pytest.mark.parametrize("model", [LogisticRegression(), DecisionTreeClassifier()])
def test_honest_rows_are_flagged_at_the_nominal_rate(model):
    """Even for a tree that knows its training rows by heart."""
    assert 0.03 < false_positives(model, noisy_classes, 8) < 0.065


@pytest.mark.parametrize(
    "model", [LinearRegression(), DecisionTreeRegressor(random_state=0)]
)
def test_honest_rows_of_regressors_are_flagged_at_the_nominal_rate(model):
    assert 0.03 < false_positives(model, noisy_numbers, 6) < 0.065


def test_forced_numbers_are_found():
    """An answer far from those of its neighbours is flagged."""
    X, X_test, y, _ = standardised(*load_diabetes(return_X_y=True))
    guard = AdversarialGuard(Ridge()).fit(X, y)
    slope = guard.model_.coef_ / np.linalg.norm(guard.model_.coef_)
    forged = X_test + 6 * slope
    assert auc(guard, X_test, forged) > 0.95
    nearest = guard.explain_rows(forged)["nearest"]
    flagged = guard.inspect(forged)["adversarial"]
    assert np.array_equal(guard.correct(forged)[flagged], nearest[flagged])


def test_rows_are_judged_one_by_one(lenders):
    """Which other rows are in the batch makes no difference."""
    X, _ = mixed(60, seed=1)
    whole = lenders.p_values(X)
    rows = np.random.default_rng(0).permutation(60)[:25]
    assert np.array_equal(lenders.p_values(X.iloc[rows]), whole[rows])
    alone = [lenders.p_values(X.iloc[[i]])[0] for i in range(10)]
    assert np.array_equal(alone, whole[:10])


def test_pictures_are_judged_one_by_one(digits):
    guard, X, _ = digits
    whole = guard.p_values(X)
    assert np.array_equal(guard.p_values(X[5:]), whole[5:])
    assert guard.p_values(X[7:8]) == whole[7:8]


def test_bad_cells_leave_the_other_rows_their_verdict(lenders):
    """What the model cannot read is not flagged here, and takes nothing away."""
    X, _ = mixed(30, seed=1)
    clean = lenders.p_values(X)
    X = X.astype({"age": float, "job": object})
    X.loc[3, "income"] = np.nan
    X.loc[5, "age"] = np.inf
    X.loc[8, "job"] = "astronaut"
    X.loc[11, "job"] = None
    p = lenders.p_values(X)
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


def test_models_that_read_missing_values_are_asked_about_them():
    """Where training had holes, rows with holes are judged as all others."""
    X, y = noisy_classes(0, 200)
    X[::7, 1] = np.nan
    guard = AdversarialGuard(HistGradientBoostingClassifier(max_iter=10)).fit(X, y)
    X_new, _ = noisy_classes(1, 3)
    X_new[0, 1] = X_new[1, 2] = np.nan
    assert np.array_equal(np.isnan(guard.p_values(X_new)), [False, True, False])


@pytest.mark.parametrize("X", [np.zeros((3, 2)), np.zeros(3), [["a"], ["b"], ["c"]]])
def test_malformed_tables_are_left_to_the_model(breast, X):
    guard, _, _ = breast
    assert guard.inspect(X)["adversarial"].tolist() == [False] * 3


def test_malformed_tables_are_not_corrected(breast):
    """The model's own error says what is wrong."""
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 30"):
        breast[0].correct(np.zeros((3, 2)))


def test_no_rows_are_no_trouble(breast):
    guard, X, _ = breast
    assert guard.inspect(X[:0])["adversarial"].shape == (0,)
    assert len(guard.explain_rows(X[:0])["nearest"]) == 0


def test_many_rows_are_looked_at_in_parts(lenders):
    """More rows than are looked at together have the same p-values."""
    X, _ = mixed(3000, seed=3)
    many = pd.concat([X] * 3, ignore_index=True)
    assert np.array_equal(lenders.p_values(many), np.tile(lenders.p_values(X), 3))


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
    expected = AdversarialGuard(LogisticRegression()).fit(X, y).p_values(X[:50])
    guard = AdversarialGuard(LogisticRegression()).fit(container(X), y)
    assert np.array_equal(guard.p_values(container(X[:50])), expected)


def test_asking_changes_nothing_and_pickles_alike(lenders):
    X, _ = mixed(20, seed=2)
    before = joblib.hash(lenders)
    p = lenders.p_values(X)
    lenders.correct(X)
    assert joblib.hash(lenders) == before
    assert np.array_equal(pickle.loads(pickle.dumps(lenders)).p_values(X), p)


def test_clone_is_unfitted_and_fits_alike(lenders):
    X, y = mixed(400, seed=0)
    again = clone(lenders)
    assert not hasattr(again, "model_")
    assert np.array_equal(again.fit(X, y).p_values(X), lenders.p_values(X))


def test_frozen_models_are_asked_as_they_are():
    """No clone is fitted: the rows given are for comparison only."""
    X, y = noisy_classes(0, 400)
    model = FrozenEstimator(
        DecisionTreeClassifier(random_state=0).fit(X[:200], y[:200])
    )
    guard = AdversarialGuard(model).fit(X[200:], y[200:])
    assert guard.model_.estimator is model.estimator
    X_new, _ = noisy_classes(1, 2000)
    assert 0.02 < np.mean(guard.inspect(X_new)["adversarial"]) < 0.09


def test_given_answers_out_of_fold_are_believed():
    """With them, no clone of the model is fitted."""

    class Once(LogisticRegression):
        n_fits = 0

        def fit(self, X, y):
            type(self).n_fits += 1
            return super().fit(X, y)

    X, y = noisy_classes(0, 200)
    model = Once().fit(X, y)
    AdversarialGuard().fit_model(model, X, y, out_of_fold=model.predict(X))
    assert Once.n_fits == 1


def test_in_resilient_estimator_the_fallback_answers_what_is_flagged():
    """The guard gets the estimator fitted there, and shares it."""
    X, X_test, y, y_test = standardised(*load_breast_cancer(return_X_y=True))
    fallback = RandomForestClassifier(30, random_state=0)
    guard = AdversarialGuard(alpha=0.1)
    model = ResilientEstimator(
        LogisticRegression(max_iter=1000), fallback=fallback, guard=guard, detector=None
    ).fit(X, y)
    forged, was = forged_for(model.estimator_, X_test, y_test)
    answers, flags = model.predict(forged, return_flags=True)
    assert model.guard_.model_ is model.estimator_
    assert flags.adversarial.mean() > 0.75
    assert np.mean(answers == was) > 0.5


def test_without_a_model_it_says_what_to_do():
    X, y = noisy_classes(0, 50)
    with pytest.raises(TypeError, match=r"needs a model to guard: give it one, or let"):
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
    ({"components": "trust"}, r"'components' .* some of \['trust', 'witness'"),
    ({"components": ["noise"]}, r"'components' .* Got \['noise'\] instead"),
    ({"components": []}, r"'components' .* Got \[\] instead"),
    ({"n_neighbors": 0}, r"'n_neighbors' .* an int of at least 1"),
    ({"n_neighbors": 2.5}, r"'n_neighbors' .* Got 2\.5 instead"),
    ({"scaling": "none"}, r"'scaling' .* one of \['auto', 'columns', 'common'\]"),
    ({"max_reference": 3}, r"'max_reference' .* an int of at least 100"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_parameters_are_named(options, message):
    X, y = noisy_classes(0, 50)
    with pytest.raises(ValueError, match=message):
        AdversarialGuard(LogisticRegression(), **options).fit(X, y)


def test_unknown_corrections_are_named(breast, digits):
    with pytest.raises(ValueError, match=r"'by' .* 'nearest_class' or 'witness'\. Got"):
        breast[0].correct(breast[1], by="oracle")
    with pytest.raises(ValueError, match=r"'by' parameter .* be 'nearest_class'\. Got"):
        digits[0].correct(digits[1], by="witness")


def test_one_target_per_row_is_needed():
    X, y = noisy_classes(0, 50)
    model = RandomForestClassifier(5).fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match=r"one target per row\. .* shape \(50, 2\)"):
        AdversarialGuard().fit_model(model, X, np.c_[y, y])


def test_two_classes_are_needed():
    X, y = noisy_classes(0, 50)
    model = DecisionTreeClassifier().fit(X, y * 0)
    with pytest.raises(ValueError, match=r"two rows of two classes"):
        AdversarialGuard().fit_model(model, X, y * 0)


def test_rare_classes_do_no_harm():
    """A class with one row has no neighbours but itself."""
    X, y = noisy_classes(0, 150)
    y[7] = 2
    guard = AdversarialGuard(DecisionTreeClassifier(random_state=0)).fit(X, y)
    assert guard.classes_.tolist() == [0, 1, 2]
    assert np.isfinite(guard.p_values(X)).all()


def test_text_labels_are_corrected_to_text(breast):
    X, y = noisy_classes(0, 150)
    names = np.array(["no", "yes"], dtype=object)[y]
    guard = AdversarialGuard(LogisticRegression()).fit(X, names)
    assert set(guard.correct(X)) == {"no", "yes"}


def test_components_say_why(breast):
    """The table has a p-value of each witness, and the answer of the neighbours."""
    guard, X, y = breast
    table = pd.DataFrame(guard.explain_rows(forged_for(guard.model_, X, y)[0]))
    assert list(table) == ["p", "trust", "witness", "distance", "nearest"]
    assert table["trust"].median() < 0.1 < table["distance"].median()


def test_chosen_components_are_asked_only():
    X, y = noisy_classes(0, 150)
    guard = AdversarialGuard(
        LogisticRegression(), components=["distance"], n_neighbors=3
    ).fit(X, y)
    assert guard.components_ == ["distance"]
    assert guard.inspect([[9.0, 9.0, 9.0, 9.0]])["adversarial"].tolist() == [True]


def test_few_rows_are_kept():
    """Of each class its share; the forest and the ranks know these rows only."""
    X, y = noisy_classes(0, 3000)
    model = LogisticRegression()
    guard = AdversarialGuard(model, max_reference=500).fit(X, y)
    assert guard.keeps_rows_ == 500
    assert len(guard.ranks_.sums) == 500
    X_new, _ = noisy_classes(1, 2000)
    assert 0.02 < np.mean(guard.inspect(X_new)["adversarial"]) < 0.08


@pytest.mark.parametrize("max_reference", [20_000, 200])
def test_training_rows_are_judged_as_if_new(max_reference):
    """`inspect` sees a row beside itself, and a tree that knows its target."""
    X, y = noisy_classes(0, 1500)
    tree = DecisionTreeClassifier(random_state=0)
    guard = AdversarialGuard(tree, max_reference=max_reference).fit(X, y)
    if guard.keeps_rows_ == len(X):
        assert np.mean(guard.inspect(X)["adversarial"]) < 0.02
    assert 0.03 < np.mean(guard.inspect_training()["adversarial"]) < 0.09


def test_samples_are_proportional():
    codes = np.repeat([0, 1, 2], [9000, 990, 10])
    rows = proportional_sample(codes, 1000, least=10, rng=np.random.default_rng(0))
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
    """Twins count, the row itself does not."""
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
def test_art_does_not_get_by():
    """HopSkipJump of adversarial-robustness-toolbox, on a model without a formula."""
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


def test_a_union_hands_the_model_on_and_tells_the_flags_of_training():
    """Guards in a list look at the wrapped model; training's rate is out of fold."""
    X, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    guards = GuardUnion([RangeGuard(), AdversarialGuard()])
    model = ResilientEstimator(pipeline, guard=guards, cv=None).fit(X, y)
    inside = model.guard_.guards_[1]
    assert inside.model_ is model.estimator_
    expected = inside.inspect_training()["adversarial"].sum()
    layout, counts = model.reference_.layout, model.reference_.profile.counts
    place = layout.flags.index("adversarial") + len(layout.cells) + len(layout.outputs)
    start = layout.offsets[place]
    assert counts[start : start + 2].tolist() == [len(X) - expected, expected]


def test_equal_rows_of_the_reference_are_chosen_alike_in_any_batch():
    """Whose targets are looked at, among many equally near, is the same each time."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(500, 3)) * 0.37
    guard = AdversarialGuard(Ridge()).fit(X, X[:, 0] + rng.normal(size=500))
    alone = [guard.p_values(X[[i]])[0] for i in range(60)]
    assert np.array_equal(guard.p_values(X)[:60], alone)


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


def test_unfitted_models_are_not_taken_for_unreadable_rows():
    X, y = noisy_classes(0, 100)
    guard = AdversarialGuard().fit_model(LogisticRegression(), X, y)
    with pytest.raises(NotFittedError, match=r"LogisticRegression .* not fitted"):
        guard.p_values(X)


def test_answers_out_of_fold_must_be_numbers():
    X, y = noisy_numbers(0, 100)
    model = Ridge().fit(X, y)
    said = np.where(np.arange(100) < 20, np.nan, y)
    with pytest.raises(ValueError, match=r"needs finite answers out of fold"):
        AdversarialGuard().fit_model(model, X, y, out_of_fold=said)


def test_labels_that_the_guard_never_saw_are_not_cut():
    """A frozen model may know longer labels than the rows of the guard have."""
    X, y = noisy_classes(0, 300)
    y[X[:, 1] > 0.8] = 2
    names = np.array(["no", "yes", "undecided"])[y]
    model = FrozenEstimator(LogisticRegression().fit(X, names))
    short = names[y < 2].astype("U3")
    guard = AdversarialGuard(model, components=["distance"]).fit(X[y < 2], short)
    assert "undecided" in set(guard.correct(X))
