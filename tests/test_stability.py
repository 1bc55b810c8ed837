"""Predictions are stable if they stay the same for slightly perturbed rows."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import load_real
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import kstest, spearmanr
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_classification,
    make_moons,
)
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    KFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from subjects import mixed_pipeline

from resilient_estimator import NoReferenceWarning, ResilientEstimator
from resilient_estimator._progress import Progress
from resilient_estimator.estimator._batch import Batch
from resilient_estimator.reference import Reference
from resilient_estimator.stability import Perturbation, Stability, StabilityScorer
from resilient_estimator.stability._constraints import PerturbationConstraints
from resilient_estimator.stability._perturbation import RowNoise
from resilient_estimator.stability._row_stability import (
    RowScores,
    follows_probabilities,
    spread_out,
)
from resilient_estimator.tabular._assign import replace_columns
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._table import read_table

X, Y = make_moons(600, noise=0.3, random_state=0)


def mixed_frame(n_samples=400, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, size=n_samples)
    return pd.DataFrame(
        {
            "amount": rng.normal(1000 * group, 200),
            "age": rng.integers(18, 80, size=n_samples),
            "colour": pd.Categorical(np.array(["red", "green", "blue"])[group]),
            "shape": rng.choice(["round", "square"], size=n_samples),
            "constant": 7.0,
        }
    )


def moved(frame, n_copies=200, **options):
    """Return the perturbed copies of each row, without the row itself."""
    perturbation = Perturbation.learn(frame)
    copies = perturbation.move(frame, n_copies=n_copies, **options)
    first = np.arange(len(copies)) % (1 + n_copies) == 0
    return copies.iloc[~first] if hasattr(copies, "iloc") else copies[~first]


# ------------------------------------------------------------------ perturbed rows


def test_each_row_comes_first_and_unchanged():
    frame = mixed_frame(30)
    copies = Perturbation.learn(frame).move(frame, n_copies=4)
    pd.testing.assert_frame_equal(
        copies.iloc[::5].reset_index(drop=True), frame, check_dtype=False
    )


def test_numbers_move_by_differences_between_near_neighbours():
    """A move has the distribution of the differences to five near neighbours."""
    points = np.random.default_rng(0).normal(size=(500, 2)) * [1, 100]
    z = (points - points.mean(axis=0)) / points.std(axis=0)
    near = np.argsort(cdist(z, z), axis=1)[:, 1:6]
    apart = np.abs(points[:, np.newaxis] - points[near])
    step = moved(points).reshape(500, 200, 2) - points[:, np.newaxis]
    middle = np.abs(z).max(axis=1) < 1  # not near limits, where moves are reflected
    for j in range(2):
        for level in (0.25, 0.5, 0.9):
            found = np.quantile(np.abs(step[middle, :, j]), level)
            assert found == pytest.approx(np.quantile(apart[:, :, j], level), rel=0.05)
        assert abs(step[middle, :, j].mean()) < 0.02 * apart[:, :, j].mean()


def test_whole_numbers_stay_whole_and_keep_their_mean():
    """Unlike plain rounding, random rounding does not lose small moves."""
    frame = mixed_frame()
    copies = moved(frame)
    assert copies["age"].dtype == frame["age"].dtype
    inner = frame["age"].between(30, 70).to_numpy()
    shift = copies["age"].to_numpy().reshape(len(frame), -1).mean(axis=1) - frame["age"]
    assert abs(shift[inner].mean()) < 0.1
    small = Perturbation.learn(frame).move(frame, n_copies=50, size=0.1)
    assert (small["age"].to_numpy().reshape(-1, 51).std(axis=1) > 0).mean() > 0.9


def test_labels_are_exchanged_as_often_as_neighbours_differ():
    """Neighbours rarely differ in colour here, and often in shape."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(600, 5)) * 4, columns=list("abcde"))
    frame["colour"] = np.where(frame["a"] > 0, "red", "blue")
    frame["shape"] = np.where(rng.uniform(size=600) < 0.3, "round", "square")
    copies = moved(frame)
    rates = dict(zip(frame, Perturbation.learn(frame).rates, strict=True))
    assert rates["colour"] < 0.1 < rates["shape"]
    for name in ("colour", "shape"):
        rate = np.mean(copies[name].to_numpy() != frame[name].to_numpy().repeat(200))
        assert rate == pytest.approx(rates[name], abs=0.01)


def test_missing_values_stay_missing_and_constants_constant():
    frame = mixed_frame().astype({"colour": object})
    frame.loc[frame.index[:50], ["amount", "colour"]] = [np.nan, None]
    copies = moved(frame, n_copies=3)
    assert (copies["constant"] == 7.0).all()
    for name in ("amount", "colour"):
        missing = copies[name].isna().to_numpy().reshape(-1, 3)
        assert (missing == frame[name].isna().to_numpy()[:, np.newaxis]).all()


