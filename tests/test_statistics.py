"""Statistics of counts agree with SciPy's, and their p-values are uniform."""

from itertools import product

import numpy as np
import pytest
from scipy import spatial, special, stats

from resilient_estimator import statistics as st
from resilient_estimator.statistics import _categorical, _ordered
from resilient_estimator.statistics._base import (
    N_RESAMPLES,
    _pearson_tail,
    permutation_test,
)
from resilient_estimator.statistics._intervals import effective_wilson, wilson


def ordered(r, b):
    return st.OrderedSamples.from_counts(r, b)


def anderson_darling(r, b, inflation=1.0):
    return st.quadratic_test(ordered(r, b), st.anderson_darling_weight, inflation)


def cramer_von_mises(r, b, inflation=1.0):
    return st.quadratic_test(ordered(r, b), st.cramer_von_mises_weight, inflation)


def kolmogorov_smirnov(r, b, inflation=1.0):
    return st.kolmogorov_test(ordered(r, b), inflation)


def spread(r, b, inflation=1.0):
    return st.spread_test(ordered(r, b), inflation)


def line_wasserstein(r, b, inflation=1.0):
    return st.wasserstein(r, b, np.arange(len(r), dtype=float), 1.0, inflation)


def surplus(r, b, inflation=1.0):
    return st.category_tests(r, b, inflation).surplus


TESTS = {
    "ad": anderson_darling,
    "cvm": cramer_von_mises,
    "ks": kolmogorov_smirnov,
    "chi2": st.chi_square,
    "psi": st.population_stability,
    "jensen-shannon": st.jensen_shannon,
    "wasserstein": line_wasserstein,
}
EXACT = sorted(set(TESTS) - {"ks"})
POISSON = stats.poisson.pmf(np.arange(7), 2)
ZERO_INFLATED = np.append(0.9, np.full(10, 0.01))


def two_samples(m, n, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=m), rng.normal(size=n) + shift


def counts_of(x, y):
    """Return counts over the distinct values of two samples."""
    values = np.union1d(x, y)
    return tuple(
        np.bincount(np.searchsorted(values, z), minlength=len(values)) for z in (x, y)
    )


def null_pvalues(test, weights, m, n, reps):
    """Return p-values of samples from the same distribution."""
    rng = np.random.default_rng(1)
    shares = weights / weights.sum()
    pairs = zip(
        rng.multinomial(m, shares, reps), rng.multinomial(n, shares, reps), strict=True
    )
    return np.array([test(r, b).pvalue for r, b in pairs])


def test_anderson_darling_is_pettitts_sum_over_sorted_rows():
    x, y = two_samples(70, 40, 0.3)
    first = np.isin(np.sort(np.append(x, y)), x)
    m, n, total = 70, 40, 110
    i = np.arange(1, total)
    terms = (np.cumsum(first)[:-1] * total - m * i) ** 2 / (i * (total - i))
    expected = terms.sum() / (m * n)
    assert anderson_darling(*counts_of(x, y)).statistic == pytest.approx(expected)


def test_anderson_darling_pvalue_matches_marsaglias_limit():
    """1 - ADinf is .05 at 2.492 and .01 at 3.857 (Marsaglia 2004).

    Three cumulants give them within 5 % of the p-value, on the safe side.
    """
    t = np.arange(1, 5000) / 5000
    weight = 1 / (5000 * t * (1 - t)) * t * (1 - t)
    pvalues = [_ordered.quadratic_form_pvalue(x, weight, t) for x in (2.492, 3.857)]
    assert pvalues == pytest.approx([0.05, 0.01], rel=0.05)
    assert pvalues[0] > 0.05


def test_cramer_von_mises_matches_scipy():
    x, y = two_samples(70, 40, 0.3)
    result = cramer_von_mises(*counts_of(x, y))
    expected = stats.cramervonmises_2samp(x, y)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.pvalue == pytest.approx(expected.pvalue, abs=0.03)


def test_kolmogorov_smirnov_matches_scipy():
    x, y = two_samples(700, 400, 0.1)
    result = kolmogorov_smirnov(*counts_of(x, y))
    expected = stats.ks_2samp(x, y, method="exact")
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.pvalue == pytest.approx(expected.pvalue, abs=0.01)


