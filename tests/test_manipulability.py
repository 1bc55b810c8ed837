"""How cheaply predictions can be manipulated, and what would change a single one."""

from dataclasses import replace
from itertools import combinations, product
from types import MappingProxyType

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import load_real
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, train_test_split
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator import ResilientEstimator
from resilient_estimator.explanation import SoftFeature, manipulability, recourse
from resilient_estimator.explanation._black_box import MAX_ROWS
from resilient_estimator.explanation._soft_features import LEVELS

X, y = make_classification(
    600, n_features=6, n_informative=4, class_sep=0.6, random_state=0
)
FOREST = RandomForestClassifier(20, min_samples_leaf=5, random_state=0).fit(X, y)
ROWS = X[:150]


def split(name):
    """Return training rows, training labels and test rows of a real data set."""
    X, y, _ = load_real(name)
    parts = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    return parts[0], parts[2], parts[1]


@pytest.fixture(scope="module")
def forest_attack():
    return manipulability(FOREST, ROWS, soft=[0, 1, 2], target=1, reference=X)


@pytest.fixture(scope="module")
def german():
    train, labels, rows = split("german_credit")
    model = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    )
    return model.fit(train, labels), train, rows


def cost_by_formula(before, after, reference):
    """Return the total change in interquartile ranges; all columns are numbers."""
    q = np.quantile(reference, [0.25, 0.75], axis=0, method="inverted_cdf")
    return (np.abs(after - before) / (q[1] - q[0])).sum(axis=1)


def test_tweaked_rows_reach_the_target_at_the_reported_cost(forest_attack):
    """`apply` returns rows whose prediction was not the target, but is now."""
    found = np.isfinite(forest_attack.costs)
    tweaked, before = forest_attack.apply(ROWS), ROWS[forest_attack.rows[found]]
    assert (FOREST.predict(before) == 0).all()
    assert (FOREST.predict(tweaked) == 1).all()
    assert_allclose(
        forest_attack.costs[found], cost_by_formula(before, tweaked, X), rtol=0.02
    )


def test_only_soft_features_are_changed(forest_attack):
    """Other columns stay the same, and at most three columns change."""
    tweaked = forest_attack.apply(ROWS)
    before = ROWS[forest_attack.rows[np.isfinite(forest_attack.costs)]]
    assert_array_equal(tweaked[:, 3:], before[:, 3:])
    assert_array_equal((tweaked != before).sum(axis=1).max(), 3)


def test_costs_agree_with_an_exhaustive_search():
    """Over all combinations of three columns' values."""
    few = [-1.5, -0.5, 0.5, 1.5]
    soft = {j: SoftFeature(values=few) for j in range(3)}
    attack = manipulability(FOREST, ROWS[:40], soft=soft, target=1, reference=X)
    unit = np.diff(np.quantile(X, [0.25, 0.75], axis=0, method="inverted_cdf"), axis=0)
    for row, cost in zip(attack.rows, attack.costs, strict=True):
        choices = [[X[row, j], *few] for j in range(3)]
        grid = np.tile(X[row], (5**3, 1))
        grid[:, :3] = list(product(*choices))
        reached = grid[FOREST.predict(grid) == 1]
        best = (np.abs(reached - X[row]) / unit).sum(axis=1).min(initial=np.inf)
        assert cost == pytest.approx(best, rel=0.02)


def test_shares_and_score_match_their_formulas(forest_attack):
    """M(B) is the share of costs up to B; the score is 1 - mean(min(MC, B) / B)."""
    costs = forest_attack.costs
    curve = forest_attack.curve([0.0, 0.5, 1.0, np.inf])
    assert_allclose(curve, [(costs <= b).mean() for b in (0, 0.5, 1, np.inf)])
    assert curve[0] == 0
    assert forest_attack.share_flippable == curve[2]
    assert forest_attack.score == pytest.approx(1 - np.minimum(costs, 1).mean())
    lower, upper = forest_attack.interval()
    assert 0.3 < lower < curve[2] < upper < 0.6


def test_direction_and_cost_are_respected():
    """What can only be increased is not decreased; costs are multiplied."""
    up = manipulability(
        FOREST, ROWS, soft={0: SoftFeature(direction="up")}, target=1, reference=X
    )
    down = manipulability(
        FOREST, ROWS, soft={0: SoftFeature(2, "down")}, target=1, reference=X
    )
    both = manipulability(FOREST, ROWS, soft=[0], target=1, reference=X)
    assert (up.apply(ROWS)[:, 0] > ROWS[up.rows[np.isfinite(up.costs)], 0]).all()
    assert np.isfinite(down.costs).any()
    assert_allclose(both.costs, np.minimum(up.costs, down.costs / 2))


