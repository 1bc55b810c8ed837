"""Compare every column of a batch with the reference."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from resilient_estimator._validation import BOOLEAN, Constraints, Options
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._decision_rule import (
    RULE_CONSTRAINTS,
    FamilyResult,
)
from resilient_estimator.detectors._univariate import TESTS, UnivariateTests
from resilient_estimator.drift import FEATURES
from resilient_estimator.reference import Profile, Reference


class FeatureDrift(CountDetector):
    """Compare each column of a batch with the training data.

    All tests work from integer counts in the cells of the reference, so a batch in
    memory and the summed profiles of its parts give the same result. A column drifted
    if the difference is significant (p-value below `alpha` after Holm's correction for
    the number of columns, in a batch that differs) *and* material (severity of at least
    `min_severity`, or a label or missing values that at least doubled).

    Parameters
    ----------
    test : str, default="auto"
        Test of the values. Missing values and unseen categories always have tests of
        their own.

        - "auto": Anderson-Darling test and a test of spread for numbers; chi-square
          test and a test of the label that gained most for categories;
        - "ad", "ks", "cvm", "wasserstein": for numbers; categories as in "auto";
        - "chi2", "psi", "jensen-shannon": for both; numbers are divided into ten groups
          of equal reference share.
    alpha : float, default=0.05
        Probability of a false alarm for a batch without drift, over all columns
        together.
    min_severity : float, default=0.04
        Severity from which on a significant difference counts as drift.
    max_severity : float, default=0.20
        Severity that must be ruled out, at level `alpha`, for a column to be called
        stable.
    time_ordered : bool, default=False
        Whether the training rows are in the order of time and successive rows may
        resemble one another. The effective number of rows is then smaller, by the
        autocorrelation time of each column, so that a slow wave is not mistaken for
        drift.

    Attributes
    ----------
    reference_ : Reference
        Counts of the training rows.

    See Also
    --------
    ResilientEstimator.assess : Compare a batch, with flags and reasons.
    OutputDrift : Compare the outputs of the model in the same way.
    DependenceDrift : Compare how columns depend on one another.

    Notes
    -----
    The p-value of the batch is the Cauchy combination of those of the columns (Liu, Xie
    2020).

    The severity of a number is the largest of Kolmogorov's distance and the changes of
    the shares above the median and in the outer sixths of training; of a category, the
    total variation or the excess share of unseen labels; of missing values, the
    difference of their shares. What chance alone explains is subtracted:
    ``sqrt(max(0, s^2 - s0^2))``. All of these are lower bounds of the total variation
    between the two distributions, so the severity is the share of production rows that
    the reference cannot explain.

    Labels that are rare in both samples together are compared as one: the reference has
    too few of their rows to distinguish them from labels that it lacks.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import FeatureDrift
    >>> rng = np.random.default_rng(0)
    >>> detector = FeatureDrift().fit(rng.normal(size=(2000, 2)))
    >>> batch = rng.normal(size=(500, 2)) + [0, 1]
    >>> detector.compare(batch).verdicts
    ('stable', 'drifted')
    """

    _constraints: ClassVar[Constraints] = {
        **RULE_CONSTRAINTS,
        "test": [Options(*TESTS)],
        "time_ordered": [BOOLEAN],
    }

    def __init__(
        self,
        test: str = "auto",
        *,
        alpha: float = 0.05,
        min_severity: float = 0.04,
        max_severity: float = 0.20,
        time_ordered: bool = False,
    ) -> None:
        self.test = test
        self.alpha = alpha
        self.min_severity = min_severity
        self.max_severity = max_severity
        self.time_ordered = time_ordered

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Summarise training rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows. If this is not a table, there are no columns to compare.
        y : ignored
            Present for API consistency.

        Returns
        -------
        self : FeatureDrift
            The fitted detector.
        """
        self._check_parameters()
        return self.fit_reference(Reference.learn(X, time_ordered=self.time_ordered))

    def _prepare(self) -> UnivariateTests:
        layout = self.reference_.layout
        n_columns = len(layout.columns)
        return UnivariateTests(
            FEATURES,
            layout.columns,
            layout.offsets[: n_columns + 1],
            self.reference_.profile.counts,
            self._inflation(slice(n_columns)),
            test=self.test,
            alpha=self.alpha,
        )

    def _find(self, profile: Profile) -> list[FamilyResult]:
        return [self._prepared.compare(profile.counts, profile.n_samples)]
