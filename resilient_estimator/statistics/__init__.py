"""Two-sample statistics and p-values as pure functions of counts.

`r` and `b` are counts of the reference and of the batch over the same cells, of shape
(n_cells,), for ordered tests also (n_columns, n_cells). `inflation` is by what
dependence between successive rows multiplies the variance of a mean.
"""

from resilient_estimator._typing import Counts
from resilient_estimator.statistics._categorical import (
    CategoryTests,
    category_tests,
    chi_square,
    jensen_shannon,
    pool_rare_labels,
    population_stability,
    unseen_labels,
)
from resilient_estimator.statistics._effect_size import (
    band,
    debiased,
    kolmogorov_bias,
    ordered_severity,
    places_to_look,
    share_bias,
    surged_cells,
    total_variation,
    total_variation_bias,
)
from resilient_estimator.statistics._multiplicity import cauchy, holm
from resilient_estimator.statistics._ordered import (
    Ordered,
    anderson_darling,
    anderson_darling_emphasis,
    compare_ordered,
    cramer_von_mises,
    equal_groups,
    is_sparse,
    kolmogorov_smirnov,
    kolmogorov_test,
    largest_distance,
    quadratic_test,
    spread_test,
    wasserstein,
)
from resilient_estimator.statistics._permutation import Comparison

__all__ = [
    "CategoryTests",
    "Comparison",
    "Counts",
    "Ordered",
    "anderson_darling",
    "anderson_darling_emphasis",
    "band",
    "category_tests",
    "cauchy",
    "chi_square",
    "compare_ordered",
    "cramer_von_mises",
    "debiased",
    "equal_groups",
    "holm",
    "is_sparse",
    "jensen_shannon",
    "kolmogorov_bias",
    "kolmogorov_smirnov",
    "kolmogorov_test",
    "largest_distance",
    "ordered_severity",
    "places_to_look",
    "pool_rare_labels",
    "population_stability",
    "quadratic_test",
    "share_bias",
    "spread_test",
    "surged_cells",
    "total_variation",
    "total_variation_bias",
    "unseen_labels",
    "wasserstein",
]