def test_chi_square_matches_scipy_for_dense_tables():
    r, b = np.array([300, 500, 200]), np.array([40, 40, 30])
    expected = stats.chi2_contingency([r, b], correction=False)
    result = st.chi_square(r, b)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.pvalue == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("few", [0, 1, 2, 4])
def test_chi_square_matches_fishers_exact_test_for_sparse_tables(few):
    """Monte-Carlo error: four standard errors of 1,999 draws."""
    r, b = np.array([300 - few, few]), np.array([94, 6])
    expected = stats.fisher_exact([r, b]).pvalue
    error = 4 * np.sqrt(expected * (1 - expected) / N_RESAMPLES)
    assert st.chi_square(r, b).pvalue == pytest.approx(expected, abs=error + 5e-4)


def test_population_stability_matches_its_formula():
    r, b = np.array([200, 300, 500]), np.array([30, 30, 40])
    p, q = r / 1000, b / 100
    expected = np.sum((q - p) * np.log(q / p))
    result = st.population_stability(r, b)
    assert result.statistic == pytest.approx(expected)
    assert result.pvalue == pytest.approx(stats.chi2.sf(expected / 0.011, 2))


def test_jensen_shannon_matches_scipy():
    r, b = np.array([200, 0, 300, 500]), np.array([30, 5, 0, 65])
    expected = spatial.distance.jensenshannon(r, b)
    assert st.jensen_shannon(r, b).statistic == pytest.approx(expected)


def test_wasserstein_matches_scipy_over_the_standard_deviation():
    x, y = two_samples(700, 400, 0.3)
    values = np.union1d(x, y)
    result = st.wasserstein(*counts_of(x, y), values, float(x.std()))
    expected = stats.wasserstein_distance(x, y) / x.std()
    assert result.statistic == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(set(TESTS) - {"wasserstein"}))
@pytest.mark.parametrize("b", [[3, 1, 3, 2], [300, 130, 66, 34]], ids=["few", "many"])
def test_cells_that_no_sample_fills_change_nothing(name, b):
    """Neither with few rows per cell nor with many."""
    r, b = np.array([900, 400, 200, 100]) * sum(b) // 1000, np.array(b)
    found = TESTS[name](r, b)
    empty = TESTS[name](*(np.insert(x, [0, 2, 4], 0) for x in (r, b)))
    assert empty.statistic == pytest.approx(found.statistic)
    assert empty.pvalue == pytest.approx(found.pvalue)


def test_distances_of_disjoint_samples_are_one():
    r, b = np.array([5, 5, 0, 0]), np.array([0, 0, 2, 2])
    assert st.largest_distance(ordered(r, b)) == 1
    assert st.total_variation(r, b) == 1


@pytest.mark.parametrize(("m", "n"), [(60, 60), (2000, 500)])
@pytest.mark.parametrize("weights", [POISSON, ZERO_INFLATED], ids=["counts", "zeros"])
@pytest.mark.parametrize("name", EXACT)
def test_pvalues_are_uniform_under_the_null_with_ties(name, weights, m, n):
    """400 draws: standard errors .011 at .05 and .025 at .5; bounds at 3.3 of them."""
    pvalues = null_pvalues(TESTS[name], weights, m, n, 400)
    assert np.mean(pvalues < 0.05) == pytest.approx(0.05, abs=0.036)
    assert np.mean(pvalues < 0.5) == pytest.approx(0.5, abs=0.083)


@pytest.mark.parametrize("weights", [POISSON, np.ones(5000)], ids=["ties", "no ties"])
def test_kolmogorov_smirnov_never_exceeds_its_level(weights):
    """400 draws: .05 plus three standard errors of .011."""
    pvalues = null_pvalues(kolmogorov_smirnov, weights, 300, 100, 400)
    assert np.mean(pvalues < 0.05) < 0.083


@pytest.mark.parametrize("name", ["ad", "chi2"])
def test_pvalues_of_two_cells_never_exceed_their_level(name):
    """2,000 draws of a share of 2 %: .05 plus three standard errors of .005."""
    weights = np.array([0.98, 0.02])
    pvalues = null_pvalues(TESTS[name], weights, 1000, 100, 2000)
    assert 0 < np.mean(pvalues < 0.05) < 0.065
    assert np.mean(pvalues < 0.005) < 0.005 + 3 * 0.0016


