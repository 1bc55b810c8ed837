"""Errors and warnings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class FallbackError(RuntimeError):
    """The fallback failed on the rows that only it could answer.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the rows that have no answer.
    answers : ndarray or None
        What the estimator answered for `answered_rows`; None if it had no rows.
    answered_rows : ndarray of int
        Positions of the rows that the estimator did answer.
    """

    def __init__(
        self,
        message: str,
        rows: NDArray[np.intp],
        answers: Any = None,
        answered_rows: NDArray[np.intp] | None = None,
    ) -> None:
        super().__init__(message, rows, answers, answered_rows)
        self.rows = rows
        self.answers = answers
        self.answered_rows = (
            np.empty(0, int) if answered_rows is None else answered_rows
        )

    def __str__(self) -> str:
        return str(self.args[0])


class InvalidParameterError(ValueError, TypeError):
    """A parameter is out of its range or of another type than expected."""


class InconsistentVersionWarning(UserWarning):
    """A model was saved by another version of resilient_estimator."""


class NoReferenceWarning(UserWarning):
    """Fitting went well, but there is nothing to compare the model's outputs with."""


def needs_extra(package: str, extra: str, what: str) -> str:
    """Return the sentence about an optional package that is not installed."""
    return f"{what} needs {package}: pip install 'resilient-estimator[{extra}]'"


def is_number(value: Any) -> bool:
    """Return whether a parameter is a real number, which True and False are not."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def is_count(value: Any, least: int = 1) -> bool:
    """Return whether a parameter is a whole number of at least `least`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(value >= least)
