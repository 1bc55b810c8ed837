"""Statistics of counts agree with SciPy's, and their p-values are uniform."""

import numpy as np
import pytest
from scipy import spatial, special, stats

from resilient_estimator import statistics as st
from resilient_estimator.statistics import _categorical, _ordered
from resilient_estimator.statistics._permutation import N_SIMULATIONS


def line_wasserstein(r, b):
    return st.wasserstein(r, b, np.arange(len(r), dtype=float), 1.0)


TESTS = {
    "ad": st.anderson_darling,
    "cvm": st.cramer_von_mises,
    "ks": st.kolmogorov_smirnov,
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


def test_anderson_darling_is_pettitts_sum_over_the_sorted_rows():
    x, y = two_samples(70, 40, 0.3)
    first = np.isin(np.sort(np.append(x, y)), x)
    m, n, total = 70, 40, 110
    i = np.arange(1, total)
    terms = (np.cumsum(first)[:-1] * total - m * i) ** 2 / (i * (total - i))
    expected = terms.sum() / (m * n)
    assert st.anderson_darling(*counts_of(x, y)).statistic == pytest.approx(expected)


def test_anderson_darling_pvalue_is_that_of_marsaglias_limit():
    """1 - ADinf is .05 at 2.492 and .01 at 3.857 (Marsaglia 2004).

    Three cumulants give them within 5 % of the p-value, on the safe side.
    """
    t = np.arange(1, 5000) / 5000
    weight = 1 / (5000 * t * (1 - t)) * t * (1 - t)
    pvalues = [_ordered.quadratic_form_pvalue(x, weight, t) for x in (2.492, 3.857)]
    assert pvalues == pytest.approx([0.05, 0.01], rel=0.05)
    assert pvalues[0] > 0.05


def test_cramer_von_mises_is_scipys():
    x, y = two_samples(70, 40, 0.3)
    result = st.cramer_von_mises(*counts_of(x, y))
    expected = stats.cramervonmises_2samp(x, y)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.pvalue == pytest.approx(expected.pvalue, abs=0.03)


def test_kolmogorov_smirnov_is_scipys():
    x, y = two_samples(700, 400, 0.1)
    result = st.kolmogorov_smirnov(*counts_of(x, y))
    expected = stats.ks_2samp(x, y, method="exact")
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.pvalue == pytest.approx(expected.pvalue, abs=0.01)


def test_chi_square_is_scipys_where_the_table_is_dense():
    r, b = np.array([300, 500, 200]), np.array([40, 40, 30])
    expected = stats.chi2_contingency([r, b], correction=False)
    result = st.chi_square(r, b)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.pvalue == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("few", [0, 1, 2, 4])
def test_chi_square_is_fishers_exact_test_where_the_table_is_sparse(few):
    """Monte-Carlo error: four standard errors of 1,999 draws."""
    r, b = np.array([300 - few, few]), np.array([94, 6])
    expected = stats.fisher_exact([r, b]).pvalue
    error = 4 * np.sqrt(expected * (1 - expected) / N_SIMULATIONS)
    assert st.chi_square(r, b).pvalue == pytest.approx(expected, abs=error + 5e-4)


def test_population_stability_is_its_formula():
    r, b = np.array([200, 300, 500]), np.array([30, 30, 40])
    p, q = r / 1000, b / 100
    expected = np.sum((q - p) * np.log(q / p))
    result = st.population_stability(r, b)
    assert result.statistic == pytest.approx(expected)
    assert result.pvalue == pytest.approx(stats.chi2.sf(expected / 0.011, 2))


def test_jensen_shannon_is_scipys_distance():
    r, b = np.array([200, 0, 300, 500]), np.array([30, 5, 0, 65])
    expected = spatial.distance.jensenshannon(r, b)
    assert st.jensen_shannon(r, b).statistic == pytest.approx(expected)


def test_wasserstein_is_scipys_over_the_standard_deviation():
    x, y = two_samples(700, 400, 0.3)
    values = np.union1d(x, y)
    result = st.wasserstein(*counts_of(x, y), values, float(x.std()))
    expected = stats.wasserstein_distance(x, y) / x.std()
    assert result.statistic == pytest.approx(expected)


def test_distances_of_disjoint_samples_are_one():
    r, b = np.array([5, 5, 0, 0]), np.array([0, 0, 2, 2])
    assert st.largest_distance(st.compare_ordered(r, b)) == 1
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
    pvalues = null_pvalues(st.kolmogorov_smirnov, weights, 300, 100, 400)
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
def test_same_counts_get_the_same_pvalue_and_no_global_random_number_is_drawn(name):
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


def test_many_cells_are_merged_by_both_samples_together():
    """Exchanging the samples gives the same groups, so the test is symmetric."""
    rng = np.random.default_rng(0)
    r, b = rng.multinomial(3000, np.full(300, 1 / 300), 2)
    merged, exchanged = (
        _categorical._merge_rarest(r, b),
        _categorical._merge_rarest(b, r),
    )
    assert len(merged[0]) == _categorical.MAX_SIMULATED_CELLS
    assert np.array_equal(merged, exchanged[::-1])


def zipf_tables(m, n, reps):
    """Yield counts of a clean column of 500 labels, those the reference lacks first."""
    rng = np.random.default_rng(2)
    shares = 1 / np.arange(1, 501) / np.sum(1 / np.arange(1, 501))
    for _ in range(reps):
        r, b = rng.multinomial(m, shares), rng.multinomial(n, shares)
        seen = r > 0
        yield np.append(0, r[seen]), np.append(b[~seen].sum(), b[seen])


SIZES = [(200, 200), (200, 5000), (1000, 1000), (5000, 200)]


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_unseen_labels_of_a_clean_batch_are_no_surprise(m, n):
    """1,000 draws: .05 plus three standard errors of .007."""
    pvalues = [st.unseen_labels(*table).pvalue for table in zipf_tables(m, n, 1000)]
    assert np.mean(np.array(pvalues) < 0.05) < 0.071


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_pooled_rare_labels_of_a_clean_batch_are_no_surprise(m, n):
    """200 draws: .05 plus three standard errors of .0154."""
    tables = [st.pool_rare_labels(*table) for table in zipf_tables(m, n, 200)]
    pvalues = np.array([st.chi_square(*table).pvalue for table in tables])
    assert np.mean(pvalues < 0.05) < 0.097


def test_labels_pooled_by_their_reference_rows_alone_would_raise_false_alarms():
    """What was rare in the reference is less rare later: regression to the mean."""
    pvalues = []
    for r, b in zipf_tables(5000, 5000, 100):
        few = r < 10
        pooled = (np.append(x[few].sum(), x[~few]) for x in (r, b))
        pvalues.append(st.chi_square(*pooled).pvalue)
    assert np.mean(np.array(pvalues) < 0.05) > 0.10


def test_one_new_label_is_found():
    r, b = np.array([0, 600, 399, 1]), np.array([20, 120, 59, 1])
    result = st.unseen_labels(r, b)
    assert result.pvalue < 1e-9
    assert 0.03 < result.statistic < 0.1


def test_unseen_labels_without_unseen_rows_are_no_finding():
    assert st.unseen_labels(np.array([0, 5, 1]), np.array([0, 2, 0])) == (0.0, 1.0)


def test_labels_with_enough_rows_are_not_pooled():
    r, b = np.array([0, 50, 4, 1]), np.array([3, 50, 2, 1])
    pooled = st.pool_rare_labels(r, b)
    assert [x.tolist() for x in pooled] == [[5, 50], [6, 50]]


def test_labels_beyond_the_most_that_are_kept_do_not_stand_alone():
    """5,000 labels with ten rows each: the 1,024 fullest are so by chance."""
    rng = np.random.default_rng(0)
    r, b = rng.multinomial([50_000, 5000], np.full(5000, 1 / 5000))
    kept = np.argsort(-r, kind="stable")[:1024]
    table = [np.append(x.sum() - x[kept].sum(), x[kept]) for x in (r, b)]
    assert st.chi_square(*table).pvalue < 1e-9
    assert st.chi_square(*st.pool_rare_labels(*table)).pvalue > 0.05


def test_kolmogorov_bias_is_the_distance_that_one_in_d_clean_columns_exceeds():
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


def test_debiased_takes_squares_apart():
    assert st.debiased(0.5, 0.3) == pytest.approx(0.4)
    assert st.debiased(0.2, 0.3) == 0


def test_band_is_the_kolmogorov_band():
    expected = special.kolmogi(0.05) * np.sqrt(1 / 1000 + 1 / 250)
    assert st.band(1000 * 250 / 1250, 0.05) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_holm_rejects_what_step_by_step_testing_rejects(seed):
    rng = np.random.default_rng(seed)
    pvalues, alpha = rng.random(12) ** 4, 0.05
    rejected = np.zeros(12, dtype=bool)
    for step, i in enumerate(np.argsort(pvalues)):
        if pvalues[i] * (12 - step) >= alpha:
            break
        rejected[i] = True
    assert np.array_equal(st.holm(pvalues) < alpha, rejected)


def test_holm_does_not_count_what_is_not_known():
    corrected = st.holm(np.array([np.nan, 0.03, np.nan, 0.01]))
    assert corrected == pytest.approx([np.nan, 0.03, np.nan, 0.02], nan_ok=True)
    assert len(st.holm(np.array([]))) == 0


def test_equal_groups_keep_every_row():
    r, b = np.arange(1, 101), np.full(100, 3)
    groups = st.equal_groups(r, b, 10)
    assert [len(x) for x in groups] == [10, 10]
    assert (groups[0].sum(), groups[1].sum()) == (5050, 300)
