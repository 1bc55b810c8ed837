"""Summarise a walk-forward evaluation in a paragraph, from the results of its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import is_classifier

from resilient_estimator._demo._walk_forward import Step, Stream
from resilient_estimator._results import percent
from resilient_estimator._typing import Floats
from resilient_estimator.assessment import enumerate_words
from resilient_estimator.drift import FEATURES

MAX_NAMED = 6
MANY_FLAGGED = 0.2  # of the rows of a window
MATERIAL = 0.9  # a retrained model must have at most this share of the losses


def summarise(
    stream: Stream, steps: Sequence[Step], retrained: Floats | None
) -> list[str]:
    """Return sentences about score, drift, fallback and cost, and what to do.

    Parameters
    ----------
    stream : Stream
        Training rows, windows and model.
    steps : sequence of Step
        Results for each window.
    retrained : ndarray of float of shape (n_samples,) or None
        Losses, in the last window, of a model retrained just before it.
    """
    sentences = [
        score_sentence(stream, steps),
        *drift_sentences(stream, steps),
        fallback_sentence(steps),
        *cost_sentences(stream, steps),
        *retraining_sentences(stream, steps, retrained),
    ]
    return [*sentences, advice(steps, retrained)]


def score_sentence(stream: Stream, steps: Sequence[Step]) -> str:
    """Compare the first window with the last, and name the worst one."""
    first, last = steps[0], steps[-1]
    worst = max(steps, key=lambda step: step.losses.mean())
    if is_classifier(stream.model):
        metric, worse, better = "Accuracy", "fell", "rose"
    else:
        metric, worse, better = "The mean absolute error", "rose", "fell"
    start, end = (_value_in(stream, step) for step in (first, last))
    if len(steps) == 1:
        return f"{metric} was {start}."
    sign = _sign(last.losses.mean() - first.losses.mean(), first.losses, last.losses)
    verb = {1: worse, -1: better, 0: "hardly changed,"}[sign]
    text = f"{metric} {verb} from {start} to {end}"
    values = {_value(stream, first.losses), _value(stream, last.losses)}
    if _value(stream, worst.losses) in values:
        return f"{text}."
    return f"{text}; the worst was {_value_in(stream, worst)}."


def drift_sentences(stream: Stream, steps: Sequence[Step]) -> list[str]:
    """List the columns that drifted for good, temporarily or never."""
    drifts = [s.assessment.drift for s in steps if s.assessment.drift is not None]
    drifted = np.array([drift.drifted[drift.of(FEATURES)] for drift in drifts])
    lasting: dict[int, list[str]] = {}
    temporary, never = [], []
    for j, name in enumerate(stream.features):
        alarms = drifted[:, j]
        if alarms[-1]:
            calm = np.flatnonzero(~alarms)
            lasting.setdefault(calm[-1] + 1 if len(calm) else 0, []).append(name)
        elif alarms.any():
            temporary.append(f"{name} ({alarms.sum()} of {len(alarms)})")
        else:
            never.append(name)
    since = "; ".join(
        f"{_listed(lasting[i])} since {stream.unit} {steps[i].name}"
        for i in sorted(lasting)
    )
    parts = {
        "Lasting drift": since,
        f"Drift in some {stream.unit}s only": _listed(temporary),
        "Never drifted": _listed(never),
    }
    return [f"{head}: {names}." for head, names in parts.items() if names]


def fallback_sentence(steps: Sequence[Step]) -> str:
    """Count the rows that were answered by the fallback, by reason."""
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
    share = percent(count / len(masks))
    return (
        f"The fallback answered {count:,} rows ({share}) that the guard had flagged: "
        f"{_listed(causes)}."
    )


def cost_sentences(stream: Stream, steps: Sequence[Step]) -> list[str]:
    """Compare the cost with and without recalibration, where both are known."""
    costs = _costs(steps)
    if not len(costs):
        return []
    before, after = costs.mean(axis=0)
    text = f"Recalibrating on the labels of the previous {stream.unit} "
    if _pays(costs[:, 0] - costs[:, 1]):
        text += f"saved {percent(1 - after / before)} of the cost"
    else:
        text += "did not clearly pay off"
    return [f"{text}: {after:#.2g} per case on average instead of {before:#.2g}."]


def retraining_sentences(
    stream: Stream, steps: Sequence[Step], retrained: Floats | None
) -> list[str]:
    """Compare the model with one that was retrained just before the last window."""
    if retrained is None:
        return []
    metric = "an accuracy" if is_classifier(stream.model) else "a mean absolute error"
    value, before = _value(stream, retrained), _value(stream, steps[-1].losses)
    model = f"A model retrained on the rows just before {stream.unit} {steps[-1].name}"
    return [f"{model} reaches {metric} of {value} instead of {before}."]


def advice(steps: Sequence[Step], retrained: Floats | None) -> str:
    """Advise to look at the rows, to recalibrate, to retrain, or to do nothing."""
    last, costs = steps[-1], _costs(steps)
    actions = []
    if np.mean(last.assessment.flags["fallback"]) > MANY_FLAGGED:
        actions.append("find out why the guard flags so many rows")
    if len(costs) and _pays(costs[:, 0] - costs[:, 1]):
        actions.append("recalibrate at once")
    if (
        retrained is not None
        and retrained.mean() < MATERIAL * last.losses.mean()
        and _pays(last.losses - retrained)
    ):
        actions.append("retrain on recent rows")
    elif last.assessment:
        actions.append("find out where the drift comes from before retraining")
    if not actions:
        return "What to do: nothing for now; check again when there are new rows."
    return f"What to do: {_listed(actions)}."


def _listed(words: Sequence[str]) -> str:
    return enumerate_words(words, MAX_NAMED)


def _value_in(stream: Stream, step: Step) -> str:
    return f"{_value(stream, step.losses)} in {stream.unit} {step.name}"


def _value(stream: Stream, losses: Floats) -> str:
    """Return the accuracy or the mean absolute error, from the losses of rows."""
    if is_classifier(stream.model):
        return f"{1 - losses.mean():.2f}"
    error = losses.mean()
    return f"{error:,.0f}" if error >= 1000 else f"{error:.3g}"


def _costs(steps: Sequence[Step]) -> Floats:
    """Return the costs before and after recalibration, where both are known."""
    pairs = [
        (step.cost, step.cost_recalibrated)
        for step in steps
        if step.cost_recalibrated is not None
    ]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _sign(difference: float, first: Floats, last: Floats) -> int:
    """Return the sign of a difference of means, 0 within two standard errors."""
    error = np.sqrt(first.var() / len(first) + last.var() / len(last))
    return int(np.sign(difference)) if abs(difference) > 2 * error else 0


def _pays(gains: Floats) -> bool:
    """Return whether the mean of paired gains exceeds two standard errors."""
    return bool(gains.mean() > 2 * gains.std() / np.sqrt(len(gains)))
