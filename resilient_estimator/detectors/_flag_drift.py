"""Compare how many rows the guard flags with how many it flagged in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from resilient_estimator import statistics as st
from resilient_estimator.detectors._base import CountDetector
from resilient_estimator.detectors._multiple_testing import Findings
from resilient_estimator.drift import FLAGS, TOO_FEW, percent
from resilient_estimator.reference import Profile, Reference
from resilient_estimator.reference._layout import N_FLAG_CELLS


class FlagDrift(CountDetector):
    """Compare the share of flagged rows, reason by reason.

    More flags than in training are drift, fewer are not. The guard has seen the
    training rows, so it flags fresh ones a little more often even if nothing drifts:
    the p-value is that of a rise by more than `min_severity` (binomial tail). Severity
    is the share of rows that are flagged beyond training's share.

    Parameters
    ----------
    alpha : float, default=0.05
        Chance of a false alarm for a batch.
    min_severity : float, default=0.04
        Share of additional rows from which on a real rise is reported as drift.
    max_severity : float, default=0.20
        Share that must be ruled out for a reason to be called stable.

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

    def fit(self, X: Mapping[str, NDArray[np.bool_]], y: Any = None) -> Self:  # noqa: ARG002
        """Count the flags of training rows.

        Parameters
        ----------
        X : dict of str to ndarray of bool of shape (n_samples,)
            One mask per reason, as `inspect` of a guard returns them.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : FlagDrift
            The fitted detector.
        """
        nothing: list[list[float]] = []
        return self.fit_reference(Reference.learn(nothing, flags=_as_masks(X)))

    def _profile(self, X: Any) -> Profile:
        return self.reference_.layout.profile(None, flags=_as_masks(X))

    def _prepare(self) -> NDArray[np.int64]:
        return self._rows(self.reference_.profile)

    def _rows(self, profile: Profile) -> NDArray[np.int64]:
        """Return the clear and the flagged rows of each reason."""
        layout = self.reference_.layout
        end = int(layout.offsets[-1])
        first = end - N_FLAG_CELLS * len(layout.flags)
        return profile.counts[first:end].reshape(-1, N_FLAG_CELLS)

    def _find(self, profile: Profile) -> list[Findings]:
        (r_clear, r), (b_clear, b) = self._prepared.T, self._rows(profile).T
        m, n = r_clear + r, b_clear + b
        known = (m > 0) & (n > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            before, now = r / m, b / n
            scale = m * n / (m + n)
            bias = st.share_bias((r + b) / (m + n), scale, len(m))
            severity = st.debiased(np.maximum(now - before, 0.0), bias)
            upper = np.minimum(
                now - before + st.kolmogorov_band(scale, self.alpha), 1.0
            )
        return [
            Findings(
                part=FLAGS,
                features=tuple(self.reference_.layout.flags),
                statistics=np.where(known, now, np.nan),
                pvalues=np.where(known, self._tail(r, b, m, n), np.nan),
                severities=np.where(known, severity, np.nan),
                uppers=np.where(known, upper, 1.0),
                surged=np.zeros(len(m), dtype=bool),
                fixed=tuple("" if each else TOO_FEW for each in known),
                describe=lambda i: (
                    f"{percent(float(now[i]))} of rows, was {percent(float(before[i]))}"
                ),
            )
        ]

    def _tail(self, r: Any, b: Any, m: Any, n: Any) -> NDArray[np.float64]:
        """Chance of as many flagged rows if their share rose by `min_severity`."""
        share = np.minimum((r + 0.5) / (m + 1) + self.min_severity, 1.0)
        tail = special.bdtrc(np.maximum(b - 1, 0), n, share)
        return np.asarray(np.where(b > 0, tail, 1.0))


def _as_masks(X: Any) -> Mapping[str, NDArray[np.bool_]]:
    """Return the masks, or raise a TypeError if they are none."""
    if not isinstance(X, Mapping):
        raise TypeError(
            "Flags must be a dict of masks, one per reason, as 'inspect' of a guard "
            f"returns them. Got {type(X).__name__} instead."
        )
    return {str(reason): np.asarray(mask, dtype=bool) for reason, mask in X.items()}
