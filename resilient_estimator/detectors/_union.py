"""Several detectors as one, and the detector that a parameter stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._composition import ListComposition
from resilient_estimator._validation import (
    OPEN_PROPORTION,
    POSITIVE,
    check_argument,
    parameter_error,
)
from resilient_estimator.detectors._base import compare_batch, fit_detector
from resilient_estimator.detectors._decision_rule import (
    DecisionRule,
    FamilyResult,
    decide,
)
from resilient_estimator.detectors._dependence_drift import DependenceDrift
from resilient_estimator.detectors._feature_drift import FeatureDrift
from resilient_estimator.detectors._flag_drift import FlagDrift
from resilient_estimator.detectors._output_drift import OutputDrift
from resilient_estimator.drift import DRIFTED, FEATURES, TOO_FEW, Drift
from resilient_estimator.reference import Profile, Reference

# Most of alpha stays with the columns, which most changes touch.
DEFAULT = (
    (FeatureDrift, 6.0),
    (OutputDrift, 2.0),
    (DependenceDrift, 2.0),
    (FlagDrift, 0.5),
)


class DetectorUnion(ListComposition):
    """Compare a batch by several detectors together.

    Each detector contributes one or two families of tests. A batch has drifted at level
    `alpha` if the p-value of any family is below it after Bonferroni's correction for
    their number, so more detectors do not mean more false alarms.

    Parameters
    ----------
    detectors : list of detectors, default=None
        None: `FeatureDrift`, `OutputDrift`, `DependenceDrift` and `FlagDrift`, with
        most of `alpha` for the first: what ``detector="auto"`` means. Nested parameters
        of a list are reached by the lower-case name of the class, such as
        ``featuredrift__test``. Their own `alpha` is that of bands and surges only.
    weights : list of float, default=None
        Shares of `alpha`, one per detector, in any unit. None: equal ones, or those of
        the default.
    alpha : float, default=0.05
        Chance of a false alarm for a batch, over all detectors together.

    Attributes
    ----------
    detectors_ : list of detectors
        The fitted detectors.
    reference_ : Reference
        Counts of the training rows.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.detectors import DependenceDrift, DetectorUnion
    >>> from resilient_estimator import FeatureDrift
    >>> rng = np.random.default_rng(0)
    >>> detector = DetectorUnion([FeatureDrift(), DependenceDrift()])
    >>> detector = detector.fit(rng.normal(size=(2000, 2)))
    >>> x = rng.normal(size=500)
    >>> drift = detector.compare(np.column_stack([x, x]))
    >>> [name for name, each in zip(drift.features, drift.drifted) if each]
    ['correlations between columns']
    """

    _listed = "detectors"

    def __init__(
        self,
        detectors: Sequence[Any] | None = None,
        *,
        weights: Sequence[float] | None = None,
        alpha: float = 0.05,
    ) -> None:
        self.detectors = detectors
        self.weights = weights
        self.alpha = alpha

    def _chosen(self) -> list[Any]:
        """Return the detectors, by default new ones."""
        if self.detectors is None:
            return [kind() for kind, _ in DEFAULT]
        return list(self.detectors)

    def _shares(self) -> list[float]:
        if self.weights is not None:
            return list(self.weights)
        if self.detectors is None:
            return [weight for _, weight in DEFAULT]
        return [1.0] * len(self.detectors)

    @property
    def time_ordered(self) -> bool:
        """Whether any detector takes the training rows to be in the order of time."""
        return any(getattr(d, "time_ordered", False) for d in self._parts())

    def fit(self, X: Any, y: Any = None) -> Self:
        """Summarise training rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Targets, for detectors that use them.

        Returns
        -------
        self : DetectorUnion
            The fitted detector.
        """
        reference = Reference.learn(X, pairs=True, time_ordered=self.time_ordered)
        return self.fit_reference(reference, X, y)

    def fit_reference(self, reference: Reference, X: Any = None, y: Any = None) -> Self:
        """Use existing counts; detectors that need rows are fitted to the rows.

        Parameters
        ----------
        reference : Reference
            Layout and profile of the training rows.
        X, y : array-like, default=None
            The rows, for detectors that do not work from counts.

        Returns
        -------
        self : DetectorUnion
            The fitted detector.
        """
        self._check_parameters()
        detectors = [clone(each, safe=False) for each in self._chosen()]
        self.detectors_ = [fit_detector(each, reference, X, y) for each in detectors]
        self.reference_ = reference
        return self

    def compare(self, X: Any, *, profile: Profile | None = None) -> Drift:
        """Compare a batch with the training rows.

        Parameters
        ----------
        X : array-like, sparse matrix, data frame or Profile
            The batch, or the counts of it if all detectors work from counts.
        profile : Profile, default=None
            Counts of the batch, if they exist already.

        Returns
        -------
        drift : Drift
            The entries of all detectors, and one verdict for the batch.
        """
        if not hasattr(self, "reference_"):  # far cheaper than the check itself
            check_is_fitted(self)
        if profile is None:
            is_profile = isinstance(X, Profile)
            profile = X if is_profile else self.reference_.layout.profile(X)
        families: list[FamilyResult] = []
        shares: list[float] = []
        for detector, weight in zip(self.detectors_, self._shares(), strict=True):
            found = _find(detector, X, profile)
            families += found
            shares += [weight / max(len(found), 1)] * len(found)
        n_reference = self.reference_.profile.n_samples
        return decide(families, shares, self._rule(), n_reference, profile.n_samples)

    def _rule(self) -> DecisionRule:
        members: list[Any] = [d for d in self.detectors_ if hasattr(d, "find")]
        limits = [member.rule for member in members]
        least = min((each.min_severity for each in limits), default=0.04)
        most = max((each.max_severity for each in limits), default=0.20)
        return DecisionRule(self.alpha, least, most)

    def _check_parameters(self) -> None:
        if self.detectors is not None:
            self._check_list()
        check_argument(self, "alpha", self.alpha, OPEN_PROPORTION)
        for each in self._chosen():
            if not hasattr(each, "compare") or isinstance(each, type):
                expected = "a list of objects with 'fit' and 'compare'"
                raise parameter_error(self, "detectors", expected, each)
        if not self._chosen():
            expected = "None or a list of at least one detector"
            got = self.detectors
            raise parameter_error(self, "detectors", expected, got)
        if self.weights is None:
            return
        fits = isinstance(self.weights, Sequence) and (
            len(self.weights) == len(self._chosen())
            and all(map(POSITIVE.accepts, self.weights))
        )
        if not fits:
            expected = "None or one positive number per detector"
            raise parameter_error(self, "weights", expected, self.weights)


def _find(detector: Any, X: Any, profile: Profile) -> list[FamilyResult]:
    """Return what a detector finds: its families of tests, or its drift as one."""
    if hasattr(detector, "find"):
        return detector.find(profile)  # type: ignore[no-any-return]
    if not hasattr(detector, "fit_reference") and isinstance(X, Profile):
        raise TypeError(
            f"{type(detector).__name__} does not work from counts: give 'compare' the "
            "rows, not their profile."
        )
    return [_as_family(compare_batch(detector, X, profile))]


def _as_family(drift: Drift) -> FamilyResult:
    n_entries = len(drift.features)
    upper = drift.upper_severities
    surged = drift.surged
    calm = (verdict if verdict != DRIFTED else TOO_FEW for verdict in drift.verdicts)
    return FamilyResult(
        part=drift.parts[0] if drift.parts else FEATURES,
        features=drift.features,
        statistics=drift.statistics,
        pvalues=drift.pvalues,
        severities=drift.severities,
        upper_severities=np.ones(n_entries) if upper is None else upper,
        surged=np.zeros(n_entries, bool) if surged is None else surged,
        fixed_verdicts=tuple(calm),
        describe=lambda i: drift.changes[i],
        pvalue=drift.pvalue,
    )


def make_detector(detector: Any) -> Any:
    """Return the unfitted detector that the parameter of ResilientEstimator stands for.

    Raises
    ------
    InvalidParameterError
        If it stands for none.
    """
    if detector is None:
        return None
    if isinstance(detector, str) and detector == "auto":
        return DetectorUnion()
    if isinstance(detector, (list, tuple)):
        return DetectorUnion(list(detector))
    if not hasattr(detector, "compare") or isinstance(detector, type):
        expected = (
            "'auto', None, an object with 'fit' and 'compare', or a list of these"
        )
        raise parameter_error("ResilientEstimator", "detector", expected, detector)
    return clone(detector, safe=False)
