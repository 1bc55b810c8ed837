"""Find the weeks in which a frozen model decays, with and without labels.

The data are those of the electricity market of New South Wales, every half-hour from
May 1996; the target is whether the price rises. They are read from the folder named by
the environment variable RESILIENT_DATA, or from ../shared/data. If they are not found,
a small simulated data set is used instead, and the first line of the output says so.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

from resilient_estimator import FeatureDrift, OutputDrift, ResilientEstimator
from resilient_estimator.datasets import make_insurance

TWO_WEEKS = 14 * 48
HARMFUL = 0.05
SIMULATED = "elec2 was not found: simulated car insurance, one chunk per month, is used"
DECAYED = "decayed"
SIGNALS = ("columns drifted", "outputs drifted", "labels: clearly worse")


def find_data() -> Path | None:
    """Return the folder with the real data sets, None if there is none."""
    named = os.environ.get("RESILIENT_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared/data"
    places = [Path(named), Path(named).parent] if named else [beside]
    return next((place for place in places if (place / "load.py").exists()), None)


def load_world() -> tuple[str, list[Any]]:
    """Return a description, and pairs (X, y): training first, then each chunk."""
    folder = find_data()
    if folder is None:
        months = [
            make_insurance(month, random_state=month, n_classes=2, as_frame=True)
            for month in range(37)
        ]
        return SIMULATED, months
    sys.path.insert(0, str(folder))
    loader = import_module("load")
    loader.DATA = folder / "files"
    X, y, meta = loader.load("elec2")
    starts = range(meta["n_ref"], len(X) - TWO_WEEKS + 1, TWO_WEEKS)
    parts = [slice(meta["n_ref"]), *(slice(k, k + TWO_WEEKS) for k in starts)]
    return "elec2, chunks of two weeks", [(X[rows], y[rows]) for rows in parts]


def names(drift: Any, part: str) -> list[str]:
    """Return the names of the "features" or the "outputs" that drifted."""
    return [drift.features[i] for i in drift.of(part) if drift.drifted[i]]


def ranges(chunks: set[int]) -> str:
    """Write 1, 2, 3, 7 as "1-3, 7"."""
    starts = sorted(k for k in chunks if k - 1 not in chunks)
    ends = sorted(k for k in chunks if k + 1 not in chunks)
    pairs = zip(starts, ends, strict=True)
    return ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in pairs) or "none"


def walk(model: ResilientEstimator, chunks: list[Any], expected: float) -> Any:
    """Print each chunk; return the numbers of the chunks with each signal."""
    signals: dict[str, set[int]] = {name: set() for name in (DECAYED, *SIGNALS)}
    print("chunk  accuracy  outputs drifted  columns drifted")
    for k, (batch, labels) in enumerate(chunks, start=1):
        # Available at once.
        drift = model.assess(batch).drift
        columns, outputs = names(drift, "features"), names(drift, "outputs")
        # Available when the labels arrive, often much later.
        accuracy = model.assess(batch, labels).performance
        decayed, worse = accuracy.value < expected - HARMFUL, accuracy.upper < expected
        fires = decayed, columns, outputs, worse
        for chunks_found, fired in zip(signals.values(), fires, strict=True):
            chunks_found.update([k] if fired else [])
        mark, yes = "*" if decayed else " ", "yes" if outputs else "-"
        line = f"{k:5}  {accuracy.value:7.3f}{mark}  {yes:15}  {', '.join(columns)}"
        print(line.rstrip())
    return signals


def look_back(signals: dict[str, set[int]], n_chunks: int) -> None:
    """Print how well each signal finds the chunks in which the model decayed."""
    decayed, columns, outputs, _ = signals.values()
    print(f"\n{'signal':21}  decayed chunks  other chunks")
    for name in SIGNALS:
        hits = f"{len(signals[name] & decayed)} of {len(decayed)}"
        others = f"{len(signals[name] - decayed)} of {n_chunks - len(decayed)}"
        print(f"{name:21}  {hits:>14}  {others:>12}")
    print(f"""
outputs drifted, no decay:         {ranges(outputs - decayed)}
decay, outputs did not drift:      {ranges(decayed - outputs)}
decay, neither of them drifted:    {ranges(decayed - outputs - columns)}

Drifted columns show that the world changed, not that the change does harm. Drifted
outputs show that the predictions changed, which may be right or wrong. If a model
decays while its outputs do not drift, the decay is too small for so few independent
rows, or the relation between inputs and labels changed, which cannot be detected
without labels. `assess(X, y)` detects it with labels: "clearly worse" means that its
95 % interval lies below the expected accuracy.""")


def main() -> None:
    """Train once, walk forward through time, and look back."""
    title, ((X, y), *chunks) = load_world()
    estimator = HistGradientBoostingClassifier(random_state=0)
    model = ResilientEstimator(
        estimator,
        # Successive half-hours are alike, so a batch holds fewer independent rows.
        detector=[FeatureDrift(time_ordered=True), OutputDrift(time_ordered=True)],
        # The models of the folds should differ by chance only. If folds are blocks of
        # weeks, the models also differ by season, which would hide drift.
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    ).fit(X, y)
    # For accuracy, blocks are right: neighbours of a row must not be in its training.
    expected = cross_val_score(estimator, X, y, cv=KFold(5)).mean()
    print(f"{title}\nexpected accuracy, out of fold: {expected:.3f}\n")
    signals = walk(model, chunks, expected)
    print(f"\n* decayed, below {expected - HARMFUL:.3f}: {ranges(signals[DECAYED])}")
    look_back(signals, len(chunks))


if __name__ == "__main__":
    main()
