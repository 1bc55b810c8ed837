"""How cheaply people can push a model to the answer that suits them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import is_number, needs_extra
from resilient_estimator.explanation._marginals import learnt_from
from resilient_estimator.explanation._oracle import Oracle, check_counts
from resilient_estimator.explanation._search import Search, run_confirmed
from resilient_estimator.explanation._soft_features import STAY, SoftMoves
from resilient_estimator.explanation._universal_tweak import (
    UniversalTweak,
    find_universal,
)
from resilient_estimator.explanation._wording import cells, edit_in_words
from resilient_estimator.statistics._intervals import (
    clopper_pearson_lower,
    clopper_pearson_upper,
)
from resilient_estimator.tabular._rows import take_rows

N_EXAMPLES = 3


@dataclass(frozen=True, eq=False)
class ManipulabilityResult:
    """By which cheapest tweaks rows reach an answer.

    Attributes
    ----------
    target : object
        The answer that is wanted.
    budget : float
        What somebody may be ready to spend.
    features : list of str
        The soft columns.
    rows : ndarray of int of shape (n_attacked,)
        Positions of the rows whose answer is not the target.
    costs : ndarray of float of shape (n_attacked,)
        Cost of the cheapest tweak found; infinite where none was.
    changed : ndarray of bool of shape (n_attacked, n_soft)
        Which columns it changes.
    before, after : ndarray of object of shape (n_attacked, n_soft)
        Cells before and after; None in `after` where a column is left.
    universal : UniversalTweak
        One or two columns set to the same values in all rows.
    n_queries : int
        How many rows the model was asked about.
    """

    target: Any
    budget: float
    features: list[str]
    rows: NDArray[np.intp]
    costs: Floats
    changed: NDArray[np.bool_]
    before: NDArray[Any]
    after: NDArray[Any]
    universal: UniversalTweak
    n_queries: int
    _moves: SoftMoves
    _tries: NDArray[np.intp]

    @property
    def share_flippable(self) -> float:
        """Share of the attacked rows that reach the target within the budget."""
        return float(self.curve([self.budget])[0])

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return bounds of the share flippable, for the number of rows attacked.

        Parameters
        ----------
        confidence : float, default=0.95
            Coverage of the interval of Clopper and Pearson.

        Returns
        -------
        lower, upper : float

        Raises
        ------
        ValueError
            If `confidence` is not in (0, 1).
        """
        if not is_number(confidence) or not 0 < confidence < 1:
            expected = "a float in the range (0, 1)"
            raise parameter_error(self, "confidence", expected, confidence)
        tail, n = (1 - confidence) / 2, len(self.costs)
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
        """Return the share of attacked rows that reach the target, per budget.

        Parameters
        ----------
        budgets : array-like of float of shape (n_budgets,)
            In units of the costs.

        Returns
        -------
        ndarray of float of shape (n_budgets,)
            Zeros where no row was attacked.
        """
        within = self._within(np.atleast_1d(np.asarray(budgets, dtype=np.float64)))
        return np.asarray(within.sum(axis=1) / max(len(self.costs), 1))

    def _within(self, budgets: Any) -> NDArray[np.bool_]:
        """Return which rows reach the target: one axis more than budgets have."""
        return np.asarray(self.costs <= np.asarray(budgets)[..., np.newaxis] + 1e-12)

    @cached_property
    def levers(self) -> dict[str, float]:
        """Share of the flips within the budget that each column has part in."""
        flips = self.changed[self._within(self.budget)]
        shares = flips.mean(axis=0) if len(flips) else np.zeros(len(self.features))
        order = np.argsort(-shares, kind="stable")
        return {self.features[i]: float(shares[i]) for i in order}

    @property
    def examples(self) -> list[str]:
        """The cheapest tweaks in words."""
        order = np.argsort(self.costs, kind="stable")[:N_EXAMPLES]
        return [self._in_words(i) for i in order if np.isfinite(self.costs[i])]

    def _in_words(self, i: int) -> str:
        edits = [
            edit_in_words(self.features[k], self.before[i, k], self.after[i, k])
            for k in np.flatnonzero(self.changed[i])
        ]
        return (
            f"row {self.rows[i]}: {', '.join(edits)} "
            f"(cost {self.costs[i]:.2f}) gives {self.target!s}"
        )

    def apply(self, X: Any) -> Any:
        """Return the rows that can be flipped at all, after their cheapest tweaks.

        A guard's flags on them say how many would have been noticed.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The rows that were looked at.

        Returns
        -------
        tweaked : as X, of shape (n_flipped, n_features)
        """
        found = np.isfinite(self.costs)
        return self._moves.apply(take_rows(X, self.rows[found]), self._tries[found])

    def to_frame(self) -> Any:
        """Return a table of the attacked rows.

        Returns
        -------
        frame : pandas.DataFrame
            Indexed by position: the cost, the number of edits, and for each soft column
            its new value, missing where it is left. A soft column that is called
            cost or n_edits itself stands there as ``cost_new``, ``n_edits_new``.
        """
        try:
            import pandas as pd  # noqa: PLC0415
        except ImportError as error:
            raise ImportError(needs_extra("pandas", "pandas", "to_frame")) from error
        taken = {"cost", "n_edits"} & set(self.features)
        names = [f"{name}_new" if name in taken else name for name in self.features]
        columns = {"cost": self.costs, "n_edits": self.changed.sum(axis=1)}
        columns |= dict(zip(names, self.after.T, strict=True))
        index = pd.Index(self.rows, name="row")
        return pd.DataFrame(columns, index=index).infer_objects()

    def __repr__(self) -> str:
        n_within = int(self._within(self.budget).sum())
        first = (
            f"Manipulability: {n_within} of {len(self.rows)} rows "
            f"({self.share_flippable:.0%}) can be made {self.target!s} at cost "
            f"{self.budget:g} or less; score {self.score:.2f}"
        )
        lines = [first]
        levers = [f"{f} {share:.0%}" for f, share in self.levers.items() if share][:5]
        if levers:
            lines.append(f"levers: {', '.join(levers)}")
        if self.universal.features:
            lines.append(f"for all: {self.universal}")
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
    beam: int = 12,
) -> ManipulabilityResult:
    """Find the cheapest tweaks of soft features that reach an advantageous answer.

    Soft features are those that people state themselves, or can change without becoming
    another case: an income that nobody checks, words in a mail. For each row whose
    answer is not the target, the search looks for::

        MC(x) = min sum_j cost_j |x'_j - x_j| / IQR_j   such that   model(x') = target

    where another label costs ``cost_j``. It is a beam search, so the costs are upper
    bounds: a row may be cheaper to flip than is said, never dearer.

    Parameters
    ----------
    model : ResilientEstimator or classifier
        Fitted. What it answers as a whole counts, fallback included. A model without
        `predict_proba` or `decision_function` is searched with less foresight,
        and a beam four times as wide.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows. Those that are not yet answered by the target are attacked.
    soft : mapping of column to cost or SoftFeature, or list of columns
        Soft columns by name or position. The cost is that of one interquartile range of
        a number, or of another label; 1 in a list.
    target : object
        The advantageous class.
    reference : array-like, sparse matrix, data frame or Reference, default=None
        Where candidate values and interquartile ranges come from. None: what a
        ResilientEstimator remembers of its training, else `X`.
    budget : float, default=1.0
        What somebody may be ready to spend.
    max_edits : int, default=3
        Most columns that are tweaked together.
    beam : int, default=12
        How many partial tweaks of a row are followed. More is slower and finds more.

    Returns
    -------
    ManipulabilityResult
        Costs and tweaks per row, shares per budget, the columns that open the door.

    Raises
    ------
    TypeError
        If the model is a regressor, or a parameter is of the wrong type.
    ValueError
        If the target is no class of the model, a column is unknown, the budget is not
        positive, or no soft column has another value to take.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from resilient_estimator.explanation import manipulability
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> tree = DecisionTreeClassifier(random_state=0).fit(X, X[:, 0] > 0)
    >>> found = manipulability(tree, X, soft={"x0": 1, "x1": 0.5}, target=True)
    >>> round(found.share_flippable, 2)
    0.73
    >>> found.levers
    {'x0': 1.0, 'x1': 0.0}
    """
    check_counts("manipulability", max_edits=max_edits, beam=beam)
    if not is_number(budget) or not 0 < budget < np.inf:
        expected = "a finite float greater than 0"
        raise parameter_error("manipulability", "budget", expected, budget)
    oracle = Oracle("manipulability", model, X)
    oracle.check_target("manipulability", target)
    moves = SoftMoves.learn("manipulability", X, soft, learnt_from(model, X, reference))
    rows = np.flatnonzero(oracle.answers != target)
    attacked = take_rows(X, rows)
    targets = np.full(len(rows), target)
    search = Search(oracle, moves, max_edits=max_edits, beam=beam)
    tries = run_confirmed(search, attacked, targets, "manipulability")
    universal = find_universal(search, attacked, targets)
    costs = np.full(len(rows), np.inf)
    costs[tries.row] = tries.cost
    taken = np.full((len(rows), max_edits), STAY, dtype=np.intp)
    taken[tries.row] = tries.moves
    changed = moves.columns_of(taken)
    after = cells(moves.apply(attacked, taken), moves.places)
    after[~changed] = None
    return ManipulabilityResult(
        target=target,
        budget=float(budget),
        features=moves.features,
        rows=rows,
        costs=costs,
        changed=changed,
        before=cells(attacked, moves.places),
        after=after,
        universal=universal,
        n_queries=oracle.n_queries,
        _moves=moves,
        _tries=taken,
    )
