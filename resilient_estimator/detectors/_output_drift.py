"""Compare the outputs of the model with its out-of-fold outputs."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from resilient_estimator._typing import Floats
from resilient_estimator._validation import BOOLEAN, Constraints
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._decision_rule import (
    RULE_CONSTRAINTS,
    FamilyResult,
)
from resilient_estimator.detectors._univariate import UnivariateTests
from resilient_estimator.drift import OUTPUTS
from resilient_estimator.reference import Profile, Reference
from resilient_estimator.tabular._table import read_table


class OutputDrift(CountDetector):
    """Compare the model's scores and labels with its out-of-fold scores and labels.

    Drift of the outputs matters to the model, whatever the number of columns (black-box
    shift detection, Lipton et al. 2018; Rabanser et al. 2019). In a
    `ResilientEstimator` the outputs are the probabilities or decision values of each
    class, the predicted label and the uncertainty of a classifier, or the prediction of
    a regressor. The reference consists of out-of-fold outputs: outputs for the model's
    own training rows would differ from those for new rows without any drift.

    Parameters
    ----------
    alpha : float, default=0.05
        Probability of a false alarm for a batch without drift.
    min_severity : float, default=0.04
        Severity from which on a significant difference counts as drift.
    max_severity : float, default=0.20
        Severity that must be ruled out for an output to be called stable.
    time_ordered : bool, default=False
        Whether the rows of the reference are in the order of time; see `FeatureDrift`.

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

    _constraints: ClassVar[Constraints] = {
        **RULE_CONSTRAINTS,
        "time_ordered": [BOOLEAN],
    }

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
        """Summarise outputs of a model for rows that it was not trained on.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_outputs)
            Scores and labels, one column each.
        y : ignored
            Present for API consistency.

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

    def _prepare(self) -> UnivariateTests:
        layout = self.reference_.layout
        first, n_outputs = len(layout.columns), len(layout.outputs)
        return UnivariateTests(
            OUTPUTS,
            layout.outputs,
            layout.offsets[first : first + n_outputs + 1],
            self.reference_.profile.counts,
            self._inflation(slice(first, None)),
            test="auto",
            alpha=self.alpha,
        )

    def _find(self, profile: Profile) -> list[FamilyResult]:
        n_samples = 0  # if no row has outputs, they are too few and not absent
        inflation = self._model_inflation(profile)
        return [self._prepared.compare(profile.counts, n_samples, inflation)]

    def _model_inflation(self, profile: Profile) -> Floats | float:
        """Return the variance between models, in units of that of a mean of rows.

        Outputs in production are those of one model, in the reference of several.
        """
        variance = self.reference_.model_variance
        if variance is None:
            return 0.0
        m = self._prepared.n_reference_rows
        n = self._prepared.n_rows(profile.counts)
        return np.asarray(variance * m * n / np.maximum(m + n, 1))
