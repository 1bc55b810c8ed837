"""Join p-values."""

from __future__ import annotations

from typing import Any

import numpy as np

from resilient_estimator.detectors._statistics._simulation import Floats

CLIP = 0.95
TINY = 1e-12


def holm(pvalues: Floats) -> Floats:
    """Holm's (1979) correction; NaN stays and is not counted.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.detectors._statistics import holm
    >>> holm(np.array([0.01, 0.04, np.nan])).tolist()
    [0.02, 0.04, nan]
    """
    corrected = np.full(len(pvalues), np.nan)
    known = np.flatnonzero(~np.isnan(pvalues))
    order = known[np.argsort(pvalues[known], kind="stable")]
    steps = pvalues[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def cauchy(pvalues: Floats, weights: Any = None) -> Any:
    """Cauchy combination along the last axis (Liu, Xie 2020); NaN is left out.

    ``T = sum_j w_j tan((1/2 - p_j) pi)`` is nearly a Cauchy variable in its tail,
    however the p-values depend on one another. They are clipped at .95: the p-value of
    1 that a discrete test gives would outweigh any other.

    Of `d` equally correlated normal variables the tail is too full by up to
    ``1 + ln(d) / 10``, at any level from .005 to .1 and for any `d` up to 400
    (`benchmarks/cauchy_size.py`). The p-value is multiplied by that.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.detectors._statistics import cauchy
    >>> float(cauchy(np.array([0.001, 0.4, 1.0])).round(4))
    0.0033
    """
    pvalues = np.asarray(pvalues, dtype=float)
    known = ~np.isnan(pvalues)
    p = np.clip(np.where(known, pvalues, 0.5), 1e-300, CLIP)
    # tan((1/2 - p) pi) loses all digits of a tiny p.
    terms = np.where(p < TINY, 1 / (np.pi * p), np.tan((0.5 - p) * np.pi))
    w = known * (1.0 if weights is None else np.asarray(weights, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.sum(w * terms, axis=-1) / np.sum(w, axis=-1)
        small = 1 / (np.pi * statistic)
        joined = 0.5 - np.arctan(statistic) / np.pi
    joined = np.where(statistic > 1 / (np.pi * TINY), small, joined)
    n_known = known.sum(axis=-1)
    dependence = 1 + np.log(np.maximum(n_known, 1)) / 10
    return np.where(n_known > 0, np.minimum(joined * dependence, 1.0), np.nan)