def test_moves_stay_within_the_usual_range_unless_the_row_is_beyond():
    points = np.random.default_rng(0).uniform(size=(1000, 1))
    perturbation = Perturbation.learn(points)
    lower, upper = perturbation.usual_range[0]
    rows = np.array([[lower], [upper], [5.0]])
    copies = perturbation.move(rows, n_copies=100, size=30).reshape(3, 101)
    assert copies[:2].min() >= lower
    assert copies[:2].max() <= upper
    assert copies[2].min() > upper


def test_constraints_hold():
    """Immutable columns, bounds and directions, by name or by position."""
    scorer = ResilientEstimator(
        mixed_pipeline(DecisionTreeClassifier(random_state=0)), cv=None
    ).fit(mixed_frame(), mixed_frame()["amount"] > 1000)
    frame, asked = mixed_frame(), []
    scorer.estimator_.predict_proba = lambda X: asked.append(X) or np.ones((len(X), 2))
    scorer.score_stability(
        frame,
        n_copies=20,
        immutable=["colour"],
        limits={"age": (None, 50)},
        monotonic_cst={0: 1},
    )
    copies = {name: asked[0][name].to_numpy().reshape(-1, 21) for name in frame}
    assert (copies["colour"] == copies["colour"][:, :1]).all()
    assert (copies["amount"] >= copies["amount"][:, :1]).all()
    assert (copies["amount"] > copies["amount"][:, :1]).any()
    assert (copies["age"] <= np.maximum(copies["age"][:, :1], 50)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"n_copies": 0},
            r"The 'n_copies' .* an int in the range .1, inf.. Got 0",
        ),
        (
            {"size": 0.0},
            r"The 'size' .* a float in the range .0, inf.. Got 0.0",
        ),
        ({"immutable": ["b"]}, r"The 'immutable' parameter .* column 'b', which X"),
        (
            {"immutable": [0, 1]},
            r"The 'immutable' parameter .* only some of the columns",
        ),
        (
            {"monotonic_cst": {0: 2}},
            r"The 'monotonic_cst' parameter .* or 1 for 0. Got 2",
        ),
        ({"limits": {0: 3}}, r"The 'limits' parameter .* a pair .* for 0. Got 3"),
        ({"limits": {0: (2, 1)}}, r"The 'limits' parameter .* lower <= upper"),
        ({"tolerance": -1}, r"'tolerance' .* a float in the range .0, inf.. Got -1"),
    ],
)
def test_bad_options_are_named(options, message):
    model = ResilientEstimator(LogisticRegression()).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        model.score_stability(X, **options)
    with pytest.raises(ValueError, match=message):
        StabilityScorer(model, **options).fit(X)


def test_noise_is_uniform_and_uncorrelated_between_columns_and_copies():
    table = np.random.default_rng(0).normal(size=(400, 2))
    noise = RowNoise.of(read_table(table), [0, 1], 100, random_state=0)
    first, second = noise.of_column(0), noise.of_column(1)
    assert kstest(first.uniform().ravel(), "uniform").pvalue > 0.01
    quantiles = (np.arange(1024) + 0.5) / 512 - 1
    sides = first.mirrored(quantiles)
    assert kstest(sides[:, :50].ravel(), "uniform", args=(-1, 2)).pvalue > 0.01
    draws = [sides[:, 0], second.mirrored(quantiles)[:, 0], sides[:, 1]]
    draws += [first.uniform()[:, 0], first.uniform()[:, 1]]
    off = np.corrcoef(draws)[~np.eye(len(draws), dtype=bool)]
    assert np.abs(off).max() < 0.2


# ------------------------------------------------------------------ scores


@pytest.fixture(scope="module")
def model():
    frame = mixed_frame()
    answers = (frame["amount"] + 10 * frame["age"] > 1400).astype(int)
    pipeline = mixed_pipeline(HistGradientBoostingClassifier(max_iter=10))
    return ResilientEstimator(pipeline, fallback="prior").fit(frame, answers)


def test_law_2_a_row_has_the_same_stability_beside_any_others(model):
    frame = mixed_frame(60, seed=1)
    whole = model.score_stability(frame)
    rows = np.array([5, 3, 3, 41])
    np.testing.assert_array_equal(model.score_stability(frame.iloc[rows]), whole[rows])
    assert 0 <= whole.min() <= whole.max() <= 1
    assert len(np.unique(whole)) > 10


