"""One tweak for everybody: the same values of one or two columns in all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Positions
from resilient_estimator.explanation._search import Search, Tries
from resilient_estimator.explanation._soft_features import STAY
from resilient_estimator.explanation._wording import in_words
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import count_rows

MAX_ROWS = 500
VERBS = {None: "set", "up": "raised", "down": "lowered"}


@dataclass(frozen=True)
class UniversalTweak:
    """Columns set to the same values in all rows.

    Attributes
    ----------
    features : list of str
        None, one or two columns, the one that flips more by itself first.
    values : list
        What they are set to, where that is a move in the allowed direction.
    directions : list of {"up", "down"} or None
        Of these columns.
    share : float
        Share of the attacked rows that reach the target.
    share_first : float
        The same by the first column alone.
    cost : float
        Mean cost of the tweak.
    """

    features: list[str]
    values: list[Any]
    directions: list[str | None]
    share: float
    share_first: float
    cost: float

    def __str__(self) -> str:
        edits = [
            f"{feature} {VERBS[direction]} to {in_words(value)}"
            for feature, value, direction in zip(
                self.features, self.values, self.directions, strict=True
            )
        ]
        return (
            f"{' and '.join(edits)}: {self.share:.0%} of the rows flip "
            f"(mean cost {self.cost:.2f})"
        )


def find_universal(search: Search, X: Any, targets: NDArray[Any]) -> UniversalTweak:
    """Return the pair of moves that flips the most rows, found greedily.

    First the best single move, then the best one beside it, then the first one is
    chosen anew. At most 500 rows, evenly spread, are asked for the choice; the shares
    are those of all rows.

    Parameters
    ----------
    search : Search
        After its run, which counted the flips by single moves.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        The same rows.
    targets : ndarray of shape (n_samples,)
        Their targets.
    """
    n_samples = count_rows(X)
    if not n_samples or not search.n_flips.any():
        return UniversalTweak([], [], [], 0.0, 0.0, 0.0)
    some = np.unique(np.linspace(0, n_samples - 1, MAX_ROWS).astype(np.intp))
    few, theirs = take_rows(X, some), targets[some]
    chosen = [int(search.n_flips.argmax())]
    if search.max_edits > 1 and len(search.moves.features) > 1:
        chosen.append(_best_beside(search, few, theirs, chosen[0]))
        chosen[0] = _best_beside(search, few, theirs, chosen[1])
    alone = [_measure(search, X, targets, [move])[0] for move in chosen]
    chosen = [chosen[i] for i in np.argsort(-np.array(alone), kind="stable")]
    share, cost = _measure(search, X, targets, chosen)
    if max(alone) >= share:
        chosen, (share, cost) = chosen[:1], _measure(search, X, targets, chosen[:1])
    columns = search.moves.column[chosen].tolist()
    return UniversalTweak(
        features=[search.moves.features[k] for k in columns],
        values=search.moves.value[chosen].tolist(),
        directions=[search.moves.softs[k].direction for k in columns],
        share=share,
        share_first=max(alone),
        cost=cost,
    )


def _best_beside(search: Search, X: Any, targets: NDArray[Any], fixed: int) -> int:
    """Return the move on another column that flips most rows beside a fixed one."""
    column = search.moves.column
    allowed = np.isfinite(search.moves.costs(X))
    first = np.where(allowed[:, fixed], fixed, STAY)
    n_flips = np.zeros(len(column), dtype=np.intp)
    rows, alone = np.arange(len(allowed)), np.full(len(allowed), STAY)
    flipped, _ = search.ask(X, targets, _tries(rows, first, alone))
    n_flips += (flipped[:, np.newaxis] & ~allowed).sum(axis=0)
    rows, second = np.nonzero(allowed & (column != column[fixed]))
    flipped, _ = search.ask(X, targets, _tries(rows, first[rows], second))
    n_flips += np.bincount(second[flipped], minlength=len(column))
    n_flips[column == column[fixed]] = -1
    return int(n_flips.argmax())


def _measure(
    search: Search, X: Any, targets: NDArray[Any], chosen: list[int]
) -> tuple[float, float]:
    """Return the share of rows that moves flip, and their mean cost."""
    costs = search.moves.costs(X)[:, chosen]
    allowed = np.isfinite(costs)
    moves = np.where(allowed, chosen, STAY)
    flipped, _ = search.ask(
        X, targets, Tries(np.arange(len(moves)), moves, costs[:, 0])
    )
    return float(flipped.mean()), float(np.where(allowed, costs, 0).sum(axis=1).mean())


def _tries(rows: Positions, first: Positions, second: Positions) -> Tries:
    return Tries(rows, np.column_stack([first, second]), np.zeros(len(rows)))
