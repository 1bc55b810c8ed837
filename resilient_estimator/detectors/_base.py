"""What all detectors that work from counts have in common."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._validation import check_parameters
from resilient_estimator.detectors._decision_rule import (
    DecisionRule,
    FamilyResult,
    decide,
)
from resilient_estimator.drift import Drift
from resilient_estimator.protocols import Detector
from resilient_estimator.reference import Profile, Reference


class CountDetector(BaseEstimator):
    """A detector that compares counts of a batch with counts of the reference.

    Subclasses compare in `_find`. What they derive from the reference for that is kept
    in `_prepared`, computed when it is needed and never stored.
    """

    alpha: float
    min_severity: float
    max_severity: float
    reference_: Reference
    _prepared: Any

    def fit_reference(self, reference: Reference, X: Any = None, y: Any = None) -> Self:  # noqa: ARG002
        """Use existing counts of the training rows.

        Parameters
        ----------
        reference : Reference
            Layout and profile of the training rows.
        X, y : ignored
            The rows, for detectors that need more than counts.

        Returns
        -------
        self : detector
            The fitted detector.
        """
        self._check_parameters()
        self.reference_ = reference
        self._prepared = None
        return self

    def compare(self, X: Any, *, profile: Profile | None = None) -> Drift:
        """Compare a batch with the training rows.

        Parameters
        ----------
        X : array-like, sparse matrix, data frame or Profile
            The batch, or its counts.
        profile : Profile, default=None
            Counts of the batch, if they exist already.

        Returns
        -------
        drift : Drift
            One verdict per column and one for the batch.

        Raises
        ------
        ValueError
            If `X` is not a table or has another number of columns, or is a profile over
            another layout.
        """
        if not hasattr(self, "reference_"):  # far cheaper than the check itself
            check_is_fitted(self)
        if profile is None:
            profile = X if isinstance(X, Profile) else self._profile(X)
        families = self.find(profile)
        n_reference = self.reference_.profile.n_samples
        weights = [1.0] * len(families)
        return decide(families, weights, self.rule, n_reference, profile.n_samples)

    def find(self, profile: Profile) -> list[FamilyResult]:
        """Return what the tests find in a profile, before any correction."""
        layout_id = self.reference_.layout.layout_id
        if profile.layout_id != layout_id:
            raise ValueError(
                f"The profile was counted over the layout {profile.layout_id!r}, but "
                f"this detector's layout is {layout_id!r}."
            )
        if getattr(self, "_prepared", None) is None:
            self._prepared = self._prepare()
        return self._find(profile)

    @property
    def rule(self) -> DecisionRule:
        """When a difference is significant, material, or ruled out."""
        return DecisionRule(self.alpha, self.min_severity, self.max_severity)

    def _profile(self, X: Any) -> Profile:
        return self.reference_.layout.profile(X)

    def _prepare(self) -> Any:
        raise NotImplementedError

    def _find(self, profile: Profile) -> list[FamilyResult]:
        raise NotImplementedError

    def _inflation(self, columns: slice) -> NDArray[np.float64]:
        """Return the correlation times of some columns; 1 if rows are independent."""
        layout, times = self.reference_.layout, self.reference_.autocorrelation_times
        n_columns = len(layout.columns) + len(layout.outputs)
        return (np.ones(n_columns) if times is None else times)[columns]

    def _check_parameters(self) -> None:
        check_parameters(self)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_prepared"}


def fit_detector(detector: Any, reference: Reference, X: Any, y: Any) -> Detector:
    """Fit a detector to the reference where it works from counts, else to the rows."""
    if hasattr(detector, "fit_reference"):
        return detector.fit_reference(reference, X, y)  # type: ignore[no-any-return]
    return detector.fit(X, y)  # type: ignore[no-any-return]


def compare_batch(detector: Any, X: Any, profile: Profile) -> Drift:
    """Compare a batch by its counts where the detector works from them."""
    if hasattr(detector, "fit_reference"):
        return detector.compare(X, profile=profile)  # type: ignore[no-any-return]
    return detector.compare(X)  # type: ignore[no-any-return]