@settings(max_examples=30)
@given(st.integers(0, 59), st.integers(0, 2**63))
def test_law_2_for_any_row_and_seed(model, row, seed):
    frame = mixed_frame(60, seed=1)
    one = model.score_stability(frame.iloc[[row]], n_copies=3, random_state=seed)
    twice = model.score_stability(frame.iloc[[row, row]], n_copies=3, random_state=seed)
    assert one[0] == twice[0] == twice[1]


def test_law_3_asking_changes_nothing(model):
    before = pickle.dumps(model)
    frame = mixed_frame(60, seed=1)
    copy = frame.copy()
    model.score_stability(frame)
    model.assess(frame, stability=True)
    assert pickle.dumps(model) == before
    pd.testing.assert_frame_equal(frame, copy)


def test_law_5_the_revived_model_gives_the_same_scores(model):
    frame = mixed_frame(60, seed=1)
    revived = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        revived.score_stability(frame), model.score_stability(frame)
    )


def test_law_6_the_container_does_not_matter():
    fitted = ResilientEstimator(RandomForestClassifier(20, random_state=0)).fit(X, Y)
    expected = fitted.score_stability(X[:40])
    containers = [
        X[:40].tolist(),
        sparse.csr_matrix(X[:40]),
        sparse.csc_array(X[:40]),
    ]
    for rows in containers:
        np.testing.assert_array_equal(fitted.score_stability(rows), expected)
    names = ["x0", "x1"]
    for frame in (pd.DataFrame(X, columns=names), pl.DataFrame(X, schema=names)):
        named = clone(fitted).fit(frame, Y)
        np.testing.assert_array_equal(named.score_stability(frame[:40]), expected)


def test_law_6_labels_in_pandas_and_polars(model):
    frame = mixed_frame(60, seed=1)
    fitted = ResilientEstimator(
        mixed_pipeline(DecisionTreeClassifier(random_state=0)), cv=None
    ).fit(mixed_frame().astype({"colour": str}), mixed_frame()["amount"] > 1000)
    frame = frame.astype({"colour": str})
    expected = fitted.score_stability(frame)
    # The pipeline asks for pandas; scores come from copies that polars wrote.
    read = Perturbation.learn(frame).move(pl.from_pandas(frame), n_copies=3)
    back = Perturbation.learn(frame).move(frame, n_copies=3)
    assert read.to_pandas().astype(str).equals(back.reset_index(drop=True).astype(str))
    assert np.isfinite(expected).all()


def test_rows_at_the_boundary_are_the_unstable_ones():
    """Of a linear model, stability grows with the distance to the line."""
    line = LogisticRegression().fit(X, Y)
    stability = StabilityScorer(line, n_copies=50).fit(X).score_samples(X)
    distance = np.abs(line.decision_function(X))
    assert spearmanr(stability, distance).statistic > 0.97


def test_stability_is_half_agreement_half_confidence():
    """Counted by hand from the copies."""
    forest = RandomForestClassifier(10, random_state=0).fit(X, Y)
    scorer = StabilityScorer(forest, n_copies=8).fit(X)
    copies = scorer.perturbation_.move(X[:5], n_copies=8, size=0.5)
    proba = forest.predict_proba(copies).reshape(5, 9, 2)
    answers = proba.argmax(axis=2)
    agree = (answers[:, 1:] == answers[:, :1]).mean(axis=1)
    sure = [proba[i, 1:, answers[i, 0]].mean() for i in range(5)]
    expected = (agree + np.array(sure)) / 2
    np.testing.assert_allclose(scorer.score_samples(X[:5]), expected)


def test_without_probabilities_only_agreement_counts():
    scorer = StabilityScorer(SVC().fit(X, Y), n_copies=4).fit(X)
    assert set(np.unique(scorer.score_samples(X))) <= {0, 0.25, 0.5, 0.75, 1}


def test_the_threshold_of_a_recalibrated_model_decides():
    fitted = ResilientEstimator(LogisticRegression()).fit(X, Y)
    other = fitted.recalibrate(threshold=0.9)
    near = np.abs(fitted.predict_proba(X)[:, 1] - 0.9) < 0.02
    assert (
        other.score_stability(X)[near].mean() < fitted.score_stability(X)[near].mean()
    )


def test_models_that_do_not_follow_their_probabilities_are_asked_for_labels():
    tuned = FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(X, Y)
    assert follows_probabilities(LogisticRegression().fit(X, Y), X)
    assert not follows_probabilities(tuned, X)
    near = np.abs(tuned.predict_proba(X)[:, 1] - 0.9) < 0.02
    scores = StabilityScorer(tuned).fit(X).score_samples(X)
    assert scores[near].mean() < 0.8


