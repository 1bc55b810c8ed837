"""Errors and warnings."""

from __future__ import annotations

from typing import Any

import numpy as np

from resilient_estimator._typing import Positions


class FallbackError(RuntimeError):
    """The fallback failed on the rows that were deferred to it.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the rows without an answer.
    answers : ndarray or None
        Predictions of the estimator for `answered_rows`; None if there are none.
    answered_rows : ndarray of int
        Positions of the rows that the estimator answered.
    """

    def __init__(
        self,
        message: str,
        rows: Positions,
        answers: Any = None,
        answered_rows: Positions | None = None,
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
    """A parameter has the wrong type or a value outside its range."""


class InconsistentVersionWarning(UserWarning):
    """A model was saved by a different version of resilient_estimator."""


class NoReferenceWarning(UserWarning):
    """The model was fitted, but without out-of-fold predictions to compare with."""


def needs_extra(package: str, extra: str, what: str) -> str:
    """Return the message about an optional package that is not installed."""
    return f"{what} needs {package}: pip install 'resilient-estimator[{extra}]'"
