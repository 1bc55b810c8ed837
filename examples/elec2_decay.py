"""Find the weeks in which a frozen model decays, with labels and without.

The data are those of the electricity market of New South Wales, every half hour from
May 1996: does the price rise? They are looked for where the environment variable
RESILIENT_DATA says, or in ../shared/data; elsewhere a small made-up world stands in.
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
DECAYED = "decayed"
SIGNALS = ("columns drifted", "outputs drifted", "labels: surely worse")


def find_data() -> Path | None:
    """Return the folder with the real data sets, None where there is none."""
    named = os.environ.get("RESILIENT_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared/data"
    places = [Path(named), Path(named).parent] if named else [beside]
    return next((place for place in places if (place / "load.py").exists()), None)


def load_world() -> tuple[str, list[Any]]:
    """Return what the rows are, and pairs (X, y): training first, then each chunk."""
    folder = find_data()
    if folder is None:
        months = [
            make_insurance(month, random_state=month, n_classes=2, as_frame=True)
            for month in range(37)
        ]
        return "elec2 is absent: a made-up insurance stands in, month by month", months
    sys.path.insert(0, str(folder))
    loader = import_module("load")
    loader.DATA = folder / "files"
    X, y, meta = loader.load("elec2")
    starts = range(meta["n_ref"], len(X) - TWO_WEEKS + 1, TWO_WEEKS)
    parts = [slice(meta["n_ref"]), *(slice(k, k + TWO_WEEKS) for k in starts)]
    return "elec2, chunks of two weeks", [(X[rows], y[rows]) for rows in parts]


def names(drift: Any, part: str) -> list[str]:
    """Return what drifted among the "features" or the "outputs"."""
    return [drift.features[i] for i in drift.of(part) if drift.drifted[i]]


def ranges(chunks: set[int]) -> str:
    """Write 1, 2, 3, 7 as "1-3, 7"."""
    starts = sorted(k for k in chunks if k - 1 not in chunks)
    ends = sorted(k for k in chunks if k + 1 not in chunks)
    pairs = zip(starts, ends, strict=True)
    return ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in pairs) or "none"


def walk(model: ResilientEstimator, chunks: list[Any], expected: float) -> Any:
    """Print each chunk; return the numbers of those that each signal points at."""
    signals: dict[str, set[int]] = {name: set() for name in (DECAYED, *SIGNALS)}
    print("chunk  accuracy  outputs drifted  columns drifted")
    for k, (batch, labels) in enumerate(chunks, start=1):
        # Known on the day itself.
        drift = model.assess(batch).drift
        columns, outputs = names(drift, "features"), names(drift, "outputs")
        # Known when the labels have come, often much later.
        accuracy = model.assess(batch, labels).performance
        decayed, worse = accuracy.value < expected - HARMFUL, accuracy.upper < expected
        fires = decayed, columns, outputs, worse
        for points_at, fired in zip(signals.values(), fires, strict=True):
            points_at.update([k] if fired else [])
        mark, said = "*" if decayed else " ", "yes" if outputs else "-"
        line = f"{k:5}  {accuracy.value:7.3f}{mark}  {said:15}  {', '.join(columns)}"
        print(line.rstrip())
    return signals


def look_back(signals: dict[str, set[int]], n_chunks: int) -> None:
    """Print which signals pointed at the chunks in which the model decayed."""
    decayed, columns, outputs, _ = signals.values()
    print(f"\n{'signal':20}  decayed chunks  other chunks")
    for name in SIGNALS:
        hits = f"{len(signals[name] & decayed)} of {len(decayed)}"
        others = f"{len(signals[name] - decayed)} of {n_chunks - len(decayed)}"
        print(f"{name:20}  {hits:>14}  {others:>12}")
    print(f"""
outputs drifted, no decay:        {ranges(outputs - decayed)}
decay, outputs calm:              {ranges(decayed - outputs)}
decay, outputs and columns calm:  {ranges(decayed - outputs - columns)}

Columns say that the world changed, not that it does harm. Outputs say that the model
answers otherwise, which may be right or wrong. Decay with calm outputs is too small
for so few independent rows, or a change of what rows mean while they look as ever,
which no detector can see without labels. With labels `assess(X, y)` does; "surely
worse" is where its 95 % interval lies below what was to be expected.""")


def main() -> None:
    """Train once, walk through time, and look back."""
    title, ((X, y), *chunks) = load_world()
    estimator = HistGradientBoostingClassifier(random_state=0)
    model = ResilientEstimator(
        estimator,
        # Half hours resemble their neighbours: a batch holds fewer facts than rows.
        detector=[FeatureDrift(time_ordered=True), OutputDrift(time_ordered=True)],
        # Answers may differ between folds by the noise of the models only. Where folds
        # are blocks of weeks they also differ by season, and drift hides behind that.
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    ).fit(X, y)
    # The other way round for accuracy: the neighbours of a row must not be learnt.
    expected = cross_val_score(estimator, X, y, cv=KFold(5)).mean()
    print(f"{title}\naccuracy to be expected, out of fold: {expected:.3f}\n")
    signals = walk(model, chunks, expected)
    print(f"\n* decayed, below {expected - HARMFUL:.3f}: {ranges(signals[DECAYED])}")
    look_back(signals, len(chunks))


if __name__ == "__main__":
    main()
