"""The cheapest moves after which a model answers otherwise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator.explanation._oracle import Oracle, in_chunks
from resilient_estimator.explanation._soft_features import STAY, SoftMoves
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import count_rows

OPTIONS_AT_ONCE = 1_000_000
WIDER = 4  # is the beam where no scores say what to keep


class Tries(NamedTuple):
    """Rows after some moves.

    Parameters
    ----------
    row : ndarray of int of shape (n_tries,)
        Which row is tweaked.
    moves : ndarray of int of shape (n_tries, n_moves)
        By which moves, in increasing order; -1 for none.
    cost : ndarray of float of shape (n_tries,)
        What they cost together.
    """

    row: Positions
    moves: Positions
    cost: Floats

    def take(self, which: Any) -> Tries:
        """Return some of them."""
        return Tries(self.row[which], self.moves[which], self.cost[which])


class Search:
    """A beam search over moves, for many rows at once.

    Every depth adds one move to the partial tweaks in the beam, and asks the model
    about all of them in one go. The beam keeps partial tweaks that no other one beats
    in both cost and score, spread over the costs, as long as they are cheaper than the
    best tweak found.

    Parameters
    ----------
    oracle : Oracle
        The model.
    moves : SoftMoves
        Single moves.
    max_edits : int
        Most moves of a tweak.
    beam : int
        How many partial tweaks of a row are kept.
    n_sets : int, default=1
        For how many different sets of columns the cheapest tweak of a row is wanted.

    Attributes
    ----------
    n_flips : ndarray of int of shape (n_moves,)
        How many of the rows searched each single move flips.
    """

    def __init__(
        self,
        oracle: Oracle,
        moves: SoftMoves,
        *,
        max_edits: int,
        beam: int,
        n_sets: int = 1,
    ) -> None:
        self.oracle = oracle
        self.moves = moves
        self.max_edits = max_edits
        self.beam = beam if oracle.has_scores else WIDER * beam
        self.n_sets = n_sets
        self.n_flips = np.zeros(len(moves.column), dtype=np.intp)

    def run(self, X: Any, targets: NDArray[Any], what: str) -> Tries:
        """Return the cheapest tweaks by which rows reach their targets.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows, none of which is answered by its target.
        targets : ndarray of shape (n_samples,)
            Labels.
        what : str
            What is being done, for the progress line.

        Returns
        -------
        Tries
            Ordered by row, then cost; rows that cannot be flipped are absent.
        """
        n_samples = count_rows(X)
        self.n_flips = np.zeros(len(self.moves.column), dtype=np.intp)
        step = max(1, OPTIONS_AT_ONCE // (self.beam * len(self.moves.column)))
        progress, found = Progress(what, n_samples), []
        for start in range(0, n_samples, step):
            rows = np.arange(start, min(start + step, n_samples))
            tries = self._search_block(take_rows(X, rows), targets[rows])
            found.append(tries._replace(row=tries.row + start))
            progress.step(int(rows[-1]) + 1)
        return _join([_start(0, self.max_edits), *found])

    def _search_block(self, X: Any, targets: NDArray[Any]) -> Tries:
        costs = self.moves.costs(X)
        partial = _start(len(costs), self.max_edits)
        found = partial.take([])
        limit = np.full(len(costs), np.inf)
        for depth in range(self.max_edits):
            tries, added = self._extend(partial, costs, limit)
            flipped, score = self.ask(X, targets, tries)
            if depth == 0:
                self.n_flips += np.bincount(added[flipped], minlength=costs.shape[1])
            found = self._cheapest(found, tries.take(flipped))
            limit = self._limit(found, len(costs))
            open_ = np.flatnonzero(~flipped & (tries.cost < limit[tries.row]))
            kept = self._front(tries.take(open_), score[open_])
            partial = tries.take(open_[kept])
        return found

    def ask(self, X: Any, targets: NDArray[Any], tries: Tries) -> tuple[Mask, Floats]:
        """Return which tries reach the targets of their rows, and how nearly."""
        flipped = np.zeros(len(tries.row), dtype=bool)
        score = np.zeros(len(tries.row))
        for part in in_chunks(len(tries.row), np.shape(X)[1]):
            rows = tries.row[part]
            tweaked = self.moves.apply(take_rows(X, rows), tries.moves[part])
            flipped[part], score[part] = self.oracle.ask(tweaked, targets[rows])
        return flipped, score

    def _extend(
        self, partial: Tries, costs: Floats, limit: Floats
    ) -> tuple[Tries, Positions]:
        """Add each possible move to each partial tweak; drop what is there twice."""
        column = np.append(self.moves.column, STAY)
        price = partial.cost[:, np.newaxis] + costs[partial.row]
        usable = price < limit[partial.row][:, np.newaxis]
        for used in partial.moves.T:
            usable &= column[used][:, np.newaxis] != self.moves.column
        which, added = np.nonzero(usable)
        moves = partial.moves[which]
        moves[:, 0] = added  # -1 until then: moves are in increasing order
        moves.sort(axis=1)
        tries = Tries(partial.row[which], moves, price[which, added])
        order = np.lexsort((*tries.moves.T, tries.row))
        key = np.column_stack([tries.row, tries.moves])[order]
        new = np.append(True, (key[1:] != key[:-1]).any(axis=1))[: len(order)]
        return tries.take(order[new]), added[order[new]]

    def _cheapest(self, found: Tries, more: Tries) -> Tries:
        """Keep the cheapest tweak of each set of columns, for the cheapest sets."""
        both = _join([found, more])
        both = both.take(np.lexsort((both.cost, both.row)))
        if self.n_sets > 1:
            changed = np.packbits(self.moves.columns_of(both.moves), axis=1)
            key = np.column_stack([both.row, changed])
            both = both.take(np.sort(np.unique(key, axis=0, return_index=True)[1]))
        return both.take(_rank_within(both.row) < self.n_sets)

    def _limit(self, found: Tries, n_samples: int) -> Floats:
        """Return what a tweak must cost less than to be of interest to its row."""
        limit = np.full(n_samples, np.inf)
        last = _rank_within(found.row) == self.n_sets - 1
        limit[found.row[last]] = found.cost[last]
        return limit

    def _front(self, tries: Tries, score: Floats) -> Positions:
        """Return the tries that the beam keeps."""
        order = np.lexsort((-score, tries.cost, tries.row))
        if self.oracle.has_scores:
            _, level = np.unique(score[order], return_inverse=True)
            level = level + tries.row[order] * (len(level) + 1)  # restart at each row
            best = np.maximum.accumulate(level)
            order = order[np.append(True, level[1:] > best[:-1])[: len(order)]]
        row = tries.row[order]
        size = np.maximum(np.bincount(row, minlength=1)[row], self.beam)
        rank = _rank_within(row)
        spread = (rank + 1) * self.beam // size > rank * self.beam // size
        return order[spread]


def _start(n_samples: int, max_edits: int) -> Tries:
    nothing = np.full((n_samples, max_edits), STAY, dtype=np.intp)
    return Tries(np.arange(n_samples), nothing, np.zeros(n_samples))


def _join(parts: list[Tries]) -> Tries:
    rows, moves, costs = zip(*parts, strict=True)
    return Tries(np.concatenate(rows), np.concatenate(moves), np.concatenate(costs))


def _rank_within(row: Positions) -> Positions:
    """Return the position of each entry among those of its row, rows being sorted."""
    first = np.searchsorted(row, row)
    return np.arange(len(row)) - first


def run_confirmed(search: Search, X: Any, targets: NDArray[Any], what: str) -> Tries:
    """Search, and again where `predict` does not say what the scores seemed to say."""
    tries = search.run(X, targets, what)
    if not search.oracle.follows_scores:
        return tries
    tweaked = search.moves.apply(take_rows(X, tries.row), tries.moves)
    if (
        not len(tries.row)
        or (search.oracle.predict(tweaked) == targets[tries.row]).all()
    ):
        return tries
    search.oracle.follows_scores = False
    return search.run(X, targets, what)
