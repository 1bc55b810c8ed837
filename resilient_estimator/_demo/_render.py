"""The walk-forward evaluation as lines of plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

import numpy as np
from sklearn.base import is_classifier

from resilient_estimator._demo._summary import summarise
from resilient_estimator._demo._walk_forward import (
    COST_OF_MISS,
    Step,
    Stream,
    fit_model,
    retrained_losses,
    walk_forward,
)
from resilient_estimator.drift import FEATURES

WIDTH = 88


def demo_lines(stream: Stream, progress: Callable[[str], None]) -> Iterator[str]:
    """Fit the model, walk it forward, and yield each line as soon as it is known.

    Parameters
    ----------
    stream : Stream
        Training rows, windows and model.
    progress : callable
        Called with a text about the current step, and with "" before a line is yielded.
    """
    yield from _paragraph(stream.title)
    yield from (f"note: {note}" for note in stream.notes)
    progress("training")
    model = fit_model(stream)
    progress("")
    yield ""
    yield from _header(stream)
    steps: list[Step] = []
    for step in walk_forward(model, stream):
        steps.append(step)
        progress("")
        yield _row(step, stream)
        progress(f"{stream.unit} {len(steps)} of {len(stream.windows)} done")
    progress("retraining")
    retrained = retrained_losses(model, stream)
    progress("")
    yield ""
    yield f"The model's own assessment of {stream.unit} {steps[-1].name}:"
    yield from _wrapped_lines(repr(steps[-1].assessment))
    yield ""
    yield "Summary:"
    yield from _paragraph(" ".join(summarise(stream, steps, retrained)))


def _header(stream: Stream) -> Iterator[str]:
    score = "accuracy" if is_classifier(stream.model) else "R2"
    name, worst = _widths(stream)
    line = f"{stream.unit:<{name}}  {score:>8}  {'drifted':>8}  "
    line += f"{'worst column':<{worst}}  {'fallback':>8}"
    if stream.binary:
        positive = np.unique(stream.y)[1].item()
        yield from _paragraph(
            f"cost: {COST_OF_MISS} for each missed row of class {positive!r}, 1 for "
            "each false alarm. recal.: cost after recalibrating the threshold on the "
            f"labels of the previous {stream.unit}."
        )
        yield ""
        line += f"  {'cost/case':>9}  {'recal.':>7}"
    yield line
    yield "-" * len(line)


def _row(step: Step, stream: Stream) -> str:
    name, width = _widths(stream)
    drift, flags = step.assessment.drift, step.assessment.flags
    share, worst = "", ""
    if drift is not None:
        share = f"{drift.n_drifted} of {drift.n_columns}"
        if drift.n_drifted:
            first = next(i for i in drift.order if i in drift.of(FEATURES))
            worst = f"{drift.features[first]}: {drift.words[first]}"
    n_fallback = int(np.count_nonzero(flags["fallback"]))
    line = f"{step.name:<{name}}  {step.score:>8.2f}  {share:>8}  "
    line += f"{worst or '-':<{width}}  {n_fallback:>8,}"
    if stream.binary:
        line += f"  {_cost(step.cost):>9}  {_cost(step.cost_recalibrated):>7}"
    return line


def _widths(stream: Stream) -> tuple[int, int]:
    """Return the widths of the table's columns that hold names."""
    name = max(map(len, [stream.unit, *stream.windows]))
    worst = max(map(len, ["worst colu", *stream.features])) + len(": moderate")
    return name, worst


def _cost(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:.2f}"


def _paragraph(text: str) -> list[str]:
    return list(_wrapped_lines(text))


def _wrapped_lines(text: str) -> Iterator[str]:
    """Yield the wrapped lines, each "%" on the same line as its number."""
    for line in text.replace(" %", "\N{NO-BREAK SPACE}%").splitlines():
        indent = "    " if line.startswith("  - ") else ""
        for part in textwrap.wrap(
            line, WIDTH, subsequent_indent=indent, break_on_hyphens=False
        ):
            yield part.replace("\N{NO-BREAK SPACE}", " ")
