"""FeatureDrift reports for each column whether it drifted, how much, and how."""

import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import load_real, load_slide
from scipy import stats

from resilient_estimator import FeatureDrift
from resilient_estimator import statistics as st
from resilient_estimator.detectors._numeric_bins import NumericCells
from resilient_estimator.detectors._univariate import (
    TESTS,
    _positions,
    _weighted_bonferroni,
)
from resilient_estimator.drift import severity_word
from resilient_estimator.reference import Reference


def normal(n, n_features=1, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_features))


def mixed(n, seed=0):
    """Return a number, a count with missing values, and labels."""
    rng = np.random.default_rng(seed)
    amount = rng.poisson(3, size=n).astype(float)
    amount[rng.random(n) < 0.05] = np.nan
    labels = rng.choice(["a", "b", "c", None], size=n, p=[0.6, 0.3, 0.07, 0.03])
    return pd.DataFrame(
        {"number": rng.normal(size=n), "amount": amount, "label": labels}
    )


def drift_of(reference, batch, test="auto", **options):
    return FeatureDrift(test, **options).fit(reference).compare(batch)


# Verdicts


def test_only_the_column_that_moved_drifted():
    drift = drift_of(normal(2000, 2), normal(1000, 2, seed=1) + np.array([0, 0.5]))
    assert drift.verdicts == ("stable", "drifted")
    assert drift.drifted.tolist() == [False, True]
    assert drift.worst == "x1"
    assert drift.detected


def test_a_significant_difference_too_small_to_matter_is_immaterial():
    drift = drift_of(normal(50_000, 10), normal(50_000, 10, seed=1) + 0.02)
    assert drift.pvalue < 0.05
    assert drift.verdict == "real but immaterial"
    assert not drift.detected


def test_min_severity_determines_what_is_material():
    shifted = normal(50_000, 10, seed=1) + 0.02
    drift = drift_of(normal(50_000, 10), shifted, min_severity=0.0)
    assert drift.verdict == "drifted"


def test_thirty_rows_are_too_few_to_be_called_stable():
    drift = drift_of(normal(5000), normal(30, seed=1))
    assert drift.verdict == "too few rows to say"


def test_thirty_rows_are_enough_for_a_gross_change():
    assert drift_of(normal(5000), normal(30, seed=1) + 2).verdict == "drifted"


def test_an_empty_batch_has_too_few_rows():
    drift = drift_of(normal(500, 2), np.empty((0, 2)))
    assert drift.verdicts == ("too few rows to say",) * 2


def test_an_absent_column_is_drift():
    drift = drift_of(mixed(500), mixed(500, seed=1).drop(columns="amount"))
    assert drift.verdicts[1] == "absent"
    assert drift.drifted.tolist() == [False, True, False]


def test_nothing_is_judged_without_reference_rows():
    drift = drift_of(np.empty((0, 2)), normal(500, 2))
    assert drift.verdicts == ("not judged",) * 2
    assert not drift.detected


def test_labels_too_rare_to_be_compared_are_not_called_stable():
    labels = pd.DataFrame({"id": [f"customer {i}" for i in range(3000)]})
    drift = drift_of(labels[:2000], labels[2000:])
    assert drift.verdict == "too few rows to say"


@pytest.mark.parametrize("where", ["both", "reference"])
def test_a_column_of_lists_is_not_judged(where):
    lists, numbers = pd.DataFrame({"x": [[1, 2]] * 500}), pd.DataFrame(normal(500))
    drift = drift_of(
        lists, lists if where == "both" else numbers.set_axis(["x"], axis=1)
    )
    assert drift.verdict == "not judged"


def test_one_frequent_new_label_among_rare_ones_is_drift():
    labels = pd.DataFrame({"id": [f"customer {i % 500}" for i in range(1000)]})
    batch = pd.DataFrame({"id": ["new customer"] * 200 + labels["id"].tolist()})
    assert drift_of(labels, batch).verdict == "drifted"


# Severity


@pytest.mark.parametrize(
    ("severity", "word"),
    [
        (0.0399, "none"),
        (0.04, "slight"),
        (0.0799, "slight"),
        (0.08, "moderate"),
        (0.20, "strong"),
        (0.31, "severe"),
        (1.0, "severe"),
        (np.nan, "unknown"),
    ],
)
def test_severity_words_start_at_their_limits(severity, word):
    assert severity_word(severity) == word


@pytest.mark.parametrize(("shift", "word"), [(0.35, "moderate"), (3.0, "severe")])
def test_severity_is_the_share_that_the_reference_cannot_explain(shift, word):
    """Normal distributions d apart differ by 2 Phi(d / 2) - 1: .139 and .866."""
    drift = drift_of(normal(20_000), normal(20_000, seed=1) + shift)
    expected = {0.35: 0.139, 3.0: 0.866}[shift]
    assert drift.severity == pytest.approx(expected, abs=0.02)
    assert drift.word == word


