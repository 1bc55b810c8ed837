"""Shapley values: signed contributions of the columns to a prediction."""

import warnings
from dataclasses import replace
from itertools import permutations

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import load_real
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator import ResilientEstimator
from resilient_estimator.explanation import explain

X, y = make_classification(
    500, n_features=12, n_informative=6, class_sep=0.7, random_state=0
)
FOREST = RandomForestClassifier(20, random_state=0).fit(X, y)
X4, y4 = make_regression(300, n_features=4, noise=1, random_state=0)
BOOSTING = HistGradientBoostingRegressor(max_iter=30, random_state=0).fit(X4, y4)


def by_shap(f, X, background):
    """Return the values of shap's KernelExplainer, which evaluates all coalitions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = pytest.importorskip("shap")
        explainer = shap.KernelExplainer(f, background)
        return explainer.shap_values(
            X, nsamples=2 ** X.shape[1], l1_reg=False, silent=True
        )


@pytest.mark.parametrize("model", [FOREST, SVC().fit(X, y)], ids=["proba", "margin"])
def test_contributions_add_up_to_the_output(model):
    """Base and contributions sum to the score of the predicted class exactly."""
    found = explain(model, X[:5], X)
    labels = model.predict(X[:5])
    if hasattr(model, "predict_proba"):
        scores = model.predict_proba(X[:5])[np.arange(5), labels]
    else:
        scores = model.decision_function(X[:5]) * (2 * labels - 1)
    assert_array_equal(found.targets, labels)
    assert_allclose(found.outputs, scores)
    assert_allclose(found.base + found.contributions.sum(axis=1), scores, rtol=1e-12)


@pytest.mark.parametrize("n_features", [4, 12])
def test_contributions_to_a_linear_model(n_features):
    """Exactly coef_j * (x_j - mean_j), both for all coalitions and for permutations."""
    X, y = make_regression(100, n_features=n_features, noise=1, random_state=0)
    model = LinearRegression().fit(X, y)
    found = explain(model, X[:6], X)
    assert_allclose(found.contributions, model.coef_ * (X[:6] - X.mean(axis=0)))
    assert_allclose(found.base, model.predict(X).mean())
    assert found.targets is None


def test_exact_values_match_the_definition():
    """The mean gain of a column over all permutations of the columns."""
    rows, background = X4[:3], X4[100:110]
    found = explain(BOOSTING, rows, background)
    expected = np.zeros((3, 4))
    orders = list(permutations(range(4)))
    for i, order in enumerate(np.repeat(orders, 3, axis=0)):
        cells, row = background.copy(), i % 3
        for j in order:
            before = BOOSTING.predict(cells).mean()
            cells[:, j] = rows[row, j]
            expected[row, j] += BOOSTING.predict(cells).mean() - before
    assert_allclose(found.contributions, expected / len(orders), atol=1e-10)


def test_exact_values_agree_with_shap():
    """With the same background, up to rounding."""
    found = explain(BOOSTING, X4[:10], X4[:30])
    theirs = by_shap(BOOSTING.predict, X4[:10], X4[:30])
    assert_allclose(found.contributions, theirs, atol=1e-8)


def test_sampled_values_agree_with_shap():
    """With twelve columns, they differ by sampling noise."""
    f = lambda X: FOREST.predict_proba(X)[:, 1]
    found = explain(FOREST, X[:3], X[:20], target=1, n_background=200)
    theirs = by_shap(f, X[:3], X[:20])
    assert np.sqrt(np.mean((found.contributions - theirs) ** 2)) < 0.005
    assert np.abs(theirs).max() > 0.1
    assert_allclose(found.base, f(X[:20]).mean())


def test_more_permutations_are_more_precise():
    """The error decreases with the square root of their number."""
    truth = explain(FOREST, X[:5], X[:50], target=1, n_background=4000).contributions
    errors = [
        np.abs(
            explain(
                FOREST, X[:5], X[:50], target=1, n_background=n, random_state=7
            ).contributions
            - truth
        ).mean()
        for n in (50, 800)
    ]
    assert errors[1] < 0.5 * errors[0]
    assert errors[0] < 0.02


def test_a_column_that_the_model_ignores_contributes_nothing():
    """Not even a small number: exactly zero."""
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    ignored = model.feature_importances_ == 0
    found = explain(model, X[:10], X)
    assert ignored.sum() >= 9
    assert_array_equal(found.contributions[:, ignored], 0)
    assert (found.contributions[:, ~ignored] != 0).any()


def test_rows_do_not_depend_on_one_another():
    """Reasons of a row are the same alone and among others, and reproducible."""
    together = explain(FOREST, X[:6], X)
    alone = explain(FOREST, X[4:5], X)
    assert_array_equal(together.contributions[4:5], alone.contributions)
    assert together.reasons[4] == alone.reasons[0]
    other = explain(FOREST, X[4:5], X, random_state=1)
    assert (other.contributions != alone.contributions).any()


def test_explaining_changes_neither_model_nor_rows():
    """Nor does it use the global random state."""
    rows = X[:3].copy()
    before = joblib.hash((FOREST, rows, np.random.get_state()))  # noqa: NPY002
    explain(FOREST, rows, X)
    assert joblib.hash((FOREST, rows, np.random.get_state())) == before  # noqa: NPY002


def test_a_resilient_estimator_needs_no_reference_rows():
    """Columns drawn from its quantiles replace rows with independent columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    y = X @ [3.0, -2.0, 1.0, 0.0] + X[:, 0] * X[:, 1]
    model = ResilientEstimator(HistGradientBoostingRegressor(max_iter=40)).fit(X, y)
    found = explain(model, X[:5])
    expected = explain(model, X[:5], X, n_background=400)
    assert_allclose(found.contributions, expected.contributions, atol=0.25)
    assert np.abs(expected.contributions).max() > 2
    assert_allclose(found.base, model.predict(X).mean(), atol=0.2)


