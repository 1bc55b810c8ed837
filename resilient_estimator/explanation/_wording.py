"""Cells and edits in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.exceptions import is_number
from resilient_estimator.explanation._marginals import (
    as_table,
    label_objects,
)
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._table import is_missing


def cells(X: Any, places: list[int]) -> NDArray[Any]:
    """Return some columns as plain numbers and labels, None where a cell is missing.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows.
    places : list of int
        Positions of columns.

    Returns
    -------
    ndarray of object of shape (n_samples, len(places))
    """
    table = as_table(X)
    found = np.empty((table.shape[0], len(places)), dtype=object)
    for k, place in enumerate(places):
        if table.kind(place) == "numeric":
            values = numbers(table, place)
            found[:, k] = values
            found[np.isnan(values), k] = None
        else:
            codes, texts = table.labels(place)
            known = label_objects(X, place)
            objects = np.empty(len(texts) + 1, dtype=object)
            objects[:-1] = [known.get(text, text) for text in texts]
            found[:, k] = objects[codes]
    return found


def in_words(value: Any) -> str:
    """Return a number with few digits, a label as it is."""
    if is_missing(value):
        return "missing"
    if is_number(value):
        whole = abs(value) < 1e15 and value == int(value)
        return f"{value:,.0f}" if whole else f"{value:,.5g}"
    return str(value)


def edit_in_words(feature: str, before: Any, after: Any) -> str:
    """Return what is changed, for example ``amount 5,000 -> 3,900``."""
    return f"{feature} {in_words(before)} -> {in_words(after)}"
