"""How well AdversarialGuard and its peers separate attacked rows from clean ones.

    python benchmarks/adversarial.py [--quick] [--sets ...] [--victims ...]
        [--attacks ...] [--rows N] [--cache FOLDER] [--cached]
        [--evasion] [--false-positives]

Attacks are those of adversarial-robustness-toolbox (ART). They change clean test rows
that a victim classifies correctly until its prediction changes; rows where an attack
fails do not count, nor do cells with fewer than three rows. Each figure is the area
under the ROC curve (AUC) between all clean test rows, errors of the victim included,
and the attacked ones. The guard is compared with: 1 - max, one minus the victim's
highest probability; IsolationForest; LocalOutlierFactor; feature squeezing, how much
the victim's probabilities change when cells are coarsened to eight quantiles, those of
pictures to eight grey levels or the median of 2 x 2 pixels (Xu, Evans and Qi, 2018).
"FPR" is the share of clean test rows that the guard flags at alpha = .05, "TPR" that of
the attacked rows, "corrected" the share of these whose original label is that of the
nearest class.

Tables are one-hot and standardised, so that attacks can move in them; Adult is 6,000
training and 1,000 test rows of it. Pictures lie in [0, 1]; MNIST is 5,000 and 1,000.

--false-positives prints the FPR on ten splits of each table instead. --evasion prints
the cost factor of an attacker who knows the guard: how much farther, in Euclidean
distance, a row must move for the prediction to change without a flag, on straight lines
to the nearest training rows with other predictions: its median, its geometric mean, and
the share of rows for which evading the guard costs nothing.

Attacks take minutes per cell, those on SVC and forests most; with --cache they are run
once, so cells can be run one at a time. All of them take about an hour on one core.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from attacks_by_art import (
    ATTACKS,
    PICTURES,
    TABLES,
    VICTIMS,
    Floats,
    Split,
    cache_path,
    cached_attack,
    fit_victim,
    load_numbers,
    load_split,
)
from scipy import ndimage
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator.adversarial._adversarial_guard import (
    AdversarialGuard,
)

ALPHA = 0.05
SCORES = ("guard", "1 - max", "iforest", "LOF", "squeezing")
N_LEVELS = 8
FEWEST = 3
MNIST_VICTIMS = ("MLP", "RF")
N_TARGETS = 40
N_STEPS = 40


def squeeze(set_name: str, split: Split, X: Floats) -> list[Floats]:
    """Return coarser versions of rows."""
    if set_name in PICTURES:
        side = int(np.sqrt(X.shape[1]))
        pictures = X.reshape(-1, side, side)
        smooth = ndimage.median_filter(pictures, size=(1, 2, 2)).reshape(X.shape)
        return [np.round(X * (N_LEVELS - 1)) / (N_LEVELS - 1), smooth]
    levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
    values = np.quantile(split.X, levels, axis=0, method="nearest")
    nearest = np.abs(X[:, np.newaxis] - values[np.newaxis]).argmin(axis=1)
    return [np.take_along_axis(values, nearest, axis=0)]


def make_scores(set_name: str, victim: Any, guard: Any) -> dict[str, Any]:
    """Return functions of rows: the higher, the stranger."""
    split = load_split(set_name)
    forest = IsolationForest(random_state=0).fit(split.X)
    outliers = LocalOutlierFactor(novelty=True).fit(split.X)
    proba = victim.predict_proba

    def squeezing(X: Floats) -> Floats:
        coarse = squeeze(set_name, split, X)
        changes = [np.abs(proba(X) - proba(Z)).sum(axis=1) for Z in coarse]
        return np.asarray(np.max(changes, axis=0))

    functions = (
        lambda X: -guard.score_pvalues(X),
        lambda X: 1 - proba(X).max(axis=1),
        lambda X: -forest.score_samples(X),
        lambda X: -outliers.score_samples(X),
        squeezing,
    )
    return dict(zip(SCORES, functions, strict=True))


def judge(folder: Path, victim_cell: tuple[str, str], names: Any, n_rows: int) -> Any:
    """Yield the figures of each attack on one victim."""
    set_name, victim_name = victim_cell
    split, victim = load_split(set_name), fit_victim(set_name, victim_name)
    guard = AdversarialGuard().fit_model(victim, split.X, split.y)
    scores = make_scores(set_name, victim, guard)
    clean = {name: score(split.X_test) for name, score in scores.items()}
    predictions = victim.predict(split.X_test)
    original = predictions[predictions == split.y_test]
    for name in names:
        attacked = cached_attack(folder, set_name, victim_name, name, n_rows)
        labels = original[: len(attacked)]
        flipped = victim.predict(attacked) != labels
        found, truth = attacked[flipped], labels[flipped]
        if len(found) < FEWEST:
            print(f"  {set_name} {victim_name} {name}: only {len(found)} rows")
            continue
        yield {
            "set": set_name,
            "victim": victim_name,
            "attack": name,
            "rows": len(found),
            **{name: auc(clean[name], score(found)) for name, score in scores.items()},
            "FPR": np.mean(-clean["guard"] <= ALPHA),
            "TPR": np.mean(guard.score_pvalues(found) <= ALPHA),
            "corrected": np.mean(guard.correct(found) == truth),
        }


def auc(clean: Floats, attacked: Floats) -> float:
    """Return the area under the ROC curve."""
    truth = np.repeat([0, 1], [len(clean), len(attacked)])
    return float(roc_auc_score(truth, np.concatenate([clean, attacked])))


def print_detection(cells: Any, folder: Path, n_rows: int) -> None:
    """Print every cell, and means of them."""
    lines = []
    for victim_cell, names in cells.items():
        if not names:
            continue
        for line in judge(folder, victim_cell, names, n_rows):
            lines.append(line)
            print(pd.DataFrame([line]).round(3).to_string(index=False, header=False))
    table = pd.DataFrame(lines)
    figures = [*SCORES, "FPR", "TPR", "corrected"]
    print(f"\n{table.round(3).to_string(index=False)}")
    tables = table["set"].isin(TABLES)
    for title, part in {"tables": table[tables], "pictures": table[~tables]}.items():
        if part.empty:
            continue
        print(f"\n{title}: {len(part)} cells, mean AUC")
        for by in ("attack", "victim", "set"):
            means = part.groupby(by)[figures].mean()
            print(means.round(3).to_string())
        print(f"all\n{part[figures].mean().round(3).to_frame().T.to_string()}")
        print(f"worst cell {part['guard'].min():.3f}")
        rates = part.drop_duplicates(["set", "victim"])["FPR"]
        print(f"FPR by victim: {rates.min():.3f} to {rates.max():.3f}")


def print_false_positives(sets: Any, victims: Any, n_splits: int) -> None:
    """Print the share of clean test rows that are flagged, over splits."""
    print("set            victim  FPR    least  most   over splits")
    for set_name in sets:
        X, y, n_train, n_test = load_numbers(set_name)
        for victim in victims:
            rates = []
            for random_state in range(n_splits):
                Z, Z_test, z, _ = train_test_split(
                    X,
                    y,
                    train_size=n_train,
                    test_size=n_test,
                    random_state=random_state,
                )
                model = make_pipeline(StandardScaler(), VICTIMS[victim])
                guard = AdversarialGuard(model).fit(Z, z)
                rates.append(np.mean(guard.inspect(Z_test)["adversarial"]))
            line = f"{np.mean(rates):.3f}  {min(rates):.3f}  {max(rates):.3f}"
            print(f"{set_name:13}  {victim:6}  {line}  {n_splits}", flush=True)


def print_evasion(cells: Any, n_rows: int) -> None:
    """Print how much farther an attacker who knows the guard must move rows."""
    print("set            victim  rows  get through  median  mean  free")
    for set_name, victim_name in cells:
        split, victim = load_split(set_name), fit_victim(set_name, victim_name)
        guard = AdversarialGuard().fit_model(victim, split.X, split.y)
        correct = victim.predict(split.X_test) == split.y_test
        unflagged = ~guard.inspect(split.X_test)["adversarial"]
        rows = split.X_test[correct & unflagged][:n_rows]
        costs = np.array([evade(victim, guard, split.X, row) for row in rows])
        through = np.isfinite(costs[:, 1])
        factors = costs[through, 1] / costs[through, 0]
        mean, free = np.exp(np.log(factors).mean()), np.mean(factors < 1 + 1e-9)
        line = f"{len(rows):4}  {np.mean(through):11.2f}  {np.median(factors):6.2f}"
        line += f"  {mean:4.2f}  {free:4.2f}"
        print(f"{set_name:13}  {victim_name:6}  {line}", flush=True)


def evade(victim: Any, guard: Any, reference: Floats, row: Floats) -> Floats:
    """Return the distances to another prediction: at all, and without a flag."""
    prediction = victim.predict(row[np.newaxis])
    distances = np.linalg.norm(reference - row, axis=1)
    distances[victim.predict(reference) == prediction] = np.inf
    targets = reference[np.argsort(distances)[:N_TARGETS]]
    steps = np.linspace(0, 1, N_STEPS + 1)[1:, np.newaxis, np.newaxis]
    tried = (row + steps * (targets - row)).reshape(-1, len(row))
    moved = np.linalg.norm(tried - row, axis=1)
    changed = victim.predict(tried) != prediction
    hidden = changed & ~guard.inspect(tried)["adversarial"]
    return np.array([np.min(moved, where=w, initial=np.inf) for w in (changed, hidden)])


def main() -> None:
    """Run the selected cells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two sets, two victims")
    parser.add_argument("--sets", nargs="+", default=[*TABLES, *PICTURES])
    parser.add_argument("--victims", nargs="+", default=list(VICTIMS))
    parser.add_argument("--attacks", nargs="+", default=list(ATTACKS))
    parser.add_argument("--rows", type=int, default=15, help="attacked rows per cell")
    parser.add_argument("--cache", type=Path, help="folder of attacked rows")
    parser.add_argument("--cached", action="store_true", help="no new attacks")
    parser.add_argument("--evasion", action="store_true")
    parser.add_argument("--false-positives", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # of the MLP
    if options.quick:
        options.sets, options.victims = ["breast_cancer", "digits"], ["LR", "MLP"]
        options.attacks = ["HSJ", "PGD"]
    cells = {
        (set_name, victim): [
            name for name in options.attacks if runs(set_name, victim, name)
        ]
        for set_name in options.sets
        for victim in options.victims
        if set_name != "mnist" or victim in MNIST_VICTIMS
    }
    if options.false_positives:
        tables = [name for name in options.sets if name in TABLES]
        print_false_positives(tables, options.victims, 3 if options.quick else 10)
    elif options.evasion:
        print_evasion(cells, options.rows)
    else:
        folder = options.cache or Path(tempfile.mkdtemp())
        folder.mkdir(parents=True, exist_ok=True)
        if options.cached:
            cells = {
                cell: [name for name in names if is_cached(folder, cell, name, options)]
                for cell, names in cells.items()
            }
        print_detection(cells, folder, options.rows)


def is_cached(folder: Path, cell: Any, name: str, options: Any) -> bool:
    """Return whether attacked rows are in the cache."""
    return cache_path(folder, *cell, name, options.rows).exists()


def runs(set_name: str, victim: str, attack_name: str) -> bool:
    """Return whether a cell runs: PGD needs gradients, and some cells take too long."""
    if attack_name == "PGD":
        return victim == "MLP"
    if set_name == "mnist":
        return attack_name == "HSJ"
    return attack_name != "ZOO" or set_name in TABLES


if __name__ == "__main__":
    main()
