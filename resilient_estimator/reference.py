"""What `fit` remembers of the training data: integer counts over fixed cells.

A `Layout` is the fixed cells of every column, a `Profile` the counts of one batch over
them, a `Reference` the layout together with the profile of the training rows.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Self

import numpy as np

from resilient_estimator._cells import (
    MAX_CELLS,
    Cells,
    Counts,
    cells_from_dict,
    learn_cells,
)
from resilient_estimator._columns import Table, column_names, read_table


class Layout:
    """The cells of all columns, frozen at `fit`.

    Parameters
    ----------
    cells : list of NumericCells, CategoryCells or OpaqueCells
        One per column.
    named : bool
        Whether the reference had column names of its own.

    Attributes
    ----------
    layout_id : str
        Fingerprint of the layout's canonical JSON.
    offsets : ndarray of int of shape (n_features + 1,)
        Where the cells of each column start in a profile's counts.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.reference import Reference
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> layout = Reference.learn(X).layout
    >>> layout.profile(X[:400]) + layout.profile(X[400:]) == layout.profile(X)
    True
    """

    def __init__(self, cells: list[Cells], *, named: bool) -> None:
        self.cells = cells
        self.named = named
        self.offsets = np.cumsum([0, *(c.n_cells for c in cells)])
        self.layout_id = sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [cells.name for cells in self.cells]

    def profile(self, X: Any) -> Profile:
        """Count a batch over the cells.

        Columns that `X` lacks are counted nowhere: their cells are all zero.

        Raises
        ------
        ValueError
            If `X` is not a table, or has no names and another number of columns.
        """
        counts = np.zeros(self.offsets[-1], dtype=np.int64)
        table = read_table(X)
        if not self.cells:
            return Profile(self.layout_id, 0, counts)
        table = self._check(X, table)
        positions = table.positions(self.names, named=self.named)
        for i, (cells, position) in enumerate(zip(self.cells, positions, strict=True)):
            if position is not None:
                start, stop = self.offsets[i : i + 2]
                counts[start:stop] = cells.count(table, position)
        return Profile(self.layout_id, table.shape[0], counts)

    def _check(self, X: Any, table: Table | None) -> Table:
        if table is None:
            raise ValueError(
                f"Expected a table of {len(self.cells)} columns to compare with the "
                f"reference. Got {type(X).__name__} instead. Reshape one row with "
                "X.reshape(1, -1); collect a lazy frame first."
            )
        n_features = table.shape[1]
        by_name = self.named and table.names is not None
        if not by_name and n_features != len(self.cells):
            raise ValueError(
                f"X has {n_features} features, but the reference has "
                f"{len(self.cells)} features."
            )
        return table

    def to_json(self) -> str:
        """Return the layout as canonical JSON."""
        columns = [cells.to_dict() for cells in self.cells]
        state = {"format": 1, "named": self.named, "columns": columns}
        return json.dumps(state, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the layout that `to_json` wrote."""
        state = json.loads(text)
        return cls([cells_from_dict(c) for c in state["columns"]], named=state["named"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.layout_id == other.layout_id

    def __hash__(self) -> int:
        return hash(self.layout_id)

    def __repr__(self) -> str:
        return f"Layout({len(self.cells)} columns, {self.offsets[-1]} cells)"


class Profile:
    """Counts of one batch over the cells of a `Layout`.

    Profiles add up exactly, in any order and split: a day is the sum of its hours, a
    cluster the sum of its machines.

    Parameters
    ----------
    layout_id : str
        Fingerprint of the layout.
    n_samples : int
        Number of rows counted.
    counts : ndarray of int64 of shape (n_cells,)
        Rows in each cell.
    """

    def __init__(self, layout_id: str, n_samples: int, counts: Counts) -> None:
        self.layout_id = layout_id
        self.n_samples = n_samples
        self.counts = counts

    def __add__(self, other: Profile) -> Profile:
        if not isinstance(other, Profile):
            return NotImplemented
        if self.layout_id != other.layout_id:
            raise ValueError(
                "Only profiles of the same layout can be added. Got layouts "
                f"{self.layout_id!r} and {other.layout_id!r}."
            )
        n_samples = self.n_samples + other.n_samples
        return Profile(self.layout_id, n_samples, self.counts + other.counts)

    def __radd__(self, other: object) -> Profile:
        return self if other == 0 else NotImplemented  # lets sum() start

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Profile)
            and self.layout_id == other.layout_id
            and self.n_samples == other.n_samples
            and np.array_equal(self.counts, other.counts)
        )

    def __hash__(self) -> int:
        return hash((self.layout_id, self.n_samples, self.counts.tobytes()))

    def to_json(self) -> str:
        """Return the profile as JSON."""
        state = {
            "layout_id": self.layout_id,
            "n_samples": self.n_samples,
            "counts": self.counts.tolist(),
        }
        return json.dumps(state, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the profile that `to_json` wrote."""
        state = json.loads(text)
        counts = np.array(state["counts"], dtype=np.int64)
        return cls(state["layout_id"], int(state["n_samples"]), counts)

    def __repr__(self) -> str:
        return f"Profile({self.n_samples} rows, {len(self.counts)} cells)"


class Reference:
    """What `fit` remembers: the layout and the profile of the training rows.

    Parameters
    ----------
    layout : Layout
        The cells.
    profile : Profile
        Counts of the training rows.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.reference import Reference
    >>> reference = Reference.learn(np.arange(100.0).reshape(-1, 1))
    >>> reference.profile.n_samples
    100
    >>> Reference.from_json(reference.to_json()) == reference
    True
    """

    def __init__(self, layout: Layout, profile: Profile) -> None:
        self.layout = layout
        self.profile = profile

    @classmethod
    def learn(cls, X: Any, *, max_cells: int = MAX_CELLS, min_count: int = 10) -> Self:
        """Choose the cells from reference rows, and count the rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The reference. What is not a table gives a layout without columns.
        max_cells : int, default=1024
            Most bins or labels of one column.
        min_count : int, default=10
            Fewest rows for which a label is stored as text.
        """
        table = read_table(X)
        if table is None:
            layout = Layout([], named=False)
            return cls(layout, layout.profile(X))
        learnt = [
            learn_cells(name, table, index, max_cells, min_count)
            for index, name in enumerate(column_names(table))
        ]
        layout = Layout([cells for cells, _ in learnt], named=table.names is not None)
        counts = np.concatenate([[], *(counts for _, counts in learnt)])
        profile = Profile(layout.layout_id, table.shape[0], counts.astype(np.int64))
        return cls(layout, profile)

    def to_json(self) -> str:
        """Return the reference as JSON."""
        parts = {"layout": self.layout.to_json(), "profile": self.profile.to_json()}
        return json.dumps(parts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the reference that `to_json` wrote."""
        parts = json.loads(text)
        layout = Layout.from_json(parts["layout"])
        return cls(layout, Profile.from_json(parts["profile"]))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Reference)
            and self.layout == other.layout
            and self.profile == other.profile
        )

    def __hash__(self) -> int:
        return hash((self.layout, self.profile))

    def __repr__(self) -> str:
        return f"Reference({self.profile.n_samples} rows, {self.layout!r})"