@pytest.mark.parametrize("name", ["ad", "cvm", "ks", "wasserstein"])
def test_ordered_tests_are_the_same_from_either_end(name):
    rng = np.random.default_rng(0)
    r, b = rng.multinomial(3000, POISSON), rng.multinomial(900, POISSON)
    forwards, backwards = TESTS[name](r, b), TESTS[name](r[::-1], b[::-1])
    assert forwards.statistic == pytest.approx(backwards.statistic)
    assert forwards.pvalue == pytest.approx(backwards.pvalue, abs=0.04)


@pytest.mark.parametrize("name", TESTS)
def test_a_gross_difference_gets_a_tiny_pvalue(name):
    r, b = np.array([900, 90, 10, 0]), np.array([0, 0, 50, 50])
    assert TESTS[name](r, b).pvalue < 1e-12


@pytest.mark.parametrize("name", TESTS)
def test_pvalues_are_deterministic_and_leave_the_global_random_state_alone(name):
    r, b = np.array([40, 3, 2, 1]), np.array([9, 3, 0, 2])
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert TESTS[name](r, b) == TESTS[name](r, b)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize(
    ("r", "b"),
    [([7], [3]), ([0, 7, 0], [0, 3, 0]), ([1, 0], [0, 1]), ([1, 0], [1, 0])],
    ids=["one cell", "one used cell", "one row each", "the same row"],
)
def test_degenerate_counts_are_never_significant(name, r, b):
    result = TESTS[name](np.array(r), np.array(b))
    assert np.isfinite(result.statistic)
    assert 0.25 < result.pvalue <= 1


def test_cells_are_merged_by_their_pooled_counts():
    """Exchanging the samples gives the same groups, so the test is symmetric."""
    rng = np.random.default_rng(0)
    r, b = rng.multinomial(3000, np.full(300, 1 / 300), 2)
    merged, exchanged = (
        _categorical._merge_rarest(r, b),
        _categorical._merge_rarest(b, r),
    )
    assert len(merged[0]) == _categorical.MAX_TESTED_CELLS
    assert np.array_equal(merged, exchanged[::-1])


def zipf_tables(m, n, reps):
    """Yield counts of a clean column of 500 labels; unseen ones come first."""
    rng = np.random.default_rng(2)
    shares = 1 / np.arange(1, 501) / np.sum(1 / np.arange(1, 501))
    for _ in range(reps):
        r, b = rng.multinomial(m, shares), rng.multinomial(n, shares)
        seen = r > 0
        yield np.append(0, r[seen]), np.append(b[~seen].sum(), b[seen])


SIZES = [(200, 200), (200, 5000), (1000, 1000), (5000, 200)]


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_unseen_labels_of_clean_batches_are_rarely_significant(m, n):
    """1,000 draws: .05 plus three standard errors of .007."""
    pvalues = [st.unseen_labels(*table).pvalue for table in zipf_tables(m, n, 1000)]
    assert np.mean(np.array(pvalues) < 0.05) < 0.071


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_pooled_rare_labels_of_clean_batches_are_rarely_significant(m, n):
    """200 draws: .05 plus three standard errors of .0154."""
    tables = [st.pool_rare_labels(*table) for table in zipf_tables(m, n, 200)]
    pvalues = np.array([st.chi_square(*table).pvalue for table in tables])
    assert np.mean(pvalues < 0.05) < 0.097


def test_pooling_by_the_reference_alone_would_raise_false_alarms():
    """Labels rare in the reference are less rare later: regression to the mean."""
    pvalues = []
    for r, b in zipf_tables(5000, 5000, 100):
        few = r < 10
        pooled = (np.append(x[few].sum(), x[~few]) for x in (r, b))
        pvalues.append(st.chi_square(*pooled).pvalue)
    assert np.mean(np.array(pvalues) < 0.05) > 0.10


def test_one_new_label_is_detected():
    r, b = np.array([0, 600, 399, 1]), np.array([20, 120, 59, 1])
    result = st.unseen_labels(r, b)
    assert result.pvalue < 1e-9
    assert 0.03 < result.statistic < 0.1


def test_no_unseen_rows_are_not_significant():
    assert st.unseen_labels(np.array([0, 5, 1]), np.array([0, 2, 0])) == (0.0, 1.0)


def test_labels_with_enough_rows_are_not_pooled():
    r, b = np.array([0, 50, 4, 1]), np.array([3, 50, 2, 1])
    pooled = st.pool_rare_labels(r, b)
    assert [x.tolist() for x in pooled] == [[5, 50], [6, 50]]


