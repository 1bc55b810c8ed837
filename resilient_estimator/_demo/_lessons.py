"""Say in a paragraph what a walk has shown. Every number comes from its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from resilient_estimator._demo._stream import Stream
from resilient_estimator._demo._walk import Step
from resilient_estimator._format import percent
from resilient_estimator._typing import Floats
from resilient_estimator.drift import FEATURES

MAX_NAMED = 6
MANY_FLAGGED = 0.2  # of the rows of a window
MATERIAL = 0.9  # a new model makes at most so much of the errors


def lessons(stream: Stream, steps: Sequence[Step], new: Floats | None) -> list[str]:
    """Return sentences about the walk: score, drift, fallback, cost, what to do.

    Parameters
    ----------
    stream : Stream
        What was walked through.
    steps : sequence of Step
        What each window showed.
    new : ndarray of shape (n_samples,) or None
        Floats in the last window of a model trained just before it.
    """
    sentences = [
        score_lesson(stream, steps),
        *drift_lessons(stream, steps),
        fallback_lesson(steps),
        *cost_lessons(stream, steps),
        *retraining_lessons(stream, steps, new),
    ]
    return [*sentences, advice(steps, new)]


def score_lesson(stream: Stream, steps: Sequence[Step]) -> str:
    """Compare the first window with the last, and name the worst."""
    first, last = steps[0], steps[-1]
    worst = max(steps, key=lambda step: step.losses.mean())
    if is_classifier(stream.model):
        metric, worse, better = "Accuracy", "fell", "rose"
    else:
        metric, worse, better = "The mean error", "rose", "fell"
    start = f"{_value(stream, first.losses)} in {stream.unit} {first.name}"
    if len(steps) == 1:
        return f"{metric} was {start}."
    sign = _sign(last.losses.mean() - first.losses.mean(), first.losses, last.losses)
    verb = {1: worse, -1: better, 0: "hardly moved:"}[sign]
    text = f"{metric} {verb} from {start} to "
    text += f"{_value(stream, last.losses)} in {stream.unit} {last.name}"
    value = _value(stream, worst.losses)
    if value in {_value(stream, first.losses), _value(stream, last.losses)}:
        return f"{text}."
    return f"{text}; the worst was {value} in {stream.unit} {worst.name}."


def drift_lessons(stream: Stream, steps: Sequence[Step]) -> list[str]:
    """Say which columns drifted for good, and since when; which at times or never."""
    drifts = [s.assessment.drift for s in steps if s.assessment.drift is not None]
    drifted = np.array([drift.drifted[drift.of(FEATURES)] for drift in drifts])
    lasting: dict[int, list[str]] = {}
    passing, never = [], []
    for j, name in enumerate(stream.features):
        alarms = drifted[:, j]
        if alarms[-1]:
            calm = np.flatnonzero(~alarms)
            lasting.setdefault(calm[-1] + 1 if len(calm) else 0, []).append(name)
        elif alarms.any():
            passing.append(f"{name} ({alarms.sum()} of {len(alarms)})")
        else:
            never.append(name)
    since = [
        f"{enumerate_words(lasting[i])} since {stream.unit} {steps[i].name}"
        for i in sorted(lasting)
    ]
    texts = []
    if since:
        texts.append(f"Drifted, and still do: {'; '.join(since)}.")
    if passing:
        texts.append(
            f"Drifted in some {stream.unit}s only: {enumerate_words(passing)}."
        )
    if never:
        texts.append(f"Never drifted: {enumerate_words(never)}.")
    return texts


def fallback_lesson(steps: Sequence[Step]) -> str:
    """Count the rows that the fallback answered, and how well it did."""
    masks = np.concatenate([s.assessment.flags["fallback"] for s in steps])
    count = int(np.count_nonzero(masks))
    if not count:
        return "No row needed the fallback."
    reasons = {
        reason: sum(int(np.sum(s.assessment.flags[reason])) for s in steps)
        for reason in steps[0].assessment.flags
        if reason != "fallback"
    }
    causes = [f"{n:,} {r.replace('_', ' ')}" for r, n in reasons.items() if n]
    return (
        f"The fallback answered {count:,} rows ({percent(count / len(masks))}), kept "
        f"from the model by the guard: {enumerate_words(causes)}."
    )


def cost_lessons(stream: Stream, steps: Sequence[Step]) -> list[str]:
    """Compare the cost with and without recalibration, where both are known."""
    costs = _costs(steps)
    if not len(costs):
        return []
    before, after = costs.mean(axis=0)
    text = f"Recalibrating on the labels of the {stream.unit} before "
    if _pays(costs[:, 0] - costs[:, 1]):
        text += f"saved {percent(1 - after / before)} of the cost"
    else:
        text += "did not clearly pay"
    return [f"{text}: {after:#.2g} per case on average instead of {before:#.2g}."]


def retraining_lessons(
    stream: Stream, steps: Sequence[Step], new: Floats | None
) -> list[str]:
    """Compare the model with one that was trained just before the last window."""
    if new is None:
        return []
    metric = "accuracy" if is_classifier(stream.model) else "a mean error of"
    values = f"{_value(stream, new)} instead of {_value(stream, steps[-1].losses)}"
    window = f"{stream.unit} {steps[-1].name}"
    return [
        f"A model trained on the rows just before {window} reaches {metric} {values}."
    ]


def advice(steps: Sequence[Step], new: Floats | None) -> str:
    """Say what to do next: look at the rows, recalibrate, retrain, or nothing."""
    last, costs = steps[-1], _costs(steps)
    actions = []
    if np.mean(last.assessment.flags["fallback"]) > MANY_FLAGGED:
        actions.append("find out why the guard keeps so many rows from the model")
    if len(costs) and _pays(costs[:, 0] - costs[:, 1]):
        actions.append("recalibrate at once")
    if (
        new is not None
        and new.mean() < MATERIAL * last.losses.mean()
        and _pays(last.losses - new)
    ):
        actions.append("retrain on recent rows")
    elif last.assessment:
        actions.append("find out where the drift comes from before retraining")
    if not actions:
        return "What to do: nothing now; look again when there are new rows."
    return f"What to do: {enumerate_words(actions)}."


def enumerate_words(words: Sequence[str]) -> str:
    """Return "a, b and c", cut short where there are many."""
    words = list(words)
    if len(words) > MAX_NAMED:
        words = [*words[:MAX_NAMED], f"{len(words) - MAX_NAMED} more"]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _value(stream: Stream, losses: Floats) -> str:
    """Return the accuracy or the mean error that the losses amount to."""
    if is_classifier(stream.model):
        return f"{1 - losses.mean():.2f}"
    error = losses.mean()
    return f"{error:,.0f}" if error >= 1000 else f"{error:.3g}"


def _costs(steps: Sequence[Step]) -> NDArray[np.float64]:
    """Return the costs before and after recalibration, where both are known."""
    pairs = [
        (step.cost, step.cost_recalibrated)
        for step in steps
        if step.cost_recalibrated is not None
    ]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _sign(difference: float, first: Floats, last: Floats) -> int:
    """Return the direction of a difference of means, 0 within two standard errors."""
    error = np.sqrt(first.var() / len(first) + last.var() / len(last))
    return int(np.sign(difference)) if abs(difference) > 2 * error else 0


def _pays(gains: Floats) -> bool:
    """Whether the mean of paired gains is above two standard errors."""
    return bool(gains.mean() > 2 * gains.std() / np.sqrt(len(gains)))
