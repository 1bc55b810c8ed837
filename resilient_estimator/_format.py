"""Write numbers the way people read them."""

from __future__ import annotations


def percent(
    share: float, *, digits: int | None = None, sign: str = "", unit: str = " %"
) -> str:
    """Return a share as a percentage.

    Parameters
    ----------
    share : float
        A proportion, usually in [0, 1].
    digits : int, default=None
        Maximum number of decimals; trailing zeros are dropped. None: one decimal
        below 10 %, none from there on, and "< 0.1 %" for what would round to zero.
    sign : {"", "+"}, default=""
        "+" to write the sign of positive numbers, too.
    unit : str, default=" %"
        Text that follows the number.

    Examples
    --------
    >>> from resilient_estimator._format import percent
    >>> percent(0.03), percent(0.73), percent(0.0002)
    ('3.0 %', '73 %', '< 0.1 %')
    >>> percent(0.0304, digits=2), percent(0.03, digits=2, sign="+", unit=" points")
    ('3.04 %', '+3 points')
    """
    if digits is not None:
        return f"{round(100 * share, digits):{sign}g}{unit}"
    if 0 < share < 0.001:
        return f"< 0.1{unit}"
    decimals = 0 if share >= 0.1 or share == 0 else 1
    return f"{100 * share:{sign}.{decimals}f}{unit}"
