"""Reading columns, choosing bins, counting rows."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import sparse

from resilient_estimator.reference import Layout, Profile, Reference
from resilient_estimator.reference._bins import MIN_BINS, ROWS_PER_BIN, bin_edges
from resilient_estimator.tabular._column import label_text
from resilient_estimator.tabular._row_hash import digest
from resilient_estimator.tabular._rows import count_rows
from resilient_estimator.tabular._table import read_table
from resilient_estimator.tabular._valid_rows import predict_readable

NUMERIC = {
    "int": pd.Series([1, 2, 3]),
    "float": pd.Series([1.5, np.nan, 3.0]),
    "bool": pd.Series([True, False, True]),
    "nullable int": pd.Series([1, None, 3], dtype="Int64"),
    "nullable bool": pd.Series([True, None, False], dtype="boolean"),
    "arrow int": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    "arrow bool": pd.Series([True, None, False], dtype="bool[pyarrow]"),
    "arrow decimal": pd.Series(
        [Decimal("1.5"), None, Decimal(3)], dtype=pd.ArrowDtype(pa.decimal128(5, 2))
    ),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0, 0.0, 3.0])),
    "object": pd.Series([1, 2.5, Decimal(3)], dtype=object),
    "polars int": pl.Series([1, None, 3]),
    "polars bool": pl.Series([True, None, False]),
    "polars decimal": pl.Series([Decimal("1.5"), None, Decimal(3)]),
    "polars 128 bits": pl.Series([1, None, 2**70], dtype=pl.Int128),
}
LABELLED = {
    "text": pd.Series(["a", None, "b"]),
    "object": pd.Series(["a", None, "b"], dtype=object),
    "nullable": pd.Series(["a", None, "b"], dtype="string"),
    "arrow": pd.Series(["a", None, "b"], dtype="string[pyarrow]"),
    "arrow dictionary": pd.Series(
        ["a", None, "b"], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
    "categorical": pd.Series(["a", None, "b"], dtype="category"),
    "polars text": pl.Series(["a", None, "b"]),
    "polars categorical": pl.Series(["a", None, "b"], dtype=pl.Categorical),
    "polars enum": pl.Series(["a", None, "b"], dtype=pl.Enum(["b", "a"])),
}
DATES = [dt.datetime(2026, 1, 1), None, dt.datetime(2026, 1, 2)]  # noqa: DTZ001  a naive date is what frames hold
OPAQUE = {
    "date": pd.Series(DATES, dtype="datetime64[ns]"),
    "zoned date": pd.Series(DATES, dtype="datetime64[ns]").dt.tz_localize("UTC"),
    "duration": pd.Series(pd.to_timedelta([1, None, 2], "h")),
    "object of dates": pd.Series(DATES, dtype=object),
    "object of numpy dates": pd.Series(
        [np.datetime64("2026-01-01", "D"), None, np.datetime64("2026-01-02", "D")],
        dtype=object,
    ),
    "arrow date": pd.Series(DATES, dtype=pd.ArrowDtype(pa.timestamp("ns"))),
    "arrow list": pd.Series(
        [[1], None, [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))
    ),
    "lists": pd.Series([[1], None, [2]], dtype=object),
    "dicts": pd.Series([{"a": 1}, None, {}], dtype=object),
    "complex": pd.Series([1j, np.nan, 3j]),
    "polars date": pl.Series(DATES),
    "polars list": pl.Series([[1], None, [2]]),
    "polars array": pl.Series([[1, 2], None, [2, 3]], dtype=pl.Array(pl.Int64, 2)),
    "polars struct": pl.Series([{"a": 1}, None, {"a": 2}]),
}
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ROUND_NUMBERS = st.integers(-20, 20).map(lambda k: k / 10)
CELLS = st.one_of(NUMBERS, st.sampled_from([np.nan, np.inf, -np.inf, -0.0]))


def table_of(column):
    if isinstance(column, pl.Series):
        return read_table(column.rename("a").to_frame())
    return read_table(column.rename("a").to_frame())


def texts_of(table, index=0):
    codes, texts = table.labels(index)
    return [texts[code] if code >= 0 else None for code in codes]


@pytest.mark.parametrize("dtype", NUMERIC)
def test_a_column_of_numbers_is_numeric(dtype):
    """Numbers are read as float64 with NaN where one is missing, whatever the dtype."""
    column, table = NUMERIC[dtype], table_of(NUMERIC[dtype])
    expected = [np.nan if pd.isna(v) else float(v) for v in column.to_list()]
    values, unreadable, _ = table.numbers(0)
    assert table.kind(0) == "numeric"
    assert unreadable is None or not unreadable.any()
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("dtype", LABELLED)
def test_a_column_of_texts_is_a_category(dtype):
    """Labels are read as their text, None where one is missing, in any dtype."""
    table = table_of(LABELLED[dtype])
    assert table.kind(0) == "category"
    assert texts_of(table) == ["a", None, "b"]
    assert table.missing(0).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", OPAQUE)
def test_what_is_neither_number_nor_label_is_opaque(dtype):
    """Dates, lists and empty columns are opaque; no method raises on them."""
    table = table_of(OPAQUE[dtype])
    assert table.kind(0) == "opaque"
    assert table.missing(0).tolist() == [False, True, False]
    assert len(table.numbers(0).values) == 3


def test_a_column_of_nothing_is_opaque():
    """Without one value there is no telling numbers from labels."""
    table = table_of(pd.Series([None, None], dtype=object))
    assert table.kind(0) == "opaque"
    assert table.missing(0).all()


@pytest.mark.parametrize(
    "matrix",
    [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array],
)
def test_a_sparse_matrix_is_numeric_with_zeros_that_are_not_stored(matrix):
    """Stored numbers and the count of the other ones make up a sparse column."""
    table = read_table(matrix(np.array([[0.0, 1], [2, 0], [3, 0]])))
    values, _, n_zeros = table.numbers(0)
    assert (table.kind(0), values.tolist(), n_zeros) == ("numeric", [2.0, 3.0], 1)
    assert texts_of(table) == ["<0>", "<2>", "<3>"]


def test_a_sparse_cell_stored_twice_counts_as_its_sum():
    """A CSC matrix may store parts of a cell; reading adds them and leaves it alone."""
    X = sparse.csc_matrix(([1.0, 2.0, 5.0], [0, 0, 1], [0, 3]), shape=(3, 1))
    stored, _, n_zeros = read_table(X).numbers(0)
    assert (stored.tolist(), n_zeros) == ([3.0, 5.0], 1)
    assert X.data.tolist() == [1.0, 2.0, 5.0]


@pytest.mark.parametrize(
    "X",
    [None, 5, [], "text", ["a", "b"], [[1, 2], [3]], np.zeros(3), np.zeros((2, 2, 2))],
)
def test_what_is_not_a_table_is_none(X):
    """What has not two dimensions is nobody's table, and no reason to raise."""
    assert read_table(X) is None


