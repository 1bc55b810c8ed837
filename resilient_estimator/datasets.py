"""A synthetic data set that drifts month by month."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import special
from sklearn.utils import check_random_state

from resilient_estimator._typing import Counts, Floats
from resilient_estimator._validation import BOOLEAN, COUNT, Interval, check_argument
from resilient_estimator.exceptions import needs_extra

INSURANCE_FEATURES = (
    "training",
    "age",
    "emergency_braking",
    "braking_distance",
    "power",
    "miles",
)
RISK_CUTS = (-1.2, 0.6)  # about the terciles of the risk in month 0
HIGHER_RISK = -0.3  # about its median
LAST_MONTH = 40
MONTH = Interval(Real, 0, LAST_MONTH, closed="both")
TWO_OR_THREE = Interval(Integral, 2, 3, closed="both")


def make_insurance(
    month: int = 0,
    n_samples: int = 1500,
    random_state: Any = None,
    *,
    n_classes: int = 3,
    as_frame: bool = False,
) -> tuple[Any, Counts]:
    """Generate customers of a car insurance, in a world that slowly changes.

    Each month drivers are a little older and drive less, and more cars have emergency
    braking, with probability ``.40 + .015 * month``. The driver's skill, which comes
    with age and training, has less and less influence on the risk, with weight ``4.0 -
    0.1 * month``, as cars take over. So both the inputs and the concept drift, whereas
    training, braking distance and power keep their distributions.

    Parameters
    ----------
    month : int, default=0
        Month of the simulation, 0 to 40.
    n_samples : int, default=1500
        Number of customers.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.
    n_classes : {2, 3}, default=3
        Number of risk classes: 0 low, 1 medium, 2 high; or 0 lower, 1 higher. They are
        about equally frequent in month 0.
    as_frame : bool, default=False
        Whether to return X as a pandas DataFrame.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_samples, 6)
        Driver training (0 or 1), age (years), emergency braking (0 or 1), braking
        distance (metres), power (kW) and miles (thousands per year).
    y : ndarray of int of shape (n_samples,)
        Risk class.

    Notes
    -----
    The idea comes from the insurance example in O. Zeigermann's talk *Resilient Machine
    Learning* (2023); the formulas are our own.

    Examples
    --------
    >>> from resilient_estimator.datasets import make_insurance
    >>> X, y = make_insurance(month=12, n_samples=100, random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 6), [0, 1, 2])
    """
    check_argument("make_insurance", "month", month, MONTH)
    check_argument("make_insurance", "n_samples", n_samples, COUNT)
    check_argument("make_insurance", "n_classes", n_classes, TWO_OR_THREE)
    check_argument("make_insurance", "as_frame", as_frame, BOOLEAN)
    rng = check_random_state(random_state)
    X = _draw_customers(month, n_samples, rng)
    risk = _risk(X, month) + rng.normal(0, 0.35, n_samples)
    cuts = RISK_CUTS if n_classes == 3 else (HIGHER_RISK,)
    y = np.searchsorted(cuts, risk).astype(np.int64)
    return (_as_frame(X) if as_frame else X), y


def _draw_customers(month: float, n_samples: int, rng: np.random.RandomState) -> Floats:
    """Draw the columns of X, which drift with the month."""
    training = rng.random_sample(n_samples) < 0.25
    age = np.minimum(18 + rng.gamma(2.2, 8, n_samples) + 0.12 * month, 100)
    emergency_braking = rng.random_sample(n_samples) < 0.40 + 0.015 * month
    braking_distance = rng.normal(40, 3.5, n_samples)
    power = rng.gamma(14, 7, n_samples)
    miles = np.maximum(rng.gamma(10, 1.3, n_samples) - 0.08 * month, 0.5)
    columns = [training, age, emergency_braking, braking_distance, power, miles]
    return np.column_stack(columns)


def _risk(X: Floats, month: float) -> Floats:
    """Return the expected risk, which depends on skill less and less."""
    training, age, emergency_braking, braking_distance, power, miles = X.T
    skill = special.expit((age - 33) / 4) + 0.4 * training
    return np.asarray(
        (4.0 - 0.1 * month) * (0.55 - skill)
        + 0.15 * (miles - 13)
        + 0.015 * (power - 98)
        + 0.10 * (braking_distance - 40)
        - 0.7 * (emergency_braking - 0.4)
    )


def _as_frame(X: Floats) -> Any:
    try:
        import pandas as pd  # noqa: PLC0415  an extra
    except ImportError as error:
        message = needs_extra("pandas", "pandas", "make_insurance(as_frame=True)")
        raise ImportError(message) from error
    return pd.DataFrame(X, columns=list(INSURANCE_FEATURES))
