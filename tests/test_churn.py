"""Churn between versions, the gate for a new version, and churn by retraining."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.datasets import load_diabetes, make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from resilient_estimator import ResilientEstimator
from resilient_estimator.comparison import churn, retrain_churn
from resilient_estimator.comparison._resampling import (
    bootstrap_rows,
    held_out,
    subsample_rows,
)
from resilient_estimator.statistics._intervals import (
    clopper_pearson_lower,
    clopper_pearson_upper,
    ratio_bounds,
    tango_lower,
    tango_statistic,
    wilson,
)

X, y = make_classification(3000, flip_y=0.1, random_state=0)
OLD = LogisticRegression().fit(X[:500], y[:500])
NEW = LogisticRegression().fit(X[:700], y[:700])
FRESH = slice(1000, None)
N_DRAWS = 20_000


def versions(gained, lost, both_wrong=0, n=1000):
    """Return old and new predictions, and labels, with these numbers of flips."""
    truth = np.zeros(n, dtype=int)
    old, new = truth.copy(), truth.copy()
    old[: gained + both_wrong] = 1
    new[gained : gained + both_wrong + lost] = 1
    return old, new, truth


def test_figures_follow_from_the_counts():
    """Every figure follows from four counts of correct and wrong predictions."""
    old, new, truth = versions(gained=30, lost=10, both_wrong=100)
    result = churn(old, new, None, truth)
    found = result.performance
    assert result.n_samples == 1000
    assert result.churn == 0.04
    assert (found.old, found.new) == (0.87, 0.89)
    assert_allclose(found.difference, 0.02)
    assert (found.negative_flips, found.positive_flips) == (0.01, 0.03)
    assert_allclose(found.unnecessary_churn, 0.02)
    assert_allclose(found.win_loss_ratio, 30.5 / 10.5)


def test_predictions_can_be_passed_in_place_of_a_model():
    """Stored predictions of a version give the same result as the version."""
    by_model = churn(OLD, NEW, X[FRESH], y[FRESH])
    old, new = OLD.predict(X[FRESH]), NEW.predict(X[FRESH])
    by_predictions = churn(old, new, None, y[FRESH])
    assert by_model.passed
    assert by_model.performance == by_predictions.performance
    assert churn(OLD, new, X[FRESH]).churn == by_model.churn == np.mean(old != new)


def test_a_model_has_no_churn_against_itself():
    """No prediction differs; the bound depends on n alone: the rule of three."""
    result = churn(OLD, OLD, X[:1000], y[:1000])
    assert (result.churn, result.lower) == (0, 0)
    assert result.upper == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert result.performance.difference == 0
    assert result.passed


def test_resilient_estimators_can_be_compared():
    """The final predictions are compared, including those of a fallback."""
    guarded = ResilientEstimator(LogisticRegression(), fallback="prior")
    guarded.fit(X[:500], y[:500])
    broken = X[FRESH].copy()
    broken[:100, 0] = np.nan
    result = churn(guarded, guarded.predict(broken), broken)
    assert result.churn == 0


@pytest.mark.parametrize(
    ("gained", "lost", "n", "expected"),
    [
        (5, 5, 1000, []),
        (40, 40, 1000, ["significantly more than the limit of 5 %"]),
        (22, 22, 1000, ["too few rows to conclude that churn is below 5 %"]),
        (28, 28, 1000, ["which is not below the limit of 5 %"]),
        (0, 22, 1000, ["which is worse by the margin of 2 points or more"]),
        (0, 300, 8000, ["significantly worse than the margin of 2 points"]),
        (0, 15, 1000, ["too few rows to conclude that the loss is below 2 points"]),
        (0, 0, 20, ["predictions differ on 0 %", "accuracy changed from 1 to 1"]),
    ],
)
def test_reasons_explain_why_a_version_fails(gained, lost, n, expected):
    """Each part of the gate that fails has a sentence; if all pass, there is none."""
    result = churn(*versions(gained, lost, n=n)[:2], None, np.zeros(n, dtype=int))
    assert result.passed == (not expected)
    assert len(result.reasons) == len(expected)
    for text, reason in zip(expected, result.reasons, strict=True):
        assert text in reason


def test_the_report_suits_a_ci_log():
    """The first word of each line shows what failed."""
    old, new, truth = versions(gained=10, lost=100)
    groups = np.where(np.arange(1000) < 200, "young", "old")
    lines = repr(churn(old, new, None, truth, groups=groups)).splitlines()
    assert lines[0] == "Churn gate: FAILED"
    assert lines[1].startswith("FAIL  predictions differ on 11 % of 1,000 rows, at")
    assert lines[2].startswith("FAIL  accuracy 0.99 -> 0.9: -9 points, at worst -10")
    assert lines[4].strip().startswith("group young: 55 % of 200 rows")


def test_results_have_no_truth_value():
    """Otherwise `assert churn(...)` would never fail: a gate that is always open."""
    with pytest.raises(TypeError, match=r"ChurnResult has no truth value\..*'passed'"):
        bool(churn(OLD, NEW, X[FRESH]))
    result = retrain_churn(OLD, X[:200], y[:200], n_refits=2, X_eval=X[FRESH])
    with pytest.raises(TypeError, match=r"RetrainChurnResult has no truth value\.$"):
        bool(result)


def test_unsigned_integers_do_not_overflow():
    """0 and 1 differ by one, not by 255."""
    old, new = np.zeros(9, dtype=np.uint8), np.ones(9, dtype=np.uint8)
    assert churn(old, new, None, new, tolerance=1.5).churn == 0


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_groups_are_a_column_or_an_array(make):
    """Both give the same result; each group has its own churn; the worst is first."""
    frame = pd.DataFrame({"x": X[FRESH][:, 0], "site": np.arange(2000) % 3})
    old = np.zeros(2000, dtype=int)
    new = np.where((frame["site"] == 2) & (frame["x"] > 0), 1, 0)
    by_name = churn(old, new, make(dict(frame)), groups="site")
    by_array = churn(old, new, None, groups=frame["site"].to_numpy())
    assert by_name.by_group == by_array.by_group
    assert [g.group for g in by_name.by_group] == ["0", "1", "2"]
    table = by_name.to_frame()
    assert table["group"][0] == "2"
    assert table["churn"][0] == new[frame["site"] == 2].mean()


def test_a_group_with_too_much_churn_is_reported_even_if_the_gate_is_passed():
    """All rows together pass; the reason names the group that bears the changes."""
    new = np.where(np.arange(4000) < 60, 1, 0)
    groups = np.where(np.arange(4000) < 200, "west", "east")
    result = churn(0 * new, new, None, groups=groups)
    assert result.passed
    (reason,) = result.reasons
    assert reason == (
        "predictions differ on 30 % of 200 rows in group west, significantly more "
        "than the limit of 5 %"
    )


def test_bounds_of_all_groups_hold_simultaneously():
    """The probability that any group's churn exceeds its bound is at most alpha."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        new = (rng.random(1000) < 0.1).astype(int)
        found = churn(0 * new, new, None, groups=np.arange(1000) % 10).by_group
        wrong += any(group.upper < 0.1 for group in found)
    assert wrong / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("n", [200, 500, 2000])
