"""Compare what the model says with what it said out of fold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._multiple_testing import Findings
from resilient_estimator.detectors._univariate import ColumnTests
from resilient_estimator.drift import OUTPUTS
from resilient_estimator.reference import Profile, Reference
from resilient_estimator.tabular._table import read_table


class OutputDrift(CountDetector):
    """Compare the model's scores and labels with those it gave out of fold.

    What drifts in the outputs matters to the model, whatever the number of columns
    (black-box shift detection, Lipton et al. 2018; Rabanser et al. 2019). In a
    `ResilientEstimator` the outputs are the probabilities or decision values of each
    class, the predicted label and the uncertainty of a classifier, and the prediction
    of a regressor; the reference are answers of models that had not learnt from the row
    in question. Answers to the model's own training rows would drift by themselves.

    Parameters
    ----------
    alpha : float, default=0.05
        Chance of a false alarm for a batch.
    min_severity : float, default=0.04
        Severity from which on a real difference is reported as drift.
    max_severity : float, default=0.20
        Severity that must be ruled out for an output to be called stable.
    time_ordered : bool, default=False
        Whether the reference's rows stand in the order of time; see `FeatureDrift`.

    Attributes
    ----------
    reference_ : Reference
        Counts of the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import OutputDrift
    >>> rng = np.random.default_rng(0)
    >>> held_out, now = rng.beta(2, 5, size=(2000, 1)), rng.beta(3, 4, size=(500, 1))
    >>> OutputDrift().fit(held_out).compare(now).verdict
    'drifted'
    """

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        min_severity: float = 0.04,
        max_severity: float = 0.20,
        time_ordered: bool = False,
    ) -> None:
        self.alpha = alpha
        self.min_severity = min_severity
        self.max_severity = max_severity
        self.time_ordered = time_ordered

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Summarise outputs of a model for rows that it did not learn from.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_outputs)
            Scores and labels, one column each.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : OutputDrift
            The fitted detector.
        """
        self._check_parameters()
        outputs = read_table(X)
        if outputs is None:
            raise ValueError(
                "Outputs must be a table of shape (n_samples, n_outputs). Got "
                f"{type(X).__name__} instead."
            )
        nothing: list[list[float]] = []
        reference = Reference.learn(
            nothing, outputs=outputs, time_ordered=self.time_ordered
        )
        return self.fit_reference(reference)

    def _profile(self, X: Any) -> Profile:
        layout, outputs = self.reference_.layout, read_table(X)
        n_expected = len(layout.outputs)
        if outputs is None or outputs.shape[1] != n_expected:
            got = type(X).__name__ if outputs is None else f"{outputs.shape[1]} columns"
            raise ValueError(
                f"Expected a table of {n_expected} outputs, as in `fit`. Got {got}."
            )
        return layout.profile(None, outputs=outputs)

    def _prepare(self) -> ColumnTests:
        layout = self.reference_.layout
        first, n_outputs = len(layout.columns), len(layout.outputs)
        return ColumnTests(
            OUTPUTS,
            layout.outputs,
            layout.offsets[first : first + n_outputs + 1],
            self.reference_.profile.counts,
            self._inflation(slice(first, None)),
            test="auto",
            alpha=self.alpha,
        )

    def _find(self, profile: Profile) -> list[Findings]:
        # Rows that were not answered are no news about the answers.
        return [self._prepared.find(profile.counts, 0, self._model_noise(profile))]

    def _model_noise(self, profile: Profile) -> NDArray[np.float64] | float:
        """Return what the noise of models adds to the variance of a mean of rows.

        Production's answers are those of one model, the reference's those of several.
        """
        noise = self.reference_.model_variance
        if noise is None:
            return 0.0
        tests = self._prepared
        m, n = tests.rows(self.reference_.profile.counts), tests.rows(profile.counts)
        return np.asarray(noise * m * n / np.maximum(m + n, 1))
