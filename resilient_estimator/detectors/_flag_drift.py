"""Compare the share of rows that the guard flags with that in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy import special

from resilient_estimator import statistics as st
from resilient_estimator._results import percent
from resilient_estimator._typing import Counts, Floats, Mask
from resilient_estimator._validation import Constraints
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._decision_rule import (
    RULE_CONSTRAINTS,
    FamilyResult,
)
from resilient_estimator.drift import FLAGS, TOO_FEW
from resilient_estimator.reference import Profile, Reference
from resilient_estimator.reference._layout import N_FLAG_CELLS


class FlagDrift(CountDetector):
    """Compare the share of flagged rows, reason by reason.

    More flags than in training are drift, fewer are not. The guard is fitted to the
    training rows, so it flags new rows slightly more often even without drift: the
    p-value is that of a rise by more than `min_severity` (binomial tail). The severity
    is the share of flagged rows in excess of that in training.

    Parameters
    ----------
    alpha : float, default=0.05
        Probability of a false alarm for a batch without drift.
    min_severity : float, default=0.04
        Excess share of flagged rows from which on a significant rise counts as drift.
    max_severity : float, default=0.20
        Excess share that must be ruled out for a reason to be called stable.

    Attributes
    ----------
    reference_ : Reference
        Counts of the flags.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.detectors import FlagDrift
    >>> training = {"missing": np.zeros(1000, dtype=bool)}
    >>> now = {"missing": np.arange(200) < 20}
    >>> FlagDrift().fit(training).compare(now).verdict
    'drifted'
    """

    _constraints: ClassVar[Constraints] = RULE_CONSTRAINTS

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        min_severity: float = 0.04,
        max_severity: float = 0.20,
    ) -> None:
        self.alpha = alpha
        self.min_severity = min_severity
        self.max_severity = max_severity

    def fit(self, X: Mapping[str, Mask], y: Any = None) -> Self:  # noqa: ARG002
        """Count the flags of training rows.

        Parameters
        ----------
        X : dict of str to ndarray of bool of shape (n_samples,)
            One mask per reason, as `inspect` of a guard returns them.
        y : ignored
            Present for API consistency.

        Returns
        -------
        self : FlagDrift
            The fitted detector.
        """
        nothing: list[list[float]] = []
        return self.fit_reference(Reference.learn(nothing, flags=_as_masks(X)))

    def _profile(self, X: Any) -> Profile:
        return self.reference_.layout.profile(None, flags=_as_masks(X))

    def _prepare(self) -> Counts:
        return self._flag_counts(self.reference_.profile)

    def _flag_counts(self, profile: Profile) -> Counts:
        """Return the numbers of clear and of flagged rows, one row per reason."""
        layout = self.reference_.layout
        end = int(layout.offsets[-1])
        first = end - N_FLAG_CELLS * len(layout.flags)
        return profile.counts[first:end].reshape(-1, N_FLAG_CELLS)

    def _find(self, profile: Profile) -> list[FamilyResult]:
        (r_clear, r), (b_clear, b) = self._prepared.T, self._flag_counts(profile).T
        m, n = r_clear + r, b_clear + b
        known = (m > 0) & (n > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            before, now = r / m, b / n
            scale = m * n / (m + n)
            bias = st.share_bias((r + b) / (m + n), scale, len(m))
            severity = st.debiased(np.maximum(now - before, 0.0), bias)
            upper = now - before + st.kolmogorov_band(scale, self.alpha)
        family = FamilyResult(
            part=FLAGS,
            features=tuple(self.reference_.layout.flags),
            statistics=np.where(known, now, np.nan),
            pvalues=np.where(known, self._tail(r, b, m, n), np.nan),
            severities=np.where(known, severity, np.nan),
            upper_severities=np.where(known, np.minimum(upper, 1.0), 1.0),
            surged=np.zeros(len(m), dtype=bool),
            fixed_verdicts=tuple("" if each else TOO_FEW for each in known),
            describe=lambda i: (
                f"{percent(now[i])} of rows, up from {percent(before[i])}"
            ),
        )
        return [family]

    def _tail(self, r: Any, b: Any, m: Any, n: Any) -> Floats:
        """Return the p-value of the hypothesis that shares rose by `min_severity`."""
        share = np.minimum((r + 0.5) / (m + 1) + self.min_severity, 1.0)
        tail = special.bdtrc(np.maximum(b - 1, 0), n, share)
        return np.asarray(np.where(b > 0, tail, 1.0))


def _as_masks(X: Any) -> Mapping[str, Mask]:
    """Return the masks, or raise a TypeError if `X` is not a dict."""
    if not isinstance(X, Mapping):
        raise TypeError(
            "Flags must be a dict of masks, one per reason, as 'inspect' of a guard "
            f"returns them. Got {type(X).__name__} instead."
        )
    return {str(reason): np.asarray(mask, dtype=bool) for reason, mask in X.items()}
