"""Changed relationships between columns are detected where no column changed."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from resilient_estimator import FeatureDrift
from resilient_estimator.detectors import DependenceDrift
from resilient_estimator.detectors._dependence_drift import shifts_given_others
from resilient_estimator.reference import Reference
from resilient_estimator.reference._normal_scores import STEPS, normal_scores
from resilient_estimator.tabular._table import read_table


def correlated(n, seed, n_features=4, rho=0.6):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 1))
    own = rng.normal(size=(n, n_features))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * own


def drift_of(reference, batch, **options):
    return DependenceDrift(**options).fit(reference).compare(batch)


def test_a_shuffled_column_is_detected_by_its_correlations_alone():
    batch = correlated(500, 1)
    batch[:, 0] = np.random.default_rng(2).permutation(batch[:, 0])
    assert not FeatureDrift().fit(correlated(2000, 0)).compare(batch).detected
    drift = drift_of(correlated(2000, 0), batch)
    assert drift.verdicts == ("stable", "drifted")
    text, numbers = drift.changes[1].split(" fell from ")
    before, now = (float(word) for word in numbers.split(" to "))
    assert text.startswith("the correlation of x0 and x")
    assert (before, now) == pytest.approx((0.6, 0), abs=0.1)


def test_a_small_shift_of_one_column_is_detected_given_the_others():
    batch = correlated(400, 1, rho=0.9)
    batch[:, 2] += 0.12
    drift = drift_of(correlated(5000, 0, rho=0.9), batch)
    assert drift.verdicts[0] == "drifted"
    assert drift.changes[0].startswith("given the other columns, x2 is higher by 0.")


def test_a_common_shift_does_not_change_correlations():
    drift = drift_of(correlated(3000, 0), correlated(1000, 1) + 0.3)
    assert drift.severities[1] < 0.04


def test_the_shift_given_the_others_is_a_t_test_in_a_regression():
    """Student's t of the sample in a regression of one column on all others."""
    rng = np.random.default_rng(0)
    r, b = rng.normal(size=(60, 3)), rng.normal(size=(40, 3))
    b[:, 0] += 0.3
    moments = [
        type("M", (), {"mean": x.mean(0), "covariance": np.cov(x.T, ddof=0)})
        for x in (r, b)
    ]
    pvalues, _, _ = shifts_given_others(*moments, 60, 40)
    X = np.vstack([r, b])
    group = np.repeat([0.0, 1.0], [60, 40])
    design = np.column_stack([np.ones(100), group, X[:, 1:]])
    solution, rss, *_ = np.linalg.lstsq(design, X[:, 0], rcond=None)
    variance = rss[0] / 96 * np.linalg.inv(design.T @ design)[1, 1]
    expected = 2 * stats.t.sf(abs(solution[1]) / np.sqrt(variance), 96)
    assert pvalues[0] == pytest.approx(expected, rel=0.01)


def test_severity_of_correlations_is_about_their_change_over_pi():
    batch = correlated(50_000, 1, n_features=2, rho=0.2)
    drift = drift_of(correlated(50_000, 0, n_features=2, rho=0.0), batch)
    expected = np.arctanh(0.2) / np.pi
    assert drift.severities[1] == pytest.approx(expected, abs=0.005)


def moments(reference, profile):
    """Return mean scores and correlation of two columns, from integer sums."""
    first, second = reference.layout.pairs.scores
    counts = [profile.counts[reference.layout.cells_of(i)] for i in (0, 1)]
    means = np.array([counts[0] @ first.astype(int), counts[1] @ second.astype(int)])
    squares = np.array(
        [counts[0] @ first.astype(int) ** 2, counts[1] @ second.astype(int) ** 2]
    )
    mean = means / profile.n_samples / 16
    variance = squares / profile.n_samples / 256 - mean**2
    covariance = profile.counts[-1] / profile.n_samples / 256 - mean.prod()
    return mean, covariance / np.sqrt(variance.prod())


