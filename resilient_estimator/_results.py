"""What results have in common: percentages, tables, no truth value by accident."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from resilient_estimator.exceptions import needs_extra


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
    >>> from resilient_estimator._results import percent
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


class NoTruthValue:
    """A result that cannot be used as a condition.

    ``bool(result)`` is either True when action is needed, or an error that names the
    attribute to use. Without this class every result would be true, and ``assert
    churn(...)`` would never fail.

    Examples
    --------
    >>> from resilient_estimator._results import NoTruthValue
    >>> class Gate(NoTruthValue):
    ...     passed = False
    >>> bool(Gate())
    Traceback (most recent call last):
        ...
    TypeError: Gate has no truth value. Use its attribute 'passed'.
    """

    _instead: ClassVar[str] = "passed"

    def __bool__(self) -> NoReturn:
        known = self._instead in dir(self)
        hint = f" Use its attribute {self._instead!r}." if known else ""
        raise TypeError(f"{type(self).__name__} has no truth value.{hint}")


def import_pandas(caller: str) -> Any:
    """Return the pandas module.

    Parameters
    ----------
    caller : str
        The function that needs pandas, named in the error.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ImportError(needs_extra("pandas", "pandas", caller)) from error
    return pd