def test_the_lever_is_the_column_that_the_model_uses():
    """A tree that uses one column can be manipulated by that one only."""
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, X[:, 2] > 0.3)
    attack = manipulability(tree, X, soft=range(6), target=True)
    assert next(iter(attack.levers)) == "x2"
    assert attack.levers["x2"] == 1
    assert attack.levers["x0"] == 0
    assert attack.universal.features == ["x2"]
    assert attack.universal.share == 1


def test_the_universal_tweak_flips_the_reported_share(forest_attack):
    """Setting its columns to its values in all attacked rows flips that share."""
    tweaked = ROWS[forest_attack.rows].copy()
    pair = forest_attack.universal
    for name, value in zip(pair.features, pair.values, strict=True):
        tweaked[:, int(name[1:])] = value
    assert len(pair.features) == 2
    assert (FOREST.predict(tweaked) == 1).mean() == pytest.approx(pair.share)
    assert pair.share > pair.share_first


@pytest.mark.parametrize(
    "model",
    [
        FixedThresholdClassifier(LogisticRegression(), threshold=0.8),
        LinearSVC(),
        SVC(),
        ResilientEstimator(LogisticRegression(), fallback="prior"),
    ],
    ids=["threshold", "margin", "kernel", "resilient"],
)
def test_predict_counts(model):
    """Even if it is not the most probable class, or there are no probabilities."""
    model = model.fit(X, y)
    attack = manipulability(model, ROWS, soft=[0, 1, 2], target=1, reference=X)
    assert np.isfinite(attack.costs).mean() > 0.3
    assert (model.predict(attack.apply(ROWS)) == 1).all()
    assert_array_equal(attack.rows, np.flatnonzero(model.predict(ROWS) != 1))


class LabelsOnly:
    """A model behind an interface that returns labels only."""

    def __init__(self, model):
        self.model = model
        self.largest = 0

    def predict(self, X):
        self.largest = max(self.largest, len(X))
        return self.model.predict(X)


def test_models_without_scores_can_be_searched(forest_attack):
    """Single edits are found as well, and pairs nearly as well."""
    attack = manipulability(
        LabelsOnly(FOREST), ROWS, soft=[0, 1, 2], target=1, reference=X
    )
    assert_array_equal(attack.rows, forest_attack.rows)
    assert attack.share_flippable >= 0.9 * forest_attack.share_flippable


def test_queries_have_a_bounded_size():
    """However many rows and edits there are."""
    model = LabelsOnly(FOREST)
    manipulability(model, X, soft=range(6), target=1, max_edits=1)
    assert 1000 < model.largest <= MAX_ROWS


@pytest.mark.parametrize("shape", ["ovr", "ovo"])
def test_several_classes(shape):
    """The target is one of three, whatever the shape of the decision values."""
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = SVC(decision_function_shape=shape).fit(X, names)
    attack = manipulability(model, X, soft=[2, 3], target="virginica", budget=2)
    assert attack.share_flippable > 0.9
    assert (model.predict(attack.apply(X)) == "virginica").all()


def test_outlier_detectors_can_be_manipulated():
    """An outlier can be made to look like an inlier."""
    forest = IsolationForest(max_samples=64, contamination=0.2, random_state=0).fit(X)
    attack = manipulability(forest, X, soft=range(6), target=1)
    assert attack.share_flippable > 0.5


def test_rows_do_not_depend_on_one_another(forest_attack):
    """The costs of rows are the same alone and among others."""
    half = forest_attack.rows[::2]
    alone = manipulability(FOREST, ROWS[half], soft=[0, 1, 2], target=1, reference=X)
    assert_array_equal(alone.costs, forest_attack.costs[::2])
    assert_array_equal(alone.changed, forest_attack.changed[::2])


def test_a_resilient_estimator_needs_no_reference_rows():
    """Its quantiles replace them, and costs differ little."""
    model = ResilientEstimator(LogisticRegression()).fit(X, y)
    without = manipulability(model, ROWS[:20], soft=[0, 1, 2], target=1)
    given = manipulability(model, ROWS[:20], soft=[0, 1, 2], target=1, reference=X)
    assert_allclose(without.costs, given.costs, rtol=0.05, atol=0.1)