def test_one_call_of_the_model_for_a_thousand_rows():
    calls = []
    fitted = ResilientEstimator(LogisticRegression()).fit(X, Y)
    ask = fitted.estimator_.predict_proba
    fitted.estimator_.predict_proba = lambda X: calls.append(len(X)) or ask(X)
    fitted.score_stability(np.tile(X, (2, 1))[:1000], n_copies=10)
    assert calls == [11_000]


def test_regressors_are_measured_in_units_of_their_out_of_fold_residuals():
    """The share of copies within a tolerance, counted by hand."""
    rows, target = load_diabetes(return_X_y=True)
    fitted = ResilientEstimator(DecisionTreeRegressor(random_state=0)).fit(rows, target)
    spread = residual_scale_by_hand(rows, target)
    copies = fitted.perturbation_.move(rows, n_copies=32, size=0.5)
    said = fitted.estimator_.predict(copies).reshape(len(rows), -1)
    expected = (np.abs(said[:, 1:] - said[:, :1]) <= spread).mean(axis=1)
    got = fitted.score_stability(rows)
    assert np.abs(got - expected).mean() < 0.01  # the residuals' scale is from counts
    assert fitted.score_stability(rows, tolerance=5).mean() > got.mean()
    alone = StabilityScorer(fitted.estimator_).fit(rows, target)
    assert alone.residual_scales_[0] == pytest.approx(spread, rel=0.1)


def residual_scale_by_hand(rows, target):
    tree = DecisionTreeRegressor(random_state=0)
    residuals = target - cross_val_predict(tree, rows, target, cv=KFold(5))
    return 1.4826 * np.median(np.abs(residuals - np.median(residuals)))


def test_a_regressor_without_residuals_says_what_it_needs():
    rows, target = load_diabetes(return_X_y=True)
    fitted = ResilientEstimator(LinearRegression(), cv=None).fit(rows, target)
    with pytest.raises(ValueError, match=r"out-of-fold residuals.* cv=None; refit"):
        fitted.score_stability(rows)
    with pytest.raises(ValueError, match=r"needs y for a regressor"):
        StabilityScorer(fitted).fit(rows)


def test_several_targets_must_all_stay():
    rows, target = make_classification(300, random_state=0)
    both = np.column_stack([target, 1 - target])
    neighbours = KNeighborsClassifier().fit(rows, both)
    one = KNeighborsClassifier().fit(rows, target)
    scores = StabilityScorer(neighbours).fit(rows).score_samples(rows)
    alone = StabilityScorer(one).fit(rows)
    np.testing.assert_allclose(scores, alone._score(rows).stays)


def test_a_scorer_is_a_scikit_learn_estimator():
    """Cloned and refitted it gives the same; what is not fitted it fits itself."""
    scorer = StabilityScorer(LogisticRegression(), n_copies=5).fit(X, Y)
    again = clone(scorer).fit(X, Y)
    np.testing.assert_array_equal(scorer.score_samples(X), again.score_samples(X))
    assert not hasattr(scorer.model, "coef_")


# ------------------------------------------------------------------ bad cells


def test_a_guarded_row_has_no_score_where_the_fallback_answers():
    fitted = ResilientEstimator(LogisticRegression(), fallback="prior").fit(X, Y)
    rows = X[:5].copy()
    rows[2, 0] = np.nan
    scores = fitted.score_stability(rows)
    assert np.isnan(scores).tolist() == [False, False, True, False, False]
    np.testing.assert_array_equal(scores[:2], fitted.score_stability(X[:2]))
    assert np.isnan(fitted.score_stability(rows[2:3])).all()


def test_absurd_rows_get_a_score_from_models_that_take_them():
    fitted = ResilientEstimator(HistGradientBoostingClassifier(max_iter=5)).fit(X, Y)
    rows = np.array([[np.nan, 1.0], [1e308, -1e308], [np.nan, np.nan], [0.0, 1e-300]])
    scores = fitted.score_stability(rows)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_fit_survives_columns_that_cannot_move():
    """Dates, empty columns and huge numbers stay unchanged, the others move."""
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2024", periods=100),
            "nothing": [None] * 100,
            "huge": np.where(np.arange(100) % 2, 1e308, -1e308),
            "fine": np.arange(100.0),
            "id": [f"id{i}" for i in range(100)],
        }
    )
    perturbation = Perturbation.learn(frame)
    copies = perturbation.move(frame, n_copies=2)
    assert not copies["fine"].iloc[1::3].equals(copies["fine"].iloc[::3])
    still = ["when", "nothing", "id"]
    thrice = frame.iloc[np.repeat(np.arange(100), 3)]
    pd.testing.assert_frame_equal(copies[still], thrice[still])