def test_size_and_power_of_the_accuracy_gate(n):
    """A version exactly on the margin passes Tango's bound in 4 % to 5.5 % of cases."""
    rng = np.random.default_rng(n)
    quantile = stats.norm.isf(0.05)
    on_margin = rng.multinomial(n, [0.04, 0.06, 0.9], size=N_DRAWS)
    as_good = rng.multinomial(n, [0.05, 0.05, 0.9], size=N_DRAWS)
    size, power = (
        np.mean(tango_statistic(drawn[:, 0], drawn[:, 1], n, -0.02) > quantile)
        for drawn in (on_margin, as_good)
    )
    assert 0.04 <= size <= 0.055
    assert power >= (0.85 if n == 2000 else size)


def test_size_and_power_of_the_whole_gate():
    """On a limit, a version passes in 5 % of cases; well inside, nearly always."""
    rng = np.random.default_rng(0)

    def passed(discordance, difference):
        gained, lost = (discordance + difference) / 2, (discordance - difference) / 2
        drawn = rng.multinomial(2000, [gained, lost, 1 - discordance], size=100)
        results = (versions(b, c, n=2000) for b, c, _ in drawn)
        return np.mean([churn(a, b, None, y).passed for a, b, y in results])

    at_most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert passed(0.05, 0.0) < at_most
    assert passed(0.03, -0.02) < at_most
    assert passed(0.03, 0.0) > 0.95