def test_labels_beyond_the_maximum_number_of_cells_are_pooled():
    """5,000 labels with ten rows each: which 1,024 are the fullest is chance."""
    rng = np.random.default_rng(0)
    r, b = rng.multinomial([50_000, 5000], np.full(5000, 1 / 5000))
    kept = np.argsort(-r, kind="stable")[:1024]
    table = [np.append(x.sum() - x[kept].sum(), x[kept]) for x in (r, b)]
    assert st.chi_square(*table).pvalue < 1e-9
    assert st.chi_square(*st.pool_rare_labels(*table)).pvalue > 0.05


def test_one_in_d_clean_columns_exceeds_the_kolmogorov_bias():
    bias = st.kolmogorov_bias(1000 * 500 / 1500, 20)
    assert stats.kstwobign.sf(bias / np.sqrt(1 / 1000 + 1 / 500)) == pytest.approx(0.05)


def test_total_variation_bias_covers_nine_of_ten_clean_batches():
    """2,000 draws: .90 with two points for the normal approximation."""
    rng = np.random.default_rng(0)
    shares = np.full(20, 0.05)
    pairs = zip(
        rng.multinomial(3000, shares, 2000),
        rng.multinomial(900, shares, 2000),
        strict=True,
    )
    below = [st.total_variation(*p) <= st.total_variation_bias(*p) for p in pairs]
    assert np.mean(below) == pytest.approx(0.9, abs=0.02)


def test_total_variation_bias_grows_with_the_inflation():
    r, b = np.array([30, 50, 20]), np.array([9, 11, 10])
    expected = st.total_variation_bias(r, b)
    assert st.total_variation_bias(3 * r, 3 * b, 3.0) == pytest.approx(expected)


def test_debiased_subtracts_squares():
    assert st.debiased(0.5, 0.3) == pytest.approx(0.4)
    assert st.debiased(0.2, 0.3) == 0


def test_band_matches_the_kolmogorov_distribution():
    expected = special.kolmogi(0.05) * np.sqrt(1 / 1000 + 1 / 250)
    assert st.kolmogorov_band(1000 * 250 / 1250, 0.05) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_holm_matches_step_by_step_testing(seed):
    rng = np.random.default_rng(seed)
    pvalues, alpha = rng.random(12) ** 4, 0.05
    rejected = np.zeros(12, dtype=bool)
    for step, i in enumerate(np.argsort(pvalues)):
        if pvalues[i] * (12 - step) >= alpha:
            break
        rejected[i] = True
    assert np.array_equal(st.holm(pvalues) < alpha, rejected)


def test_holm_does_not_count_unknown_pvalues():
    corrected = st.holm(np.array([np.nan, 0.03, np.nan, 0.01]))
    assert corrected == pytest.approx([np.nan, 0.03, np.nan, 0.02], nan_ok=True)
    assert len(st.holm(np.array([]))) == 0
    assert st.holm(np.array([0.9, 0.8])).tolist() == [1, 1]


def test_equal_groups_keep_every_row():
    r, b = np.arange(1, 101), np.full(100, 3)
    groups = st.equal_groups(r, b, 10)
    assert [len(x) for x in groups] == [10, 10]
    assert (groups[0].sum(), groups[1].sum()) == (5050, 300)
    line = np.repeat(np.arange(10), 10)
    assert np.array_equal(_ordered.quantile_groups(np.ones(100, dtype=int), 10), line)


# Exact distributions


def tables_with_the_same_margins(r, b):
    """Return all tables with the margins of two samples, and their probabilities."""
    pooled = r + b
    batches = product(*(range(each + 1) for each in pooled))
    batches = np.array([each for each in batches if sum(each) == b.sum()])
    law = stats.multivariate_hypergeom(pooled, b.sum())
    return pooled - batches, batches, law.pmf(batches)


def squared_distances(r, b, weight):
    """Sum over the boundaries between cells, by definition."""
    pooled, total = r + b, 0.0
    for i in range(1, len(r)):
        t = pooled[:i].sum() / pooled.sum()
        distance = r[:i].sum() / r.sum() - b[:i].sum() / b.sum()
        rows = (pooled[i - 1] + pooled[i]) / 2
        total += rows / pooled.sum() * distance**2 * weight(t)
    return total * r.sum() * b.sum() / pooled.sum()


