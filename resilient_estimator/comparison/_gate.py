"""What is to be said of a new version of a model, and whether it may go out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.exceptions import needs_extra

if TYPE_CHECKING:
    import pandas as pd

N_SHOWN = 5
WORDS = {True: "pass", False: "FAIL"}


class GroupChurn(NamedTuple):
    """Churn in one group, with bounds that hold for all groups at once."""

    group: str
    n_samples: int
    churn: float
    lower: float
    upper: float


class PairedPerformance(NamedTuple):
    """Two versions on the same labelled rows; differences are new minus old.

    `metric` is "accuracy", or "mean absolute error": then `difference` is the share of
    the old error that the new version saves. `lower` and `upper` are one-sided bounds
    of the difference. `negative_flips` and `positive_flips` are the shares of rows that
    only the old, and only the new version gets right: regressors, within the tolerance.
    `unnecessary_churn` is the churn that the change in correct rows does not explain,
    `win_loss_ratio` counts positive per negative flip, half a row added to both.
    """

    metric: str
    old: float
    new: float
    difference: float
    lower: float
    upper: float
    negative_flips: float
    positive_flips: float
    unnecessary_churn: float
    win_loss_ratio: float


@dataclass(frozen=True, eq=False)
class ChurnResult:
    """How two versions of a model differ, and whether the new one passes the gate.

    Ask for `passed`: a Churn is neither true nor false.

    Attributes
    ----------
    n_samples : int
        Rows that both versions answered.
    churn : float
        Share of the rows on which the answers differ.
    lower, upper : float
        Exact one-sided bounds of the churn (Clopper-Pearson), each at ``1 - alpha``.
    max_churn, margin, alpha : float
        What the gate was asked for.
    tolerance : float or None
        Regressors: up to which difference two answers are the same.
    performance : PairedPerformance or None
        Comparison on the labels, where they were given.
    by_group : tuple of GroupChurn
        Churn of each group, where groups were given. Bounds are at
        ``1 - alpha / n_groups``, so that they all hold at once (Bonferroni). Groups are
        told, not gated: few rows can never be shown to churn little.
    notes : tuple of str
        What else is to be known, such as classes that only one version knows.
    """

    n_samples: int
    churn: float
    lower: float
    upper: float
    max_churn: float
    margin: float
    alpha: float
    tolerance: float | None = None
    performance: PairedPerformance | None = None
    by_group: tuple[GroupChurn, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether churn is surely small and, with labels, performance surely kept."""
        return self._churn_passed and self._performance_passed

    @property
    def reasons(self) -> list[str]:
        """Why the gate is not passed, then what else is to be told, in plain words."""
        told = []
        if not self._churn_passed:
            told.append(self._churn_reason())
        if self.performance is not None and not self._performance_passed:
            told.append(self._performance_reason(self.performance))
        churning = [g for g in self._worst_groups() if g.lower > self.max_churn]
        if churning and self.lower <= self.max_churn:  # else it is everywhere
            told.append(self._group_reason(churning))
        return [*told, *self.notes]

    def to_frame(self) -> pd.DataFrame:
        """Return churn by group as a pandas DataFrame, worst first.

        Returns
        -------
        frame : DataFrame of shape (n_groups, 5)
            Columns group, n_samples, churn, lower, upper.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415  an extra
        except ImportError as error:
            message = needs_extra("pandas", "pandas", "ChurnResult.to_frame")
            raise ImportError(message) from error
        return pd.DataFrame(self._worst_groups(), columns=list(GroupChurn._fields))

    @property
    def _churn_passed(self) -> bool:
        return self.upper < self.max_churn

    @property
    def _performance_passed(self) -> bool:
        return self.performance is None or self.performance.lower > -self.margin

    def _worst_groups(self) -> list[GroupChurn]:
        return sorted(self.by_group, key=lambda group: -group.churn)

    def _churn_reason(self) -> str:
        differ = f"answers differ on {percent(self.churn)} of {self.n_samples:,} rows"
        limit = percent(self.max_churn)
        if self.lower > self.max_churn:
            return f"{differ}: surely more than {limit}"
        if self.churn >= self.max_churn:
            return f"{differ}: not below {limit}"
        return f"{differ}: too few rows to be sure that it is below {limit}"

    def _group_reason(self, churning: list[GroupChurn]) -> str:
        worst, *others = churning
        more = f" and in {len(others)} more groups" if others else ""
        return (
            f"surely more than {percent(self.max_churn)} of the answers differ in "
            f"group {worst.group} ({percent(worst.churn)} of {worst.n_samples:,} rows)"
            f"{more}"
        )

    def _performance_reason(self, p: PairedPerformance) -> str:
        change = f"{p.metric} went from {p.old:.3g} to {p.new:.3g}"
        margin = percent(self.margin, unit=_unit(p))
        if p.upper < -self.margin:
            return f"{change}: surely worse by more than {margin}"
        if p.difference <= -self.margin:
            return f"{change}: worse by {margin} or more"
        return f"{change}: too few rows to be sure that it is not worse by {margin}"

    def __bool__(self) -> bool:
        raise TypeError("A Churn is neither true nor false: ask for its 'passed'.")

    def __repr__(self) -> str:
        lines = [f"Churn: {'passed' if self.passed else 'NOT passed'}"]
        lines.append(
            f"{WORDS[self._churn_passed]}  answers differ on {percent(self.churn)} of "
            f"{self.n_samples:,} rows, at most {percent(self.upper)} "
            f"(limit {percent(self.max_churn)})"
        )
        if self.performance is not None:
            lines += self._performance_lines(self.performance)
        lines += [
            f"      group {g.group}: {percent(g.churn)} of {g.n_samples:,} rows, "
            f"at most {percent(g.upper)}"
            for g in self._worst_groups()[:N_SHOWN]
        ]
        if len(self.by_group) > N_SHOWN:
            lines.append(f"      and {len(self.by_group) - N_SHOWN} more groups")
        lines += [f"  - {reason}" for reason in self.reasons]
        return "\n".join(lines)

    def _performance_lines(self, p: PairedPerformance) -> list[str]:
        unit = _unit(p)
        change = percent(p.difference, unit=unit, sign="+")
        worst = percent(p.lower, unit=unit, sign="+")
        word = WORDS[self._performance_passed]
        gate = (
            f"{word}  {p.metric} {p.old:.3g} -> {p.new:.3g}: {change}, at worst "
            f"{worst} (margin {percent(self.margin, unit=unit)})"
        )
        flips = (
            f"      newly wrong {percent(p.negative_flips)}, newly right "
            f"{percent(p.positive_flips)} (win/loss {p.win_loss_ratio:.2f}); "
            f"unnecessary churn {percent(p.unnecessary_churn)}"
        )
        return [gate, flips]


def percent(share: float, *, unit: str = " %", sign: str = "") -> str:
    """Return a share in words."""
    return f"{round(100 * share, 2):{sign}g}{unit}"


def _unit(performance: PairedPerformance) -> str:
    return " points" if performance.metric == "accuracy" else " %"


def agree(a: Any, b: Any, tolerance: float | None) -> NDArray[np.bool_]:
    """Return which answers are the same: numbers, up to a tolerance."""
    return np.asarray(a == b if tolerance is None else np.abs(a - b) <= tolerance)