def test_severity_of_missing_values_is_their_share():
    batch = normal(20_000, seed=1)
    batch[:5000] = np.nan
    assert drift_of(normal(20_000), batch).severity == pytest.approx(0.25, abs=0.01)


def test_severity_of_clean_columns_is_mostly_zero():
    """Each of ten columns exceeds its bias with probability one in ten."""
    severities = [
        drift_of(normal(1000, 10, seed), normal(500, 10, seed + 100)).severities
        for seed in range(20)
    ]
    assert np.mean(np.array(severities) > 0) == pytest.approx(0.1, abs=0.065)


# Counts


def test_a_profile_gives_the_same_result_as_its_rows():
    detector = FeatureDrift().fit(mixed(2000))
    batch = mixed(300, seed=1)
    profile = detector.reference_.layout.profile(batch)
    assert detector.compare(profile).to_dict() == detector.compare(batch).to_dict()


def test_summed_profiles_give_the_same_result_as_all_rows():
    detector = FeatureDrift().fit(mixed(2000))
    batch = mixed(300, seed=1)
    layout = detector.reference_.layout
    parts = layout.profile(batch[:100]) + layout.profile(batch[100:])
    assert detector.compare(parts).to_dict() == detector.compare(batch).to_dict()


def test_a_profile_of_a_different_layout_raises():
    profile = Reference.learn(normal(100, 2, seed=1)).profile
    with pytest.raises(ValueError, match=r"counted over the layout .* but this"):
        FeatureDrift().fit(normal(100, 2)).compare(profile)


def test_a_batch_with_a_different_number_of_columns_raises():
    with pytest.raises(ValueError, match="X has 3 features, but the reference has 2"):
        drift_of(normal(100, 2), normal(100, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": "t"}, "The 'test' parameter of FeatureDrift must be one of 'auto'"),
        ({"alpha": 3}, r"must be a float in the range \(0, 1\). Got 3 instead"),
        ({"min_severity": "x"}, r"'min_severity' .* \[0, 1\]. Got 'x' instead"),
    ],
)
def test_bad_parameters_raise(options, message):
    with pytest.raises(ValueError, match=message):
        FeatureDrift(**options).fit(normal(10))


@pytest.mark.parametrize("test", TESTS)
def test_the_order_of_rows_does_not_matter(test):
    detector, batch = FeatureDrift(test).fit(mixed(500)), mixed(200, seed=1)
    shuffled = batch.sample(frac=1, random_state=0)
    assert detector.compare(shuffled).to_dict() == detector.compare(batch).to_dict()


@pytest.mark.parametrize("test", TESTS)
def test_every_test_runs_on_every_kind_of_column(test):
    """Without warnings, which are errors here; only changed columns are reported."""
    batch = mixed(800, seed=1)
    clean = drift_of(mixed(2000), batch, test)
    batch["number"] += 1
    batch["label"] = np.where(np.arange(800) % 2, "c", batch["label"])
    changed = drift_of(mixed(2000), batch, test)
    assert not clean.detected
    assert changed.drifted.tolist() == [True, False, True]


# How the tests of a column are combined


@pytest.mark.parametrize(
    ("pvalue", "side_pvalues", "expected"),
    [
        (0.02, [], 0.02),
        (0.018, [0.5], 0.02),
        (0.5, [0.002], 0.02),
        (0.016, [0.5, 0.9], 0.02),
        (0.99, [0.9], 1.0),
        (np.nan, [0.02], 0.02),
        (np.nan, [0.02, 0.01], 0.02),
    ],
)
def test_side_tests_get_a_tenth_of_alpha_each(pvalue, side_pvalues, expected):
    assert _weighted_bonferroni(pvalue, side_pvalues) == pytest.approx(expected)


@pytest.mark.parametrize(("scale", "shift"), [(1.1, 0.1), (0.85, 0.0)])
def test_shape_gets_four_times_the_weight_of_spread(scale, shift):
    """From the rows themselves; the detector merges cells, so nearly the same."""
    x, y = normal(2000), scale * normal(500, seed=1) + shift
    values = np.union1d(x, y)
    samples = st.OrderedSamples.from_counts(
        *(np.bincount(np.searchsorted(values, z[:, 0]), minlength=2500) for z in (x, y))
    )
    shape = st.quadratic_test(samples, st.anderson_darling_weight).pvalue
    spread = st.spread_test(samples).pvalue
    mean = np.average(stats.cauchy.isf([shape, spread]), weights=[0.8, 0.2])
    expected = stats.cauchy.sf(mean) * (1 + np.log(2) / 10)
    (family,) = (detector := FeatureDrift().fit(x)).find(
        detector.reference_.layout.profile(y)
    )
    assert family.pvalues == pytest.approx([expected], rel=0.15)
    assert min(shape, spread) < 0.3 * max(shape, spread)


