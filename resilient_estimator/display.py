"""Pictures. Needs the extra `plot`; matplotlib is imported when something is drawn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from resilient_estimator.drift import (
    FEATURES,
    FLAGS,
    OUTPUTS,
    TOO_FEW,
    WORD_LIMITS,
    WORDS,
    Drift,
)
from resilient_estimator.exceptions import needs_extra

COLOURS = {"drifted": "#b3261e", "absent": "#b3261e", TOO_FEW: "#c9c9c9"}
CALM = "#5b7fa6"
N_SHOWN = 30


class DriftDisplay:
    """Severity of every column as horizontal bars, worst first.

    Red bars drifted, blue ones did not, grey ones cannot be judged: too few rows.

    Parameters
    ----------
    drift : Drift
        Outcome of a detector.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import FeatureDrift
    >>> from resilient_estimator.display import DriftDisplay
    >>> rng = np.random.default_rng(0)
    >>> detector = FeatureDrift().fit(rng.normal(size=(500, 2)))
    >>> DriftDisplay(detector.compare(rng.normal(size=(500, 2)))).drift.detected
    False
    """

    def __init__(self, drift: Drift) -> None:
        self.drift = drift

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure if None.

        Returns
        -------
        display : DriftDisplay
            This object.
        """
        order = self.drift.order
        shown = order[~np.isin(order, self.drift.of(FLAGS))][:N_SHOWN]
        if ax is None:
            ax = _new_axes(len(shown))
        severity = np.nan_to_num(self.drift.severities[shown])
        colours = [COLOURS.get(self.drift.verdicts[i], CALM) for i in shown]
        positions = np.arange(len(shown))
        ax.barh(positions, severity, height=0.6, color=colours)
        ax.set_yticks(positions, [_label(self.drift, i) for i in shown])
        ax.invert_yaxis()
        ax.set_xlim(0, max(0.6, 1.75 * severity.max(initial=0)))
        self._write_words(ax, shown, severity)
        ax.set_xlabel("severity: share of rows that are unlike training")
        ax.set_title(_title(self.drift), loc="left", fontsize=11, pad=30)
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _write_words(self, ax: Any, shown: Any, severity: Any) -> None:
        limits = (0.0, *WORD_LIMITS)
        for left, word in zip(limits, WORDS, strict=True):
            ax.axvline(left, color="#dddddd", linewidth=0.8, zorder=0)
            ax.annotate(
                word,
                (left, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, 3),
                textcoords="offset points",
                fontsize=7,
                color="#666666",
                rotation=20,
            )
        for position, i in enumerate(shown):
            text = self.drift.changes[i] or self.drift.verdicts[i]
            place = severity[position] + 0.005
            ax.text(place, position, text, va="center", fontsize=8, color="#333333")


def _new_axes(n_bars: int) -> Any:
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415  an extra
    except ImportError as error:
        message = needs_extra("matplotlib", "plot", "DriftDisplay.plot")
        raise ImportError(message) from error
    height = 1.4 + 0.36 * n_bars
    return plt.subplots(figsize=(8, height), layout="constrained")[1]


def _label(drift: Drift, i: int) -> str:
    name = _short(drift.features[i])
    return f"{name} (output)" if i in drift.of(OUTPUTS) else name


def _short(name: str) -> str:
    return name if len(name) <= 30 else name[:29] + "…"


def _title(drift: Drift) -> str:
    columns = drift.drifted[drift.of(FEATURES)]
    n_drifted, n_columns = int(columns.sum()), len(columns)
    return (
        f"{n_drifted} of {n_columns} columns drifted "
        f"({drift.n_samples:,} rows, training {drift.n_reference:,})"
    )