def test_changes_of_correlations_are_fishers_z():
    """By hand: p-value, debiased severity and upper bound of a single pair."""
    detector = DependenceDrift(alpha=0.1).fit(correlated(800, 0, n_features=2))
    profile = detector.reference_.layout.profile(correlated(300, 1, 2, rho=0.4))
    (_, found) = detector.find(profile)
    before = moments(detector.reference_, detector.reference_.profile)[1]
    z = np.arctanh(moments(detector.reference_, profile)[1]) - np.arctanh(before)
    estimated = detector.reference_.correlation_variance[0, 1]
    inflation = (800 * estimated + 50) / 850
    error = np.sqrt(inflation * (1 / 797 + 1 / 297))
    assert found.pvalues == pytest.approx([2 * stats.norm.sf(abs(z) / error)])
    chance = stats.norm.isf(1 / 4) * error
    assert found.severities == pytest.approx([np.sqrt(z**2 - chance**2) / np.pi])
    upper = (abs(z) + stats.norm.isf(0.05) * error) / np.pi
    assert found.upper_severities == pytest.approx([upper])


def test_severity_of_a_shift_is_a_total_variation_of_normal_distributions():
    """Columns without correlation: the shift of one is the shift given the other."""
    batch = correlated(50_000, 1, 2, rho=0.0) + np.array([0.5, 0])
    detector = DependenceDrift().fit(correlated(50_000, 0, 2, rho=0.0))
    (found, _) = detector.find(detector.reference_.layout.profile(batch))
    shift, error = 0.5, np.sqrt(2 / 50_000)
    assert found.severities[0] == pytest.approx(
        2 * stats.norm.cdf(shift / 2) - 1, abs=0.005
    )
    upper = 2 * stats.norm.cdf((shift + 1.96 * error) / 2) - 1
    assert found.upper_severities[0] == pytest.approx(upper, abs=0.005)
    assert found.upper_severities[0] - found.severities[0] == pytest.approx(
        upper - (2 * stats.norm.cdf(shift / 2) - 1), rel=0.15
    )


def test_the_variance_of_a_correlation_is_that_of_its_influence_function():
    """Of ``x y - rho (x^2 + y^2) / 2``, for skewed columns, from their scores."""
    rng = np.random.default_rng(0)
    X = np.exp(correlated(3000, 0, n_features=2)) * rng.gamma(1, size=(3000, 1))
    reference = Reference.learn(X, pairs=True)
    located = [
        bins.locate(read_table(X), i) for i, bins in enumerate(reference.layout.columns)
    ]
    scores = [
        score[cells].astype(float)
        for score, cells in zip(reference.layout.pairs.scores, located, strict=True)
    ]
    x, y = ((z - z.mean()) / z.std() for z in scores)
    rho = np.mean(x * y)
    variance = np.var(x * y - rho * (x**2 + y**2) / 2) / (1 - rho**2) ** 2
    found = reference.correlation_variance
    assert found[0, 1] == found[1, 0] == pytest.approx(variance, rel=1e-4)


def test_profiles_of_parts_add_up():
    detector = DependenceDrift().fit(correlated(2000, 0))
    batch = correlated(600, 1)
    layout = detector.reference_.layout
    parts = [layout.profile(batch[rows]) for rows in (slice(100), slice(100, 600))]
    whole, summed = detector.compare(batch), detector.compare(parts[0] + parts[1])
    np.testing.assert_array_equal(summed.pvalues, whole.pvalues)
    np.testing.assert_array_equal(summed.severities, whole.severities)


def test_monotone_transformations_do_not_matter():
    """Except that edges are rounded differently: a few rows change their bin."""
    batch = correlated(500, 1)
    drift = drift_of(correlated(2000, 0), batch)
    scaled = drift_of(np.exp(correlated(2000, 0)) * 1e6, np.exp(batch) * 1e6)
    np.testing.assert_allclose(drift.severities, scaled.severities, atol=0.005)
    assert drift.verdicts == scaled.verdicts


