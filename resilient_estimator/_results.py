"""What results have in common: no truth value by accident, and tables on demand."""

from __future__ import annotations

from typing import Any, NoReturn

from resilient_estimator.exceptions import needs_extra


class NoTruthValue:
    """A result that cannot be used as a condition.

    ``bool(result)`` is either True when action is needed, or an error. Without this
    class every result would be true, and ``assert churn(...)`` would never fail.

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

    def __bool__(self) -> NoReturn:
        hint = " Use its attribute 'passed'." if hasattr(type(self), "passed") else ""
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
