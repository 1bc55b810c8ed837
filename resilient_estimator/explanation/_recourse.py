"""Why not, and what would change it: alternatives for single rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._validation import parameter_error
from resilient_estimator.explanation._marginals import as_table, learnt_from
from resilient_estimator.explanation._oracle import Oracle, check_counts
from resilient_estimator.explanation._search import (
    Search,
    Tries,
    run_confirmed,
)
from resilient_estimator.explanation._soft_features import (
    SoftFeature,
    SoftMoves,
    position,
    read_soft,
)
from resilient_estimator.explanation._wording import cells, edit_in_words
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import column_names

SETS_PER_OPTION = 4  # some contain a cheaper one, and are no alternatives


@dataclass(frozen=True)
class Change:
    """One way to another answer.

    Attributes
    ----------
    cost : float
        In units of the columns' costs.
    edits : dict of str to object
        New values by column.
    words : str
        For example ``amount 5,000 -> 3,900 and duration 24 -> 18``.
    """

    cost: float
    edits: dict[str, Any]
    words: str

    def __str__(self) -> str:
        return f"{self.words} (cost {self.cost:.2f})"


@dataclass(frozen=True)
class RecourseResult:
    """The ways to another answer for one row, cheapest first.

    Attributes
    ----------
    answer : object
        What the model says.
    target : object
        What is wanted.
    changes : list of Change
        Each on another set of columns, none of which contains a cheaper one. Empty
        where the answer is the target, or no change was found.
    """

    answer: Any
    target: Any
    changes: list[Change]

    def __str__(self) -> str:
        if self.answer == self.target:
            return f"It is {self.answer!s} already."
        if not self.changes:
            nothing = f"No change was found that gives {self.target!s}."
            return f"It is {self.answer!s}. {nothing}"
        ways = "\n".join(f"  {change}" for change in self.changes)
        return f"It is {self.answer!s}. It would be {self.target!s} after\n{ways}"

    __repr__ = __str__


def recourse(
    model: Any,
    X: Any,
    *,
    soft: Any = None,
    immutable: Any = (),
    target: Any = None,
    n_changes: int = 3,
    reference: Any = None,
    max_edits: int = 3,
    beam: int = 12,
) -> list[RecourseResult]:
    """Say what would change the answers of rows.

    Changes are what the model would follow, not advice: nothing here knows causes, or
    whether raising one column by itself is possible.

    Parameters
    ----------
    model : ResilientEstimator or classifier
        Fitted.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows of the people who ask, usually one.
    soft : mapping of column to cost or SoftFeature, or list of columns, default=None
        Columns that they can change, as for `manipulability`. None: all.
    immutable : column or list of columns, default=()
        Columns that they cannot change, such as their age.
    target : object, default=None
        The answer that is wanted. None: the other one of two classes.
    n_changes : int, default=3
        Most alternatives per row.
    reference : array-like, sparse matrix, data frame or Reference, default=None
        Where values come from. None: what a ResilientEstimator remembers of its
        training, else `X`.
    max_edits : int, default=3
        Most columns that are changed together.
    beam : int, default=12
        How many partial changes of a row are followed.

    Returns
    -------
    list of RecourseResult
        One per row.

    Raises
    ------
    TypeError, ValueError
        As `manipulability` does, and if all columns are immutable.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from resilient_estimator.explanation import recourse
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = LogisticRegression().fit(X, X[:, 0] - X[:, 1] > 0)
    >>> recourse(model, np.array([[-0.5, 0.25]]), reference=X)
    [It is False. It would be True after
      x0 -0.5 -> -0.47 and x1 0.25 -> -0.51 (cost 0.60)
      x0 -0.5 -> 0.33 (cost 0.61)
      x1 0.25 -> -0.61 (cost 0.65)]
    """
    check_counts("recourse", n_changes=n_changes, max_edits=max_edits, beam=beam)
    oracle = Oracle("recourse", model, X)
    targets = _targets(oracle, target)
    soft = _without(soft, immutable, column_names(as_table(X)))
    moves = SoftMoves.learn("recourse", X, soft, learnt_from(model, X, reference))
    rows = np.flatnonzero(oracle.answers != targets)
    n_sets = n_changes * SETS_PER_OPTION
    search = Search(oracle, moves, max_edits=max_edits, beam=beam, n_sets=n_sets)
    asked = take_rows(X, rows)
    tries = run_confirmed(search, asked, targets[rows], "recourse")
    changes = _changes(asked, moves, tries)
    sets = moves.columns_of(tries.moves)
    found: list[list[Change]] = [[] for _ in targets]
    for k, row in enumerate(rows):
        own = np.flatnonzero(tries.row == k)
        found[row] = [changes[i] for i in _alternatives(own, sets)[:n_changes]]
    pairs = zip(oracle.answers.tolist(), targets.tolist(), found, strict=True)
    return [RecourseResult(*each) for each in pairs]


def _targets(oracle: Oracle, target: Any) -> NDArray[Any]:
    if target is not None:
        oracle.check_target("recourse", target)
        return np.full(len(oracle.answers), target)
    if oracle.classes is None or len(oracle.classes) != 2:
        expected = "given: the model does not have two classes"
        raise parameter_error("recourse", "target", expected, target)
    first, second = oracle.classes
    return np.asarray(np.where(oracle.answers == first, second, first))


def _without(soft: Any, immutable: Any, names: list[str]) -> dict[int, SoftFeature]:
    """Return how the columns that are not immutable may be changed."""
    if isinstance(immutable, (str, int, np.integer)):
        immutable = [immutable]
    fixed = {position("recourse", "immutable", c, names) for c in immutable}
    softs = read_soft("recourse", range(len(names)) if soft is None else soft, names)
    left = {place: each for place, each in softs.items() if place not in fixed}
    if not left:
        raise ValueError(
            "The 'immutable' parameter of recourse must leave a column to change. Got "
            f"{list(immutable)!r}, which are all soft columns."
        )
    return left


def _alternatives(own: NDArray[np.intp], sets: NDArray[np.bool_]) -> list[int]:
    """Leave out what changes the columns of a cheaper change, and others besides."""
    kept: list[int] = []
    for i in own.tolist():
        if not any((sets[i] >= sets[k]).all() for k in kept):
            kept.append(i)
    return kept


def _changes(X: Any, moves: SoftMoves, tries: Tries) -> list[Change]:
    before = take_rows(X, tries.row)
    after = cells(moves.apply(before, tries.moves), moves.places)
    earlier = cells(before, moves.places)
    sets = moves.columns_of(tries.moves)
    changes = []
    for i, changed in enumerate(sets):
        columns = np.flatnonzero(changed).tolist()
        names = [moves.features[k] for k in columns]
        edits = [
            edit_in_words(name, earlier[i, k], after[i, k])
            for name, k in zip(names, columns, strict=True)
        ]
        new = dict(zip(names, after[i, columns].tolist(), strict=True))
        changes.append(Change(float(tries.cost[i]), new, " and ".join(edits)))
    return changes
