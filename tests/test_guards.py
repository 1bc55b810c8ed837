"""What the guards flag, and what they leave alone."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from conftest import load_real
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from resilient_estimator import (
    CategoryGuard,
    FeatureDrift,
    OutlierGuard,
    RangeGuard,
    RegionGuard,
    ResilientEstimator,
    RulePredictor,
)
from resilient_estimator.guards import GuardUnion
from resilient_estimator.guards._union import make_guard
from resilient_estimator.reference import Reference

REAL = (
    "adult",
    "california_housing",
    "elec2",
    "german_credit",
    "insurance_talk",
    "spambase",
)
ROWS = np.random.default_rng(0).normal(size=(400, 2))
FOREST = IsolationForest(n_estimators=20, contamination=0.01, random_state=0)
PEOPLE = pd.DataFrame({"age": [20.0, 30.0, 40.0], "job": ["nurse", "smith", "nurse"]})


def column(*cells, dtype=float):
    values = np.empty((len(cells), 1), dtype=dtype)
    values[:, 0] = cells
    return values


def flagged(guard, X, reason):
    return guard.inspect(X)[reason].tolist()


@pytest.mark.parametrize("name", REAL)
def test_rows_like_those_of_training_are_not_flagged(name):
    """The default guard flags no training row, and at most 1 % of rows like them."""
    X, _, _ = load_real(name)
    old, new = train_test_split(X, test_size=0.5, random_state=0)
    guard = make_guard("auto").fit(old)
    before = np.logical_or.reduce([*guard.inspect(old).values()])
    after = np.logical_or.reduce([*guard.inspect(new).values()])
    assert before.mean() == 0
    assert after.mean() <= 0.01, f"{after.mean():.2%} of {len(new)} rows"


@pytest.mark.parametrize(
    ("margin", "expected"),
    [(0, [False, True, True]), (0.5, [False, False, True]), (1e9, [False] * 3)],
)
def test_margin_is_in_units_of_the_training_range(margin, expected):
    """Values up to `margin` ranges beyond the training range are allowed."""
    guard = RangeGuard(margin=margin).fit(column(0, 10))
    assert flagged(guard, column(10, 14, 16), "out_of_range") == expected


def test_margin_none_flags_infinity_only():
    """Without learnt ranges no finite number is far away."""
    guard = RangeGuard(margin=None).fit(column(0, 10))
    X = column(1e308, np.inf, -np.inf)
    assert flagged(guard, X, "out_of_range") == [False, True, True]


@pytest.mark.parametrize("scale", [5e-324, 1e-308, 1e-3, 1.0, 1e17, 1e307])
def test_margin_zero_keeps_every_training_row(scale):
    """Rounding moves limits outwards only, at any scale."""
    rows = np.round(np.random.default_rng(0).uniform(0, 10, (500, 20)), 2) * scale
    guard = RangeGuard(margin=0).fit(rows)
    assert not guard.inspect(rows)["out_of_range"].any()


def test_limits_replace_the_learnt_range():
    """A hard limit counts, however narrow or wide the training range was."""
    guard = RangeGuard(limits={0: (5, 100)}).fit(column(0, 10))
    X = column(4, 5, 100, 101)
    assert flagged(guard, X, "out_of_range") == [True, False, False, True]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ((None, 5), [False, True]),
        ((5, None), [True, False]),
        ((None, None), [False] * 2),
    ],
)
def test_a_side_without_a_limit_is_open(limit, expected):
    """None leaves one side of a column without any limit but infinity."""
    guard = RangeGuard(limits={0: limit}).fit(column(0, 10))
    assert flagged(guard, column(-1e9, 1e9), "out_of_range") == expected


@pytest.mark.parametrize("guard", [RangeGuard, CategoryGuard])
@pytest.mark.parametrize(
    ("rule", "expected"),
    [("auto", [True, False]), ("flag", [True, True]), ("allow", [False, False])],
)
def test_missing_is_flagged_where_training_had_none(guard, rule, expected):
    """By default a missing value is news only in a column that was complete."""
    kind = float if guard is RangeGuard else object
    full, holed = column(1, 2, 1, 2, dtype=kind), column(1, 2, None, 1, dtype=kind)
    if guard is CategoryGuard:
        full[:2], holed[:2] = "a", "a"
    nothing = column(None, dtype=kind)
    guards = [guard(missing=rule).fit(X) for X in (full, holed)]
    assert [flagged(g, nothing, "missing")[0] for g in guards] == expected


def test_a_region_needs_all_its_conditions_and_any_region_excludes():
    """Conditions within a region are joined by and, regions by or."""
    regions = [{"age": (None, 25), "job": {"nurse"}}, {"age": (40, None)}]
    guard = RegionGuard(regions).fit(PEOPLE)
    assert flagged(guard, PEOPLE, "excluded") == [True, False, True]
    young_smith = PEOPLE.assign(job="smith")
    assert flagged(guard, young_smith, "excluded") == [False, False, True]


def test_a_missing_value_lies_in_no_region():
    """Nothing is known of a missing value, so no condition holds for it."""
    guard = RegionGuard([{"age": (None, None)}, {"job": {"nurse"}}]).fit(PEOPLE)
    nobody = pd.DataFrame({"age": [np.nan], "job": [None]})
    assert flagged(guard, nobody, "excluded") == [False]


def test_unseen_labels_are_flagged_rare_ones_are_not():
    """A label that training had once is known, though only by its fingerprint."""
    guard = CategoryGuard().fit(column(*["a"] * 50, "b", dtype=object))
    X = column("a", "b", "c", dtype=object)
    assert flagged(guard, X, "unseen") == [False, False, True]
    assert guard.bins_[0].texts == ["a"]


def test_a_column_that_a_frame_lacks_leaves_the_next_one_to_the_guard():
    train = pd.DataFrame({"a": list("xy") * 50, "b": list("uv") * 50})
    rows = pd.DataFrame({"b": ["u", "w"]})
    assert flagged(CategoryGuard().fit(train), rows, "unseen") == [False, True]


@pytest.mark.parametrize(("n_rows", "texts"), [(9, ["a"]), (10, ["a", "b"])])
def test_a_label_is_kept_as_text_from_ten_rows_on(n_rows, texts):
    guard = CategoryGuard().fit(column(*["a"] * 50, *["b"] * n_rows, dtype=object))
    assert guard.bins_[0].texts == texts
    X = column(*["a"] * 50, *["b"] * n_rows, dtype=object)
    assert Reference.learn(X).layout.columns[0].texts == texts


@pytest.mark.parametrize(("unseen", "expected"), [("auto", False), ("flag", True)])
def test_new_labels_are_normal_in_an_open_ended_column(unseen, expected):
    """Identifiers are always new, which "flag" makes a reason and "auto" does not."""
    identifiers = column(*(f"id{k}" for k in range(200)), dtype=object)
    guard = CategoryGuard(unseen=unseen).fit(identifiers)
    assert flagged(guard, column("new", dtype=object), "unseen") == [expected]


def test_a_union_flags_what_any_guard_flags():
    """Guards with the same reason share its mask."""
    guard = GuardUnion([RangeGuard(limits={0: (0, None)}), RangeGuard()])
    guard.fit(column(-1, 1))
    X = column(-0.5, 0.5, 99)
    assert flagged(guard, X, "out_of_range") == [True, False, True]


def test_nested_parameters_reach_the_guards_of_a_union():
    """Guards are set by class name, numbered where several are of one class."""
    union = GuardUnion([RangeGuard(), RegionGuard({0: {1}}), RegionGuard({0: {2}})])
    model = ResilientEstimator(LogisticRegression(), guard=union)
    model.set_params(
        **{"guard__rangeguard__margin": 3.0, "guard__regionguard-2__regions": {0: {7}}}
    )
    assert union.guards[0].margin == 3.0
    assert union.guards[2].regions == {0: {7}}
    assert clone(union).get_params()["rangeguard__margin"] == 3.0


def test_a_guard_of_a_union_can_be_replaced_by_name():
    """Setting a guard puts it into the list, and its own parameters with it."""
    union = GuardUnion([RangeGuard(), CategoryGuard()])
    union.set_params(rangeguard=RangeGuard(margin=2.0), rangeguard__missing="flag")
    assert union.guards[0].get_params()["margin"] == 2.0
    assert union.guards[0].missing == "flag"


def test_explain_counts_flagged_rows_per_reason_and_column():
    """Only what occurs is counted, column by column."""
    guard = make_guard("auto").fit(PEOPLE)
    X = pd.DataFrame({"age": [np.nan, 999, 999], "job": ["clerk", "nurse", None]})
    assert guard.explain(X) == {
        "missing": {"age": 1, "job": 1},
        "out_of_range": {"age": 2},
        "unseen": {"job": 1},
    }


@pytest.mark.parametrize("guard", [RangeGuard, CategoryGuard, GuardUnion])
def test_what_is_not_a_table_of_the_right_width_gets_no_flag(guard):
    """Without names any column may be shifted: the estimator is to complain."""
    parts = [RangeGuard(), CategoryGuard()]
    fitted = (guard(parts) if guard is GuardUnion else guard()).fit(ROWS)
    for X in (ROWS[:, :1] + 99, np.c_[ROWS, ROWS] + 99, ROWS[0] + 99, None):
        assert not any(mask.any() for mask in fitted.inspect(X).values())
        assert fitted.explain(X) == {}


@pytest.mark.parametrize(
    "detector",
    [
        FOREST,
        LocalOutlierFactor(novelty=True, contamination=0.01),
        make_pipeline(StandardScaler(), FOREST),
    ],
    ids=["forest", "local outlier factor", "pipeline"],
)
def test_any_outlier_detector_is_a_guard(detector):
    """A detector, or a Pipeline that ends in one, flags what it calls an outlier."""
    guard = make_guard(detector).fit(ROWS)
    X = np.array([[0.0, 0.0], [9.0, 9.0]])
    assert flagged(guard, X, "outlier") == [False, True]
    assert guard.inspect(ROWS)["outlier"].mean() <= 0.02


@pytest.mark.parametrize("cell", ["abc", np.inf, 10**400, [1], None])
def test_an_unreadable_cell_leaves_the_other_rows_to_the_detector(cell):
    """One bad row takes away neither the flag nor the pass of another row."""
    guard = OutlierGuard(LocalOutlierFactor(novelty=True)).fit(ROWS)
    X = np.zeros((3, 2), dtype=object)
    X[0, 0], X[1, 0] = cell, 99
    assert flagged(guard, X, "outlier") == [True, True, False]


def test_a_label_that_the_detector_cannot_encode_is_an_outlier():
    """Rows are halved until those that the detector rejects stand alone."""
    encoder = OneHotEncoder(handle_unknown="error", sparse_output=False)
    guard = OutlierGuard(make_pipeline(encoder, FOREST))
    guard.fit(column(*"ab" * 200, dtype=object))
    X = column("a", "b", "new", "a", None, "b", dtype=object)
    assert flagged(guard, X, "outlier") == [False, False, True, False, True, False]


def test_a_detector_judges_columns_by_name():
    """Reordered columns and extra ones do not change an outlier's flag."""
    frame = pd.DataFrame(ROWS * [1, 100], columns=["a", "b"])
    guard = OutlierGuard(FOREST).fit(frame)
    shuffled = frame.assign(c=1.0)[["c", "b", "a"]]
    assert flagged(guard, shuffled, "outlier") == flagged(guard, frame, "outlier")