def test_wide_sparse_rows_need_bounded_memory():
    """A dense copy would take 480 MB."""
    rows = sparse.random(12_000, 5000, density=0.001, format="csr", rng=0)
    tracemalloc.start()
    perturbation = Perturbation.learn(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000 * 5000 * 8 / 2
    assert len(perturbation.names) == 5000
    assert perturbation.move(rows[:2], n_copies=1).shape == (4, 5000)


class Silent(ClassifierMixin, BaseEstimator):
    """Classifier that can be fitted, and no more."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        raise RuntimeError("no answer")

    predict_proba = predict


def test_an_estimator_that_raises_does_so_when_it_is_asked_not_at_fit():
    with pytest.warns(NoReferenceWarning, match=r"no answer"):
        model = ResilientEstimator(Silent()).fit(X, Y)
    with pytest.raises(RuntimeError, match=r"no answer"):
        model.score_stability(X)


# ------------------------------------------------------------ stability of a model


def test_the_assessment_has_the_stability_of_the_model(model):
    frame = mixed_frame(300, seed=2)
    assessment = model.assess(frame, stability=True)
    stability = assessment.stability
    moves = model.perturbation_.move(frame, n_copies=10, size=0.5)
    said = model.estimator_.predict(moves).reshape(len(frame), 11)
    stays = said[:, 1:] == said[:, :1]
    assert stability.value == pytest.approx(stays.mean())
    assert stability.flip_rate == pytest.approx(1 - stays.mean())
    assert stability.lower < stability.value < stability.upper
    assert f"stability {stability.value:.3f}" in repr(assessment)
    assert "stability" in assessment._repr_html_()
    assert model.assess(frame).stability is None


def test_the_intervals_cover_and_are_narrow():
    """The 95 % interval from 200 rows contains the mean over all rows."""
    rows, target = make_classification(6000, 10, flip_y=0.1, random_state=0)
    for classifier in (LogisticRegression(), DecisionTreeClassifier(max_depth=5)):
        scorer = StabilityScorer(classifier, n_copies=10).fit(
            rows[:1000], target[:1000]
        )
        pool = scorer._score(rows[1000:]).stays
        rng = np.random.default_rng(0)
        covered, widths = [], []
        for _ in range(1000):
            drawn = pool[rng.integers(len(pool), size=200)]
            found = Stability.of(RowScores(drawn, drawn), n_copies=10)
            covered.append(found.lower <= pool.mean() <= found.upper)
            widths.append(found.upper - found.lower)
        assert 0.93 <= np.mean(covered) <= 0.98
        assert np.mean(widths) < 0.06


def test_stability_of_no_rows_is_unknown():
    nothing = np.empty(0)
    assert np.isnan(Stability.of(RowScores(nothing, nothing), n_copies=10).value)


# ------------------------------------------------------------------ as a reason


def test_unstable_rows_go_to_the_fallback_on_request():
    fitted = ResilientEstimator(
        LogisticRegression(), fallback="prior", min_stability=0.8
    ).fit(X, Y)
    answers, flags = fitted.predict(X, return_flags=True)
    np.testing.assert_array_equal(flags.unstable, fitted.score_stability(X) < 0.8)
    np.testing.assert_array_equal(flags.fallback, flags.unstable)
    assert 0 < flags.unstable.mean() < 1
    bare = fitted.estimator_.predict(X)
    np.testing.assert_array_equal(answers[~flags.unstable], bare[~flags.unstable])
    assert (answers[flags.unstable] == fitted.fallback_.predict(X[:1])[0]).all()
    np.testing.assert_array_equal(fitted.assess(X).flags.unstable, flags.unstable)


def test_unstable_and_uncertain_rows_are_told_apart():
    fitted = ResilientEstimator(
        LogisticRegression(), fallback="prior", min_stability=0.8, min_confidence=0.7
    ).fit(X, Y)
    batch = Batch(fitted, X)
    proba, flags = batch.answer("predict_proba"), batch.flags
    np.testing.assert_array_equal(
        flags.uncertain, fitted.estimator_.predict_proba(X).max(axis=1) < 0.7
    )
    np.testing.assert_array_equal(flags.unstable, fitted.score_stability(X) < 0.8)
    np.testing.assert_array_equal(flags.fallback, flags.uncertain | flags.unstable)
    assert len(proba) == len(X)


def test_unstable_rows_are_only_flagged_without_a_fallback():
    fitted = ResilientEstimator(LogisticRegression(), min_stability=0.8).fit(X, Y)
    answers, flags = fitted.predict(X, return_flags=True)
    np.testing.assert_array_equal(answers, fitted.estimator_.predict(X))
    assert flags.unstable.any()
    assert not flags.fallback.any()


def test_regressors_can_be_unstable_too():
    rows, target = load_diabetes(return_X_y=True)
    fitted = ResilientEstimator(
        DecisionTreeRegressor(random_state=0), fallback="prior", min_stability=0.5
    ).fit(rows, target)
    flags = fitted.predict(rows, return_flags=True)[1]
    np.testing.assert_array_equal(flags.unstable, fitted.score_stability(rows) < 0.5)
    assert 0 < flags.unstable.mean() < 1


def test_min_stability_must_be_a_share():
    model = ResilientEstimator(LogisticRegression(), min_stability=2)
    with pytest.raises(ValueError, match=r"'min_stability' parameter .* \[0, 1\].*2"):
        model.fit(X, Y)


# ------------------------------------------------------------------ what it tells


def refit_disagreement(estimator, rows, target, asked, n_refits=8):
    rng = np.random.default_rng(0)
    said = []
    for _ in range(n_refits):
        drawn = rng.integers(len(target), size=len(target))
        said.append(clone(estimator).fit(rows[drawn], target[drawn]).predict(asked))
    pairs = [(a, b) for a in range(n_refits) for b in range(a)]
    return np.mean([said[a] != said[b] for a, b in pairs], axis=0)


@pytest.mark.slow
def test_flips_rank_models_by_how_much_a_retrained_one_would_differ():
    """And stability finds the rows that refitted models disagree about."""
    rows, target, _ = load_real("adult")
    rows = rows.select_dtypes("number").to_numpy(dtype=float)[:3000]
    target = target.to_numpy()[:3000]
    train, asked = slice(0, 1500), rows[1500:2300]
    candidates = [
        LogisticRegression(max_iter=5000),
        *[KNeighborsClassifier(k) for k in (1, 5, 50)],
        *[DecisionTreeClassifier(max_depth=d, random_state=0) for d in (3, 6, None)],
        RandomForestClassifier(30, random_state=0),
        RandomForestClassifier(30, min_samples_leaf=20, random_state=0),
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
    ]
    flips, churn, found = [], [], []
    for candidate in candidates:
        scorer = StabilityScorer(candidate).fit(rows[train], target[train])
        u = refit_disagreement(candidate, rows[train], target[train], asked)
        flips.append(scorer.estimate(asked).flip_rate)
        churn.append(u.mean())
        found.append(roc_auc_score(u >= 0.25, -scorer.score_samples(asked)))
    assert spearmanr(flips, churn).statistic > 0.75
    assert np.mean(found) > 0.8


# ------------------------------------------------------------------ edits and space


def test_edited_frames_keep_their_types_and_the_original_stays():
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "c": pd.Categorical(["a", "b"]),
            "i": pd.array([1, None], dtype="Int64"),
            "t": [True, False],
        }
    )
    before = frame.copy()
    where = np.array([True, False])
    labels = np.array(["new", "new"], dtype=object)
    numbers = np.array([0.0, 0.0])
    edited = replace_columns(
        frame,
        {
            0: (numbers, where),
            1: (labels, where),
            2: (numbers, where),
            3: (numbers, where),
        },
    )
    assert edited["c"].tolist() == ["new", "b"]
    assert edited.dtypes.astype(str).tolist() == ["int64", "category", "Int64", "bool"]
    assert replace_columns(frame, {0: (numbers + 0.5, where)})["n"].tolist() == [0.5, 2]
    pd.testing.assert_frame_equal(frame, before)


def test_pixels_share_one_scale_and_columns_of_a_table_do_not():
    """Scaling each pixel by itself would blow up those that are nearly always empty."""
    assert len(set(Embedding.learn(load_digits().data).scales)) == 1
    assert len(set(Embedding.learn(load_breast_cancer().data).scales)) == 30


def test_space_is_finite_for_any_cell():
    frame = mixed_frame(50)
    space = Embedding.learn(frame)
    bad = frame.astype({"colour": object, "age": float})
    bad.loc[bad.index[0], ["amount", "age"]] = [np.inf, np.nan]
    bad.loc[bad.index[1], ["colour", "amount"]] = ["unheard of", -1e308]
    assert np.isfinite(space.embed(bad)).all()
    assert space.embed(bad.drop(columns="age")).shape == (50, space.n_dims)
    unlike = np.linalg.norm(space.embed(frame.iloc[:1]) - space.embed(frame.iloc[:1]))
    assert unlike == 0


def test_residual_scales_come_from_counts():
    residuals = np.random.default_rng(0).normal(3, 2, size=(5000, 1))
    found = Reference.learn(residuals).robust_scales()
    assert found[0] == pytest.approx(2, rel=0.05)


# ------------------------------------------------------------------ containers


def test_law_2_a_row_moves_alike_beside_cells_of_another_type():
    """A label or a missing value beside a number changes the type of the column."""
    learnt = Perturbation.learn(np.random.default_rng(0).normal(size=(200, 2)))
    rows = np.array([[1, 2.0], ["a", 3.0], [None, 2.0], [0.5, 7]], dtype=object)
    together = learnt.move(rows, n_copies=4).reshape(4, 5, 2)
    for i in range(4):
        alone = learnt.move(rows[[i]], n_copies=4)
        np.testing.assert_array_equal(alone, together[i])


def test_law_6_columns_in_another_order_move_alike():
    frame = mixed_frame(100)
    learnt = Perturbation.learn(frame)
    other = frame[list(frame)[::-1]].assign(id=np.arange(100))
    copies = learnt.move(other, n_copies=3)[list(frame)]
    pd.testing.assert_frame_equal(copies, learnt.move(frame, n_copies=3))


def test_numbers_stay_within_the_type_of_their_column():
    """Casting 300 to eight bits wraps around in pandas, and fails in polars."""
    values = np.random.default_rng(0).integers(0, 256, size=300)
    learnt = Perturbation.learn(pd.DataFrame({"pixel": values}))
    ends = np.array([0, 255, 255], dtype=np.uint8)
    expected = learnt.move(pd.DataFrame({"pixel": ends}), n_copies=50, size=30)
    assert expected["pixel"].dtype == np.uint8
    nullable = pd.DataFrame({"pixel": pd.array(ends, dtype="UInt8")})
    for frame in (nullable, pl.DataFrame({"pixel": ends})):
        found = learnt.move(frame, n_copies=50, size=30)
        assert found["pixel"].to_list() == expected["pixel"].tolist()
        assert str(found["pixel"].dtype) == "UInt8"


@pytest.mark.parametrize("cells", [[1, 2], [1.5, 2.5], [True, False]])
@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame, np.array])
def test_law_8_numbers_in_a_column_of_labels_are_exchanged_too(container, cells):
    labels = np.random.default_rng(0).choice(["red", "blue"], size=(200, 1))
    learnt = Perturbation.learn(labels.astype(object), n_neighbors=150)
    rows = np.array(cells)[:, np.newaxis]
    copies = np.asarray(learnt.move(container(rows), n_copies=50, size=9.0))
    assert {"red", "blue"} <= set(copies.ravel().tolist())


def test_several_labels_with_a_probability_each_must_all_stay():
    both = np.column_stack([Y, 1 - Y])
    network = MLPClassifier((4,), tol=1e-2, random_state=0)
    scorer = StabilityScorer(network.fit(X, both), n_copies=8).fit(X)
    copies = scorer.perturbation_.move(X, n_copies=8, size=0.5)
    said = network.predict(copies).reshape(len(X), 9, 2)
    expected = (said[:, 1:] == said[:, :1]).all(axis=2).mean(axis=1)
    np.testing.assert_array_equal(scorer.score_samples(X), expected)
    assert expected.min() < 1


def test_a_target_that_is_a_column_has_one_tolerance():
    rows, target = load_diabetes(return_X_y=True)
    neighbours = DecisionTreeRegressor(max_depth=3, random_state=0).fit(rows, target)
    flat = StabilityScorer(neighbours).fit(rows, target)
    column = StabilityScorer(neighbours).fit(rows, target[:, np.newaxis])
    np.testing.assert_array_equal(flat.residual_scales_, column.residual_scales_)


def test_what_cannot_be_scored_is_said_by_fit():
    rows, target = load_diabetes(return_X_y=True)
    numbers = ResilientEstimator(LinearRegression(), cv=None, min_stability=0.5)
    with pytest.raises(ValueError, match=r"out-of-fold residuals.* cv=None; refit"):
        numbers.fit(rows, target)
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    texts = ResilientEstimator(pipeline, guard=None, detector=None, min_stability=0.5)
    words, liked = ["good", "bad"] * 20, [1, 0] * 20
    with pytest.raises(ValueError, match=r"'min_stability' .* not a table .it is list"):
        texts.fit(words, liked)
    texts.set_params(min_stability=None).fit(words, liked)
    with pytest.raises(ValueError, match=r"Expected a table of rows. Got list"):
        texts.score_stability(words)
    with pytest.raises(
        ValueError, match=r"'n_neighbors' .* an int in the range .1, inf.. Got 0"
    ):
        StabilityScorer(LogisticRegression(), n_neighbors=0).fit(X, Y)


def test_memory_does_not_depend_on_the_number_of_labels():
    labels = np.repeat([f"label {i}" for i in range(200)], 20)[:, np.newaxis]
    rows = np.random.default_rng(0).permutation(labels).astype(object)
    learnt = Perturbation.learn(rows)
    tracemalloc.start()
    learnt.move(rows, n_copies=32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15 * 8 * 33 * len(rows)


def test_rows_are_spread_over_the_batch():
    """A thousand of 1,999 rows are not just the first thousand."""
    chosen = spread_out(np.arange(1999), 1000)
    assert len(chosen) == 1000
    assert chosen[-1] >= 1997
    assert spread_out(np.arange(3), 1000).tolist() == [0, 1, 2]
    assert len(spread_out(np.arange(0), 1000)) == 0


# ------------------------------------------------------------------ slow models


class Clock:
    """A clock that only advances when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("per_row", "n_samples", "n_lines"), [(0.05, 3000, 2), (0.001, 3000, 0)]
)
def test_a_slow_model_logs_the_remaining_time(
    monkeypatch, caplog, per_row, n_samples, n_lines
):
    clock = Clock()
    monkeypatch.setattr("resilient_estimator._progress.monotonic", clock)
    fitted = ResilientEstimator(LogisticRegression(), cv=None).fit(X, Y)
    predict_proba = fitted.estimator_.predict_proba

    def slow(rows):
        clock.now += per_row * len(rows) / 11
        return predict_proba(rows)

    fitted.estimator_.predict_proba = slow
    with caplog.at_level("WARNING", logger="resilient_estimator"):
        fitted.score_stability(np.tile(X, (5, 1))[:n_samples], n_copies=10)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == n_lines
    if lines:
        assert lines[0] == (
            "score_stability: 1,000 of 3,000 rows done; the model is slow (50 ms per "
            "row), about 100 s left"
        )
    caplog.clear()
    fitted.score_stability(X, n_copies=10)  # a single block logs nothing
    assert not caplog.records


