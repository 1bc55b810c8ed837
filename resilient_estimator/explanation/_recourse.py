"""Algorithmic recourse: what would change a prediction (counterfactuals)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._results import NoTruthValue
from resilient_estimator._typing import Mask, Positions
from resilient_estimator._validation import (
    COUNT,
    check_argument,
    parameter_error,
    positions_of,
)
from resilient_estimator.explanation._beam_search import BeamSearch, Tweaks
from resilient_estimator.explanation._black_box import BlackBox
from resilient_estimator.explanation._marginal_distributions import find_reference
from resilient_estimator.explanation._soft_features import (
    Edits,
    SoftFeature,
    read_soft_features,
)
from resilient_estimator.explanation._value_format import (
    as_table,
    cell_values,
    format_edit,
)
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import column_names

OWNER = "recourse"
SETS_PER_CHANGE = 4  # some are supersets of a cheaper one, and are dropped


@dataclass(frozen=True)
class FeatureChange(NoTruthValue):
    """A change of one or several features that gives another prediction.

    Attributes
    ----------
    cost : float
        In units of the columns' costs.
    edits : dict of str to object
        New value of each changed column.
    description : str
        For example ``amount 5,000 -> 3,900 and duration 24 -> 18``.
    """

    cost: float
    edits: dict[str, Any]
    description: str

    def __str__(self) -> str:
        return f"{self.description} (cost {self.cost:.2f})"


@dataclass(frozen=True)
class RecourseResult(NoTruthValue):
    """The changes that would give one row another prediction, cheapest first.

    Attributes
    ----------
    prediction : object
        The prediction of the model.
    target : object
        The desired prediction.
    changes : list of FeatureChange
        Each changes another set of columns, none of which contains that of a cheaper
        one. Empty if the prediction is the target, or no change was found.
    """

    prediction: Any
    target: Any
    changes: list[FeatureChange]

    def __str__(self) -> str:
        if self.prediction == self.target:
            return f"The prediction is already {self.target!s}."
        prediction = f"The prediction is {self.prediction!s}."
        if not self.changes:
            return f"{prediction} No change was found that makes it {self.target!s}."
        changes = "\n".join(f"  {change}" for change in self.changes)
        return (
            f"{prediction} Each of these changes makes it {self.target!s}:\n{changes}"
        )

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
    beam_width: int = 12,
) -> list[RecourseResult]:
    """Find changes of rows that would give them another prediction.

    The changes describe the model; they are not advice. Nothing here knows about
    causes, or whether a single column can be changed by itself.

    Parameters
    ----------
    model : ResilientEstimator or classifier
        Fitted.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows to change, usually one.
    soft : mapping of column to cost or SoftFeature, or list of columns, default=None
        Columns that can be changed, as for `manipulability`. None: all.
    immutable : column or list of columns, default=()
        Columns that cannot be changed, such as age.
    target : object, default=None
        The desired prediction. None: the other one of two classes.
    n_changes : int, default=3
        Maximum number of changes per row.
    reference : array-like, sparse matrix, data frame or Reference, default=None
        Source of the values to try. None: what a ResilientEstimator remembers of its
        training data, otherwise `X`.
    max_edits : int, default=3
        Maximum number of columns that are changed together.
    beam_width : int, default=12
        Number of partial changes of a row that are kept.

    Returns
    -------
    results : list of RecourseResult
        One per row.

    Raises
    ------
    TypeError, ValueError
        As for `manipulability`, and if all columns are immutable.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from resilient_estimator.explanation import recourse
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = LogisticRegression().fit(X, X[:, 0] - X[:, 1] > 0)
    >>> recourse(model, np.array([[-0.5, 0.25]]), reference=X)
    [The prediction is False. Each of these changes makes it True:
      x0 -0.5 -> -0.47 and x1 0.25 -> -0.51 (cost 0.60)
      x0 -0.5 -> 0.33 (cost 0.61)
      x1 0.25 -> -0.61 (cost 0.65)]
    """
    counts = {"n_changes": n_changes, "max_edits": max_edits, "beam_width": beam_width}
    for name, value in counts.items():
        check_argument(OWNER, name, value, COUNT)
    box = BlackBox(OWNER, model, X)
    targets = _targets(box, target)
    features = _changeable(soft, immutable, column_names(as_table(X)))
    edits = Edits.from_reference(X, features, find_reference(model, X, reference))
    rows = np.flatnonzero(box.predictions != targets)
    search = BeamSearch(
        box,
        edits,
        max_edits=max_edits,
        beam_width=beam_width,
        n_sets=n_changes * SETS_PER_CHANGE,
    )
    unwanted = take_rows(X, rows)
    tweaks = search.run(unwanted, targets[rows], OWNER)
    changes = _describe(unwanted, edits, tweaks)
    sets = edits.changed_columns(tweaks.edits)
    found: list[list[FeatureChange]] = [[] for _ in targets]
    for k, row in enumerate(rows):
        own = np.flatnonzero(tweaks.row == k)
        found[row] = [changes[i] for i in _drop_supersets(own, sets)[:n_changes]]
    results = zip(box.predictions.tolist(), targets.tolist(), found, strict=True)
    return [RecourseResult(*result) for result in results]


def _targets(box: BlackBox, target: Any) -> NDArray[Any]:
    """Return the desired prediction of each row."""
    if target is not None:
        box.check_target(target)
        return np.full(len(box.predictions), target)
    if box.classes is None or len(box.classes) != 2:
        expected = "given, because the model does not have two classes"
        raise parameter_error(OWNER, "target", expected, target)
    first, second = box.classes
    return np.asarray(np.where(box.predictions == first, second, first))


def _changeable(soft: Any, immutable: Any, names: list[str]) -> dict[int, SoftFeature]:
    """Return the soft features that are not immutable, by position."""
    fixed = positions_of(OWNER, "immutable", immutable, names)
    soft = range(len(names)) if soft is None else soft
    features = read_soft_features(OWNER, soft, names)
    changeable = {i: each for i, each in features.items() if i not in fixed}
    if not changeable:
        expected = "a list that leaves at least one soft column to change"
        raise parameter_error(OWNER, "immutable", expected, immutable)
    return changeable


def _drop_supersets(tweaks: Positions, sets: Mask) -> list[int]:
    """Return the tweaks whose set of columns contains no set of a cheaper tweak."""
    kept: list[int] = []
    for i in tweaks.tolist():
        if not any((sets[i] >= sets[k]).all() for k in kept):
            kept.append(i)
    return kept


def _describe(X: Any, edits: Edits, tweaks: Tweaks) -> list[FeatureChange]:
    """Return the change that each tweak makes to its row."""
    rows = take_rows(X, tweaks.row)
    before = cell_values(rows, edits.positions)
    after = cell_values(edits.apply(rows, tweaks.edits), edits.positions)
    changes = []
    for i, changed in enumerate(edits.changed_columns(tweaks.edits)):
        columns = np.flatnonzero(changed).tolist()
        names = [edits.features[k] for k in columns]
        description = " and ".join(
            format_edit(name, before[i, k], after[i, k])
            for name, k in zip(names, columns, strict=True)
        )
        new = dict(zip(names, after[i, columns].tolist(), strict=True))
        changes.append(FeatureChange(float(tweaks.cost[i]), new, description))
    return changes