@pytest.mark.parametrize(
    "X", [pl.DataFrame({"a": [1]}).lazy(), sparse.csr_matrix([[1j]])], ids=type
)
def test_lazy_frames_and_complex_matrices_are_not_tables(X):
    """A frame without rows yet and imaginary numbers are left to the estimator."""
    assert read_table(X) is None


@pytest.mark.parametrize(
    ("X", "n_samples"),
    [(None, 0), (5, 0), (np.array(5), 0), (["a", "b"], 2), (np.zeros((3, 1)), 3)],
)
def test_anything_has_a_number_of_rows(X, n_samples):
    """A scalar has no rows; all else has as many as it is long."""
    assert count_rows(X) == n_samples


def test_masked_cells_are_missing():
    """The number under a mask is not read."""
    X = np.ma.array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])
    np.testing.assert_array_equal(read_table(X).matrix, [[1, np.nan], [3, 4]])


@pytest.mark.parametrize(
    ("cell", "value", "unreadable"),
    [
        ("1.5", 1.5, False),
        ("abc", np.nan, True),
        ("", np.nan, True),
        (10**400, np.inf, False),
        (-(10**400), -np.inf, False),
        (Decimal("2.5"), 2.5, False),
        (Decimal("NaN"), np.nan, False),
        (Decimal("sNaN"), np.nan, True),
        (None, np.nan, False),
        (pd.NA, np.nan, False),
        ([1], np.nan, True),
        ({"a": 1}, np.nan, True),
        (1j, np.nan, True),
        (np.complex64(1j), np.nan, True),
        (np.datetime64("2026-01-01"), np.nan, True),
        (np.datetime64("NaT", "ns"), np.nan, False),
        (np.ones(1), np.nan, True),
    ],
)
def test_a_cell_is_a_number_missing_or_unreadable(cell, value, unreadable):
    """Reading one cell never raises, and never changes the cell beside it."""
    X = np.empty((3, 1), dtype=object)
    X[:, 0] = [0, cell, "x"]
    values, unread, _ = read_table(X).numbers(0)
    np.testing.assert_array_equal(values, [0, value, np.nan])
    assert unread.tolist() == [False, unreadable, True]