def test_progress_is_logged_every_ten_seconds_until_little_remains(monkeypatch, caplog):
    clock = Clock()
    monkeypatch.setattr("resilient_estimator._progress.monotonic", clock)
    progress = Progress("work", total=100, unit="steps")
    for done in range(1, 101):
        clock.now = float(done)
        progress.step(done)
    logged = [record.getMessage().split()[1] for record in caplog.records]
    assert logged == ["1", "11", "21", "31", "41", "51", "61", "71", "81"]


@pytest.mark.parametrize("name", ["limits", "monotonic_cst"])
def test_limits_and_directions_must_be_dicts(name):
    with pytest.raises(TypeError, match=rf"'{name}' parameter of owner must be a dict"):
        PerturbationConstraints.read(["age"], owner="owner", **{name: [0]})


def test_columns_without_a_direction_move_both_ways():
    """Like scikit-learn's `monotonic_cst`, 0 means that there is no constraint."""
    points = np.random.default_rng(0).normal(size=(100, 2))
    constraints = PerturbationConstraints.read(
        ["a", "b"], owner="owner", monotonic_cst={"a": -1, "b": 0}
    )
    copies = moved(points, constraints=constraints).reshape(100, 200, 2)
    step = copies - points[:, np.newaxis]
    assert step[..., 0].max() <= 0
    assert step[..., 1].min() < 0 < step[..., 1].max()


