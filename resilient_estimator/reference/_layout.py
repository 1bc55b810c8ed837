"""The layout: which cells columns are counted in. The profile: counts of a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Self

import numpy as np

from resilient_estimator._typing import Counts, Mask
from resilient_estimator.reference._bin_counter import BinCounter
from resilient_estimator.reference._bins import Bins, bins_from_dict
from resilient_estimator.reference._normal_scores import PairedColumns
from resilient_estimator.tabular._table import Table, read_table

Flags = Mapping[str, Mask]

FORMAT = 2
N_FLAG_CELLS = 2  # clear, flagged


class Layout:
    """The cells of all columns, frozen at `fit`.

    Parameters
    ----------
    columns : list of NumericBins, CategoryBins or OpaqueBins
        The cells of each column.
    named : bool
        Whether the reference had column names of its own.
    outputs : list of NumericBins or CategoryBins, default=()
        The cells of each output of the model.
    flags : list of str, default=()
        Reasons for which a guard may flag a row.
    pairs : PairedColumns, default=None
        Columns whose products are summed.

    Attributes
    ----------
    layout_id : str
        Fingerprint of the layout's canonical JSON.
    offsets : ndarray of int of shape (n_features + n_outputs + n_flags + 1,)
        Where the cells of each column start in the counts of a profile: features, then
        outputs, then two cells per flag, clear and flagged. The last entry is where the
        sums of products start.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.reference import Reference
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> layout = Reference.learn(X).layout
    >>> layout.profile(X[:400]) + layout.profile(X[400:]) == layout.profile(X)
    True
    """

    def __init__(
        self,
        columns: Sequence[Bins],
        *,
        named: bool,
        outputs: Sequence[Bins] = (),
        flags: Sequence[str] = (),
        pairs: PairedColumns | None = None,
    ) -> None:
        self.columns = list(columns)
        self.named = named
        self.outputs = list(outputs)
        self.flags = list(flags)
        self.pairs = pairs if pairs is not None else PairedColumns([], [])
        sizes = [bins.n_cells for bins in (*self.columns, *self.outputs)]
        self.offsets = np.cumsum([0, *sizes, *[N_FLAG_CELLS] * len(self.flags)])
        self.layout_id = sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [bins.name for bins in self.columns]

    @property
    def n_counts(self) -> int:
        """Number of counts of a profile: cells, and products of paired columns."""
        return int(self.offsets[-1]) + self.pairs.n_pairs

    def cells_of(self, column: int) -> slice:
        """Return where the cells of a column, output or flag are in the counts."""
        return slice(*self.offsets[column : column + 2].tolist())

    def profile(
        self, X: Any, *, outputs: Table | None = None, flags: Flags | None = None
    ) -> Profile:
        """Count a batch in the cells.

        The cells of columns that `X` lacks are all zero.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The batch.
        outputs : Table of shape (n_predicted, n_outputs), default=None
            Outputs of the model for the rows that it predicts.
        flags : dict of str to ndarray of bool of shape (n_samples,), default=None
            Which rows a guard flags, for each reason.

        Returns
        -------
        profile : Profile
            The counts.

        Raises
        ------
        ValueError
            If `X` is not a table, or has no column names and a different number of
            columns.
        """
        counts = np.zeros(self.n_counts, dtype=np.int64)
        table = read_table(X)
        n_samples = count_rows_of(outputs, flags)
        if self.columns:
            table = self._check_columns(X, table)
            n_samples = table.shape[0]
            positions = table.positions(self.names, named=self.named)
            self.counter.count(table, positions, counts)
        if outputs is not None:
            for i, bins in enumerate(self.outputs):
                own = self.cells_of(len(self.columns) + i)
                counts[own] = bins.count(outputs, i)
        if flags is not None:
            self.count_flags(flags, counts)
        return Profile(self.layout_id, n_samples, counts)

    def count_flags(self, flags: Flags, counts: Counts) -> None:
        """Write the numbers of clear and of flagged rows of each reason to counts."""
        first = len(self.columns) + len(self.outputs)
        for i, reason in enumerate(self.flags):
            mask = flags.get(reason)
            if mask is not None:
                n_flagged = int(np.count_nonzero(mask))
                own = self.cells_of(first + i)
                counts[own] = len(mask) - n_flagged, n_flagged

    @property
    def counter(self) -> BinCounter:
        """Counter of the features; made when it is needed and never pickled."""
        if "_counter" not in vars(self):
            offsets = self.offsets[: len(self.columns) + 1]
            self._counter = BinCounter(self.columns, offsets, self.pairs)
        return self._counter

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_counter"}

    def _check_columns(self, X: Any, table: Table | None) -> Table:
        if table is None:
            raise ValueError(
                f"Expected a table of {len(self.columns)} columns to compare with the "
                f"reference. Got {type(X).__name__} instead. Reshape a single row with "
                "X.reshape(1, -1); collect a lazy frame first."
            )
        n_features = table.shape[1]
        by_name = self.named and table.names is not None
        if not by_name and n_features != len(self.columns):
            raise ValueError(
                f"X has {n_features} features, but the reference has "
                f"{len(self.columns)} features."
            )
        return table

    def to_json(self) -> str:
        """Return the layout as canonical JSON."""
        state = {
            "format": FORMAT,
            "named": self.named,
            "columns": [bins.to_dict() for bins in self.columns],
            "outputs": [bins.to_dict() for bins in self.outputs],
            "flags": self.flags,
            "pairs": self.pairs.columns,
            "scores": [each.tolist() for each in self.pairs.scores],
        }
        return json.dumps(state, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the layout from the JSON that `to_json` returned."""
        state = json.loads(text)
        if state.get("format") != FORMAT:
            raise ValueError(
                f"Expected a layout of format {FORMAT}. Got {state.get('format')!r}."
            )
        scores = [np.array(each, dtype=np.int8) for each in state["scores"]]
        return cls(
            [bins_from_dict(each) for each in state["columns"]],
            named=state["named"],
            outputs=[bins_from_dict(each) for each in state["outputs"]],
            flags=state["flags"],
            pairs=PairedColumns(state["pairs"], scores),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.layout_id == other.layout_id

    def __hash__(self) -> int:
        return hash(self.layout_id)

    def __repr__(self) -> str:
        return f"Layout({len(self.columns)} columns, {self.offsets[-1]} cells)"


def count_rows_of(outputs: Table | None, flags: Flags | None) -> int:
    """Return the number of rows of a batch that has outputs or flags only."""
    if outputs is not None:
        return outputs.shape[0]
    return max((len(mask) for mask in (flags or {}).values()), default=0)


class Profile:
    """Counts of one batch over the cells of a `Layout`.

    Profiles add up exactly, in any order and however the rows are split: a day is the
    sum of its hours, a cluster the sum of its machines.

    Parameters
    ----------
    layout_id : str
        Fingerprint of the layout.
    n_samples : int
        Number of rows.
    counts : ndarray of int64 of shape (n_counts,)
        Rows in each cell, then sums of products of the paired columns.
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
        """Return the profile from the JSON that `to_json` returned."""
        state = json.loads(text)
        counts = np.array(state["counts"], dtype=np.int64)
        return cls(state["layout_id"], int(state["n_samples"]), counts)

    def __repr__(self) -> str:
        return f"Profile({self.n_samples} rows, {len(self.counts)} cells)"