def test_clopper_pearson_is_exact():
    """It is the proportion at which the observed count reaches probability alpha."""
    counts = np.arange(51)
    upper = clopper_pearson_upper(counts, 50, alpha=0.05)
    assert_allclose(stats.binom.cdf(counts[:-1], 50, upper[:-1]), 0.05)
    assert upper[-1] == 1
    assert_allclose(clopper_pearson_lower(counts, 50), 1 - upper[::-1])


def test_tango_s_bound_inverts_its_statistic():
    """For any counts, even without discordant rows; it decreases with lost rows."""
    gained, lost = np.array([0, 10, 3, 50]), np.array([0, 20, 1, 10])
    bound = tango_lower(gained, lost, 200)
    assert_allclose(tango_statistic(gained, lost, 200, bound), stats.norm.isf(0.05))
    assert (tango_lower(gained, lost + 1, 200) < bound).all()
    assert tango_lower(0, 200, 200) == -1


def test_wilson_agrees_with_scipy():
    """The same interval as SciPy's, for integer counts."""
    theirs = stats.binomtest(37, 120).proportion_ci(0.9, method="wilson")
    assert_allclose(wilson(37 / 120, 120, 0.9), theirs)


@pytest.mark.parametrize("worse", [1.02, 0.9])
def test_fieller_s_bounds_cover_the_ratio(worse):
    """Each bound misses the ratio of means with probability of about alpha."""
    rng = np.random.default_rng(0)
    missed = np.zeros(2)
    for _ in range(2000):
        old, new = np.abs(rng.normal(size=100) + 0.5 * rng.normal(size=(2, 100)))
        lower, upper = ratio_bounds(worse * new, old)
        missed += lower > worse, upper < worse
    assert_allclose(missed / 2000, 0.05, atol=0.015)


def test_predictions_of_regressors_may_differ_by_the_tolerance():
    """Churn is the share of larger differences; errors are compared in pairs."""
    truth = np.linspace(0, 10, 1000)
    old = truth + np.tile([0.5, -0.5], 500)
    new = np.where(truth < 1, truth + 3, truth)
    result = churn(old, new, None, truth, tolerance=1.0, max_churn=0.2)
    assert result.churn == np.mean(np.abs(old - new) > 1) == 0.1
    assert result.performance.metric == "mean absolute error"
    assert result.performance.difference == pytest.approx(1 - 0.3 / 0.5, abs=0.01)
    assert result.performance.negative_flips == 0.1
    assert result.passed


def test_the_tolerance_of_a_regressor_is_remembered():
    """It is the scale of the out-of-fold residuals of a ResilientEstimator."""
    X, y = load_diabetes(return_X_y=True)
    old = ResilientEstimator(Ridge(alpha=0.01)).fit(X[:300], y[:300])
    new = Ridge(alpha=0.01).fit(X[:350], y[:350])
    residuals = y[300:] - old.predict(X[300:])
    expected = 1.4826 * stats.median_abs_deviation(residuals)
    found = churn(old, new, X[350:], y[350:]).tolerance
    assert found == churn(new, old, X[350:]).tolerance
    assert found == pytest.approx(expected, rel=0.25)


def test_classes_known_to_one_version_are_reported():
    """A version with a new class can be compared, and the class is reported."""
    labels = np.where(X[:, 0] > 1, 2, y)
    new = LogisticRegression().fit(X[:700], labels[:700])
    result = churn(OLD, new, X[FRESH], labels[FRESH])
    assert "only the new version knows 2" in result.reasons
    assert result.churn > 0


