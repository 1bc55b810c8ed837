"""Report on one batch: what drifted, what was flagged, how good predictions are.

`bool` of a result follows one rule in the whole library: it is True when action is
needed, as for an `Assessment`. Where that has no meaning, as for a `Drift` or a
`Stability`, it raises a TypeError that names the attribute to look at instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.metrics import r2_score
from sklearn.utils import Bunch

from resilient_estimator._results import import_pandas, percent
from resilient_estimator._typing import Floats, Mask
from resilient_estimator.drift import (
    ABSENT,
    FEATURES,
    GIVEN_THE_OTHERS,
    OUTPUTS,
    RELATIONS,
    TOO_FEW,
    WORD_LIMITS,
    WORDS,
    Drift,
)
from resilient_estimator.stability._scorer import Stability
from resilient_estimator.statistics._intervals import wilson
from resilient_estimator.tabular._table import read_table

if TYPE_CHECKING:
    import pandas as pd

    from resilient_estimator.display import DriftDisplay

ADVERBS = dict(
    zip(
        WORDS, ("hardly", "slightly", "moderately", "strongly", "severely"), strict=True
    )
)
REPORTED_PARTS = (FEATURES, OUTPUTS, RELATIONS)  # flags have a sentence of their own
N_NAMED = 3
N_HTML_ROWS = 50
HTML_COLUMNS = ("part", "feature", "verdict", "word", "severity", "pvalue", "change")

MATERIAL = WORD_LIMITS[0]  # share of flagged rows that was not flagged in training
SURGE_LEVEL = 0.01


class Performance(NamedTuple):
    """Score on labelled rows, with a 95 % interval where a formula for it exists."""

    metric: str
    value: float
    lower: float
    upper: float
    n_samples: int


@dataclass(frozen=True, eq=False)
class Assessment:
    """Report on one batch. True when action is needed.

    Action is needed when a column drifted, or when the guard flags many more rows than
    it did in training.

    Attributes
    ----------
    n_samples : int
        Number of rows in the batch.
    drift : Drift or None
        Comparison of every column with training; None without a detector.
    flags : Bunch
        Row masks: one ndarray of bool of shape (n_samples,) per reason, and `fallback`
        for the rows that are answered by the fallback.
    flagged_columns : dict of str to dict of str to int
        Number of flagged rows by reason and column.
    flags_surged : bool
        Whether the guard flags many more rows than in training.
    performance : Performance or None
        Realised score, if labels were given.
    stability : Stability or None
        How rarely a small change of a row flips its prediction, if requested.
    importances : ndarray of float of shape (n_features,) or None
        Share of each column in the model's feature importance, if it was measured.
    failure : str
        Why the predictions could not be compared; "" if they could.
    """

    n_samples: int
    drift: Drift | None
    flags: Bunch
    flagged_columns: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    flags_surged: bool = False
    performance: Performance | None = None
    stability: Stability | None = None
    importances: Floats | None = None
    failure: str = ""

    def __bool__(self) -> bool:
        drifted = self.drift is not None and self.drift.detected
        return bool(drifted or self.flags_surged)

    @property
    def flag_rates(self) -> dict[str, float]:
        """Share of the rows with each flag."""
        n_samples = max(self.n_samples, 1)
        return {r: float(np.sum(mask)) / n_samples for r, mask in self.flags.items()}

    @property
    def reasons(self) -> list[str]:
        """Reasons to look at the batch, in plain words, worst first."""
        weighted = [*self._drift_reasons(), *self._flag_reasons()]
        weighted.sort(key=lambda reason: -reason[0])
        return [text for _, text in weighted]

    def to_frame(self) -> pd.DataFrame:
        """Return the comparison of the columns as a pandas DataFrame, worst first."""
        pandas = import_pandas("Assessment.to_frame")
        if self.drift is None:
            return pandas.DataFrame()
        frame = pandas.DataFrame(self.drift.to_dict())
        if self.importances is not None:
            frame["importance"] = [self._importance(i) for i in range(len(frame))]
        return frame.iloc[self.drift.order].reset_index(drop=True)

    def plot(self, *, ax: Any = None) -> DriftDisplay:
        """Draw the severity of every column, worst first.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; if None, those of a new figure.

        Returns
        -------
        display : DriftDisplay
            The plot, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the model has no detector.
        """
        if self.drift is None:
            raise ValueError("There is no drift to draw: the model has no detector.")
        from resilient_estimator.display import DriftDisplay  # noqa: PLC0415  outermost

        return DriftDisplay(self.drift).plot(ax=ax)

    def _drift_reasons(self) -> list[tuple[float, str]]:
        if self.drift is None:
            return []
        drift = self.drift
        reasons = [(self._weight(i), self._sentence(i)) for i in _reported(drift)]
        if drift.detected and not drift.drifted.any():
            text = (
                f"the batch as a whole differs from training (p = {drift.pvalue:.2g}), "
                f"but no single column stands out; look at {drift.worst} first"
            )
            reasons.append((drift.severity, text))
        n_too_few = sum(drift.verdicts[i] == TOO_FEW for i in drift.of(FEATURES))
        if n_too_few:
            columns = "1 column" if n_too_few == 1 else f"{n_too_few} columns"
            text = (
                f"{drift.n_samples:,} rows are too few to say whether {columns} drifted"
            )
            reasons.append((0.0, text))
        if self.failure:
            reasons.append((0.0, f"predictions could not be compared: {self.failure}"))
        return reasons

    def _importance(self, i: int) -> float | None:
        """Return the feature importance of an entry; None if it is not known."""
        if self.drift is None or self.importances is None:
            return None
        place = np.flatnonzero(self.drift.of(FEATURES) == i)
        return float(self.importances[place[0]]) if len(place) else None

    def _weight(self, i: int) -> float:
        """Return the severity of an entry, times the column's importance if known."""
        importance = self._importance(i)
        severity = float(self.drift.severities[i]) if self.drift is not None else 0.0
        return severity if importance is None else severity * importance

    def _sentence(self, i: int) -> str:
        importance = self._importance(i)
        text = "" if self.drift is None else _drift_sentence(self.drift, i)
        if importance is None:
            return text
        return f"{text}; {percent(importance)} of the model's feature importance"

    def _flag_reasons(self) -> list[tuple[float, str]]:
        suspicious = np.zeros(self.n_samples, dtype=bool)
        for mask in self.flags.values():
            suspicious |= mask
        n_flagged = int(np.count_nonzero(suspicious))
        if not n_flagged:
            return []
        by_fallback = bool(np.any(self.flags.get("fallback", False)))
        verb = "answered by the fallback" if by_fallback else "flagged"
        be = "was" if n_flagged == 1 else "were"
        text = f"{n_flagged:,} of {self.n_samples:,} rows {be} {verb}: "
        return [(n_flagged / self.n_samples, text + ", ".join(self._causes()))]

    def _causes(self) -> list[str]:
        """Return which columns were flagged for which reason, most frequent first."""
        counts = {
            reason: int(np.count_nonzero(mask))
            for reason, mask in self.flags.items()
            if reason != "fallback" and mask.any()
        }
        ranked = sorted(counts, key=lambda reason: -counts[reason])
        if len(ranked) == 1:
            return [self._cause(ranked[0])]
        return [f"{self._cause(reason)} ({counts[reason]:,})" for reason in ranked]

    def _cause(self, reason: str) -> str:
        columns = self.flagged_columns.get(reason, {})
        ranked = sorted(columns, key=lambda name: -columns[name])
        named = enumerate_words(ranked, N_NAMED)
        return f"{named} {reason.replace('_', ' ')}".strip()

    def _headline(self) -> str:
        state = "action needed" if self else "no action needed"
        if self.drift is None:
            return f"{state}; {self.n_samples:,} rows, drift was not checked"
        if not self and self.drift.verdict == TOO_FEW:
            state = "too few rows to say"
        n_drifted, n_columns = self.drift.n_drifted, self.drift.n_columns
        return (
            f"{state}; {n_drifted} of {n_columns} columns drifted in "
            f"{self.n_samples:,} rows (training: {self.drift.n_reference:,})"
        )

    def _performance_line(self) -> list[str]:
        if self.performance is None:
            return []
        p = self.performance
        interval = "" if np.isnan(p.lower) else f" [{p.lower:.3f}, {p.upper:.3f}]"
        return [f"{p.metric} {p.value:.3f}{interval} on {p.n_samples:,} labelled rows"]

    def _lines(self) -> list[str]:
        """Return the lines below the headline."""
        stability = [] if self.stability is None else [repr(self.stability)]
        return [*self.reasons, *self._performance_line(), *stability]

    def __repr__(self) -> str:
        lines = [f"Assessment: {self._headline()}"]
        lines += [f"  - {line}" for line in self._lines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(line)}</li>" for line in self._lines())
        return (
            f"<div><p><strong>{escape(self._headline())}</strong></p>"
            f"<ul>{items}</ul>{self._html_table()}</div>"
        )

    def _html_table(self) -> str:
        if self.drift is None:
            return ""
        table, order = self.drift.to_dict(), self.drift.order
        head = "".join(f"<th scope='col'>{name}</th>" for name in HTML_COLUMNS)
        rows = "".join(_html_row(table, i) for i in order[:N_HTML_ROWS])
        more = len(order) - N_HTML_ROWS
        note = f"<p>and {more:,} more</p>" if more > 0 else ""
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"
        )