def test_nullable_booleans_move_and_stay_booleans():
    numbers = np.random.default_rng(0).normal(size=(150, 20))
    frame = pd.DataFrame(numbers, columns=list("abcdefghijklmnopqrst"))
    frame["flag"] = pd.array([True, False, None] * 50, dtype="boolean")
    flags = Perturbation.learn(frame).move(frame, n_copies=20)["flag"]
    assert str(flags.dtype) == "boolean"
    assert flags.isna().sum() == 50 * 21
    rows = flags.fillna(value=False).to_numpy().reshape(150, 21)
    assert (rows[:, 1:] != rows[:, :1]).any()


def test_intervals_are_neither_stored_nor_exchanged():
    """Fitted state consists of plain types only."""
    frame = pd.DataFrame({"cut": pd.cut(np.arange(100.0), 4), "number": np.arange(100)})
    perturbation = Perturbation.learn(frame)
    assert perturbation.exchanges == [None, None]
    copies = perturbation.move(frame, n_copies=1)
    assert copies["cut"].iloc[::2].tolist() == copies["cut"].iloc[1::2].tolist()


def test_a_label_among_many_alike_numbers_is_no_picture():
    """Pixels are numbers all: twenty numbers beside a label are a table."""
    numbers = np.random.default_rng(0).uniform(size=(300, 25))
    frame = pd.DataFrame(numbers, columns=[f"p{i}" for i in range(25)])
    assert Embedding.learn(frame).is_picture
    assert not Embedding.learn(frame.assign(label="a")).is_picture
    assert not Embedding.learn(frame.iloc[:, :19]).is_picture
