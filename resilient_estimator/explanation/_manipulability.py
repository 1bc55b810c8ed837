"""Manipulability: how cheaply people can change their rows to get a better outcome."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._results import NoTruthValue, import_pandas, percent
from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import (
    COUNT,
    OPEN_PROPORTION,
    POSITIVE,
    check_argument,
)
from resilient_estimator.explanation._beam_search import BeamSearch
from resilient_estimator.explanation._black_box import BlackBox
from resilient_estimator.explanation._marginal_distributions import find_reference
from resilient_estimator.explanation._soft_features import (
    NO_EDIT,
    Edits,
    read_soft_features,
)
from resilient_estimator.explanation._universal_tweak import (
    UniversalTweak,
    find_universal,
)
from resilient_estimator.explanation._value_format import (
    as_table,
    cell_values,
    format_edit,
)
from resilient_estimator.statistics._intervals import (
    clopper_pearson_lower,
    clopper_pearson_upper,
)
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import column_names

OWNER = "manipulability"
N_EXAMPLES = 3
N_LEVERS = 5


@dataclass(frozen=True, eq=False)
class ManipulabilityResult(NoTruthValue):
    """The cheapest tweak by which each row reaches the target.

    Attributes
    ----------
    target : object
        The desired prediction.
    budget : float
        The cost that people are assumed to accept.
    features : list of str
        Names of the soft features.
    rows : ndarray of int of shape (n_attacked,)
        Positions of the rows whose prediction is not the target.
    costs : ndarray of float of shape (n_attacked,)
        Cost of the cheapest tweak that was found; infinite if there is none.
    changed : ndarray of bool of shape (n_attacked, n_soft)
        Which soft features it changes.
    before, after : ndarray of object of shape (n_attacked, n_soft)
        Values before and after the tweak; None in `after` if not changed.
    universal : UniversalTweak
        One or two columns set to the same values in all rows.
    n_queries : int
        Number of rows that the model had to predict.
    """

    target: Any
    budget: float
    features: list[str]
    rows: Positions
    costs: Floats
    changed: Mask
    before: NDArray[Any]
    after: NDArray[Any]
    universal: UniversalTweak
    n_queries: int
    _edits: Edits
    _tweaks: Positions

    @property
    def share_flippable(self) -> float:
        """Share of the attacked rows that reach the target within the budget."""
        return float(self.curve([self.budget])[0])

    def interval(self, confidence_level: float = 0.95) -> tuple[float, float]:
        """Return a confidence interval of `share_flippable` (Clopper-Pearson).

        Parameters
        ----------
        confidence_level : float, default=0.95
            Coverage of the interval.

        Returns
        -------
        lower, upper : float

        Raises
        ------
        ValueError
            If `confidence_level` is not in (0, 1).
        """
        check_argument(self, "confidence_level", confidence_level, OPEN_PROPORTION)
        tail, n = (1 - confidence_level) / 2, len(self.costs)
        if not n:
            return 0.0, 1.0
        count = int(np.rint(self.share_flippable * n))
        lower = clopper_pearson_lower(count, n, alpha=tail)
        return float(lower), float(clopper_pearson_upper(count, n, alpha=tail))

    @property
    def score(self) -> float:
        """One minus the mean of ``min(cost, budget) / budget``; 1 if all is free."""
        if not len(self.costs):
            return 0.0
        return float(1 - np.minimum(self.costs / self.budget, 1).mean())

    def curve(self, budgets: Any) -> Floats:
        """Return the share of attacked rows that reach the target within each budget.

        Parameters
        ----------
        budgets : array-like of float of shape (n_budgets,)
            In units of the costs.

        Returns
        -------
        shares : ndarray of float of shape (n_budgets,)
            Zeros if no row was attacked.
        """
        within = self._within(np.atleast_1d(np.asarray(budgets, dtype=np.float64)))
        return np.asarray(within.sum(axis=1) / max(len(self.costs), 1))

    def _within(self, budgets: Any) -> Mask:
        """Return which rows are within the budgets; rows are the last axis."""
        return np.asarray(self.costs <= np.asarray(budgets)[..., np.newaxis] + 1e-12)

    @cached_property
    def levers(self) -> dict[str, float]:
        """Share of the tweaks within the budget that involve each column."""
        flips = self.changed[self._within(self.budget)]
        shares = flips.mean(axis=0) if len(flips) else np.zeros(len(self.features))
        order = np.argsort(-shares, kind="stable")
        return {self.features[i]: float(shares[i]) for i in order}

    @property
    def examples(self) -> list[str]:
        """The cheapest tweaks, in plain words."""
        order = np.argsort(self.costs, kind="stable")[:N_EXAMPLES]
        return [self._describe(i) for i in order if np.isfinite(self.costs[i])]

    def _describe(self, i: int) -> str:
        edits = [
            format_edit(self.features[k], self.before[i, k], self.after[i, k])
            for k in np.flatnonzero(self.changed[i])
        ]
        return (
            f"row {self.rows[i]}: {', '.join(edits)} "
            f"(cost {self.costs[i]:.2f}) gives {self.target!s}"
        )

    def apply(self, X: Any) -> Any:
        """Return the rows that can be flipped, after their cheapest tweaks.

        Pass them to a guard to see how many of the tweaks it would notice.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The rows that were analysed.

        Returns
        -------
        tweaked : as X, of shape (n_flipped, n_features)
        """
        found = np.isfinite(self.costs)
        return self._edits.apply(take_rows(X, self.rows[found]), self._tweaks[found])

    def to_frame(self) -> Any:
        """Return a table of the attacked rows.

        Returns
        -------
        frame : pandas.DataFrame
            Indexed by position: the cost, the number of edits, and the new value of
            each soft feature, missing if it is not changed. A soft feature that is
            itself called cost or n_edits becomes ``cost_new`` or ``n_edits_new``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas("ManipulabilityResult.to_frame")
        taken = {"cost", "n_edits"} & set(self.features)
        names = [f"{name}_new" if name in taken else name for name in self.features]
        columns = {"cost": self.costs, "n_edits": self.changed.sum(axis=1)}
        columns |= dict(zip(names, self.after.T, strict=True))
        index = pandas.Index(self.rows, name="row")
        return pandas.DataFrame(columns, index=index).infer_objects()

    def __repr__(self) -> str:
        n_within = int(self._within(self.budget).sum())
        first = (
            f"Manipulability: {n_within} of {len(self.rows)} rows "
            f"({percent(self.share_flippable)}) can be changed to {self.target!s} at a "
            f"cost of at most {self.budget:g}; score {self.score:.2f}"
        )
        lines = [first]
        used = [(name, share) for name, share in self.levers.items() if share]
        if used:
            levers = [f"{name} {percent(share)}" for name, share in used[:N_LEVERS]]
            lines.append(f"levers: {', '.join(levers)}")
        if self.universal.features:
            lines.append(f"universal: {self.universal}")
        return "\n  ".join([*lines, *self.examples])