def _html_row(table: Mapping[str, list[Any]], i: int) -> str:
    cells = (_cell(table[name][i]) for name in HTML_COLUMNS)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def enumerate_words(words: Sequence[str], n_most: int) -> str:
    """Return words as "a, b and c", or as "a, b and 3 more" beyond `n_most`.

    Examples
    --------
    >>> from resilient_estimator.assessment import enumerate_words
    >>> enumerate_words(["age", "power", "miles"], 2)
    'age, power and 1 more'
    """
    words = list(words)
    if len(words) > n_most:
        words = [*words[:n_most], f"{len(words) - n_most} more"]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _reported(drift: Drift) -> list[int]:
    """Return the entries to report: all columns, and what these do not show already.

    The worst output stands for all outputs. That columns shifted given the others is
    news only if none shifted by itself.
    """
    drifted = drift.drifted
    by_part = {p: [i for i in drift.of(p) if drifted[i]] for p in REPORTED_PARTS}
    outputs = sorted(by_part[OUTPUTS], key=lambda i: -drift.severities[i])
    relations = [
        i
        for i in by_part[RELATIONS]
        if not by_part[FEATURES] or drift.features[i] != GIVEN_THE_OTHERS
    ]
    return [int(i) for i in (*by_part[FEATURES], *outputs[:1], *relations)]


