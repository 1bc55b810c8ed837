"""A small world that drifts, month by month."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.utils import check_random_state

from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import needs_extra

INSURANCE_FEATURES = (
    "training",
    "age",
    "emergency_braking",
    "braking_distance",
    "power",
    "miles",
)
RISK_CUTS = (-1.2, 0.6)  # about the thirds of the risks in month 0
HIGHER_RISK = -0.3  # about their middle
LAST_MONTH = 40


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
    themselves, with probability ``.40 + .015 * month``. The driver's skill, which comes
    with age and training, matters less for the risk, with weight ``4.0 - 0.1 * month``,
    as the cars take over. So both the inputs and the concept drift, while braking
    distance and power stay as they are.

    Parameters
    ----------
    month : int, default=0
        Age of the world, 0 to 40.
    n_samples : int, default=1500
        Number of customers.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.
    n_classes : {2, 3}, default=3
        Risk classes: 0 low, 1 medium, 2 high; or 0 lower, 1 higher. In month 0 they are
        about equally frequent.
    as_frame : bool, default=False
        Whether X is a pandas DataFrame.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_samples, 6)
        Driver training (0 or 1), age (years), emergency braking (0 or 1), braking
        distance (metres), power (kW) and miles (thousands a year).
    y : ndarray of int of shape (n_samples,)
        Risk class.

    Notes
    -----
    The idea is that of the insurance example in O. Zeigermann's talk *Resilient Machine
    Learning* (2023); the formulas are our own.

    Examples
    --------
    >>> from resilient_estimator.datasets import make_insurance
    >>> X, y = make_insurance(month=12, n_samples=100, random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 6), [0, 1, 2])
    """
    if not 0 <= month <= LAST_MONTH:
        expected = f"a number in the range [0, {LAST_MONTH}]"
        raise parameter_error("make_insurance", "month", expected, month)
    if n_classes not in (2, 3):
        raise parameter_error("make_insurance", "n_classes", "2 or 3", n_classes)
    rng = check_random_state(random_state)
    X = _draw_customers(month, n_samples, rng)
    risk = _risk(X, month) + rng.normal(0, 0.35, n_samples)
    cuts = RISK_CUTS if n_classes == 3 else (HIGHER_RISK,)
    y = np.searchsorted(cuts, risk).astype(np.int64)
    return (_as_frame(X) if as_frame else X), y


def _draw_customers(
    month: float, n_samples: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    training = rng.random_sample(n_samples) < 0.25
    age = np.minimum(18 + rng.gamma(2.2, 8, n_samples) + 0.12 * month, 100)
    emergency_braking = rng.random_sample(n_samples) < 0.40 + 0.015 * month
    braking_distance = rng.normal(40, 3.5, n_samples)
    power = rng.gamma(14, 7, n_samples)
    miles = np.maximum(rng.gamma(10, 1.3, n_samples) - 0.08 * month, 0.5)
    columns = [training, age, emergency_braking, braking_distance, power, miles]
    return np.column_stack(columns)


def _risk(X: NDArray[np.float64], month: float) -> NDArray[np.float64]:
    training, age, emergency_braking, braking_distance, power, miles = X.T
    skill = special.expit((age - 33) / 4) + 0.4 * training
    return np.asarray(
        (4.0 - 0.1 * month) * (0.55 - skill)
        + 0.15 * (miles - 13)
        + 0.015 * (power - 98)
        + 0.10 * (braking_distance - 40)
        - 0.7 * (emergency_braking - 0.4)
    )


def _as_frame(X: NDArray[np.float64]) -> Any:
    try:
        import pandas as pd  # noqa: PLC0415  an extra
    except ImportError as error:
        message = needs_extra("pandas", "pandas", "make_insurance(as_frame=True)")
        raise ImportError(message) from error
    return pd.DataFrame(X, columns=list(INSURANCE_FEATURES))