def largest_standardised_surplus(r, b):
    law = stats.hypergeom((r + b).sum(), r + b, b.sum())
    return np.max(np.maximum(b - law.mean(), 0) / law.std()) ** 2


def stability_index(r, b):
    p, q = np.maximum(r, 0.5) / r.sum(), np.maximum(b, 0.5) / b.sum()
    return np.sum((q - p) * np.log(q / p))


def distance_of_places(r, b):
    places = np.arange(len(r))
    return stats.wasserstein_distance(places, places, r, b)


BY_DEFINITION = {
    "ad": lambda r, b: squared_distances(r, b, lambda t: 1 / (t * (1 - t))),
    "cvm": lambda r, b: squared_distances(r, b, lambda t: 1),
    "chi2": lambda r, b: stats.chi2_contingency([r, b], correction=False).statistic,
    "surplus": largest_standardised_surplus,
    "psi": stability_index,
    "jensen-shannon": spatial.distance.jensenshannon,
    "wasserstein": distance_of_places,
}


@pytest.mark.parametrize(
    ("r", "b"),
    [
        ([6, 9, 4, 2], [1, 5, 3, 4]),
        ([9, 6, 5, 0], [3, 3, 1, 3]),
        ([9, 6, 5, 0], [1, 4, 5, 1]),
    ],
)
@pytest.mark.parametrize("name", BY_DEFINITION)
def test_sparse_tables_have_the_exact_permutation_distribution(name, r, b):
    """All tables are enumerated; Monte Carlo error: four standard errors."""
    test = (TESTS | {"surplus": surplus})[name]
    r, b = np.array(r), np.array(b)
    result = test(r, b)
    *tables, probability = tables_with_the_same_margins(r, b)
    statistics = [BY_DEFINITION[name](*each) for each in zip(*tables, strict=True)]
    observed = BY_DEFINITION[name](r, b)
    assert result.statistic == pytest.approx(observed)
    expected = probability[np.array(statistics) >= observed * (1 - 1e-9)].sum()
    error = 4 * np.sqrt(expected * (1 - expected) / N_RESAMPLES)
    assert result.pvalue == pytest.approx(expected, abs=error)


def test_a_permutation_pvalue_counts_the_observed_table():
    """A statistic that never varies is reached by all tables, the observed included."""
    constant = lambda r, b: np.ones(b.shape[:-1])
    result = permutation_test([constant], np.array([30, 5]), np.array([9, 3]))
    assert result.pvalue == [1.0]


def test_tails_beyond_the_resampled_tables_are_those_of_pearson_iii():
    sample = np.random.default_rng(0).gamma(2.0, size=1999)
    moments = stats.skew(sample), sample.mean(), sample.std()
    for x in (15.0, 40.0):
        expected = stats.pearson3.sf(x, *moments)
        assert _pearson_tail(x, sample) == pytest.approx(expected, rel=1e-6)
    assert _pearson_tail(1.0, np.zeros(1999)) == 1


@pytest.mark.parametrize("name", [*TESTS, "surplus", "spread"])
def test_inflated_rows_count_for_fewer(name):
    """Three times the rows at three times the variance: the same p-value."""
    test = (TESTS | {"surplus": surplus, "spread": spread})[name]
    r, b = np.array([100, 150, 200, 100]), np.array([45, 40, 60, 50])
    assert test(3 * r, 3 * b, 3.0).pvalue == pytest.approx(
        float(test(r, b).pvalue), abs=0.02
    )
    assert test(3 * r, 3 * b).pvalue < 0.5 * test(r, b).pvalue


# Single tests