ODD_CELLS = st.sampled_from(
    [
        *("a", "b", "new", "", "1", "abc", b"a", None, pd.NA, pd.NaT, np.nan, np.inf),
        *(
            0,
            1,
            True,
            0.5,
            -0.0,
            99,
            10**400,
            1e308,
            1j,
            Decimal("0.5"),
            Decimal("sNaN"),
        ),
        *(
            (),
            [1],
            {"a": 1},
            np.ones(1),
            np.complex64(1j),
            np.datetime64("2026-01-01"),
            pd.Timestamp("2026-01-01"),
        ),
    ]
)
MIXED = pd.DataFrame({"label": list("ab") * 200, "number": ROWS[:, 0]}, dtype=object)
EVERY_GUARD = GuardUnion(
    [
        RangeGuard(),
        CategoryGuard(),
        RegionGuard([{1: (0.4, 0.6)}, {0: {"a", 1, 0.5}}]),
        OutlierGuard(
            make_pipeline(
                make_column_transformer(
                    (OneHotEncoder(sparse_output=False), [0]),
                    ("passthrough", [1]),
                ),
                LocalOutlierFactor(novelty=True),
            )
        ),
    ]
).fit(MIXED.to_numpy())


@given(st.lists(st.tuples(ODD_CELLS, ODD_CELLS), min_size=1, max_size=8))
def test_no_row_changes_the_flags_of_another(rows):
    """A row has the flags that it has alone, whatever stands in the rows beside it."""
    X = np.empty((len(rows), 2), dtype=object)
    for i, row in enumerate(rows):
        X[i, 0], X[i, 1] = row
    together = EVERY_GUARD.inspect(X)
    for i in range(len(rows)):
        alone = EVERY_GUARD.inspect(X[[i]])
        assert {why: mask[i] for why, mask in together.items()} == {
            why: mask[0] for why, mask in alone.items()
        }


