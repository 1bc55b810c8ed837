"""Beam search for the cheapest edits that change a prediction to a target."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator.explanation._black_box import BlackBox, row_chunks
from resilient_estimator.explanation._soft_features import NO_EDIT, Edits
from resilient_estimator.tabular._rows import count_rows, take_rows

MAX_OPTIONS = 1_000_000  # of all rows of a block
WIDER = 4  # factor of the beam width if there are no scores to rank tweaks by


class Tweaks(NamedTuple):
    """Combinations of edits, each of one row.

    Parameters
    ----------
    row : ndarray of int of shape (n_tweaks,)
        Position of the edited row.
    edits : ndarray of int of shape (n_tweaks, max_edits)
        The edits, in increasing order; -1 for none.
    cost : ndarray of float of shape (n_tweaks,)
        Their total cost.
    """

    row: Positions
    edits: Positions
    cost: Floats

    def take(self, which: Any) -> Tweaks:
        """Return some of the tweaks."""
        return Tweaks(self.row[which], self.edits[which], self.cost[which])


class BeamSearch:
    """A beam search over tweaks, for many rows at once.

    Every step adds one edit to the tweaks in the beam, and queries the model about all
    of them at once. The beam keeps the tweaks that are not dominated in both cost and
    score, spread over the range of costs, as long as they are cheaper than the best
    successful tweak.

    Parameters
    ----------
    model : BlackBox
        The model.
    edits : Edits
        Single edits.
    max_edits : int
        Maximum number of edits of a tweak.
    beam_width : int
        Number of tweaks that are kept per row.
    n_sets : int, default=1
        Number of different sets of columns for which the cheapest tweak is returned.

    Attributes
    ----------
    n_flips : ndarray of int of shape (n_edits,)
        Number of rows that each single edit flips.
    """

    def __init__(
        self,
        model: BlackBox,
        edits: Edits,
        *,
        max_edits: int,
        beam_width: int,
        n_sets: int = 1,
    ) -> None:
        self.model = model
        self.edits = edits
        self.max_edits = max_edits
        self.beam_width = beam_width if model.has_scores else WIDER * beam_width
        self.n_sets = n_sets
        self.n_flips = np.zeros(len(edits.column), dtype=np.intp)

    def run(self, X: Any, targets: NDArray[Any], what: str) -> Tweaks:
        """Return the cheapest tweaks by which rows reach their targets.

        If `predict` contradicts the highest score for any of them, the search is
        repeated with `predict`.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows whose prediction is not their target.
        targets : ndarray of shape (n_samples,)
            Labels.
        what : str
            Name of the task in the progress line.

        Returns
        -------
        tweaks : Tweaks
            Ordered by row and cost; rows that cannot be flipped are absent.
        """
        tweaks = self._run(X, targets, what)
        if not self.model.scores_decide or not len(tweaks.row):
            return tweaks
        tweaked = self.edits.apply(take_rows(X, tweaks.row), tweaks.edits)
        if (self.model.predict(tweaked) == targets[tweaks.row]).all():
            return tweaks
        self.model.scores_decide = False
        return self._run(X, targets, what)

    def evaluate(
        self, X: Any, targets: NDArray[Any], tweaks: Tweaks
    ) -> tuple[Mask, Floats]:
        """Return which tweaks reach the target of their row, and its score."""
        reached = np.zeros(len(tweaks.row), dtype=bool)
        score = np.zeros(len(tweaks.row))
        for part in row_chunks(len(tweaks.row), np.shape(X)[1]):
            rows = tweaks.row[part]
            tweaked = self.edits.apply(take_rows(X, rows), tweaks.edits[part])
            reached[part], score[part] = self.model.query(tweaked, targets[rows])
        return reached, score

    def _run(self, X: Any, targets: NDArray[Any], what: str) -> Tweaks:
        n_samples, n_edits = count_rows(X), len(self.edits.column)
        self.n_flips = np.zeros(n_edits, dtype=np.intp)
        step = max(1, MAX_OPTIONS // (self.beam_width * n_edits))
        progress, found = Progress(what, n_samples), [_untweaked(0, self.max_edits)]
        for start in range(0, n_samples, step):
            rows = np.arange(start, min(start + step, n_samples))
            tweaks = self._search_block(take_rows(X, rows), targets[rows])
            found.append(tweaks._replace(row=tweaks.row + start))
            progress.step(int(rows[-1]) + 1)
        return _join(found)

    def _search_block(self, X: Any, targets: NDArray[Any]) -> Tweaks:
        costs = self.edits.costs(X)
        beam = _untweaked(len(costs), self.max_edits)
        found = beam.take([])
        limit = np.full(len(costs), np.inf)
        for depth in range(self.max_edits):
            tweaks, added = self._extend(beam, costs, limit)
            reached, score = self.evaluate(X, targets, tweaks)
            if depth == 0:
                self.n_flips += np.bincount(added[reached], minlength=costs.shape[1])
            found = self._cheapest(found, tweaks.take(reached))
            limit = self._limit(found, len(costs))
            open_ = np.flatnonzero(~reached & (tweaks.cost < limit[tweaks.row]))
            kept = self._front(tweaks.take(open_), score[open_])
            beam = tweaks.take(open_[kept])
        return found

    def _extend(
        self, beam: Tweaks, costs: Floats, limit: Floats
    ) -> tuple[Tweaks, Positions]:
        """Add every possible edit to every tweak of the beam; drop duplicates."""
        column = np.append(self.edits.column, NO_EDIT)
        price = beam.cost[:, np.newaxis] + costs[beam.row]
        usable = price < limit[beam.row][:, np.newaxis]
        for used in beam.edits.T:
            usable &= column[used][:, np.newaxis] != self.edits.column
        which, added = np.nonzero(usable)
        edits = beam.edits[which]
        edits[:, 0] = added  # -1 until then, as edits are in increasing order
        edits.sort(axis=1)
        tweaks = Tweaks(beam.row[which], edits, price[which, added])
        order = np.lexsort((*tweaks.edits.T, tweaks.row))
        key = np.column_stack([tweaks.row, tweaks.edits])[order]
        new = np.append(True, (key[1:] != key[:-1]).any(axis=1))[: len(order)]
        return tweaks.take(order[new]), added[order[new]]

    def _cheapest(self, found: Tweaks, more: Tweaks) -> Tweaks:
        """Keep the cheapest tweak of each set of columns, for the cheapest sets."""
        both = _join([found, more])
        both = both.take(np.lexsort((both.cost, both.row)))
        if self.n_sets > 1:
            changed = np.packbits(self.edits.changed_columns(both.edits), axis=1)
            key = np.column_stack([both.row, changed])
            both = both.take(np.sort(np.unique(key, axis=0, return_index=True)[1]))
        return both.take(_rank_within(both.row) < self.n_sets)

    def _limit(self, found: Tweaks, n_samples: int) -> Floats:
        """Return the cost below which a tweak improves the result of its row."""
        limit = np.full(n_samples, np.inf)
        last = _rank_within(found.row) == self.n_sets - 1
        limit[found.row[last]] = found.cost[last]
        return limit

    def _front(self, tweaks: Tweaks, score: Floats) -> Positions:
        """Return the tweaks that the beam keeps: a Pareto front, thinned out."""
        order = np.lexsort((-score, tweaks.cost, tweaks.row))
        if self.model.has_scores:
            _, level = np.unique(score[order], return_inverse=True)
            level = level + tweaks.row[order] * (len(level) + 1)  # restart at each row
            best = np.maximum.accumulate(level)
            order = order[np.append(True, level[1:] > best[:-1])[: len(order)]]
        row = tweaks.row[order]
        size = np.maximum(np.bincount(row, minlength=1)[row], self.beam_width)
        rank = _rank_within(row)
        kept = (rank + 1) * self.beam_width // size > rank * self.beam_width // size
        return order[kept]


def _untweaked(n_samples: int, max_edits: int) -> Tweaks:
    """Return a tweak without edits for each row."""
    edits = np.full((n_samples, max_edits), NO_EDIT, dtype=np.intp)
    return Tweaks(np.arange(n_samples), edits, np.zeros(n_samples))


def _join(parts: list[Tweaks]) -> Tweaks:
    rows, edits, costs = zip(*parts, strict=True)
    return Tweaks(np.concatenate(rows), np.concatenate(edits), np.concatenate(costs))


def _rank_within(row: Positions) -> Positions:
    """Return the rank of each entry among those of the same row, given sorted rows."""
    first = np.searchsorted(row, row)
    return np.arange(len(row)) - first
