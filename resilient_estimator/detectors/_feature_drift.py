"""Compare every column of a batch with the reference."""

from __future__ import annotations

from typing import Any, Self

from resilient_estimator._validation import parameter_error
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._multiple_testing import Findings
from resilient_estimator.detectors._univariate import TESTS, ColumnTests
from resilient_estimator.drift import FEATURES
from resilient_estimator.reference import Profile, Reference


class FeatureDrift(CountDetector):
    """Compare each column of a batch with the training data.

    All tests work from integer counts over the cells of the reference, so a batch in
    memory and the summed profiles of its parts give the same result. A column has
    drifted when the difference is real (p-value below `alpha` after Holm's correction
    for the number of columns, in a batch that differs) *and* material (severity at
    least `min_severity`, or a label or missing values that at least doubled).

    Parameters
    ----------
    test : str, default="auto"
        Test of the values. Missing values and unseen categories always have tests of
        their own.

        - "auto": Anderson-Darling's test and a test of spread for numbers; chi-square
          and a test of the label that gained most for categories;
        - "ad", "ks", "cvm", "wasserstein": for numbers; categories as in "auto";
        - "chi2", "psi", "jensen-shannon": for both; numbers are put into ten groups of
          equal reference share.
    alpha : float, default=0.05
        Chance of a false alarm for a batch, over all columns together.
    min_severity : float, default=0.04
        Severity from which on a real difference is reported as drift.
    max_severity : float, default=0.20
        Severity that must be ruled out, at level `alpha`, for a column to be called
        stable.
    time_ordered : bool, default=False
        Whether the training rows stand in the order of time and successive rows may
        resemble one another. Rows then count for fewer, by the correlation time of each
        column, so that a slow wave is not taken for drift.

    Attributes
    ----------
    reference_ : Reference
        Counts of the training rows.

    See Also
    --------
    ResilientEstimator.assess : Compare a batch, with flags and reasons.
    OutputDrift : The same for what the model says.
    DependenceDrift : How columns depend on one another.

    Notes
    -----
    The p-value of the batch is Cauchy's combination of those of the columns (Liu, Xie
    2020).

    Severity of a number is the largest of Kolmogorov's distance and of the changes of
    the shares above training's median and in its outer third; of a category the total
    variation and the share of unseen labels beyond the expected one; of missing values
    the difference in their share; each with what chance alone explains taken away:
    ``sqrt(max(0, s^2 - s0^2))``. All of them are lower bounds of the total variation
    between the two distributions, so severity reads as the share of production rows
    that the reference cannot explain.

    Labels that are rare in both samples together are compared as one: the reference
    holds too few of their rows to tell them from labels that it lacks.

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
            Training rows. What is not a table gives a detector without columns.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : FeatureDrift
            The fitted detector.
        """
        self._check_parameters()
        return self.fit_reference(Reference.learn(X, time_ordered=self.time_ordered))

    def _prepare(self) -> ColumnTests:
        layout = self.reference_.layout
        n_columns = len(layout.columns)
        return ColumnTests(
            FEATURES,
            layout.columns,
            layout.offsets[: n_columns + 1],
            self.reference_.profile.counts,
            self._inflation(slice(n_columns)),
            test=self.test,
            alpha=self.alpha,
        )

    def _find(self, profile: Profile) -> list[Findings]:
        return [self._prepared.find(profile.counts, profile.n_samples)]

    def _check_parameters(self) -> None:
        if self.test not in TESTS:
            expected = "one of " + ", ".join(map(repr, TESTS))
            raise parameter_error(self, "test", expected, self.test)
        super()._check_parameters()