def test_the_search_changes_neither_model_nor_rows():
    """And its result is reproducible."""
    rows = ROWS.copy()
    before = joblib.hash((FOREST, rows))
    first = manipulability(FOREST, rows, soft=[0, 1], target=1)
    second = manipulability(FOREST, rows, soft=[0, 1], target=1)
    assert joblib.hash((FOREST, rows)) == before
    assert_array_equal(first.costs, second.costs)
    assert first.universal == second.universal


CONTAINERS = {
    "pandas": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])]),
    "csr": sparse.csr_array,
    "list": lambda X: X.tolist(),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_the_container_does_not_matter(container):
    """Costs are the same for the same numbers."""
    expected = manipulability(
        DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, y),
        ROWS,
        soft=[0, 1],
        target=1,
    )
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(container(X), y)
    attack = manipulability(model, container(ROWS), soft=[0, 1], target=1)
    assert_allclose(attack.costs, expected.costs)
    assert_array_equal(attack.before, expected.before)


def mixed(n=300, seed=0):
    """Return rows with floats, integers and labels, some of them missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": rng.normal(50, 10, n).round(1),
            "children": rng.integers(0, 4, n),
            "job": rng.choice(["clerk", "nurse", "smith"], n),
            "town": pd.Categorical(rng.choice(["a", "b", "c"], n)),
        }
    )
    bad = (frame.job == "smith") | (frame.income < 45)
    frame.loc[::17, "income"] = np.nan
    frame.loc[::19, "job"] = None
    frame.loc[::23, "town"] = None
    return frame, np.where(bad, "bad", "good")


def mixed_model():
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["job", "town"]),
        remainder="passthrough",
    )
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20))


@pytest.mark.parametrize("as_polars", [False, True])
def test_mixed_types_and_bad_cells(as_polars):
    """Labels are replaced, integers stay integers, missing cells are imputed."""
    frame, labels = mixed()
    rows = frame.drop(columns="town")
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"
        ),
        HistGradientBoostingClassifier(max_iter=20),
    )
    rows = pl.from_pandas(rows) if as_polars else rows
    model.fit(rows, labels)
    soft = ["income", "children", "job"]
    attack = manipulability(model, rows, soft=soft, target="good", budget=2)
    assert attack.share_flippable > 0.8
    assert (model.predict(attack.apply(rows)) == "good").all()
    new = {v for v in attack.after[:, 2].tolist() if v is not None}
    assert new <= {"clerk", "nurse", "smith"}
    assert all(v == int(v) for v in attack.after[:, 1].tolist() if v is not None)
    assert (attack.costs[attack.changed.sum(axis=1) == 1] <= 3).all()


def test_categories_keep_their_type():
    """Categorical columns stay categorical."""
    frame, labels = mixed()
    model = mixed_model().fit(frame, labels)
    attack = manipulability(model, frame, soft=["job", "town"], target="good")
    tweaked = attack.apply(frame)
    assert isinstance(tweaked.town.dtype, pd.CategoricalDtype)
    assert set(attack.levers) == {"job", "town"}
    assert attack.levers["job"] == 1


def test_infinite_and_missing_cells_do_not_raise():
    """Changing an infinite number costs infinitely much, imputing a cell one unit."""
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
    rows = ROWS.copy()
    rows[::3, 0], rows[1::3, 0], rows[2::3, 1] = np.nan, np.inf, -np.inf
    attack = manipulability(model, rows, soft=[0, 1], target=1, reference=X)
    filled = attack.changed[:, 0] & (attack.rows % 3 == 0)
    assert filled.any()
    assert (attack.costs[filled] >= 1).all()
    assert not attack.changed[attack.rows % 3 == 1, 0].any()


def test_nothing_to_attack():
    """If all predictions are the target already, shares are zero."""
    good = X[FOREST.predict(X) == 1]
    attack = manipulability(FOREST, good, soft=[0], target=1)
    assert (attack.share_flippable, attack.score) == (0, 0)
    assert attack.levers == {"x0": 0}
    assert attack.examples == []
    assert len(attack.apply(good)) == 0
    assert "0 of 0 rows" in repr(attack)


def test_report_and_table(german):
    """They show rows, columns, values and costs."""
    model, train, rows = german
    attack = manipulability(
        model, rows, soft=["amount", "duration"], target=0, reference=train
    )
    frame = attack.to_frame()
    assert frame.columns.tolist() == ["cost", "n_edits", "amount", "duration"]
    assert_array_equal(frame.index, attack.rows)
    best = frame.cost.idxmin()
    (example, *_) = attack.examples
    assert example.startswith(f"row {best}: ")
    assert " -> " in example
    assert "levers: amount" in repr(attack)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"soft": ["income"]}, ValueError, r"names the column 'income'.*\['x0', 'x1'"),
        ({"soft": [17]}, ValueError, r"names the column 17, which X does not have"),
        ({"soft": []}, ValueError, r"'soft' .* at least one column"),
        ({"soft": "x0"}, TypeError, r"must be a list of columns, or a dict"),
        (
            {"soft": {"x0": 0}},
            ValueError,
            r"'cost' .* SoftFeature .* \(0, inf\). Got 0",
        ),
        (
            {"soft": {"x0": SoftFeature(direction="left")}},
            ValueError,
            r"'direction' .* one of 'up', 'down' or None. Got 'left'",
        ),
        (
            {"soft": {"x0": SoftFeature(values=["a"])}},
            ValueError,
            r"'values' .* numbers if the column is numeric",
        ),
        (
            {"soft": {"x0": SoftFeature(values=3)}},
            TypeError,
            r"'values' .* a list of values or None. Got 3",
        ),
        ({"target": 7}, ValueError, r"'target' .* one of the classes \[0, 1\]. Got 7"),
        ({"target": "good"}, ValueError, r"one of the classes \[0, 1\]. Got 'good'"),
        ({"budget": 0}, ValueError, r"'budget' .* range \(0, inf\). Got 0"),
        ({"budget": np.inf}, ValueError, r"'budget' .* range \(0, inf\). Got inf"),
        (
            {"max_edits": 0},
            ValueError,
            r"'max_edits' .* an int in the range \[1, inf\). Got 0",
        ),
        ({"beam_width": 1.5}, ValueError, r"'beam_width' .* an int in .* Got 1.5"),
        ({"model": LinearRegression().fit(X, y)}, TypeError, r"no class to reach"),
        ({"model": RandomForestClassifier}, TypeError, r"must be a fitted model"),
        ({"reference": X[:, :3]}, ValueError, r"6 features, but the reference has 3"),
        ({"X": X[0]}, ValueError, r"(?i)reshape"),
    ],
)
def test_invalid_parameters(change, error, match):
    """Each error names the parameter, what was expected and what it got."""
    given = {"model": FOREST, "X": ROWS, "soft": ["x0"], "target": 1} | change
    with pytest.raises(error, match=match):
        manipulability(given.pop("model"), given.pop("X"), **given)


def test_constant_columns_and_several_outputs_are_rejected():
    """A constant column has no other value to try; there must be one output."""
    constant = np.ones((50, 2))
    model = DecisionTreeClassifier().fit(X[:, :2], y)
    with pytest.raises(ValueError, match=r"\['x0', 'x1'\] has another value to take"):
        manipulability(model, constant, soft=[0, 1], target=1)
    several = MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[y, y])
    with pytest.raises(TypeError, match=r"one output"):
        manipulability(several, X, soft=[0], target=1)


def test_a_reference_must_have_all_columns():
    """Frames are matched by name."""
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = DecisionTreeClassifier().fit(frame, y)
    with pytest.raises(ValueError, match=r"lacks the columns \['a'\] of X"):
        manipulability(
            model, frame, soft=["b"], target=1, reference=frame.drop(columns="a")
        )


def test_recourse_offers_different_changes_that_work(german):
    """Each change reaches the target, and none extends a cheaper one."""
    model, train, rows = german
    refused = rows[model.predict(rows) == 1].iloc[:8]
    fixed = ["age", "personal_status_sex", "foreign_worker"]
    results = recourse(model, refused, immutable=fixed, target=0, reference=train)
    for k, result in enumerate(results):
        costs = [change.cost for change in result.changes]
        assert len(costs) == 3
        assert costs == sorted(costs)
        for change in result.changes:
            edited = refused.iloc[[k]].copy()
            for column, value in change.edits.items():
                edited[column] = pd.Series([value], index=edited.index).astype(
                    edited[column].dtype
                )
            assert model.predict(edited)[0] == 0
            assert not set(change.edits) & set(fixed)
        for cheaper, other in combinations(result.changes, 2):
            assert not set(cheaper.edits) <= set(other.edits)


def test_recourse_is_the_cheapest_tweak_of_manipulability(forest_attack):
    """Its first change has the same cost."""
    rows = ROWS[forest_attack.rows[:20]]
    found = recourse(FOREST, rows, soft=[0, 1, 2], reference=X)
    costs = [r.changes[0].cost if r.changes else np.inf for r in found]
    assert_allclose(costs, forest_attack.costs[:20], rtol=0.02)


def test_recourse_in_plain_words():
    """The report shows the prediction, the target, and the changes."""
    tree = DecisionTreeClassifier(max_depth=1).fit(X, np.where(X[:, 0] > 0, "a", "b"))
    b, a = X[X[:, 0] < 0][:1], X[X[:, 0] > 0][:1]
    one, other = recourse(tree, np.concatenate([b, a]), target="a", reference=X)
    assert str(one).startswith(
        "The prediction is b. Each of these changes makes it a:\n  x0 "
    )
    assert str(other) == "The prediction is already a."
    (never,) = recourse(tree, b, soft=[1], reference=X)
    assert str(never) == "The prediction is b. No change was found that makes it a."


def test_recourse_errors():
    """All columns are immutable, or there is no single other class."""
    with pytest.raises(
        ValueError, match=r"'immutable' .* leaves at least one soft column"
    ):
        recourse(FOREST, ROWS, immutable=list(range(6)))
    with pytest.raises(ValueError, match=r"'immutable' .* names the column 'age'"):
        recourse(FOREST, ROWS, immutable="age")
    X, y = load_iris(return_X_y=True)
    tree = DecisionTreeClassifier().fit(X, y)
    with pytest.raises(ValueError, match=r"'target' .* does not have two classes"):
        recourse(tree, X)
    with pytest.raises(
        ValueError, match=r"'n_changes' .* an int in the range \[1, inf\)"
    ):
        recourse(tree, X, target=1, n_changes=0)


def test_two_benign_words_let_most_spam_through():
    """Found in training mail without any hint, they work on other mail."""
    train, labels, mails = split("spambase")
    model = HistGradientBoostingClassifier(random_state=0).fit(train, labels)
    assert model.score(train, labels) > 0.95
    words = [c for c in train if c.startswith("word_freq")]
    spam = train[model.predict(train) == 1][:300]
    soft = {word: SoftFeature(direction="up") for word in words}
    attack = manipulability(model, spam, soft=soft, target=0, reference=train)
    pair = attack.universal
    other = mails[model.predict(mails) == 1].copy()
    for word, value in zip(pair.features, pair.values, strict=True):
        other[word] = np.maximum(other[word], value)
    assert (model.predict(other) == 0).mean() > 0.8
    assert set(pair.features) == {"word_freq_george", "word_freq_hp"}
    assert str(pair).startswith(f"{pair.features[0]} raised to ")


def test_german_credit_share_at_budget_one(german):
    """Most rejected applicants can pass by changing amount, purpose or duration."""
    model, train, rows = german
    soft = ["amount", "purpose", "duration"]
    attack = manipulability(model, rows, soft=soft, target=0, reference=train)
    assert 0.75 < attack.share_flippable < 0.95
    assert next(iter(attack.levers)) == "amount"
    assert attack.changed[np.isfinite(attack.costs)].sum(axis=1).mean() < 1.5


def test_the_unit_of_costs():
    """If half of the values are equal, it is the range from 2 % to 98 %."""
    mostly_zero = np.concatenate([np.zeros(800), np.linspace(1, 5, 200)])
    rows = np.column_stack([mostly_zero, np.resize([0, 1], 1000)])
    tree = DecisionTreeClassifier(max_depth=1).fit(rows, rows[:, 0] >= 4.4)
    attack = manipulability(tree, rows[:1], soft=[0], target=True, reference=rows)
    width = np.quantile(rows[:, 0], 0.98)
    assert attack.costs[0] == pytest.approx(1, abs=0.02)
    assert attack.after[0, 0] == pytest.approx(width, rel=0.02)
    assert len(LEVELS) == 25


def test_pipelines_are_searched_in_the_units_of_their_input(german):
    """Scaling inside of a pipeline does not matter."""
    _, train, rows = german
    _, y, _ = load_real("german_credit")
    labels = [c for c in train if isinstance(train[c].dtype, pd.CategoricalDtype)]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), labels), remainder=StandardScaler()
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000))
    model.fit(train, y[train.index])
    attack = manipulability(
        model, rows, soft={"amount": 1, "duration": 2}, target=0, reference=train
    )
    assert 0.1 < attack.share_flippable < 0.5
    assert (model.predict(attack.apply(rows)) == 0).all()


def test_bad_columns_do_not_affect_the_others():
    """Dates, missing columns, constants and huge numbers have no edits."""
    bad = pd.DataFrame(
        {
            "x": X[:, 0],
            "date": pd.date_range("2020", periods=len(X)),
            "gap": np.nan,
            "same": 7,
            "huge": np.resize([1e308, -1e308], len(X)),
        }
    )

    class FirstColumn:
        def predict(self, X):
            return X["x"].to_numpy() > 0

    attack = manipulability(FirstColumn(), bad, soft=list(bad), target=True)
    assert attack.share_flippable > 0.5
    assert attack.levers == {"x": 1, "date": 0, "gap": 0, "same": 0, "huge": 0}


@pytest.mark.parametrize(
    "soft", [range(6), np.arange(6), MappingProxyType({0: 1, 1: 2})]
)
def test_immutable_columns_are_not_changed(soft):
    """Soft columns may be a range, an array or a mapping; `immutable` one position."""
    found = recourse(FOREST, ROWS[:10], soft=soft, immutable=0, reference=X)
    changed = {name for each in found for c in each.changes for name in c.edits}
    assert changed
    assert "x0" not in changed


class OneColumn(LabelsOnly):
    """A model whose predictions are a column, as for some boosters."""

    def predict(self, X):
        return super().predict(X)[:, np.newaxis]


def test_predictions_may_be_a_column():
    """Of shape (n_samples, 1)."""
    rows, soft = ROWS[:30], [0, 1]
    flat = manipulability(LabelsOnly(FOREST), rows, soft=soft, target=1, reference=X)
    found = manipulability(OneColumn(FOREST), rows, soft=soft, target=1, reference=X)
    assert_array_equal(found.costs, flat.costs)


def test_several_predictions_per_row_are_rejected():
    """A multi-label model has no single class to reach."""
    labels = np.column_stack([y, 1 - y])

    class Both(LabelsOnly):
        def predict(self, X):
            return labels[: len(X)]

    with pytest.raises(TypeError, match=r"'model' .* a model with one output"):
        manipulability(Both(FOREST), ROWS, soft=[0], target=1)


def test_a_soft_feature_named_cost_does_not_hide_the_costs():
    """Both are in the table."""
    rows = pd.DataFrame(ROWS[:40, :2], columns=["cost", "x"])
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    tree.fit(rows, rows["cost"] > 0)
    attack = manipulability(tree, rows, soft=["cost"], target=True)
    frame = attack.to_frame()
    assert frame.columns.tolist() == ["cost", "n_edits", "cost_new"]
    assert_array_equal(frame["cost"], attack.costs)


def test_all_figures_use_the_same_budget(forest_attack):
    """A cost that exceeds the budget by rounding counts everywhere or nowhere."""
    cost = forest_attack.costs.min()
    edge = replace(forest_attack, budget=cost * (1 - 1e-13))
    n_rows = len(edge.rows)
    assert edge.share_flippable == 1 / n_rows
    assert f"1 of {n_rows} rows" in repr(edge)
    assert max(edge.levers.values()) == 1
    assert_array_equal(edge.curve(edge.budget), [edge.share_flippable])


@pytest.mark.parametrize("confidence_level", [95, 0, "0.95"])
def test_an_invalid_confidence_level_is_reported(forest_attack, confidence_level):
    """It is a proportion, not a percentage."""
    with pytest.raises(ValueError, match=r"'confidence_level' .* range \(0, 1\)"):
        forest_attack.interval(confidence_level)


def test_results_have_no_truth_value(forest_attack):
    """They are not conditions."""
    (ways,) = recourse(FOREST, ROWS[forest_attack.rows[:1]], reference=X)
    for result in (forest_attack, forest_attack.universal, ways, *ways.changes):
        with pytest.raises(TypeError, match=r"has no truth value\.$"):
            bool(result)
