"""Confidence bounds of shares, of paired differences and of ratios of means."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from resilient_estimator._typing import Floats

N_HALVINGS = 60  # of [-1, 1]: down to the last digit of a double


def clopper_pearson_upper(count: Any, n: Any, *, alpha: float = 0.05) -> Floats:
    """Return the exact one-sided upper bound of a share.

    Parameters
    ----------
    count : array-like of int
        Number of rows with the property.
    n : array-like of int
        Number of rows.
    alpha : float, default=0.05
        Probability that the bound lies below the true share, at most.

    Returns
    -------
    upper : ndarray of float
        In [0, 1]; 1 where all rows have the property.

    References
    ----------
    C. Clopper, E. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26 (1934).
    """
    count, n = np.asarray(count), np.asarray(n)
    bound = stats.beta.ppf(1 - alpha, count + 1, np.maximum(n - count, 1))
    return np.where(count < n, bound, 1.0)


def clopper_pearson_lower(count: Any, n: Any, *, alpha: float = 0.05) -> Floats:
    """Return the exact one-sided lower bound of a share.

    Parameters
    ----------
    count : array-like of int
        Number of rows with the property.
    n : array-like of int
        Number of rows.
    alpha : float, default=0.05
        Probability that the bound lies above the true share, at most.

    Returns
    -------
    lower : ndarray of float
        In [0, 1]; 0 where no row has the property.
    """
    count, n = np.asarray(count), np.asarray(n)
    return 1 - clopper_pearson_upper(n - count, n, alpha=alpha)


def tango_statistic(gained: Any, lost: Any, n: Any, difference: Any) -> Floats:
    """Return Tango's score statistic of a difference of two paired shares.

    Parameters
    ----------
    gained, lost : array-like of int
        Number of pairs of which only the second, or only the first, is correct.
    n : array-like of int
        Number of pairs.
    difference : array-like of float
        Difference under the null hypothesis, in (-1, 1).

    Returns
    -------
    z : ndarray of float
        Standard normal if the true difference is `difference`; large if it is larger.

    References
    ----------
    T. Tango, "Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design", Statistics in Medicine 17 (1998).
    """
    b, c, n, d = np.broadcast_arrays(*map(np.asarray, (gained, lost, n, difference)))
    linear = -b - c + (2 * n - b + c) * d
    root = np.sqrt(np.maximum(linear**2 + 8 * n * c * d * (1 - d), 0))
    share_lost = (root - linear) / (4 * n)
    variance = n * np.maximum(2 * share_lost + d * (1 - d), 0)
    excess = b - c - n * d
    certain = np.copysign(np.inf, excess)
    scale = np.sqrt(variance, where=variance > 0, out=np.ones(variance.shape))
    z = np.where((variance > 0) | (excess == 0), excess / scale, certain)
    return np.asarray(z)


def tango_lower(gained: Any, lost: Any, n: Any, *, alpha: float = 0.05) -> Floats:
    """Return the one-sided lower bound of the difference of two paired shares.

    This is the difference at which Tango's statistic reaches the normal quantile.
    Unlike Wald's bound it holds with few discordant pairs, even with none.

    Parameters
    ----------
    gained, lost : array-like of int
        Number of pairs of which only the second, or only the first, is correct.
    n : array-like of int
        Number of pairs.
    alpha : float, default=0.05
        Probability that the bound lies above the true difference, at most.

    Returns
    -------
    lower : ndarray of float
        In [-1, 1].
    """
    b, c, n = np.broadcast_arrays(*map(np.asarray, (gained, lost, n)))
    quantile = stats.norm.isf(alpha)
    lower, upper = np.full(b.shape, -1.0), (b - c) / n
    for _ in range(N_HALVINGS):
        middle = (lower + upper) / 2
        below = tango_statistic(b, c, n, middle) > quantile
        lower, upper = np.where(below, middle, lower), np.where(below, upper, middle)
    return np.asarray(lower)


def wilson(
    share: float, n: float, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Return Wilson's interval of a share.

    Parameters
    ----------
    share : float
        Observed share, in [0, 1].
    n : float
        Number of rows, or the effective number if they depend on one another.
    confidence_level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    lower, upper : float
        In [0, 1].

    References
    ----------
    E. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).
    """
    z2 = float(stats.norm.isf((1 - confidence_level) / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    spread = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n) / (1 + z2 / n)
    return max(float(centre - spread), 0.0), min(float(centre + spread), 1.0)


def effective_wilson(
    share: float, variance: float, n_samples: int, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Return Wilson's interval of a share whose variance was estimated.

    Parameters
    ----------
    share : float
        Observed share, in [0, 1].
    variance : float
        Variance of the observed share.
    n_samples : int
        Number of rows, which is used where the estimated variance is zero.
    confidence_level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    lower, upper : float
        In [0, 1].
    """
    n = share * (1 - share) / variance if variance > 0 else float(n_samples)
    return wilson(share, max(n, 1.0), confidence_level)


def ratio_bounds(
    numerator: Floats, denominator: Floats, *, alpha: float = 0.05
) -> tuple[float, float]:
    """Return one-sided bounds of the ratio of two means over the same rows.

    Parameters
    ----------
    numerator, denominator : ndarray of float of shape (n_samples,)
        Values to average; not negative.
    alpha : float, default=0.05
        Probability that either bound misses the true ratio.

    Returns
    -------
    lower, upper : float
        The upper bound is infinite where the mean of the denominator may be zero.

    References
    ----------
    E. Fieller, "Some problems in interval estimation", JRSS B 16 (1954).
    """
    n = len(numerator)
    top, bottom = numerator.mean(), denominator.mean()
    if n < 2 or bottom == 0:
        return 0.0, 1.0 if n > 1 and top == 0 else np.inf
    quantile = stats.t.isf(alpha, n - 1)
    spread = np.cov(numerator, denominator) * quantile**2 / n
    curvature = bottom**2 - spread[1, 1]
    if curvature <= 0:
        return 0.0, np.inf
    middle = top * bottom - spread[0, 1]
    root = np.sqrt(max(middle**2 - curvature * (top**2 - spread[0, 0]), 0.0))
    return float((middle - root) / curvature), float((middle + root) / curvature)
