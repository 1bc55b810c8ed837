"""Conformal p-values of several scores, combined by Fisher's sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resilient_estimator._typing import Floats

DECIMALS = 9  # further digits depend on how many rows are multiplied at a time


class ConformalSum:
    """Combine scores of several kinds into one p-value.

    Each score is ranked among the scores of calibration rows,
    ``p = (1 + #{calibration >= score}) / (n + 1)`` (Vovk, Gammerman and Shafer, 2005),
    and the p-values are combined to ``A = -sum(log p)`` (Fisher, 1925). Since the
    scores of a row depend on one another, A does not have a chi-square distribution:
    it is ranked again, among the sums of the calibration rows. The p-value of a row
    that is exchangeable with them is at most alpha with a probability of about alpha.

    Parameters
    ----------
    scores : dict of str to ndarray of float of shape (n_calibration,)
        Scores of the calibration rows; higher scores are more unusual.

    Attributes
    ----------
    ranked : dict of str to ndarray of float of shape (n_calibration,)
        The scores in increasing order.
    sums : ndarray of float of shape (n_calibration,)
        The sums in increasing order.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.statistics._conformal_pvalues import ConformalSum
    >>> rng = np.random.default_rng(0)
    >>> ranks = ConformalSum({"a": rng.normal(size=999), "b": rng.normal(size=999)})
    >>> ranks.pvalues({"a": np.array([0.0, 9.0]), "b": np.array([0.0, 9.0])})
    array([0.576, 0.001])
    """

    def __init__(self, scores: Mapping[str, Floats]) -> None:
        self.ranked = {name: np.sort(_round(each)) for name, each in scores.items()}
        parts = {
            name: _pvalues(ranked, _round(scores[name]), itself=1)
            for name, ranked in self.ranked.items()
        }
        self.sums = np.sort(_fisher(parts))

    def parts(self, scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the p-value of each score by itself.

        Parameters
        ----------
        scores : dict of str to ndarray of float of shape (n_samples,)
            Scores of new rows.

        Returns
        -------
        pvalues : dict of str to ndarray of float of shape (n_samples,)
            In [1 / (n_calibration + 1), 1].
        """
        return {
            name: _pvalues(ranked, _round(scores[name]))
            for name, ranked in self.ranked.items()
        }

    def pvalues(self, scores: Mapping[str, Floats]) -> Floats:
        """Return the p-value of all scores of a row together.

        Parameters
        ----------
        scores : dict of str to ndarray of float of shape (n_samples,)
            Scores of new rows.

        Returns
        -------
        pvalues : ndarray of float of shape (n_samples,)
            In [1 / (n_calibration + 1), 1].
        """
        return _pvalues(self.sums, _fisher(self.parts(scores)))


def _fisher(parts: Mapping[str, Floats]) -> Floats:
    total = -np.sum([np.log(p) for p in parts.values()], axis=0)
    return _round(np.asarray(total))


def _pvalues(ranked: Floats, scores: Floats, *, itself: int = 0) -> Floats:
    """Return p-values; `itself` is 1 if each score is one of the ranked ones."""
    n_at_least = len(ranked) - np.searchsorted(ranked, scores, side="left")
    return np.asarray((1 + n_at_least - itself) / (len(ranked) + 1 - itself))


def _round(scores: Floats) -> Floats:
    return np.round(scores, DECIMALS)