def test_scores_are_normal_quantiles_of_the_reference():
    counts = np.array([5, 2, 0, *[10] * 100, 0])
    scores = normal_scores(counts)
    assert scores[:2].tolist() == [0, 0]
    middle = stats.norm.ppf((np.arange(100) + 0.5) / 100)
    np.testing.assert_allclose(scores[3:-1] / STEPS, middle, atol=0.5 / STEPS + 1e-9)
    assert normal_scores(np.array([0, 0, 1, 10**6, 1]))[[2, 4]].tolist() == [-56, 56]


def test_labels_and_nearly_constant_columns_are_not_compared():
    X = pd.DataFrame(correlated(500, 0)).rename(columns="x{}".format)
    X["label"] = "a"
    X["rare"] = (np.arange(500) % 20 == 0).astype(float)
    assert Reference.learn(X, pairs=True).layout.pairs.columns == [0, 1, 2, 3]


def test_at_most_64_columns_are_compared():
    X = np.random.default_rng(0).normal(size=(200, 80))
    assert Reference.learn(X, pairs=True).layout.pairs.columns == list(range(64))


def test_a_single_column_has_no_relationships():
    drift = drift_of(correlated(500, 0)[:, :1], correlated(500, 1)[:, :1])
    assert drift.features == ()
    assert not drift.detected


@pytest.mark.parametrize("bad", ["absent", "constant", "missing"])
def test_a_missing_column_does_not_affect_the_correlations_of_others(bad):
    """It is reported as a column; the correlations of the others did not change."""
    names = ["a", "b", "c", "d"]
    detector = DependenceDrift().fit(pd.DataFrame(correlated(2000, 0), columns=names))
    batch = pd.DataFrame(correlated(600, 1), columns=names)
    intact = detector.compare(batch).severities[1]
    if bad == "absent":
        batch = batch.drop(columns="b")
    else:
        batch["b"] = 0.0 if bad == "constant" else np.nan
    drift = detector.compare(batch)
    assert drift.verdicts[1] == "stable"
    assert drift.severities[1] <= intact


def test_three_rows_are_too_few():
    assert set(drift_of(correlated(500, 0), correlated(3, 1)).verdicts) == {
        "too few rows to say"
    }


@pytest.mark.parametrize(
    ("m", "n", "n_features", "enough"),
    [(30, 5, 4, True), (30, 4, 4, False), (12, 12, 4, True), (12, 11, 4, False)],
)
def test_five_rows_and_twenty_degrees_of_freedom_are_enough(m, n, n_features, enough):
    drift = drift_of(correlated(m, 0, n_features), correlated(n, 1, n_features))
    assert np.isfinite(drift.severities).tolist() == [enough, enough]


def test_copies_of_a_column_are_handled():
    def twice(n, seed):
        X = correlated(n, seed, n_features=2)
        return np.hstack([X, X[:, :1]])

    drift = drift_of(twice(1000, 0), twice(500, 1))
    assert set(drift.verdicts) == {"stable"}


def bursts(n, rng):
    """Draw uncorrelated columns with simultaneous bursts: not jointly normal."""
    return rng.normal(size=(n, 4)) * np.exp(rng.normal(size=(n, 1)))


@pytest.mark.parametrize("size", [(200, 100), (2000, 500)])
def test_clean_batches_raise_few_alarms_for_any_distribution(size):
    """200 draws at .05: more than 20 alarms have a chance of .003."""
    n_alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        detector = DependenceDrift().fit(bursts(size[0], rng))
        n_alarms += detector.compare(bursts(size[1], rng)).pvalue < 0.05
    assert n_alarms <= 20


def test_assuming_normal_pairs_would_raise_false_alarms():
    """60 draws at .05: ten alarms would have a chance of .001."""
    n_alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        detector = DependenceDrift().fit(bursts(2000, rng))
        detector.reference_.correlation_variance = None
        n_alarms += detector.compare(bursts(1000, rng)).pvalue < 0.05
    assert n_alarms >= 10
