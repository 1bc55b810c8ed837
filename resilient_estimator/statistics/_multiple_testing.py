"""Correct p-values for their number, or combine them into one."""

from __future__ import annotations

from typing import Any

import numpy as np

from resilient_estimator._typing import Floats

CLIP = 0.95
SMALLEST = 1e-300


def holm(pvalues: Floats) -> Floats:
    """Return p-values after Holm's (1979) correction.

    NaN stays NaN and does not count as a test.

    Parameters
    ----------
    pvalues : ndarray of float of shape (n_tests,)
        P-values of single tests.

    Returns
    -------
    corrected : ndarray of float of shape (n_tests,)
        Below `alpha` where Holm's procedure rejects at level `alpha`.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.statistics import holm
    >>> holm(np.array([0.01, 0.04, np.nan])).tolist()
    [0.02, 0.04, nan]
    """
    corrected = np.full(len(pvalues), np.nan)
    known = np.flatnonzero(~np.isnan(pvalues))
    order = known[np.argsort(pvalues[known], kind="stable")]
    steps = pvalues[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def cauchy_combination(pvalues: Floats, weights: Any = None) -> Any:
    """Combine p-values along the last axis by the Cauchy combination (Liu, Xie 2020).

    ``T = sum_j w_j tan((1/2 - p_j) pi)`` has nearly the tail of a Cauchy variable,
    however the p-values depend on one another. They are clipped at .95: otherwise a
    p-value of 1, which discrete tests do return, would outweigh all others. NaN is
    left out.

    For `d` equally correlated normal variables the tail is too heavy by a factor of up
    to ``1 + ln(d) / 10``, at any level from .005 to .1 and for any `d` up to 400
    (`benchmarks/cauchy_size.py`). The p-value is multiplied by this factor.

    Parameters
    ----------
    pvalues : array-like of float of shape (..., n_tests)
        P-values of single tests.
    weights : array-like of float of shape (n_tests,), default=None
        Weights of the tests, in any unit. None: equal weights.

    Returns
    -------
    pvalue : ndarray of float of shape (...,)
        Combined p-values; NaN where none is known.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.statistics import cauchy_combination
    >>> float(cauchy_combination(np.array([0.001, 0.4, 1.0])).round(4))
    0.0034
    """
    pvalues = np.asarray(pvalues, dtype=float)
    known = pvalues == pvalues  # noqa: PLR0124  NaN is not
    p = np.where(known, np.minimum(np.maximum(pvalues, SMALLEST), CLIP), 0.5)
    w = known if weights is None else known * np.asarray(weights, dtype=float)
    # tan((1/2 - p) pi) = cot(p pi), and 1/2 - atan(t) / pi = acot(t) / pi: these keep
    # the digits of a tiny p.
    total = np.maximum(w.sum(axis=-1), SMALLEST)
    statistic = (w / np.tan(np.pi * p)).sum(axis=-1) / total
    combined = np.arctan2(1, statistic) / np.pi
    n_known = known.sum(axis=-1)
    dependence = 1 + np.log(np.maximum(n_known, 1)) / 10
    return np.where(n_known > 0, np.minimum(combined * dependence, 1.0), np.nan)