def test_chi_square_of_two_cells_has_scipys_continuity_correction():
    r, b = np.array([300, 500]), np.array([52, 60])
    expected = stats.chi2_contingency([r, b], correction=True)
    assert st.chi_square(r, b) == pytest.approx(expected[:2])
    assert st.chi_square(r, r // 10) == (0.0, 1.0)


def test_the_largest_surplus_is_corrected_for_the_number_of_cells():
    r, b = np.array([300, 500, 200, 400]), np.array([60, 40, 45, 70])
    z = np.sqrt(largest_standardised_surplus(r, b))
    expected = 1 - stats.norm.cdf(z) ** 4
    assert surplus(r, b) == pytest.approx((z**2, expected))


def test_two_cells_have_a_surplus_too():
    r, b = np.array([300, 500]), np.array([60, 40])
    z = np.sqrt(largest_standardised_surplus(r, b))
    assert surplus(r, b) == pytest.approx((z**2, 1 - stats.norm.cdf(z) ** 2))


def test_jensen_shannon_is_nearly_a_chi_square_test_of_similar_samples():
    r, b = np.array([30_000, 50_000, 20_000]), np.array([3100, 4900, 2000])
    expected = stats.chi2_contingency([r, b], correction=False).pvalue
    assert st.jensen_shannon(r, b).pvalue == pytest.approx(expected, rel=0.02)


def test_empty_cells_count_as_half_a_row_in_the_stability_index():
    r, b = np.array([200, 0, 800]), np.array([50, 5, 45])
    p, q = np.array([200, 0.5, 800]) / 1000, np.array([50, 5, 45]) / 100
    expected = np.sum((q - p) * np.log(q / p))
    assert st.population_stability(r, b).statistic == pytest.approx(expected)


@pytest.mark.parametrize("together", [1, 4])
def test_unseen_labels_are_as_frequent_as_labels_that_occur_once(together):
    """Rows of a label come `together`, so labels are counted: a binomial tail."""
    once = np.ones(20, dtype=int)
    r = np.concatenate([[0, 480], once])
    b = np.concatenate([[10 * together, 90], (together - 1) * once])
    m, n = r.sum(), b.sum()
    share = n / (n + together * m)
    result = st.unseen_labels(r, b)
    assert result.pvalue == pytest.approx(stats.binom.sf(9, 10 + 20, share))
    rate = (10 * together + 20) / (m + n)
    chance = stats.norm.ppf(0.9) * np.sqrt(rate * (together / n + 1 / m))
    excess = 10 * together / n - 20 / m
    assert result.statistic == pytest.approx(np.sqrt(excess**2 - chance**2), rel=0.01)


@pytest.mark.parametrize("n_kept_out", [0, 30])
def test_labels_are_pooled_that_might_as_well_have_lacked_a_cell(n_kept_out):
    """Poisson: the probability of so few rows in the reference exceeds exp(-5)."""
    counts = np.arange(10, 40)
    r, b = np.append(n_kept_out, counts), np.append(5, counts)
    expected_rows = 2 * counts * r.sum() / (r + b).sum()
    rare = stats.poisson.cdf(10 if n_kept_out else 0, expected_rows) > np.exp(-5)
    assert 0 < rare.sum() < len(counts) or not n_kept_out
    assert len(st.pool_rare_labels(r, b)[0]) == 1 + np.count_nonzero(~rare)


def test_pooled_labels_without_a_cell_need_five_expected_rows():
    r, b = np.array([0, 5, 6, 989]), np.array([1, 4, 5, 990])
    assert st.pool_rare_labels(r, b)[0].tolist() == [5, 6, 989]


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6])
def test_stephens_correction_is_nearly_exact_for_small_samples(shift):
    x, y = two_samples(40, 30, shift, seed=4)
    expected = stats.ks_2samp(x, y, method="exact").pvalue
    assert kolmogorov_smirnov(*counts_of(x, y)).pvalue == pytest.approx(
        expected, abs=0.015
    )


def test_quadratic_forms_have_the_cumulants_of_their_matrix():
    """Cumulants of ``z' W z`` are ``2^(k-1) (k-1)! tr (W C)^k``; the tail is Hall's."""
    t = np.array([0.1, 0.25, 0.3, 0.7, 0.95])
    weights = np.array([0.5, 1.0, 0.2, 2.0, 0.7])
    bridge = np.minimum.outer(t, t) - np.outer(t, t)
    sd = np.sqrt(t * (1 - t))
    product_ = np.diag(weights) @ (bridge / np.outer(sd, sd))
    k1, k2, k3 = (
        factor * np.trace(np.linalg.matrix_power(product_, k))
        for k, factor in ((1, 1), (2, 2), (3, 8))
    )
    df = 8 * k2**3 / k3**2
    for x in (3.0, 9.0, 30.0):
        expected = stats.chi2.sf(df + (x - k1) * np.sqrt(2 * df / k2), df)
        found = _ordered.quadratic_form_pvalue(x, weights, t)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["ad", "cvm"])