GOOD = {"model_a": OLD, "model_b": NEW, "X": X[FRESH], "y": y[FRESH]}


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"alpha": 0}, ValueError, r"'alpha' .* \(0, 1\). Got 0 instead"),
        ({"margin": "2 %"}, ValueError, r"'margin' parameter of churn must be"),
        ({"max_churn": 5}, ValueError, r"'max_churn' parameter of churn must be"),
        (
            {"model_a": None},
            TypeError,
            r"'model_a' parameter of churn must be a fitted",
        ),
        ({"model_b": Ridge}, TypeError, r"'model_b' parameter of churn must be a"),
        ({"tolerance": 1.0}, ValueError, r"'tolerance' .* None for classifiers"),
        ({"y": y[:5]}, ValueError, r"inconsistent numbers of samples"),
        ({"groups": ["a"]}, ValueError, r"inconsistent numbers of samples"),
        ({"groups": "site"}, ValueError, r"'groups' parameter of churn must be"),
        ({"y": y[FRESH] + 7}, ValueError, r"y holds 7, 8, but the classes"),
        ({"y": y[FRESH].astype(str)}, ValueError, r"y holds '0', '1'"),
        ({"y": np.where(y[FRESH] == 1, np.nan, 0)}, ValueError, r"Some are missing"),
        ({"X": X[:0], "y": None}, ValueError, r"0 sample"),
        ({"X": X[:, :3]}, ValueError, r"X has 3 features"),
    ],
)
def test_invalid_input_is_reported(changes, error, match):
    """Every invalid parameter raises an error that names it."""
    with pytest.raises(error, match=match):
        churn(**{**GOOD, **changes})


def test_versions_that_share_no_class_are_refused():
    """Differently encoded labels would look like complete churn."""
    texts = LogisticRegression().fit(X, np.where(y == 1, "yes", "no"))
    with pytest.raises(ValueError, match=r"same classes. model_a knows 0, 1, model_b"):
        churn(OLD, texts, X)
    other = LogisticRegression().fit(X, y + 5)
    with pytest.raises(ValueError, match="same classes"):
        churn(OLD, other, X)


def test_a_regressor_needs_a_valid_tolerance():
    """No scale is made up; the error explains what is missing."""
    model = Ridge().fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"'tolerance' .* given for regressors"):
        churn(model, model, X)
    with pytest.raises(ValueError, match=r"'tolerance' .* range \(0, inf\). Got -1"):
        churn(model, model, X, tolerance=-1)
    with pytest.raises(ValueError, match=r"must be finite numbers"):
        churn(model, np.full(len(X), np.nan), X, tolerance=1)


def test_disagreement_is_counted_over_all_pairs():
    """Churn, the disagreement on each row, and the contested rows."""
    result = retrain_churn(
        DecisionTreeClassifier(), X, y, n_refits=4, X_eval=X[:200], random_state=0
    )
    assert_array_equal(result.rows, np.arange(200))
    assert result.churn == pytest.approx(result.disagreement.mean())
    assert set(np.round(result.disagreement * 6)) <= {0, 3, 4}  # of 6 pairs
    contested = np.flatnonzero(result.disagreement > 0.25)
    assert_array_equal(result.contested_rows, contested)
    assert result.retrain_stability == 1 - result.churn
    assert result.multiplicity is None


def test_unstable_learners_have_more_churn():
    """Trees have more churn than forests, and forests more than a constant."""
    models = DecisionTreeClassifier(), RandomForestClassifier(10), DummyClassifier()
    tree, forest, constant = (retrain_churn(m, X, y, random_state=0) for m in models)
    assert tree.lower > forest.upper
    assert forest.lower > 0
    assert (constant.churn, constant.lower) == (0, 0)
    assert constant.upper > 0
    assert len(tree.contested_rows) > len(forest.contested_rows)


def test_a_new_seed_causes_less_churn_than_new_rows():
    """The learner's own randomness explains a part of the churn."""
    forest = RandomForestClassifier(10)
    rows = retrain_churn(forest, X, y, random_state=0)
    seed = retrain_churn(forest, X, y, refit="seed", random_state=0)
    assert 0 < seed.churn < rows.churn
    none = retrain_churn(LogisticRegression(), X, y, refit="seed", random_state=0)
    assert none.churn == 0


def test_results_are_reproducible_and_the_estimator_is_not_changed():
    """Even if the estimator has no random state, for any number of jobs."""
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(5))
    with parallel_config("threading"):
        runs = [
            retrain_churn(forest, X, y, n_refits=3, random_state=0, n_jobs=n_jobs)
            for n_jobs in (None, 2)
        ]
    assert_array_equal(runs[0].disagreement, runs[1].disagreement)
    assert forest[-1].random_state is None
    assert not hasattr(forest[-1], "estimators_")


