"""What a batch looked like, in words and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import is_classifier
from sklearn.utils import Bunch, check_consistent_length

from resilient_estimator._format import percent
from resilient_estimator.drift import (
    ABSENT,
    FEATURES,
    GIVEN_THE_OTHERS,
    OUTPUTS,
    RELATIONS,
    TOO_FEW,
    Drift,
)
from resilient_estimator.exceptions import needs_extra
from resilient_estimator.stability._model_stability import Stability
from resilient_estimator.tabular._table import read_table

if TYPE_CHECKING:
    import pandas as pd

    from resilient_estimator.display import DriftDisplay

ADVERBS = {
    "none": "hardly",
    "slight": "slightly",
    "moderate": "moderately",
    "strong": "strongly",
    "severe": "severely",
}
REASON_WORDS = {"out_of_range": "out of range"}
N_NAMED = 3
TOLD = (FEATURES, OUTPUTS, RELATIONS)


class Performance(NamedTuple):
    """Score on labelled rows, with a 95 % interval where there is a formula for one."""

    metric: str
    value: float
    low: float
    high: float
    n_samples: int


@dataclass(frozen=True, eq=False)
class Assessment:
    """What one batch looked like. True when action is needed.

    Action is needed when a column drifted, or when the guard flags far more rows than
    it did in training.

    Attributes
    ----------
    n_samples : int
        Rows of the batch.
    drift : Drift or None
        Comparison of every column with training; None without a detector.
    flags : Bunch
        Row masks: one ndarray of bool of shape (n_samples,) per reason, and `fallback`
        for the rows that the fallback answers.
    flagged_columns : dict of str to dict of str to int
        Reason, column, number of rows.
    flags_surged : bool
        Whether the guard flags far more rows than in training.
    performance : Performance or None
        Realised score, where labels were given.
    stability : Stability or None
        How seldom a small change of a row changes the answer, where that was asked for.
    importances : ndarray of float of shape (n_features,) or None
        Share of each column in what the model uses, where that was measured.
    failure : str
        Why the model's answers could not be compared; "" if they could.
    """

    n_samples: int
    drift: Drift | None
    flags: Bunch
    flagged_columns: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    flags_surged: bool = False
    performance: Performance | None = None
    stability: Stability | None = None
    importances: NDArray[np.float64] | None = None
    failure: str = ""

    def __bool__(self) -> bool:
        drifted = self.drift is not None and self.drift.detected
        return bool(drifted or self.flags_surged)

    @property
    def flag_rates(self) -> dict[str, float]:
        """Share of the rows that carry each flag."""
        n_samples = max(self.n_samples, 1)
        return {r: float(np.sum(mask)) / n_samples for r, mask in self.flags.items()}

    @property
    def reasons(self) -> list[str]:
        """What is to be told about the batch, in plain words, worst first."""
        weighted = [*self._drift_reasons(), *self._flag_reasons()]
        weighted.sort(key=lambda reason: -reason[0])
        return [text for _, text in weighted]

    def to_frame(self) -> pd.DataFrame:
        """Return the comparison of the columns as a pandas DataFrame, worst first."""
        try:
            import pandas as pd  # noqa: PLC0415  an extra
        except ImportError as error:
            message = needs_extra("pandas", "pandas", "Assessment.to_frame")
            raise ImportError(message) from error
        if self.drift is None:
            return pd.DataFrame()
        frame = pd.DataFrame(self.drift.to_dict())
        if self.importances is not None:
            frame["used"] = [self._used(i) for i in range(len(frame))]
        return frame.iloc[self.drift.order].reset_index(drop=True)

    def plot(self, *, ax: Any = None) -> DriftDisplay:
        """Draw the severity of every column, worst first.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure if None.

        Returns
        -------
        display : DriftDisplay
            The picture, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If there was no detector.
        """
        if self.drift is None:
            raise ValueError("There is no drift to draw: the model has no detector.")
        from resilient_estimator.display import DriftDisplay  # noqa: PLC0415  outermost

        return DriftDisplay(self.drift).plot(ax=ax)

    def _drift_reasons(self) -> list[tuple[float, str]]:
        if self.drift is None:
            return []
        drift = self.drift
        reasons = [(self._weight(i), self._sentence(i)) for i in _told(drift)]
        if drift.detected and not drift.drifted.any():
            text = (
                f"the batch as a whole differs from training (p = {drift.pvalue:.2g}), "
                f"but no column can be named; first to look at: {drift.worst}"
            )
            reasons.append((drift.severity, text))
        features = drift.of(FEATURES)
        n_too_few = sum(drift.verdicts[i] == TOO_FEW for i in features)
        if n_too_few:
            subject = "1 column" if n_too_few == 1 else f"{n_too_few} columns"
            text = (
                f"{drift.n_samples:,} rows are too few to say whether {subject} drifted"
            )
            reasons.append((0.0, text))
        if self.failure:
            text = f"the model's answers could not be compared: {self.failure}"
            reasons.append((0.0, text))
        return reasons

    def _used(self, i: int) -> float | None:
        """Return the share of an entry in what the model uses, if it is known."""
        if self.drift is None or self.importances is None:
            return None
        place = np.flatnonzero(self.drift.of(FEATURES) == i)
        return float(self.importances[place[0]]) if len(place) else None

    def _weight(self, i: int) -> float:
        """Return the severity of an entry, times how much the model uses the column."""
        used = self._used(i)
        severity = float(self.drift.severities[i]) if self.drift is not None else 0.0
        return severity if used is None else severity * used

    def _sentence(self, i: int) -> str:
        used = self._used(i)
        text = "" if self.drift is None else _drift_sentence(self.drift, i)
        return (
            text if used is None else f"{text}; {percent(used)} of what the model uses"
        )

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
        causes = []
        for reason, mask in self.flags.items():
            count = int(np.count_nonzero(mask))
            if reason == "fallback" or not count:
                continue
            columns = self.flagged_columns.get(reason, {})
            ranked = sorted(columns, key=lambda name: -columns[name])
            named = " and ".join(ranked[:N_NAMED])
            if len(ranked) > N_NAMED:
                named += f" and {len(ranked) - N_NAMED} more columns"
            word = REASON_WORDS.get(reason, reason)
            causes.append((count, f"{named} {word} ({count:,})".strip()))
        causes.sort(key=lambda cause: -cause[0])
        if len(causes) == 1:
            return [causes[0][1].rsplit(" (", 1)[0]]
        return [text for _, text in causes]

    def _headline(self) -> str:
        state = "action needed" if self else "no action needed"
        if self.drift is None:
            return f"{state}; {self.n_samples:,} rows, drift not looked for"
        if not self and self.drift.verdict == TOO_FEW:
            state = "too few rows to say"
        columns = self.drift.drifted[self.drift.of(FEATURES)]
        n_drifted = int(columns.sum())
        return (
            f"{state}; {n_drifted} of {len(columns)} columns drifted in "
            f"{self.n_samples:,} rows (training: {self.drift.n_reference:,})"
        )

    def _performance_line(self) -> list[str]:
        if self.performance is None:
            return []
        p = self.performance
        interval = "" if np.isnan(p.low) else f" [{p.low:.3f}, {p.high:.3f}]"
        return [f"{p.metric} {p.value:.3f}{interval} on {p.n_samples:,} labelled rows"]

    def _lines(self) -> list[str]:
        """Return what is told below the headline."""
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
        columns = ("part", "feature", "verdict", "word", "severity", "pvalue", "change")
        head = "".join(f"<th scope='col'>{name}</th>" for name in columns)
        table = self.drift.to_dict()
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{escape(_cell(table[name][i]))}</td>" for name in columns)
            + "</tr>"
            for i in self.drift.order[:50]
        )
        more = len(self.drift.features) - 50
        note = f"<p>and {more:,} more columns</p>" if more > 0 else ""
        head = f"<thead><tr>{head}</tr></thead>"
        return f"<table>{head}<tbody>{rows}</tbody></table>{note}"


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _told(drift: Drift) -> list[int]:
    """Return which entries are told: all columns, and what they do not say already.

    Flags have a sentence of their own; of several outputs the worst stands for all;
    that columns moved given the others is news where none moved by itself.
    """
    drifted = drift.drifted
    by_part = {part: [i for i in drift.of(part) if drifted[i]] for part in TOLD}
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
        return f"columns relate otherwise than in training: {change}"
    if i in drift.of(OUTPUTS):
        name = f"the model's {name}"
    if drift.severities[i] < drift.min_severity and change:
        return f"{name} has one value far more often: {change}"
    adverb = ADVERBS[drift.words[i]]
    share = f"{100 * drift.severities[i]:.0f} %"
    told = f" ({change})" if change else ""
    return f"{name} drifted {adverb}: {share} of rows are unlike training{told}"


def flags_surged(
    n_flagged: int, n_samples: int, n_flagged_before: int, n_before: int
) -> bool:
    """Whether far more rows are flagged than in training.

    Really more (hypergeometric tail below .01, the chance when all rows of both are
    alike) and materially more (by .04 of the rows, as for drift).
    """
    if not n_samples or not n_before:
        return False
    excess = n_flagged / n_samples - n_flagged_before / n_before
    pooled = n_flagged + n_flagged_before
    tail = stats.hypergeom.sf(n_flagged - 1, n_samples + n_before, pooled, n_samples)
    return bool(excess >= 0.04 and tail < 0.01)


def realised_performance(model: Any, X: Any, y: Any) -> Performance:
    """Score a fitted model on labelled rows: accuracy, or R squared of a regressor."""
    check_consistent_length(X, y)
    check_no_missing(y)
    if not is_classifier(model):
        return Performance("R2", model.score(X, y), np.nan, np.nan, len(y))
    correct = np.asarray(model.predict(X)) == np.asarray(y)
    return accuracy_interval(correct.reshape(len(correct), -1).all(axis=1))


def check_no_missing(y: Any) -> None:
    """Raise a ValueError if a label is missing: it is neither right nor wrong."""
    table = read_table(np.asarray(y).reshape(-1, 1))
    n_missing = 0 if table is None else int(np.count_nonzero(table.missing(0)))
    if n_missing:
        raise ValueError(
            f"y must have a label for every row; {n_missing:,} are missing. Leave out "
            "the rows without one."
        )


def accuracy_interval(correct: NDArray[np.bool_]) -> Performance:
    """Accuracy with Wilson's (1927) 95 % interval."""
    n_correct, n_samples = int(np.count_nonzero(correct)), len(correct)
    interval = stats.binomtest(n_correct, n_samples).proportion_ci(method="wilson")
    accuracy = n_correct / n_samples
    return Performance("accuracy", accuracy, interval.low, interval.high, n_samples)