def test_quadratic_tests_have_the_permutation_distribution(name, monkeypatch):
    """Small samples: the factor N / (N - 1) of sampling without replacement counts."""
    forms = []

    def remember(x, weights, t):
        forms.append(weights.sum())
        return pvalue_of(x, weights, t)

    pvalue_of = _ordered.quadratic_form_pvalue
    monkeypatch.setattr(_ordered, "quadratic_form_pvalue", remember)
    values = np.arange(20)
    rng = np.random.default_rng(0)
    statistics = []
    for _ in range(4000):
        chosen = np.isin(values, rng.choice(20, 8, replace=False)).astype(int)
        statistics.append(BY_DEFINITION[name](1 - chosen, chosen))
    chosen = np.isin(values, [0, 1, 2, 3, 5, 8, 11, 15]).astype(int)
    observed = BY_DEFINITION[name](1 - chosen, chosen)
    expected = np.mean(np.array(statistics) >= observed)
    assert TESTS[name](1 - chosen, chosen).pvalue == pytest.approx(expected, abs=0.02)
    assert forms == pytest.approx([np.mean(statistics)], rel=0.04)


def test_ordered_cells_are_sparse_if_few_and_a_small_count_is_expected():
    expected_ten, expected_less = np.full(16, 20), np.append(np.full(15, 20), 19)
    for counts, sparse in (
        (expected_ten, False),
        (expected_less, True),
        (np.append(expected_less, 20), False),
    ):
        r = counts // 2
        assert bool(st.is_sparse(ordered(counts - r, r))) == sparse


def test_spread_matches_scipys_mood_test():
    """For samples of equal size the correction for skewness vanishes."""
    x, y = two_samples(80, 80)
    result, expected = spread(*counts_of(x, 1.4 * y)), stats.mood(1.4 * y, x)
    assert result == pytest.approx(tuple(expected), rel=1e-5)


def test_spread_of_ties_is_the_standardised_mean_of_mid_rank_scores():
    x, y = (each.round() for each in two_samples(90, 60, 0.2))
    ranks = stats.rankdata([*x, *y])
    score = (ranks - ranks.mean()) ** 2
    error = np.sqrt(score.var() / 60 * 90 / 149)
    expected = (score[90:].mean() - score.mean()) / error
    assert spread(*counts_of(x, y)).statistic == pytest.approx(expected)


def test_spread_of_few_rows_is_corrected_for_skewness():
    """The tail of 40,000 permutations is a third larger than the normal one."""
    x, y = two_samples(300, 12, seed=3)
    r, b = counts_of(x, 1.5 * y)
    score = (np.arange(312) - 311 / 2) ** 2
    drawn = np.random.default_rng(0).random((40_000, 312)).argpartition(12, axis=1)
    means = score[drawn[:, :12]].mean(axis=1)
    expected = 2 * np.mean(means >= (b @ score) / 12)
    result = spread(r, b)
    assert result.pvalue == pytest.approx(expected, rel=0.1)
    assert 2 * stats.norm.sf(result.statistic) < 0.8 * expected


def test_without_a_standard_deviation_distances_are_relative_to_the_largest_place():
    r, b, places = np.array([5, 5]), np.array([0, 10]), np.array([-2.0, -4.0])
    assert st.wasserstein(r, b, places[::-1], 0.0).statistic == pytest.approx(0.25)


# Effect sizes


def test_severity_looks_at_one_standard_deviation_and_at_the_median():
    below = np.linspace(0, 1, 2001)[None]
    found = below[0, st.severity_boundaries(below)[0]]
    assert found == pytest.approx(stats.norm.cdf([-1, 0, 1]), abs=3e-4)


CHANGES = {
    "the median": lambda x: x + 0.4 * (np.abs(x) < 0.3),
    "the spread": lambda x: 1.6 * x,
    "a place between": lambda x: np.where((x > 0.3) & (x < 0.7), 0.9, x),
}