def test_held_out_rows_are_not_in_the_training_set():
    """A tree memorises noisy labels: refits would agree on rows they were fitted to."""
    noise = np.random.default_rng(0).integers(2, size=len(y))
    result = retrain_churn(DecisionTreeClassifier(), X, noise, random_state=0)
    assert 0.4 < result.churn < 0.6
    assert len(result.rows) == pytest.approx(0.3 * len(X), rel=0.01)


@pytest.mark.parametrize("n_rare", [1, 3])
def test_rare_classes_stay_in_every_refit(n_rare):
    """A class with a single row is never held out, nor lost by resampling."""
    codes = np.array([0] * 40 + [1] * n_rare)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert not held_out(codes, 0.3, rng)[codes == 1].any()
        assert np.sum(codes[bootstrap_rows(codes, rng)] == 1) == n_rare
        assert 0 < np.sum(codes[subsample_rows(codes, rng)] == 1) <= n_rare


def test_ambiguity_is_at_least_discrepancy():
    """Marx et al.: rows on which any good refit differs, or a single one."""
    result = retrain_churn(DecisionTreeClassifier(), X, y, delta=0.5, random_state=0)
    ambiguity, discrepancy, n_as_good = result.multiplicity
    assert n_as_good == result.n_refits
    assert 0 < discrepancy < ambiguity <= np.mean(result.disagreement > 0)
    strict = retrain_churn(DecisionTreeClassifier(), X, y, delta=0, random_state=0)
    assert strict.multiplicity.n_as_good < n_as_good


def test_regressors_are_compared_in_units_of_their_residuals():
    """A tree varies more than a line; the unit is the scale of the residuals."""
    X, y = load_diabetes(return_X_y=True)
    line = retrain_churn(Ridge(alpha=0.01), X, y, random_state=0)
    tree = retrain_churn(DecisionTreeRegressor(), X, y, random_state=0)
    assert line.churn < tree.churn
    assert line.spread < tree.spread
    assert 30 < line.tolerance < 80
    assert "times the tolerance" in repr(line)


def test_weights_are_resampled_with_the_rows():
    """A fit parameter with one entry per row follows the rows."""
    weight = np.where(y == 1, 1.0, 0.0)
    result = retrain_churn(
        DecisionTreeClassifier(), X, y, fit_params={"sample_weight": weight}
    )
    assert result.churn == 0


@pytest.mark.parametrize("refit", ["bootstrap", "subsample"])
def test_frames_with_text_labels_are_resampled(refit):
    """Any container and any labels."""
    frame = pd.DataFrame(X[:400], columns=[f"c{i}" for i in range(20)])
    labels = pd.Series(np.where(y[:400] == 1, "yes", "no"))
    tree = DecisionTreeClassifier()
    result = retrain_churn(tree, frame, labels, n_refits=3, refit=refit)
    assert 0 < result.churn < 0.5


@pytest.mark.slow
def test_coverage_of_the_interval_of_retrain_churn():
    """Over other rows and other refits, 95 % intervals cover the churn."""
    tree = DecisionTreeClassifier(max_depth=4)
    train, labels, pool = X[:400, :6], y[:400], X[400:, :6]
    truth = retrain_churn(
        tree, train, labels, n_refits=100, X_eval=pool, random_state=0
    ).churn
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        rows = rng.integers(len(pool), size=200)
        found = retrain_churn(tree, train, labels, X_eval=pool[rows], random_state=seed)
        covered += found.lower <= truth <= found.upper
    assert covered / 100 >= 0.91


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"estimator": LogisticRegression}, TypeError, r"'estimator' parameter of"),
        ({"estimator": StandardScaler()}, TypeError, r"a classifier or a regressor"),
        (
            {"n_refits": 1},
            ValueError,
            r"'n_refits' .* an int in the range \[2, inf\). Got 1",
        ),
        (
            {"refit": "jackknife"},
            ValueError,
            r"one of 'bootstrap', 'subsample', 'seed'. Got",
        ),
        ({"delta": -1}, ValueError, r"'delta' parameter of retrain_churn"),
        ({"confidence_level": 95}, ValueError, r"'confidence_level' parameter of"),
        ({"tolerance": 1}, ValueError, r"'tolerance' .* None for classifiers"),
        ({"y": y[:5]}, ValueError, r"inconsistent numbers of samples"),
        (
            {"X": X[:3], "y": y[:3]},
            ValueError,
            r"'X_eval' .* too few rows to hold one out",
        ),
    ],
)
def test_invalid_input_of_retrain_churn_is_reported(changes, error, match):
    """Every invalid parameter raises an error that names it."""
    good = {"estimator": LogisticRegression(), "X": X, "y": y}
    with pytest.raises(error, match=match):
        retrain_churn(**{**good, **changes})