def test_upper_severities_are_measured_distances_plus_a_kolmogorov_band():
    x, y = normal(2000), normal(500, seed=1) + 0.5
    (family,) = (detector := FeatureDrift(alpha=0.1).fit(x)).find(
        detector.reference_.layout.profile(y)
    )
    distance = stats.ks_2samp(x[:, 0], y[:, 0]).statistic
    band = stats.kstwobign.isf(0.1) / np.sqrt(2000 * 500 / 2500)
    assert family.upper_severities == pytest.approx([distance + band], abs=0.01)


def test_fine_cells_are_merged_to_a_hundred_groups_of_equal_share():
    layout = (reference := Reference.learn(mixed(20_000))).layout
    counts = reference.profile.counts
    fine, coarse = (
        NumericCells.of(layout.columns, layout.offsets, counts, coarse=coarse)
        for coarse in (False, True)
    )
    assert fine.columns.tolist() == coarse.columns.tolist() == [0, 1]
    number = coarse.sums(counts)[0]
    assert (number.sum(), fine.sums(counts)[0].sum()) == (20_000, 20_000)
    assert np.count_nonzero(number) == pytest.approx(100, abs=2)
    assert number.max() < 300
    assert number[0] == 0  # bins below the reference
    cells = counts[layout.cells_of(0)][2:]
    assert fine.sums(counts)[0][: len(cells)].tolist() == cells.tolist()


def test_infinite_values_are_as_far_as_the_outermost_edge():
    edges = np.array([1.0, 2.0, 4.0])
    assert _positions(edges).tolist() == [1, 1, 1.5, 3, 4, 4]


# One bad column

BAD = {
    "missing": np.full(400, np.nan),
    "constant": np.full(400, 7.0),
    "text": np.array(["x", "y"] * 200, dtype=object),
    "lists": pd.Series([[1]] * 400),
    "none": np.full(400, None),
    "infinite": np.full(400, np.inf),
    "both infinities": np.tile([np.inf, -np.inf], 200),
    "huge": np.tile([1e308, -1e308], 200),
    "dates": pd.date_range("2026-01-01", periods=400),
}


def uncorrected(detector, batch):
    """Return the results before Holm's correction, which links the columns."""
    (family,) = detector.find(detector.reference_.layout.profile(batch))
    names = ("statistics", "pvalues", "severities", "surged", "fixed_verdicts")
    return [
        [np.asarray(getattr(family, name))[i].tolist() for name in names]
        for i in range(len(family.features))
    ]


@pytest.mark.parametrize("where", ["batch", "reference", "both"])
@pytest.mark.parametrize("test", ["auto", "wasserstein", "psi"])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_column_never_changes_the_results_of_the_others(bad, test, where):
    reference, batch = mixed(400), mixed(400, seed=1)
    good = uncorrected(FeatureDrift(test).fit(reference), batch)
    if where != "batch":
        reference = reference.assign(number=BAD[bad])
    if where != "reference":
        batch = batch.assign(number=BAD[bad])
    detector = FeatureDrift(test).fit(reference)
    for found, expected in zip(uncorrected(detector, batch)[1:], good[1:], strict=True):
        assert found[-2:] == expected[-2:]
        assert found[:-2] == pytest.approx(expected[:-2], rel=1e-9, nan_ok=True)
    assert detector.compare(batch).detected or where != "batch"


def test_unseen_labels_are_drift_of_their_column_only():
    batch = mixed(400, seed=1).assign(label="never seen")
    drift = drift_of(mixed(400), batch)
    assert drift.drifted.tolist() == [False, False, True]
    assert drift.severities[2] > 0.9


# The talk


def test_the_slide_month_2_shows_no_drift_and_month_36_does():
    """The talk's slide: KS p = .7517 in month 2, 2.3e-14 in month 36."""
    slide = {key: ages.reshape(-1, 1) for key, ages in load_slide().items()}
    detector = FeatureDrift("ks").fit(slide["reference"])
    month_2 = detector.compare(slide["no_drift_month2"])
    month_36 = detector.compare(slide["drift_month36"])
    assert 0.70 <= month_2.pvalue <= 0.80
    assert not month_2.detected
    assert month_36.pvalue < 0.001
    assert month_36.detected


@pytest.fixture(scope="module")
def months():
    """Return the rows of each month of the talk's insurance."""
    X, _, meta = load_real("insurance_talk")
    time = np.asarray(meta["time"])
    return [X[time == month] for month in range(37)]


