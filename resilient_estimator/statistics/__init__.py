"""Two-sample statistics and p-values as pure functions of counts.

`r` and `b` are counts of the reference and of the batch over the same cells, of shape
(n_cells,), for ordered tests also (n_columns, n_cells); `m` and `n` are their numbers
of rows. `inflation` is the factor by which dependence between successive rows
multiplies the variance of a mean.
"""

from resilient_estimator._public import publish
from resilient_estimator.statistics._base import SignificanceResult
from resilient_estimator.statistics._categorical import (
    CategoryTests,
    category_tests,
    chi_square,
    jensen_shannon,
    pool_rare_labels,
    population_stability,
    unseen_labels,
)
from resilient_estimator.statistics._conformal_pvalues import ConformalSum
from resilient_estimator.statistics._multiple_testing import cauchy_combination, holm
from resilient_estimator.statistics._ordered import (
    OrderedSamples,
    anderson_darling_weight,
    cramer_von_mises_weight,
    equal_groups,
    is_sparse,
    kolmogorov_test,
    largest_distance,
    quadratic_test,
    spread_test,
    wasserstein,
)
from resilient_estimator.statistics._severity import (
    debiased,
    kolmogorov_band,
    kolmogorov_bias,
    ordered_severity,
    severity_boundaries,
    share_bias,
    surged_cells,
    total_variation,
    total_variation_bias,
)

__all__ = [
    "CategoryTests",
    "OrderedSamples",
    "SignificanceResult",
    "anderson_darling_weight",
    "category_tests",
    "cauchy_combination",
    "chi_square",
    "cramer_von_mises_weight",
    "debiased",
    "equal_groups",
    "holm",
    "is_sparse",
    "jensen_shannon",
    "kolmogorov_band",
    "kolmogorov_bias",
    "kolmogorov_test",
    "largest_distance",
    "ordered_severity",
    "pool_rare_labels",
    "population_stability",
    "quadratic_test",
    "severity_boundaries",
    "share_bias",
    "spread_test",
    "surged_cells",
    "total_variation",
    "total_variation_bias",
    "unseen_labels",
    "wasserstein",
]

publish(globals(), ConformalSum)
