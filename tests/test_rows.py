"""Taking rows from any container."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from resilient_estimator.tabular._rows import ravel_column, take_fit_params, take_rows

X = np.arange(8.0).reshape(4, 2)
CONTAINERS = {
    "array": np.asarray,
    "list": lambda X: X.tolist(),
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "csr": sparse.csr_array,
    "coo": sparse.coo_array,
}


def dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_rows_are_taken_by_position_or_mask(container):
    """Positions may repeat; the container stays, but COO becomes CSR."""
    rows = container(X)
    by_position = take_rows(rows, np.array([3, 0, 0]))
    assert_array_equal(dense(by_position), X[[3, 0, 0]])
    by_mask = take_rows(rows, np.array([True, False, False, True]))
    assert_array_equal(dense(by_mask), X[[0, 3]])
    assert isinstance(by_mask, type(rows)) or rows.format == "coo"
    assert len(dense(take_rows(rows, np.zeros(4, dtype=bool)))) == 0


def test_fit_params_follow_the_rows():
    """What has one entry per row is reduced; everything else stays."""
    weight = pd.Series([1, 2, 3, 4])
    params = {"sample_weight": weight, "groups": list("abcd"), "eval": "four", "k": 4}
    taken = take_fit_params(params, np.array([2, 2]), n_samples=4)
    assert taken["sample_weight"].tolist() == [3, 3]
    assert taken["groups"] == ["c", "c"]
    assert (taken["eval"], taken["k"]) == ("four", 4)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 2), (4, 1, 1)])
def test_a_single_column_is_raveled(shape):
    """Some models return predictions of shape (n_samples, 1)."""
    expected = (4,) if shape == (4, 1) else shape
    assert ravel_column(np.ones(shape)).shape == expected