@pytest.mark.parametrize(
    ("test", "feature", "expected", "error"),
    [
        ("wasserstein", "miles", 0.714, 0.01),
        ("wasserstein", "age", 0.336, 0.01),
        ("jensen-shannon", "emergency_braking", 0.431, 0.005),
    ],
)
def test_the_dashboard_of_the_talk(months, test, feature, expected, error):
    drift = drift_of(months[0], months[36], test)
    statistic = drift.statistics[drift.features.index(feature)]
    assert statistic == pytest.approx(expected, abs=error)
    assert drift.drifted[drift.features.index(feature)]


@pytest.mark.parametrize("feature", ["braking_distance", "power"])
def test_columns_that_do_not_change_in_the_talk_are_not_reported(months, feature):
    detector = FeatureDrift().fit(months[0])
    drifts = [detector.compare(month) for month in months[1:]]
    reported = [drift.drifted[drift.features.index(feature)] for drift in drifts]
    assert not reported[-1]
    assert sum(reported) <= 2


# In words


def change(reference, batch):
    """Return how the first column changed."""
    (first, *_) = drift_of(reference, batch).changes
    return first


def test_columns_without_drift_have_no_description():
    assert change(normal(500), normal(500, seed=2)) == ""


@pytest.mark.parametrize(("shift", "verb"), [(1, "rose"), (-1, "fell")])
def test_a_shifted_number_is_described_by_its_median(shift, verb):
    text = change(normal(5000), normal(5000, seed=1) + shift)
    start, numbers = text.split(" from about ")
    before, now = (float(word) for word in numbers.split(" to about "))
    assert start == f"median {verb}"
    assert (before, now) == pytest.approx((0, shift), abs=0.05)


def test_a_change_of_spread_is_described_as_such():
    reference = np.tile(normal(5000), (2, 1)) * [[1]]
    symmetric = np.vstack([reference, -reference])
    text = change(symmetric, 3 * symmetric)
    assert text == "different spread or shape around the same median"


def test_a_number_with_few_values_is_described_by_the_value_that_gained_most():
    reference, batch = np.repeat([0, 1], [60, 40]), np.repeat([0, 1], [6, 94])
    text = change(np.tile(reference, 5).reshape(-1, 1), np.tile(batch, 5)[:, None])
    assert text == "share of values near 1 rose from 40 % to 94 %"


@pytest.mark.parametrize(
    ("far", "end", "edge"), [(1e6, "above", -1), (-1e6, "up to", 0)]
)
def test_numbers_outside_the_reference_are_described_by_its_end(far, end, edge):
    text = change(normal(5000), np.full((500, 1), far))
    edges = Reference.learn(normal(5000)).layout.columns[0].edges
    assert text == f"share of values {end} {edges[edge]:.6g} rose from 0 % to 100 %"


def test_infinite_values_are_described_by_their_share():
    batch = normal(500, seed=1)
    batch[::2] = np.inf
    assert change(normal(5000), batch) == "infinite values rose from 0 % to 50 %"


def test_missing_values_are_described_by_their_share():
    few, many = normal(500, seed=1), normal(500, seed=1)
    few[::50] = many[::4] = np.nan
    assert change(normal(5000), many) == "missing values rose from 0 % to 25 %"
    assert change(many, few) == "missing values fell from 25 % to 2.0 %"


def test_unreadable_values_are_described_by_their_share():
    reference, batch = (normal(n, seed=n).astype(object) for n in (5000, 500))
    batch[::4] = "broken"
    assert change(reference, batch) == "unreadable values rose from 0 % to 25 %"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("b", "share of 'b' rose from 10 % to 50 %"),
        ("new", "unseen labels rose from 0 % to 50 %"),
    ],
)
def test_a_category_is_described_by_the_label_that_changed_most(label, text):
    reference = pd.DataFrame({"c": ["a"] * 900 + ["b"] * 100})
    batch = pd.DataFrame({"c": ["a"] * 500 + [label] * 500})
    assert change(reference, batch) == text


def test_a_label_that_vanished_fell():
    reference = pd.DataFrame({"c": [*"abcd"] * 200})
    batch = pd.DataFrame({"c": [*"bcd"] * 200})
    assert change(reference, batch) == "share of 'a' fell from 25 % to 0 %"


def test_a_rare_label_is_not_named():
    """Its text is not stored: it could identify a person."""
    reference = pd.DataFrame({"c": ["a"] * 500 + ["b"] * 492 + ["secret"] * 8})
    batch = pd.DataFrame({"c": ["a"] * 250 + ["b"] * 250 + ["secret"] * 500})
    assert change(reference, batch) == "a rare label rose from 0.8 % to 50 %"


def test_comparing_modifies_nothing_and_does_not_warn():
    detector, batch = FeatureDrift().fit(mixed(500)), mixed(200, seed=1)
    before = batch.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = detector.compare(batch), detector.compare(batch)
    pd.testing.assert_frame_equal(batch, before)
    assert first.to_dict() == second.to_dict()
