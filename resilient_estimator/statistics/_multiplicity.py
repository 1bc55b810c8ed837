"""Join p-values."""

from __future__ import annotations

from typing import Any

import numpy as np

from resilient_estimator._typing import Floats

CLIP = 0.95
SMALLEST = 1e-300


def holm(pvalues: Floats) -> Floats:
    """Holm's (1979) correction; NaN stays and is not counted.

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
    >>> from resilient_estimator.statistics import cauchy
    >>> float(cauchy(np.array([0.001, 0.4, 1.0])).round(4))
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
    joined = np.arctan2(1, statistic) / np.pi
    n_known = known.sum(axis=-1)
    dependence = 1 + np.log(np.maximum(n_known, 1)) / 10
    return np.where(n_known > 0, np.minimum(joined * dependence, 1.0), np.nan)