def test_missing_requirements_are_reported():
    """A random state to change, or labels to compute a regressor's residuals."""
    with pytest.raises(ValueError, match=r"with a random_state if refit is 'seed'"):
        retrain_churn(KNeighborsClassifier(), X, y, refit="seed")
    with pytest.raises(ValueError, match=r"'tolerance' .* regressor without y_eval"):
        retrain_churn(Ridge(), X, X[:, 0], X_eval=X[:9], n_refits=2)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, dict])
def test_an_unknown_group_column_is_reported(make):
    """Whatever the container, and even if two columns have the name."""
    rows = make({"x": X[FRESH][:, 0]})
    with pytest.raises(ValueError, match=r"'groups' parameter of churn must be"):
        churn(y[FRESH], y[FRESH], rows, groups="site")
    twice = pd.DataFrame(X[FRESH][:, :2], columns=["site", "site"])
    with pytest.raises(ValueError, match=r"'groups' parameter of churn must be"):
        churn(y[FRESH], y[FRESH], twice, groups="site")


def test_groups_may_be_a_table_with_one_column():
    """Such as `frame[["site"]]`."""
    groups = pd.DataFrame({"site": ["a", "b"] * 50})
    found = churn(np.zeros(100), np.zeros(100), None, groups=groups).by_group
    assert [(g.group, g.n_samples) for g in found] == [("a", 50), ("b", 50)]


@pytest.mark.parametrize("gap", [pd.NA, None])
def test_missing_predictions_are_reported(gap):
    """None is not a class."""
    predictions = pd.Series(
        [True, gap] * 50, dtype="boolean" if gap is pd.NA else object
    )
    with pytest.raises(ValueError, match=r"model_b must have a prediction for each"):
        churn([True] * 100, predictions, None)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"y": None}, r"'y' parameter of retrain_churn must be the labels"),
        ({"y": np.column_stack([y, y])}, r"got an array of shape \(3000, 2\)"),
        ({"y": np.where(y == 1, "yes", None)}, r"Unknown label type"),
        ({"y_eval": y}, r"'X_eval' .* given together with y_eval"),
        ({"X_eval": X[:0]}, r"at least one row of X_eval"),
        ({"X_eval": X, "y_eval": y + 7}, r"y_eval holds 7, 8, but the classes"),
        ({"X_eval": X, "y_eval": y.astype(str)}, r"y_eval holds '0', '1'"),
    ],
)
def test_unusable_labels_are_rejected(changes, match):
    """They would make all refits equally good, or be ignored."""
    good = {"estimator": DummyClassifier(), "X": X, "y": y, "n_refits": 2}
    with pytest.raises(ValueError, match=match):
        retrain_churn(**{**good, **changes})


@pytest.mark.parametrize("truth", [np.full(9, np.nan), np.full(9, "a")])
def test_y_eval_must_be_finite(truth):
    """No prediction is within a tolerance of NaN."""
    with pytest.raises(ValueError, match=r"y_eval must contain finite numbers"):
        retrain_churn(Ridge(), X, X[:, 0], X_eval=X[:9], y_eval=truth, tolerance=1)


def test_the_bounds_of_a_ratio_solve_fiellers_equation():
    """At either bound the difference from zero has exactly the quantile of t."""
    rng = np.random.default_rng(0)
    old = rng.gamma(2.0, size=40)
    new = old * 0.7 + rng.gamma(1.0, size=40) * 0.3
    for bound in ratio_bounds(new, old, alpha=0.05):
        difference = new - bound * old
        t = difference.mean() / (difference.std(ddof=1) / np.sqrt(40))
        assert abs(t) == pytest.approx(stats.t.isf(0.05, 39), rel=1e-6)