@given(st.lists(st.tuples(ODD_CELLS, ODD_CELLS), min_size=1, max_size=8))
def test_array_and_frame_of_odd_cells_have_the_same_flags(rows):
    """Whatever the cells are, an array and a frame of them are flagged alike."""
    X = np.empty((len(rows), 2), dtype=object)
    for i, row in enumerate(rows):
        X[i, 0], X[i, 1] = row
    frame, guard = pd.DataFrame(X), GuardUnion(EVERY_GUARD.guards[:3])
    guard.fit(MIXED.to_numpy())
    flags, same = guard.inspect(X), guard.inspect(frame)
    assert {why: mask.tolist() for why, mask in flags.items()} == {
        why: mask.tolist() for why, mask in same.items()
    }


BAD_PARAMETERS = [
    (RangeGuard(margin=-1), "margin", "a float in the range"),
    (RangeGuard(margin=np.nan), "margin", "a float in the range"),
    (RangeGuard(margin=np.inf), "margin", "a float in the range"),
    (RangeGuard(margin="1"), "margin", "a float in the range"),
    (RangeGuard(limits=[(0, 1)]), "limits", "a dict of column to"),
    (RangeGuard(limits={0: (2, 1)}), "limits", "a pair"),
    (RangeGuard(limits={0: (np.nan, 1)}), "limits", "a pair"),
    (RangeGuard(limits={0: 5}), "limits", "a pair"),
    (RangeGuard(limits={0: "ab"}), "limits", "a pair"),
    (RangeGuard(missing="no"), "missing", "one of 'auto', 'flag', 'allow'"),
    (CategoryGuard(missing=None), "missing", "one of 'auto', 'flag', 'allow'"),
    (CategoryGuard(unseen="no"), "unseen", "one of 'auto', 'flag'"),
    (CategoryGuard(min_count=0), "min_count", "an int in the range"),
    (CategoryGuard(min_count=True), "min_count", "an int in the range"),
    (CategoryGuard(min_count=2.5), "min_count", "an int in the range"),
    (RegionGuard(None), "regions", "a non-empty dict"),
    (RegionGuard("age"), "regions", "a non-empty dict"),
    (RegionGuard({}), "regions", "a non-empty dict"),
    (RegionGuard([{0: 5}]), "regions", "a pair"),
    (GuardUnion(5), "guards", "a list of guards"),
    (GuardUnion("abc"), "guards", "a list of guards"),
    (OutlierGuard(5), "detector", "an outlier detector"),
    (
        OutlierGuard(LocalOutlierFactor()),
        "detector",
        r"an outlier detector that judges new rows \(LocalOutlierFactor: novelty=True",
    ),
    (FeatureDrift("t"), "test", "one of 'auto'"),
    (FeatureDrift(alpha=3), "alpha", r"a float in the range \(0, 1\)\. Got 3 instead"),
    (FeatureDrift(alpha=True), "alpha", "a float in the range"),
    (FeatureDrift(min_severity=-0.1), "min_severity", "a float in the range"),
    (RulePredictor("rule"), "function", "a callable"),
]


