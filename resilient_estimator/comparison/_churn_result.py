"""The result of comparing two versions of a model: figures, verdict and reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from resilient_estimator._results import NoTruthValue, import_pandas, percent

if TYPE_CHECKING:
    import pandas as pd

N_SHOWN = 5
STATUS = {True: "pass", False: "FAIL"}


class GroupChurn(NamedTuple):
    """Churn in one group, with bounds that hold for all groups simultaneously."""

    group: str
    n_samples: int
    churn: float
    lower: float
    upper: float


class PairedPerformance(NamedTuple):
    """Performance of two versions on the same labelled rows.

    `metric` is "accuracy" for classifiers and "mean absolute error" for regressors.
    `difference` is the change in accuracy, new minus old, or the relative reduction of
    the error: positive if the new version is better. `lower` and `upper` are its
    one-sided confidence bounds. `negative_flips` is the share of rows that only the old
    version gets right, `positive_flips` the share that only the new one gets right; a
    regressor gets a row right within the tolerance. `unnecessary_churn` is the churn
    that the change in correct predictions does not explain, `win_loss_ratio` the number
    of positive flips per negative flip, with half a row added to both.
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
class ChurnResult(NoTruthValue):
    """How two versions of a model differ, and whether the new one passes the gate.

    Use `passed` as the condition; ``bool(result)`` raises a TypeError.

    Attributes
    ----------
    n_samples : int
        Number of rows on which the versions were compared.
    churn : float
        Share of the rows on which their predictions differ.
    lower, upper : float
        Exact one-sided confidence bounds of the churn (Clopper-Pearson), each at
        ``1 - alpha``.
    max_churn, margin, alpha : float
        The limits of the gate.
    tolerance : float or None
        Regressors: largest difference at which two predictions count as equal.
    performance : PairedPerformance or None
        Comparison of the performance; None without labels.
    by_group : tuple of GroupChurn
        Churn of each group, if groups were given. Bounds are at
        ``1 - alpha / n_groups``, so that they hold simultaneously (Bonferroni). Groups
        are reported but do not affect `passed`: a small group can never be shown to
        have little churn.
    notes : tuple of str
        Further remarks, such as classes that only one of the versions knows.
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
        """Whether churn is low and, with labels, performance is maintained.

        Both have to be statistically significant, so too few rows never pass.
        """
        return self._churn_passed and self._performance_passed

    @property
    def reasons(self) -> list[str]:
        """Why the new version does not pass, followed by notes, in plain words."""
        reasons = []
        if not self._churn_passed:
            reasons.append(self._churn_reason())
        if self.performance is not None and not self._performance_passed:
            reasons.append(self._performance_reason(self.performance))
        above_limit = [g for g in self._worst_groups() if g.lower > self.max_churn]
        if above_limit and self.lower <= self.max_churn:  # else all rows exceed it
            reasons.append(self._group_reason(above_limit))
        return [*reasons, *self.notes]

    def to_frame(self) -> pd.DataFrame:
        """Return churn by group as a pandas DataFrame, worst group first.

        Returns
        -------
        frame : DataFrame of shape (n_groups, 5)
            Columns group, n_samples, churn, lower, upper.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas("ChurnResult.to_frame")
        columns = list(GroupChurn._fields)
        return pandas.DataFrame(self._worst_groups(), columns=columns)

    @property
    def _churn_passed(self) -> bool:
        return self.upper < self.max_churn

    @property
    def _performance_passed(self) -> bool:
        return self.performance is None or self.performance.lower > -self.margin

    def _worst_groups(self) -> list[GroupChurn]:
        return sorted(self.by_group, key=lambda group: -group.churn)

    def _churn_reason(self) -> str:
        limit = _percent(self.max_churn)
        found = (
            f"predictions differ on {_percent(self.churn)} of {self.n_samples:,} rows"
        )
        if self.lower > self.max_churn:
            return f"{found}, significantly more than the limit of {limit}"
        if self.churn >= self.max_churn:
            return f"{found}, which is not below the limit of {limit}"
        return f"{found}; too few rows to conclude that churn is below {limit}"

    def _group_reason(self, above_limit: list[GroupChurn]) -> str:
        worst, *others = above_limit
        reason = (
            f"predictions differ on {_percent(worst.churn)} of {worst.n_samples:,} "
            f"rows in group {worst.group}, significantly more than the limit of "
            f"{_percent(self.max_churn)}"
        )
        return f"{reason}; the same holds for {len(others)} more" if others else reason

    def _performance_reason(self, p: PairedPerformance) -> str:
        margin = _percent(self.margin, unit=_unit(p))
        found = f"{p.metric} changed from {p.old:.3g} to {p.new:.3g}"
        if p.upper < -self.margin:
            return f"{found}, significantly worse than the margin of {margin}"
        if p.difference <= -self.margin:
            return f"{found}, which is worse by the margin of {margin} or more"
        return f"{found}; too few rows to conclude that the loss is below {margin}"

    def __repr__(self) -> str:
        lines = [f"Churn gate: {'passed' if self.passed else 'FAILED'}"]
        lines.append(
            f"{STATUS[self._churn_passed]}  predictions differ on "
            f"{_percent(self.churn)} of {self.n_samples:,} rows, at most "
            f"{_percent(self.upper)} (limit {_percent(self.max_churn)})"
        )
        if self.performance is not None:
            lines += self._performance_lines(self.performance)
        lines += self._group_lines()
        lines += [f"  - {reason}" for reason in self.reasons]
        return "\n".join(lines)

    def _performance_lines(self, p: PairedPerformance) -> list[str]:
        unit = _unit(p)
        change = _percent(p.difference, unit=unit, sign="+")
        lower = _percent(p.lower, unit=unit, sign="+")
        gate = (
            f"{STATUS[self._performance_passed]}  {p.metric} {p.old:.3g} -> "
            f"{p.new:.3g}: {change}, at worst {lower} "
            f"(margin {_percent(self.margin, unit=unit)})"
        )
        flips = (
            f"      newly wrong {_percent(p.negative_flips)}, newly right "
            f"{_percent(p.positive_flips)} (win/loss {p.win_loss_ratio:.2f}); "
            f"unnecessary churn {_percent(p.unnecessary_churn)}"
        )
        return [gate, flips]

    def _group_lines(self) -> list[str]:
        lines = [
            f"      group {g.group}: {_percent(g.churn)} of {g.n_samples:,} rows, "
            f"at most {_percent(g.upper)}"
            for g in self._worst_groups()[:N_SHOWN]
        ]
        if len(self.by_group) > N_SHOWN:
            lines.append(f"      and {len(self.by_group) - N_SHOWN} more groups")
        return lines


def _percent(share: float, *, unit: str = " %", sign: str = "") -> str:
    """Return a percentage that can be compared with a limit: two decimals."""
    return percent(share, digits=2, unit=unit, sign=sign)


def _unit(performance: PairedPerformance) -> str:
    return " points" if performance.metric == "accuracy" else " %"
