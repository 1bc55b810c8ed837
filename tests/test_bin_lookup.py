"""Bins cover every float, and look-up tables find the same bins as bisection."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_estimator.reference import Reference
from resilient_estimator.reference._bin_lookup import (
    FIRST_BIN,
    BinLookup,
    choose_scale,
    order_key,
)
from resilient_estimator.reference._bins import bin_edges

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e308, -1e308]


def expected(values, edges, start):
    """Return the position of each value by definition."""
    position = start + FIRST_BIN + np.searchsorted(edges, values, side="left")
    position[values == np.inf] += 1
    position[values == -np.inf] -= 1
    position[np.isnan(values)] = start
    return position


def check(columns, values):
    """Look up values in columns with these edges, on both scales."""
    starts = 10_000 * np.arange(len(columns))
    block = np.repeat(np.asarray(values, dtype=float)[:, None], len(columns), axis=1)
    for logarithmic in (False, True):
        found = BinLookup(columns, starts, logarithmic=logarithmic).locate(block)
        for i, edges in enumerate(columns):
            wanted = expected(block[:, i], edges, starts[i])
            np.testing.assert_array_equal(found[:, i], wanted)


@settings(max_examples=60)
@given(
    edges=st.lists(st.floats(-1e300, 1e300), max_size=30, unique=True),
    values=st.lists(ANY_FLOAT, min_size=1, max_size=40),
)
def test_any_value_is_found_among_any_edges(edges, values):
    """The hard cases are the edges themselves and the floats next to them."""
    edges = np.sort(np.array(edges, dtype=float))
    near = [*edges, *np.nextafter(edges, np.inf), *np.nextafter(edges, -np.inf)]
    check([edges, edges[:1], edges[:0]], [*values, *near, *SPECIAL])


SAMPLES = {
    "normal": lambda rng: rng.normal(size=3000),
    "skewed": lambda rng: np.exp(3 * rng.normal(size=3000)),
    "heavy tails": lambda rng: rng.standard_cauchy(3000),
    "binary": lambda rng: (rng.random(3000) < 0.1).astype(float),
    "zero inflated": lambda rng: rng.gamma(1, size=3000) * (rng.random(3000) < 0.3),
    "constant": lambda rng: np.full(3000, 7.0),
    "huge": lambda rng: rng.choice([1e308, -1e308], 3000),
    "tiny": lambda rng: rng.choice([0.0, 5e-324], 3000),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_values_are_found_among_the_edges_of_real_columns(name):
    """Such edges are rounded quantiles, with tails."""
    rng = np.random.default_rng(0)
    edges = bin_edges(np.sort(SAMPLES[name](rng)))
    check([edges, edges[::2]], [*SAMPLES[name](rng), *edges / 3, *edges, *SPECIAL])


def test_skewed_columns_get_a_logarithmic_scale():
    rng = np.random.default_rng(0)
    samples = [SAMPLES[name](rng) for name in ("normal", "skewed")]
    edges = [bin_edges(np.sort(sample)) for sample in samples]
    assert choose_scale(edges).tolist() == [False, True]


@given(st.lists(st.floats(allow_nan=False), min_size=2))
def test_order_keys_preserve_the_order(values):
    values = np.unique(np.array(values) + 0.0)  # no negative zero
    key = order_key(values)
    assert np.all(np.diff(key) >= 0)


def everything(n, seed):
    rng = np.random.default_rng(seed)
    X = np.column_stack([SAMPLES[name](rng)[:n] for name in SAMPLES])
    X[rng.random(X.shape) < 0.02] = np.nan
    X[:3, 0] = np.inf, -np.inf, 1e300
    return X


CONTAINERS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "frame": pd.DataFrame,
    "mixed frame": lambda X: pd.DataFrame(X).assign(label="a"),
    "objects": lambda X: X.astype(object),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_looking_up_values_gives_the_same_counts_as_sorting(name):
    """`learn` sorts the columns, `profile` looks up their values."""
    X = CONTAINERS[name](everything(3000, seed=0))
    reference = Reference.learn(X, pairs=True)
    assert reference.layout.profile(X) == reference.profile


def test_a_thousand_columns_are_looked_up_in_groups():
    X = np.random.default_rng(0).normal(size=(300, 1100))
    reference = Reference.learn(X)
    assert reference.layout.profile(X) == reference.profile


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("lacking", range(len(SAMPLES)))
def test_columns_that_a_frame_lacks_are_not_counted(lacking, mixed):
    """Whichever it is, including the first and the last of a group of columns."""
    X = pd.DataFrame(everything(1000, seed=0)).rename(columns="x{}".format)
    X = X.assign(label="a") if mixed else X
    layout = Reference.learn(X, pairs=True).layout
    fewer = X.drop(columns=f"x{lacking}")
    whole, part = layout.profile(X).counts, layout.profile(fewer).counts
    start, stop = layout.offsets[lacking : lacking + 2]
    assert not part[start:stop].any()
    rest = np.r_[:start, stop : layout.offsets[-1]]
    np.testing.assert_array_equal(part[rest], whole[rest])


def test_a_frame_may_have_a_single_column_of_the_reference():
    X = pd.DataFrame(everything(1000, seed=0)).rename(columns="x{}".format)
    layout = Reference.learn(X, pairs=True).layout
    start, stop = layout.offsets[1:3]
    whole, part = layout.profile(X).counts, layout.profile(X[["x1"]]).counts
    np.testing.assert_array_equal(part[start:stop], whole[start:stop])
    assert part.sum() == 1000


# How bins are chosen


@pytest.mark.parametrize(
    ("n_samples", "n_bins"), [(100, 20), (1500, 300), (20_000, 300), (90_000, 480)]
)
def test_continuous_columns_have_bins_of_about_equal_share(n_samples, n_bins):
    """One for five rows, up to 300; more only as 1.6 times the root of the rows."""
    values = np.sort(np.random.default_rng(0).normal(size=n_samples))
    edges = bin_edges(values)
    counts = np.histogram(values, [-np.inf, *edges, np.inf])[0]
    assert len(edges) == n_bins - 1 + 2 * 8  # eight more beyond either end
    assert counts.max() < 1.8 * n_samples / n_bins


def test_beyond_the_reference_bins_grow_up_to_four_times_its_range():
    edges = bin_edges(np.sort(np.random.default_rng(0).normal(size=2000)))
    inner = edges[8:-8]
    steps = np.array([0.03, 0.06, 0.12, 0.25, 0.5, 1, 2, 4]) * (inner[-1] - inner[0])
    np.testing.assert_allclose(edges[-8:] - inner[-1], steps, atol=0.1)
    np.testing.assert_allclose(inner[0] - edges[7::-1], steps, atol=0.1)


def test_edges_have_few_digits():
    """They are rounded to a fraction of their bin: no value can be read from them."""
    edges = bin_edges(np.sort(np.random.default_rng(0).normal(size=2000)))
    digits = [len(f"{edge:.12g}".lstrip("-0.").replace(".", "")) for edge in edges]
    assert np.mean(digits) < 3.5


def test_the_scale_of_a_column_is_its_standard_deviation_to_four_digits():
    values = np.random.default_rng(0).normal(5, 3, size=1000)
    (bins,) = Reference.learn(values[:, None]).layout.columns
    assert bins.scale == float(f"{values.std():.4g}")


def test_the_robust_scale_is_that_of_a_normal_whatever_the_outliers():
    values = np.random.default_rng(0).normal(5, 3, size=(4000, 2))
    values[:400, 1] += 1000
    scales = Reference.learn(values).robust_scales()
    expected = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    np.testing.assert_allclose(scales, expected, rtol=0.02)
