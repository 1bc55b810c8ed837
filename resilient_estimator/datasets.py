"""A small world that drifts, month by month."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.utils import check_random_state

from resilient_estimator.exceptions import needs_extra, parameter_error

INSURANCE_FEATURES = (
    "training",
    "age",
    "emergency_braking",
    "braking_distance",
    "power",
    "miles",
)
RISK_CUTS = (-0.6, 0.9)


def make_insurance(
    month: int = 0,
    n_samples: int = 1500,
    random_state: Any = None,
    *,
    n_classes: int = 3,
    as_frame: bool = False,
) -> tuple[Any, NDArray[np.int64]]:
    """Generate customers of a car insurance in a world that slowly changes.

    Each month people are a little older and drive less, and more cars brake by
    themselves, with probability ``.40 + .015 * month``. The driver's skill matters less
    for the risk, with weight ``4.0 - 0.1 * month``, as the cars take over. So both the
    inputs and the concept drift, while braking distance and power stay as they are.

    Parameters
    ----------
    month : int, default=0
        Age of the world, 0 to 40.
    n_samples : int, default=1500
        Number of customers.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.
    n_classes : {2, 3}, default=3
        Risk classes: 0 low, 1 medium, 2 high; or 0 other, 1 high.
    as_frame : bool, default=False
        Whether X is a pandas DataFrame.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_samples, 6)
        Driver training (0 or 1), age (years), emergency braking (0 or 1), braking
        distance (metres), power (kW) and miles (thousands a year).
    y : ndarray of int of shape (n_samples,)
        Risk class.

    Examples
    --------
    >>> from resilient_estimator.datasets import make_insurance
    >>> X, y = make_insurance(month=12, n_samples=100, random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 6), [0, 1, 2])
    """
    if not 0 <= month <= 40:
        expected = "a number in the range [0, 40]"
        raise ValueError(parameter_error("make_insurance", "month", expected, month))
    if n_classes not in (2, 3):
        expected = "2 or 3"
        got = n_classes
        raise ValueError(parameter_error("make_insurance", "n_classes", expected, got))
    rng = check_random_state(random_state)
    training = rng.random_sample(n_samples) < 0.25
    age = 18 + rng.gamma(2.2, 8, n_samples) + 0.12 * month
    braking = rng.random_sample(n_samples) < 0.40 + 0.015 * month
    distance = rng.normal(40, 3.5, n_samples)
    power = rng.gamma(14, 7, n_samples)
    miles = np.maximum(rng.gamma(10, 1.3, n_samples) - 0.08 * month, 0.5)
    skill = (
        special.expit((age - 30) / 6) * np.where(age > 70, 0.7, 1.0) + 0.3 * training
    )
    risk = (
        (4.0 - 0.1 * month) * (0.75 - skill)
        + 0.18 * (miles - 13)
        + 0.015 * (power - 98)
        + 0.12 * (distance - 40)
        - 1.2 * (braking - 0.4)
        + rng.normal(0, 0.4, n_samples)
    )
    y = np.searchsorted(RISK_CUTS, risk)
    y = (y == 2).astype(np.int64) if n_classes == 2 else y.astype(np.int64)
    X = np.column_stack([training, age, braking, distance, power, miles])
    return (_as_frame(X) if as_frame else X), y


def _as_frame(X: NDArray[np.float64]) -> Any:
    try:
        import pandas as pd  # noqa: PLC0415  an extra
    except ImportError as error:
        message = needs_extra("pandas", "pandas", "make_insurance(as_frame=True)")
        raise ImportError(message) from error
    return pd.DataFrame(X, columns=list(INSURANCE_FEATURES))