@pytest.mark.parametrize("change", CHANGES)
def test_severity_is_the_largest_of_three_debiased_distances(change):
    """By definition, from the samples themselves."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=4000), CHANGES[change](rng.normal(size=1000))
    samples = ordered(*(each[None] for each in counts_of(x, y)))
    boundaries = st.severity_boundaries(samples.r_below)
    found = st.ordered_severity(samples, boundaries, 5, 2.0)
    ends = np.sort(x)[(stats.norm.cdf([-1, 0, 1]) * 4000).round().astype(int) - 1]
    (r_low, r_mid, r_high), (b_low, b_mid, b_high) = (
        [np.mean(z <= end) for end in ends] for z in (x, y)
    )
    scale = 4000 * 1000 / 5000 / 2.0
    z = stats.norm.isf(1 / 20)
    distances = [
        (stats.ks_2samp(x, y).statistic, stats.kstwobign.isf(1 / 10) / np.sqrt(scale)),
        (b_mid - r_mid, z * np.sqrt(r_mid * (1 - r_mid) / scale)),
        (
            (b_high - b_low) - (r_high - r_low),
            z * np.sqrt((r_high - r_low) * (1 - r_high + r_low) / scale),
        ),
    ]
    expected = max(np.sqrt(max(0, d**2 - bias**2)) for d, bias in distances)
    assert found.severity[0] == pytest.approx(expected)
    assert found.measured[0] == pytest.approx(max(abs(d) for d, _ in distances))


def test_one_in_d_clean_columns_exceeds_the_bias_of_a_share():
    error = np.sqrt(0.3 * 0.7 * (1 / 1000 + 1 / 500))
    bias = st.share_bias(0.3, 1000 * 500 / 1500, 20)
    assert 2 * stats.norm.sf(bias / error) == pytest.approx(1 / 20)


@pytest.mark.parametrize(
    ("r", "b", "surged"),
    [
        ([990, 10], [980, 20], True),
        ([989, 11], [981, 20], False),
        ([9900, 100], [9801, 199], False),
        ([9900, 99], [9801, 199], False),
        ([99_100, 900], [98_000, 2000], True),
        ([99_100, 900], [98_001, 1999], False),
    ],
)
def test_a_cell_surges_if_it_doubles_and_holds_one_row_in_fifty(r, b, surged):
    """At a level that the binomial tail always meets."""
    assert st.surged_cells(np.array(r), np.array(b), 0.999).tolist() == [False, surged]


def test_surges_are_significant_at_alpha_over_the_number_of_cells():
    """The tail includes the observed count."""
    r, b = np.array([190, 6, 4]), np.array([85, 7, 8])
    tail = stats.binom.sf(b - 1, r + b, 100 / 300)
    for i in (1, 2):
        for alpha, surged in ((3.01 * tail[i], True), (2.99 * tail[i], False)):
            assert st.surged_cells(r, b, alpha)[i] == surged


# Combined p-values


def test_cauchy_combination_is_a_mean_of_cauchy_variables():
    """Clipped at .95, weighted, and multiplied for dependence; NaN does not count."""
    pvalues, weights = np.array([0.01, 0.2, 1.0, np.nan]), np.array([3, 1, 1, 5])
    places = stats.cauchy.isf([0.01, 0.2, 0.95])
    for w, mean in ((None, places.mean()), (weights, places @ [3, 1, 1] / 5)):
        expected = stats.cauchy.sf(mean) * (1 + np.log(3) / 10)
        assert st.cauchy_combination(pvalues, w) == pytest.approx(expected)
    assert st.cauchy_combination([1e-200]) == pytest.approx(1e-200, abs=0)
    assert np.isnan(st.cauchy_combination([np.nan]))
    assert st.cauchy_combination([1.0] * 20) == 1


@pytest.mark.parametrize("rho", [0.3, 0.5])
def test_the_factor_makes_up_for_correlated_pvalues(rho):
    """40,000 draws of 30 variables: standard error .0011, a third too many without."""
    rng = np.random.default_rng(0)
    common, own = rng.normal(size=(40_000, 1)), rng.normal(size=(40_000, 30))
    z = np.sqrt(rho) * common + np.sqrt(1 - rho) * own
    combined = st.cauchy_combination(2 * stats.norm.sf(np.abs(z)))
    assert 0.045 < np.mean(combined < 0.05) < 0.05 + 2 * 0.0011


# Intervals


def test_an_estimated_variance_gives_the_effective_number_of_rows():
    share = 0.3
    assert effective_wilson(share, share * (1 - share) / 50, 400, 0.9) == (
        pytest.approx(wilson(share, 50, 0.9))
    )
    assert effective_wilson(share, 0.0, 400) == wilson(share, 400)
    assert effective_wilson(share, 9.0, 400) == wilson(share, 1)