def manipulability(
    model: Any,
    X: Any,
    *,
    soft: Any,
    target: Any,
    reference: Any = None,
    budget: float = 1.0,
    max_edits: int = 3,
    beam_width: int = 12,
) -> ManipulabilityResult:
    """Find the cheapest tweaks of soft features that change predictions to a target.

    Soft features are those that people declare themselves, or can change at will: an
    income that nobody verifies, words in an e-mail. For each row whose prediction is
    not the target, the search looks for ::

        MC(x) = min sum_j cost_j |x'_j - x_j| / IQR_j   such that   model(x') = target

    where changing a label costs ``cost_j``. It is a beam search, so costs are upper
    bounds: there may be a cheaper tweak that was not found.

    Parameters
    ----------
    model : ResilientEstimator or classifier
        Fitted. The final predictions count, including those of a fallback. Without
        `predict_proba` or `decision_function` the search is less directed, and the beam
        is four times as wide.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows. Those whose prediction is not the target are attacked.
    soft : mapping of column to cost or SoftFeature, or list of columns
        Soft features by name or position. The cost is that of changing a number by one
        interquartile range, or a label; 1 for a list.
    target : object
        The desired class.
    reference : array-like, sparse matrix, data frame or Reference, default=None
        Source of the values to try and of the interquartile ranges. None: what a
        ResilientEstimator remembers of its training data, otherwise `X`.
    budget : float, default=1.0
        The cost that people are assumed to accept.
    max_edits : int, default=3
        Maximum number of columns that are changed together.
    beam_width : int, default=12
        Number of partial tweaks of a row that are kept. A wider beam is slower and
        finds cheaper tweaks.

    Returns
    -------
    result : ManipulabilityResult
        Costs and tweaks of each row, shares per budget, and the columns involved.

    Raises
    ------
    TypeError
        If the model is a regressor, or a parameter has the wrong type.
    ValueError
        If the target is not a class of the model, a column is unknown, the budget is
        not positive, or no soft feature has another value to try.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from resilient_estimator.explanation import manipulability
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> tree = DecisionTreeClassifier(random_state=0).fit(X, X[:, 0] > 0)
    >>> result = manipulability(tree, X, soft={"x0": 1, "x1": 0.5}, target=True)
    >>> round(result.share_flippable, 2)
    0.73
    >>> result.levers
    {'x0': 1.0, 'x1': 0.0}
    """
    for name, value in {"max_edits": max_edits, "beam_width": beam_width}.items():
        check_argument(OWNER, name, value, COUNT)
    check_argument(OWNER, "budget", budget, POSITIVE)
    box = BlackBox(OWNER, model, X)
    box.check_target(target)
    features = read_soft_features(OWNER, soft, column_names(as_table(X)))
    edits = Edits.from_reference(X, features, find_reference(model, X, reference))
    rows = np.flatnonzero(box.predictions != target)
    attacked, targets = take_rows(X, rows), np.full(len(rows), target)
    search = BeamSearch(box, edits, max_edits=max_edits, beam_width=beam_width)
    cheapest = search.run(attacked, targets, OWNER)
    universal = find_universal(search, attacked, targets)
    costs = np.full(len(rows), np.inf)
    costs[cheapest.row] = cheapest.cost
    tweaks = np.full((len(rows), max_edits), NO_EDIT, dtype=np.intp)
    tweaks[cheapest.row] = cheapest.edits
    changed = edits.changed_columns(tweaks)
    after = cell_values(edits.apply(attacked, tweaks), edits.positions)
    after[~changed] = None
    return ManipulabilityResult(
        target=target,
        budget=float(budget),
        features=edits.features,
        rows=rows,
        costs=costs,
        changed=changed,
        before=cell_values(attacked, edits.positions),
        after=after,
        universal=universal,
        n_queries=box.n_queries,
        _edits=edits,
        _tweaks=tweaks,
    )