def test_a_cell_that_cannot_be_hashed_leaves_the_other_labels_alone():
    """A list in a column of labels is a label of its own."""
    X = np.empty((4, 1), dtype=object)
    X[:, 0] = ["red", [1], None, 2.0]
    assert texts_of(read_table(X)) == ["red", "<[1]>", None, "<2>"]


@pytest.mark.parametrize(
    "equal",
    [(True, 1, 1.0, Decimal(1), np.int8(1)), (0.5, Decimal("0.5")), (0.0, -0.0)],
)
def test_equal_numbers_are_the_same_label(equal):
    """Hashing takes equal numbers for one; their text must not tell who came first."""
    assert len({label_text(value) for value in equal}) == 1


@pytest.mark.parametrize("value", [np.inf, np.nan, 10**400, Decimal("sNaN"), 1j, b"x"])
def test_every_value_has_a_label(value):
    """No value is too odd for a text in angle brackets."""
    assert label_text(value).startswith("<")


@pytest.mark.parametrize("text", ["", "red", "\ud800", "x" * 10**6])
def test_fingerprints_are_stable_63_bit_integers(text):
    """Any text, lone surrogates included, has a fingerprint that fits an int64."""
    assert 0 <= digest(text) == digest(text) < 2**63


@pytest.mark.parametrize("named", [True, False])
def test_columns_are_found_by_name_or_by_place(named):
    """Names count if both sides have them; otherwise only a table of equal width."""
    table = read_table(pd.DataFrame({"b": [1], "a": [2]}))
    assert table.positions(["a", "c"], named=named) == ([1, None] if named else [0, 1])
    assert table.positions(["a"], named=named) == ([1] if named else [None])


def test_a_frame_with_doubled_names_has_none():
    """A name that two columns share finds neither."""
    assert read_table(pd.DataFrame([[1, "a"]], columns=["a", "a"])).names is None


@given(st.lists(NUMBERS, min_size=1, max_size=80))
def test_edges_increase_are_finite_and_are_no_training_value(values):
    """No number of the reference can be read back from the edges of its bins."""
    edges = bin_edges(np.sort(values))
    assert np.isfinite(edges).all()
    assert (edges[1:] > edges[:-1]).all()
    assert not np.isin(edges, values).any()


