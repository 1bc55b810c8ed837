"""Plots. They need the extra `plot`; matplotlib is imported only when one is drawn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.drift import (
    ABSENT,
    DRIFTED,
    FLAGS,
    OUTPUTS,
    TOO_FEW,
    WORD_LIMITS,
    WORDS,
    Drift,
)
from resilient_estimator.exceptions import needs_extra

RED, BLUE, GREY = "#b3261e", "#5b7fa6", "#c9c9c9"
COLOURS = {DRIFTED: RED, ABSENT: RED, TOO_FEW: GREY}
N_SHOWN = 30


class DriftDisplay:
    """Severity of every column as horizontal bars, worst first.

    Columns with a red bar drifted, those with a blue bar did not. A grey bar means that
    there are too few rows to say.

    Parameters
    ----------
    drift : Drift
        Result of a detector.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes that hold the bars.
    figure_ : matplotlib Figure
        Figure that holds the axes.

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
            Axes to draw on; if None, those of a new figure.

        Returns
        -------
        display : DriftDisplay
            This object.
        """
        order = self.drift.order
        shown = order[~np.isin(order, self.drift.of(FLAGS))][:N_SHOWN]
        severity = np.nan_to_num(self.drift.severities[shown])
        ax = _new_axes(len(shown)) if ax is None else ax
        self._draw_bars(ax, shown, severity)
        _write_words(ax)
        for position, i in enumerate(shown):
            text = self.drift.changes[i] or self.drift.verdicts[i]
            place = severity[position] + 0.005
            ax.text(place, position, text, va="center", fontsize=8, color="#333333")
        ax.set_xlabel("severity: share of rows that are unlike training")
        ax.set_title(_title(self.drift), loc="left", fontsize=11, pad=30)
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_bars(self, ax: Any, shown: Positions, severity: Floats) -> None:
        colours = [COLOURS.get(self.drift.verdicts[i], BLUE) for i in shown]
        positions = np.arange(len(shown))
        ax.barh(positions, severity, height=0.6, color=colours)
        ax.set_yticks(positions, [_label(self.drift, i) for i in shown])
        ax.invert_yaxis()
        ax.set_xlim(0, max(0.6, 1.85 * severity.max(initial=0)))


def _write_words(ax: Any) -> None:
    """Write the words for severities above the places where they begin."""
    for left, word in zip((0.0, *WORD_LIMITS), WORDS, strict=True):
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


def _new_axes(n_bars: int) -> Any:
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415  an extra
    except ImportError as error:
        message = needs_extra("matplotlib", "plot", "DriftDisplay.plot")
        raise ImportError(message) from error
    height = 1.4 + 0.36 * n_bars
    return plt.subplots(figsize=(8, height), layout="constrained")[1]


def _label(drift: Drift, i: int) -> str:
    name = drift.features[i]
    name = name if len(name) <= 30 else name[:29] + "…"
    return f"{name} (output)" if i in drift.of(OUTPUTS) else name


def _title(drift: Drift) -> str:
    return (
        f"{drift.n_drifted} of {drift.n_columns} columns drifted "
        f"({drift.n_samples:,} rows; training: {drift.n_reference:,})"
    )