@pytest.mark.parametrize(("part", "name", "expected"), BAD_PARAMETERS)
def test_a_bad_parameter_is_named_in_the_words_of_scikit_learn(part, name, expected):
    """Which parameter of which class must be what, and what was got instead."""
    message = f"The '{name}' parameter of {type(part).__name__} must be {expected}"
    with pytest.raises((ValueError, TypeError), match=message):
        part.fit(ROWS)


@pytest.mark.parametrize(
    "guard", [RangeGuard(limits={7: (0, 1)}), RegionGuard({7: {1}})]
)
def test_a_parameter_that_names_no_column_is_an_error(guard):
    """The error lists the columns there are."""
    with pytest.raises(ValueError, match=r"names the column 7, which X does not have"):
        guard.fit(ROWS)


def test_limits_of_a_column_of_labels_are_an_error():
    """A label is neither larger nor smaller than another."""
    with pytest.raises(ValueError, match="must be limits of numeric columns"):
        RangeGuard(limits={"job": (0, 1)}).fit(PEOPLE)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"fallback": "mean"}, "None, 'prior' or a predictor"),
        ({"fallback": 5}, "None, 'prior' or a predictor with"),
        ({"estimator": 5}, "a scikit-learn estimator"),
        ({"estimator": KMeans(), "fallback": "prior"}, "None, as the estimator is"),
        ({"guard": "strict"}, "'auto', None, an object with an 'inspect' method"),
        ({"guard": RangeGuard}, "'auto', None, an object with an 'inspect' method"),
        ({"detector": FeatureDrift}, "'auto', None, an object with 'fit'"),
        ({"guard": LogisticRegression()}, "'auto', None, an object with an 'inspect'"),
        ({"detector": "strict"}, "'auto', None, an object with 'fit' and 'compare'"),
        ({"min_confidence": 1.5}, r"a float in the range \[0, 1\] or None"),
        ({"min_confidence": "high"}, r"a float in the range \[0, 1\] or None"),
    ],
)
def test_a_bad_part_is_named_at_fit(params, expected):
    """Parameters are checked in fit, as scikit-learn's are."""
    name = list(params)[-1]
    message = f"The '{name}' parameter of ResilientEstimator must be {expected}"
    model = ResilientEstimator(**{"estimator": LogisticRegression()} | params)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(ROWS, ROWS[:, 0] > 0)