def _drift_sentence(drift: Drift, i: int) -> str:
    name, change = drift.features[i], drift.changes[i]
    if drift.verdicts[i] == ABSENT:
        return f"{name} is absent"
    if i in drift.of(RELATIONS):
        return f"the relationships between columns changed: {change}"
    if i in drift.of(OUTPUTS):
        name = f"the model's {name}"
    if drift.severities[i] < drift.min_severity and change:  # a surge
        return f"{name}: {change}"
    share = f"{100 * drift.severities[i]:.0f} %"
    detail = f" ({change})" if change else ""
    return (
        f"{name} drifted {ADVERBS[drift.words[i]]}: {share} of rows are unlike "
        f"training{detail}"
    )


def flags_surged(
    n_flagged: int, n_samples: int, n_flagged_before: int, n_before: int
) -> bool:
    """Return whether the guard flags many more rows than in training.

    The excess must be real (hypergeometric tail probability below .01) and material
    (at least .04 of the rows, as for drift).
    """
    if not n_samples or not n_before:
        return False
    excess = n_flagged / n_samples - n_flagged_before / n_before
    pooled = n_flagged + n_flagged_before
    tail = stats.hypergeom.sf(n_flagged - 1, n_samples + n_before, pooled, n_samples)
    return bool(excess >= MATERIAL and tail < SURGE_LEVEL)


def measure_performance(y: Any, predictions: Any, *, classify: bool) -> Performance:
    """Return the accuracy of labels, or the R squared of numbers."""
    if not classify:
        return Performance("R2", r2_score(y, predictions), np.nan, np.nan, len(y))
    correct = np.asarray(predictions) == np.asarray(y)
    return accuracy_interval(correct.reshape(len(correct), -1).all(axis=1))


def check_no_missing(y: Any) -> None:
    """Raise a ValueError if a label is missing: it can be neither right nor wrong."""
    table = read_table(np.asarray(y).reshape(-1, 1))
    n_missing = 0 if table is None else int(np.count_nonzero(table.missing(0)))
    if n_missing:
        raise ValueError(
            f"y must have a label for every row; {n_missing:,} are missing. Leave out "
            "the rows without a label."
        )


def accuracy_interval(correct: Mask) -> Performance:
    """Return the accuracy with Wilson's (1927) 95 % interval."""
    accuracy, n_samples = float(np.mean(correct)), len(correct)
    lower, upper = wilson(accuracy, n_samples)
    return Performance("accuracy", accuracy, lower, upper, n_samples)
