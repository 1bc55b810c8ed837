"""Universal tweaks: the same values of one or two columns in all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._results import NoTruthValue, percent
from resilient_estimator._typing import Floats, Positions
from resilient_estimator.explanation._beam_search import BeamSearch, Tweaks
from resilient_estimator.explanation._soft_features import NO_EDIT
from resilient_estimator.explanation._value_format import format_value
from resilient_estimator.tabular._rows import count_rows, take_rows

MAX_ROWS = 500
VERBS = {None: "set", "up": "raised", "down": "lowered"}


@dataclass(frozen=True)
class UniversalTweak(NoTruthValue):
    """One or two columns set to the same values in all rows.

    Attributes
    ----------
    features : list of str
        The columns, most effective first. Empty if no single edit flips a row.
    values : list
        Their new values; a row is not edited against the allowed direction.
    directions : list of {"up", "down"} or None
        Allowed directions of these columns.
    share : float
        Share of the attacked rows that reach the target.
    share_first : float
        Share with the first column alone.
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
            f"{feature} {VERBS[direction]} to {format_value(value)}"
            for feature, value, direction in zip(
                self.features, self.values, self.directions, strict=True
            )
        ]
        return (
            f"{' and '.join(edits)}: {percent(self.share)} of the rows flip "
            f"(mean cost {self.cost:.2f})"
        )


def find_universal(search: BeamSearch, X: Any, targets: NDArray[Any]) -> UniversalTweak:
    """Return the pair of edits that flips the most rows, found greedily.

    First the best single edit is chosen, then the best partner for it, then the first
    one anew. At most 500 evenly spaced rows are queried for the choice; the shares are
    computed on all rows.

    Parameters
    ----------
    search : BeamSearch
        After its run, which counted the flips by single edits.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        The rows of that run.
    targets : ndarray of shape (n_samples,)
        Their targets.
    """
    if not count_rows(X) or not search.n_flips.any():
        return UniversalTweak([], [], [], 0.0, 0.0, 0.0)
    chosen = _choose_pair(search, X, targets)
    alone = [_measure(search, X, targets, [edit])[0] for edit in chosen]
    chosen = [chosen[i] for i in np.argsort(-np.array(alone), kind="stable")]
    share, cost = _measure(search, X, targets, chosen)
    if max(alone) >= share:
        chosen, (share, cost) = chosen[:1], _measure(search, X, targets, chosen[:1])
    columns = search.edits.column[chosen].tolist()
    return UniversalTweak(
        features=[search.edits.features[k] for k in columns],
        values=search.edits.value[chosen].tolist(),
        directions=[search.edits.soft[k].direction for k in columns],
        share=share,
        share_first=max(alone),
        cost=cost,
    )


def _choose_pair(search: BeamSearch, X: Any, targets: NDArray[Any]) -> list[int]:
    """Return the best edit and its best partner; no partner if only one is allowed."""
    first = int(search.n_flips.argmax())
    if search.max_edits == 1 or len(search.edits.features) == 1:
        return [first]
    spaced = np.linspace(0, count_rows(X) - 1, MAX_ROWS).astype(np.intp)
    some = np.unique(spaced)
    X, targets = take_rows(X, some), targets[some]
    second = _best_partner(search, X, targets, first)
    return [_best_partner(search, X, targets, second), second]


def _best_partner(search: BeamSearch, X: Any, targets: NDArray[Any], edit: int) -> int:
    """Return the edit of another column that flips the most rows with a given one."""
    column = search.edits.column
    allowed = np.isfinite(search.edits.costs(X))
    first = np.where(allowed[:, edit], edit, NO_EDIT)
    n_flips = np.zeros(len(column), dtype=np.intp)
    rows, alone = np.arange(len(allowed)), np.full(len(allowed), NO_EDIT)
    reached, _ = search.evaluate(X, targets, _pairs(rows, first, alone))
    n_flips += (reached[:, np.newaxis] & ~allowed).sum(axis=0)
    rows, second = np.nonzero(allowed & (column != column[edit]))
    reached, _ = search.evaluate(X, targets, _pairs(rows, first[rows], second))
    n_flips += np.bincount(second[reached], minlength=len(column))
    n_flips[column == column[edit]] = -1
    return int(n_flips.argmax())


def _measure(
    search: BeamSearch, X: Any, targets: NDArray[Any], chosen: list[int]
) -> tuple[float, float]:
    """Return the share of rows that edits flip, and the mean cost."""
    costs: Floats = search.edits.costs(X)[:, chosen]
    allowed = np.isfinite(costs)
    edits = np.where(allowed, chosen, NO_EDIT)
    tweaks = Tweaks(np.arange(len(edits)), edits, costs[:, 0])
    reached, _ = search.evaluate(X, targets, tweaks)
    cost = np.where(allowed, costs, 0).sum(axis=1).mean()
    return float(reached.mean()), float(cost)


def _pairs(rows: Positions, first: Positions, second: Positions) -> Tweaks:
    return Tweaks(rows, np.column_stack([first, second]), np.zeros(len(rows)))