@pytest.mark.parametrize("n_samples", [1, 100, 2047, 2048, 5000])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf, 1e9])
def test_all_clear_is_what_inspect_says(n_samples, order, bad):
    """Rows are cleared at a glance exactly if none has a flag."""
    rng = np.random.default_rng(0)
    guard = make_guard("auto").fit(rng.normal(size=(500, 3)))
    X = np.asarray(rng.normal(size=(n_samples, 3)), order=order)
    if bad is not None:
        X[-1, 1] = bad
    masks = guard.inspect(X).values()
    assert guard.all_clear(X) == (not any(mask.any() for mask in masks))
    assert sum(mask.sum() for mask in masks) == (bad is not None)


def test_all_clear_is_never_said_of_what_is_not_looked_at():
    """Labels, text, sparse and missing values always take the long way."""
    guard = make_guard("auto").fit(pd.DataFrame({"a": ["x", "y"] * 20}))
    assert not guard.all_clear(pd.DataFrame({"a": ["x"]}))
    assert not make_guard("auto").fit(ROWS).all_clear(["a", "text"])
    assert not GuardUnion([IsolationForest()]).fit(ROWS).all_clear(ROWS)


def test_a_list_of_guards_is_their_union():
    """As a list of detectors is; outlier detectors may be in it."""
    X = np.random.default_rng(0).normal(size=(200, 2))
    y = (X[:, 0] > 0).astype(int)
    forest = IsolationForest(contamination=0.01, random_state=0)
    model = ResilientEstimator(LogisticRegression(), guard=[RangeGuard(), forest])
    flags = model.fit(X, y).predict([[99.0, 99.0]], return_flags=True)[1]
    assert flags.out_of_range.tolist() == flags.outlier.tolist() == [True]
