"""Numbers as they stand in reports."""

import pytest

from resilient_estimator._results import percent


@pytest.mark.parametrize(
    ("share", "options", "expected"),
    [
        (0, {}, "0 %"),
        (0.0002, {}, "< 0.1 %"),
        (0.03, {}, "3.0 %"),
        (0.104, {}, "10 %"),
        (0.10678, {"digits": 2}, "10.68 %"),
        (0.05, {"digits": 2}, "5 %"),
        (-0.0135, {"digits": 2, "sign": "+", "unit": " points"}, "-1.35 points"),
        (0.0135, {"digits": 2, "sign": "+", "unit": " points"}, "+1.35 points"),
    ],
)
def test_percentages(share, options, expected):
    """Rounded for reading, or with the decimals that a comparison needs."""
    assert percent(share, **options) == expected
