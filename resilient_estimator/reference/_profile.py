"""Counts of one batch over the cells of a layout."""

from __future__ import annotations

import json
from typing import Self

import numpy as np

from resilient_estimator._typing import Counts


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
