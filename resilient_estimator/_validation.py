"""Check parameters against declared constraints, and name what was expected.

Messages follow scikit-learn: *The 'alpha' parameter of FeatureDrift must be a float in
the range (0, 1). Got 3 instead.*
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier, is_regressor

from resilient_estimator.exceptions import InvalidParameterError

N_SHOWN = 20  # columns in an error message


class Interval(NamedTuple):
    """A number in a range; NaN, True and False are not numbers.

    `kind` is Real or Integral, `closed` "left", "right", "both" or "neither". An
    infinite end is never part of the range.
    """

    kind: type
    low: float
    high: float
    closed: str = "left"

    def accepts(self, value: Any) -> bool:
        """Whether the value is a number of this kind in the range."""
        is_number = isinstance(value, self.kind) and not isinstance(value, bool)
        if not is_number:  # NumPy's booleans are no numbers anyway
            return False
        above = value >= self.low if self._holds_low else value > self.low
        below = value <= self.high if self._holds_high else value < self.high
        return bool(above and below)

    @property
    def _holds_low(self) -> bool:
        return self.closed in ("left", "both") and np.isfinite(self.low)

    @property
    def _holds_high(self) -> bool:
        return self.closed in ("right", "both") and np.isfinite(self.high)

    def __str__(self) -> str:
        name = "an int" if self.kind is Integral else "a float"
        left, right = "[" if self._holds_low else "(", "]" if self._holds_high else ")"
        return f"{name} in the range {left}{self.low:g}, {self.high:g}{right}"


class Options:
    """One of a few texts or numbers."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def accepts(self, value: Any) -> bool:
        """Whether the value is one of them; an array is none."""
        return any(type(value) is type(each) and value == each for each in self.values)

    def __str__(self) -> str:
        names = [repr(value) for value in self.values]
        return names[0] if len(names) == 1 else "one of " + ", ".join(names)


class Satisfies(NamedTuple):
    """Anything that passes a test, which is described in words."""

    test: Callable[[Any], bool]
    description: str

    def accepts(self, value: Any) -> bool:
        """Whether the value passes."""
        return bool(self.test(value))

    def __str__(self) -> str:
        return self.description


class _Nothing:
    """None itself."""

    def accepts(self, value: Any) -> bool:
        return value is None

    def __str__(self) -> str:
        return "None"


Constraint = Interval | Options | Satisfies | None
Constraints = Mapping[str, Sequence[Constraint]]

BOOLEAN = Satisfies(lambda value: isinstance(value, (bool, np.bool_)), "a bool")
PROPORTION = Interval(Real, 0, 1, closed="both")
OPEN_PROPORTION = Interval(Real, 0, 1, closed="neither")
POSITIVE = Interval(Real, 0, np.inf, closed="neither")
NON_NEGATIVE = Interval(Real, 0, np.inf)
COUNT = Interval(Integral, 1, np.inf)
SEED = Satisfies(
    lambda value: isinstance(value, Integral) and not isinstance(value, bool), "an int"
)
MAPPING = Satisfies(lambda value: isinstance(value, Mapping), "a dict")
N_JOBS = Satisfies(
    lambda value: value is None or isinstance(value, Integral), "an int or None"
)
MODEL = Satisfies(lambda value: _has_method(value, "predict"), "a fitted model")
PREDICTOR = Satisfies(
    lambda value: (
        _has_method(value, "fit") and (is_classifier(value) or is_regressor(value))
    ),
    "a classifier or a regressor",
)


def _has_method(value: Any, method: str) -> bool:
    """Return whether an object, not a class, has a method."""
    return hasattr(value, method) and not isinstance(value, type)


def check_parameters(owner: Any, **values: Any) -> None:
    """Check the parameters of an estimator against its class's `_constraints`.

    Parameters
    ----------
    owner : object
        Has `_constraints`: for each parameter, what it may be.
    **values : dict
        Values to check in place of the attributes, where both differ.

    Raises
    ------
    InvalidParameterError
        A ValueError and a TypeError that names parameter, expectation and value.
    """
    for name, allowed in owner._constraints.items():  # noqa: SLF001  declared for this
        value = values[name] if name in values else getattr(owner, name)
        check_argument(owner, name, value, *allowed)


def check_argument(owner: Any, name: str, value: Any, *allowed: Constraint) -> None:
    """Raise an InvalidParameterError unless a value is one of what is allowed.

    Examples
    --------
    >>> from resilient_estimator._validation import PROPORTION, check_argument
    >>> check_argument("churn", "max_churn", 0.05, PROPORTION, None)
    >>> check_argument("churn", "max_churn", 5, PROPORTION, None)
    Traceback (most recent call last):
        ...
    resilient_estimator.exceptions.InvalidParameterError: The 'max_churn' parameter of \
churn must be a float in the range [0, 1] or None. Got 5 instead.
    """
    constraints = [_Nothing() if each is None else each for each in allowed]
    if any(each.accepts(value) for each in constraints):
        return
    *others, last = map(str, constraints)
    expected = f"{', '.join(others)} or {last}" if others else last
    raise parameter_error(owner, name, expected, value)


def parameter_error(
    owner: Any, name: str, expected: str, got: Any
) -> InvalidParameterError:
    """Return the error about a bad parameter, in scikit-learn's words."""
    owner = owner if isinstance(owner, str) else type(owner).__name__
    return InvalidParameterError(
        f"The {name!r} parameter of {owner} must be {expected}. Got {got!r} instead."
    )


def position_of(owner: Any, parameter: str, key: Any, names: Sequence[str]) -> int:
    """Return the position of the column that a parameter refers to.

    Parameters
    ----------
    owner : object or str
        The estimator or function, named in the error.
    parameter : str
        Name of the parameter.
    key : str or int
        A name, or a position; negative ones count from the end.
    names : sequence of str
        Names of all columns.

    Examples
    --------
    >>> from resilient_estimator._validation import position_of
    >>> position_of("recourse", "immutable", "age", ["age", "income"])
    0
    >>> position_of("recourse", "immutable", -1, ["age", "income"])
    1
    """
    is_position = isinstance(key, Integral) and not isinstance(key, bool)
    if is_position and -len(names) <= key < len(names):
        return int(key) % len(names)
    if isinstance(key, str) and key in names:
        return list(names).index(key)
    owner = owner if isinstance(owner, str) else type(owner).__name__
    shown = list(names[:N_SHOWN]) + ["..."] * (len(names) > N_SHOWN)
    raise InvalidParameterError(
        f"The {parameter!r} parameter of {owner} names the column {key!r}, which X "
        f"does not have. Its columns are {shown!r}."
    )


def positions_of(
    owner: Any, parameter: str, keys: Any, names: Sequence[str]
) -> list[int]:
    """Return the positions of one column, of several columns, or of None."""
    if keys is None:
        return []
    if isinstance(keys, (str, Integral)):
        keys = [keys]
    return [position_of(owner, parameter, key, names) for key in keys]


def read_limits(owner: Any, parameter: str, key: Any, pair: Any) -> tuple[float, float]:
    """Return a (lower, upper) pair as floats, None meaning no limit on that side."""
    expected = f"a pair (lower, upper) with lower <= upper or None, for {key!r}"
    try:
        lower, upper = pair
        lower = -np.inf if lower is None else float(lower)
        upper = np.inf if upper is None else float(upper)
    except (TypeError, ValueError):
        raise parameter_error(owner, parameter, expected, pair) from None
    if not lower <= upper:
        raise parameter_error(owner, parameter, expected, pair)
    return lower, upper
