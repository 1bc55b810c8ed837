"""The walk as lines of plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

import numpy as np
from sklearn.base import is_classifier

from resilient_estimator._demo._lessons import lessons
from resilient_estimator._demo._stream import Stream
from resilient_estimator._demo._walk import (
    COST_OF_MISS,
    Step,
    fit_model,
    retrained_losses,
    walk,
)
from resilient_estimator.drift import FEATURES

WIDTH = 88


def demo_lines(stream: Stream, progress: Callable[[str], None]) -> Iterator[str]:
    """Fit, walk, and yield every line as soon as it is known.

    Parameters
    ----------
    stream : Stream
        What to walk through.
    progress : callable
        Is told what is going on; "" when a line is about to come.
    """
    yield from _paragraph(stream.title)
    yield from (f"note: {note}" for note in stream.notes)
    progress("training")
    model = fit_model(stream)
    progress("")
    yield ""
    yield from _header(stream)
    steps: list[Step] = []
    for step in walk(model, stream):
        steps.append(step)
        progress("")
        yield _row(step, stream)
        progress(f"{stream.unit} {len(steps)} of {len(stream.windows)} done")
    progress("training once more")
    new = retrained_losses(model, stream)
    progress("")
    yield ""
    yield f"What the model itself says about {stream.unit} {steps[-1].name}:"
    yield from _wrapped_lines(repr(steps[-1].assessment))
    yield ""
    yield "What the walk has shown:"
    yield from _paragraph(" ".join(lessons(stream, steps, new)))


def _header(stream: Stream) -> Iterator[str]:
    score = "accuracy" if is_classifier(stream.model) else "R2"
    name, worst = _widths(stream)
    line = f"{stream.unit:<{name}}  {score:>8}  {'drifted':>8}  "
    line += f"{'worst column':<{worst}}  {'fallback':>8}"
    if stream.binary:
        positive = np.unique(stream.y)[1].item()
        yield from _paragraph(
            f"cost: {COST_OF_MISS} for each row of class {positive!r} that is missed, "
            "1 for each false alarm. recal.: cost with the threshold set anew on the "
            f"labels of the {stream.unit} before."
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
        columns = drift.of(FEATURES)
        n_drifted = int(drift.drifted[columns].sum())
        share = f"{n_drifted} of {len(columns)}"
        if n_drifted:
            first = next(i for i in drift.order if i in columns)
            worst = f"{drift.features[first]}: {drift.words[first]}"
    n_fallback = int(np.count_nonzero(flags["fallback"]))
    line = f"{step.name:<{name}}  {step.score:>8.2f}  {share:>8}  "
    line += f"{worst or '-':<{width}}  {n_fallback:>8,}"
    if stream.binary:
        line += f"  {_money(step.cost):>9}  {_money(step.cost_recalibrated):>7}"
    return line


def _widths(stream: Stream) -> tuple[int, int]:
    """Return the widths of the columns that hold names."""
    name = max(map(len, [stream.unit, *stream.windows]))
    worst = max(map(len, ["worst colu", *stream.features])) + len(": moderate")
    return name, worst


def _money(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:.2f}"


def _paragraph(text: str) -> list[str]:
    return list(_wrapped_lines(text))


def _wrapped_lines(text: str) -> Iterator[str]:
    """Yield the lines, wrapped, with every "%" on the line of its number."""
    for line in text.replace(" %", "\N{NO-BREAK SPACE}%").splitlines():
        indent = "    " if line.startswith("  - ") else ""
        for part in textwrap.wrap(
            line, WIDTH, subsequent_indent=indent, break_on_hyphens=False
        ):
            yield part.replace("\N{NO-BREAK SPACE}", " ")