def test_the_explained_class():
    """The default is the predicted class; contributions to all classes sum to zero."""
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=500).fit(X, names)
    each = [explain(model, X[:3], X, target=name) for name in model.classes_]
    assert_allclose(sum(e.contributions for e in each), 0, atol=1e-12)
    assert_array_equal(each[1].targets, ["versicolor"] * 3)
    assert_array_equal(explain(model, X[:3], X).contributions, each[0].contributions)


class LabelsOnly:
    """A model without scores."""

    classes_ = np.array([0, 1])

    def predict(self, X):
        return FOREST.predict(X)


def test_a_model_without_scores():
    """The explained output is whether it predicts this class."""
    found = explain(LabelsOnly(), X[:4], X)
    assert_array_equal(found.outputs, 1)
    assert (found.base < 1).all()
    assert_allclose(found.base + found.contributions.sum(axis=1), 1)


def test_outlier_detectors_can_be_explained():
    """The reason is the column with the extreme value."""
    forest = IsolationForest(random_state=0).fit(X)
    odd = X[:1].copy()
    odd[0, 3] = 40
    found = explain(forest, odd, X, target=-1)
    assert found.reasons[0][0].startswith("x3 40 (typical: ")
    assert found.reasons[0][0].endswith("towards -1")


@pytest.fixture(scope="module")
def german():
    X, y, _ = load_real("german_credit")
    model = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    )
    labels = np.where(y == 1, "bad", "good")
    return ResilientEstimator(model, cv=3).fit(X.iloc[:700], labels[:700]), X.iloc[700:]


def test_reasons_in_plain_words(german):
    """Largest contributions first, with value, typical value, sign and class."""
    model, rows = german
    bad = rows[model.predict(rows) == "bad"].iloc[:20]
    found = explain(model, bad, n_background=50)
    largest = np.sort(np.abs(found.contributions), axis=1)[:, ::-1][:, :3]
    for row, reasons in enumerate(found.reasons):
        assert len(reasons) == 3
        shown = [float(r.split("): ")[1].split()[0]) for r in reasons]
        assert_allclose(np.abs(shown), largest[row], atol=0.006)
        assert all(r.endswith(("towards bad", "away from bad")) for r in reasons)
    assert any("status A11 (typical: A14): +" in r for rs in found.reasons for r in rs)
    assert "(average 0." in repr(found)


def test_the_table_has_the_names_of_the_columns(german):
    """One row per prediction, one column per feature."""
    model, rows = german
    frame = explain(model, rows.iloc[:2], n_background=10).to_frame()
    assert frame.columns.tolist() == rows.columns.tolist()
    assert frame.shape == (2, 20)


def test_contributions_agree_between_rows_and_reference(german):
    """On real data of mixed types, for a background of rows or of marginals."""
    model, rows = german
    X, _, _ = load_real("german_credit")
    given = explain(model, rows.iloc[:5], X.iloc[:700], n_background=200)
    without = explain(model, rows.iloc[:5], n_background=200)
    r = np.corrcoef(given.contributions.ravel(), without.contributions.ravel())[0, 1]
    assert r > 0.95