@given(st.lists(ROUND_NUMBERS, min_size=1, max_size=400))
def test_a_value_that_fills_a_bin_has_it_for_itself(values):
    """A frequent value, or one of few distinct ones, shares its bin with no other."""
    ordered = np.sort(values)
    distinct, counts = np.unique(ordered, return_counts=True)
    n_bins = max(len(values) // ROWS_PER_BIN, MIN_BINS)
    cells = np.searchsorted(bin_edges(ordered), distinct)
    atom = (counts * n_bins >= len(values)) | (len(distinct) <= n_bins)
    mates = np.bincount(cells)[cells]
    assert (mates[atom] == 1).all()


@given(NUMBERS)
def test_a_constant_column_has_an_edge_on_each_side(value):
    """A column that starts to vary is seen, however large or small its constant."""
    edges = bin_edges(np.full(5, value))
    assert edges[0] < value or value < -1e308
    assert edges[-1] > value or value > 1e308


@given(arrays(float, array_shapes(min_dims=2, max_dims=2), elements=CELLS))
def test_every_row_is_counted_once_in_every_column(X):
    """The cells of a column add up to the number of rows, whatever the floats."""
    reference = Reference.learn(X)
    counts = np.add.reduceat(reference.profile.counts, reference.layout.offsets[:-1])
    assert (counts == len(X)).all()
    assert reference.layout.profile(X) == reference.profile


def test_a_sparse_matrix_has_the_layout_and_the_counts_of_its_array():
    """Zeros that are not stored are counted and binned as if they were."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4)) * (rng.random((500, 4)) < 0.3)
    assert Reference.learn(sparse.csr_matrix(X)) == Reference.learn(X)


def mixed_rows(n_samples=300, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(["a", "b", "c", None], n_samples, p=[0.5, 0.3, 0.1, 0.1])
    dates = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n_samples), "h")
    numbers = np.where(rng.random(n_samples) < 0.1, np.nan, rng.normal(size=n_samples))
    return pd.DataFrame({"number": numbers, "label": labels, "date": dates})


MIXED = mixed_rows()
LAYOUT = Reference.learn(MIXED).layout
WHOLE = LAYOUT.profile(MIXED)


def test_reference_layout_and_profile_survive_json():
    """JSON holds all of a layout and of a profile."""
    reference = Reference.learn(MIXED)
    assert Layout.from_json(reference.layout.to_json()) == reference.layout
    assert Profile.from_json(reference.profile.to_json()) == reference.profile
    again = Reference.from_json(reference.to_json())
    assert again == reference
    assert again.layout.profile(MIXED[:50]) == reference.layout.profile(MIXED[:50])


@given(st.binary(min_size=300, max_size=300))
def test_profiles_of_any_split_add_up(owners):
    """However the rows are dealt out, the parts sum to the whole, exactly."""
    owners = np.frombuffer(owners, dtype=np.uint8) % 4
    parts = [LAYOUT.profile(MIXED[owners == k]) for k in range(4)]
    assert sum(parts[::-1]) == WHOLE


def test_profiles_over_different_layouts_do_not_add():
    """Counts over other cells are no summands."""
    other = Reference.learn(mixed_rows(seed=1)).profile
    with pytest.raises(ValueError, match="Only profiles of the same layout can be"):
        LAYOUT.profile(MIXED) + other
    with pytest.raises(TypeError, match="unsupported operand"):
        LAYOUT.profile(MIXED) + 1


def test_a_column_that_a_batch_lacks_is_counted_nowhere():
    """The cells of an absent column are zero; the others are counted."""
    whole, part = LAYOUT.profile(MIXED), LAYOUT.profile(MIXED.drop(columns="label"))
    start, stop = LAYOUT.offsets[1:3]
    assert not part.counts[start:stop].any()
    assert (np.delete(part.counts, slice(start, stop))).sum() == 2 * len(MIXED)
    assert part.n_samples == whole.n_samples


def test_no_row_may_be_readable():
    """Then there are neither predictions nor rows."""

    def refuse(rows):
        raise ValueError("no")

    predictions, rows = predict_readable(refuse, np.zeros((3, 1)), np.arange(3))
    assert len(predictions) == len(rows) == 0


def test_references_of_other_rows_differ():
    """Layout, profile and what is measured besides: any difference counts."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    one, twin = (Reference.learn(X, pairs=True) for _ in range(2))
    other = Reference.learn(X + 1, pairs=True)
    assert one == twin
    assert one != other
    assert one.layout != other.layout
    assert one.profile != other.profile
    twin.correlation_variance = twin.correlation_variance + 1
    assert one != twin
