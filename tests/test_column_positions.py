"""Columns that parameters refer to."""

import numpy as np
import pytest

from resilient_estimator._validation import position_of, positions_of
from resilient_estimator.exceptions import InvalidParameterError

NAMES = ["age", "income", "town"]


@pytest.mark.parametrize(
    ("key", "expected"), [("income", 1), (0, 0), (np.int64(2), 2), (-1, 2), (-3, 0)]
)
def test_a_column_is_found_by_name_or_position(key, expected):
    """Negative positions count from the last column, as in NumPy."""
    assert position_of("recourse", "immutable", key, NAMES) == expected


@pytest.mark.parametrize("key", ["job", 3, -4, True, 1.0, None])
def test_an_unknown_column_is_named_in_the_error(key):
    """The error shows which columns exist."""
    with pytest.raises(InvalidParameterError, match=r"which X does not have.*\['age'"):
        position_of("recourse", "immutable", key, NAMES)


def test_the_error_lists_at_most_twenty_columns():
    """A table may have thousands of them."""
    names = [f"x{i}" for i in range(1000)]
    with pytest.raises(InvalidParameterError, match=r"'x19', '\.\.\.'\]"):
        position_of("recourse", "immutable", "age", names)


@pytest.mark.parametrize(
    ("keys", "expected"), [(None, []), ("age", [0]), (-1, [2]), (["town", 0], [2, 0])]
)
def test_several_columns_or_one(keys, expected):
    """A single column need not be wrapped in a list."""
    assert positions_of("recourse", "immutable", keys, NAMES) == expected