def mixed():
    """Return rows with numbers, labels and missing cells."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "income": rng.normal(50, 10, 200).round(1),
            "job": rng.choice(["clerk", "nurse", "smith"], 200),
            "children": rng.integers(0, 4, 200),
        }
    )
    labels = np.where(frame.job == "smith", "bad", "good")
    frame.loc[::7, "income"] = np.nan
    frame.loc[::11, "job"] = None
    return frame, labels


@pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas, "category"])
def test_mixed_types_and_bad_cells(convert):
    """Missing cells, unseen labels and infinite numbers are explained as well."""
    frame, labels = mixed()
    rows = frame.iloc[:8].copy()
    rows.loc[0, "job"], rows.loc[1, "income"] = "pilot", np.inf
    frame, rows = (
        f.astype({"job": "category"}) if convert == "category" else convert(f)
        for f in (frame, rows)
    )
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"
    )
    booster = HistGradientBoostingClassifier(max_iter=20, max_bins=32)
    model = make_pipeline(columns, booster).fit(frame, labels)
    found = explain(model, rows, frame, target="bad")
    assert np.isfinite(found.contributions).all()
    assert_allclose(
        found.base + found.contributions.sum(axis=1), model.predict_proba(rows)[:, 0]
    )
    assert np.abs(found.contributions).argmax(axis=1).tolist() == [1] * 8
    assert found.reasons[0][0].startswith("job pilot (typical: ")


def test_sparse_rows():
    """Contributions are the same as for dense rows."""
    few = explain(FOREST, sparse.csr_array(X[:2]), X, n_background=20)
    dense = explain(FOREST, X[:2], X, n_background=20)
    assert_allclose(few.contributions, dense.contributions)
    assert few.reasons == dense.reasons


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"target": 5}, ValueError, r"None or one of the classes \[0, 1\]. Got 5"),
        ({"reference": None}, ValueError, r"'reference' .* must be given, unless"),
        ({"reference": X[:, :3]}, ValueError, r"12 features, but the reference has 3"),
        (
            {"n_background": 0},
            ValueError,
            r"'n_background' .* in the range \[1, inf\). Got 0",
        ),
        (
            {"n_reasons": True},
            ValueError,
            r"'n_reasons' .* an int in the range .* Got True",
        ),
        ({"model": RandomForestClassifier}, TypeError, r"must be a fitted model"),
        ({"X": X[0]}, ValueError, r"(?i)reshape"),
    ],
)
def test_invalid_parameters(change, error, match):
    """Each error names the parameter, what was expected and what it got."""
    given = {"model": FOREST, "X": X[:2], "reference": X} | change
    with pytest.raises(error, match=match):
        explain(**given)


def test_regressors_have_no_classes():
    """They take no target, and must have a single output."""
    with pytest.raises(ValueError, match=r"'target' .* None for a regressor"):
        explain(BOOSTING, X4[:2], X4, target=1)
    column = LinearRegression().fit(X4, y4[:, np.newaxis])
    assert_allclose(explain(column, X4[:2], X4).outputs, column.predict(X4[:2])[:, 0])
    both = Ridge().fit(X4, np.c_[y4, y4])
    with pytest.raises(TypeError, match=r"a model with one output"):
        explain(both, X4[:2], X4)


def test_predictions_may_be_a_column():
    """Some boosters return the shape (n_samples, 1)."""

    class OneColumn(LabelsOnly):
        def predict(self, X):
            return super().predict(X)[:, np.newaxis]

    found = explain(OneColumn(), X[:3], X, n_background=20)
    flat = explain(LabelsOnly(), X[:3], X, n_background=20)
    assert_array_equal(found.contributions, flat.contributions)


def test_labels_without_classes_are_rejected():
    """A model that predicts texts is not a regressor: it must have `classes_`."""

    class Texts:
        def predict(self, X):
            return np.full(len(X), "yes")

    with pytest.raises(TypeError, match=r"'model' .* a classifier that has classes_"):
        explain(Texts(), X[:2], X)


def test_rounding_errors_are_not_reported():
    """Contributions that cancel except for the last digit are no reasons."""
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X[:, :5], y)
    found = explain(tree, X[:20, :5], X[:7, :5], n_reasons=5)
    used = f"x{tree.tree_.feature[0]} "
    assert all(reason.startswith(used) for each in found.reasons for reason in each)
    noise = replace(found, contributions=np.full((20, 5), 1e-17))
    assert noise.reasons == [[]] * 20


def test_no_rows():
    """No rows have no reasons; a reference without rows is rejected."""

    class Zero:
        classes_ = np.array([0, 1])

        def predict(self, X):
            return np.zeros(len(X), dtype=int)

    found = explain(Zero(), X[:0], X)
    assert found.contributions.shape == (0, 12)
    assert found.reasons == []
    with pytest.raises(ValueError, match=r"reference of explain needs at least one"):
        explain(FOREST, X[:2], X[:0])


def test_an_explanation_has_no_truth_value():
    """It is not a condition."""
    with pytest.raises(TypeError, match=r"Explanation has no truth value\.$"):
        bool(explain(FOREST, X[:1], X, n_background=10))
