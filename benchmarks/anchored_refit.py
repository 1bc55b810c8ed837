"""How much anchoring reduces churn, and what it costs: 4 data sets x 4 models.

    python benchmarks/anchored_refit.py [--reps 3] [--quick]

The old model is trained on a window of rows, the new one on a window shifted by 43 % of
its length, so 57 % of the rows are in both. Both predict the rows after the second
window. The rows of adult, spambase and digits are shuffled first; those of elec2 are in
temporal order, and each repetition starts at a different row. "plain" is an ordinary
refit, with a different seed than the old model; ".5" and ".7" are refits anchored with
this strength; ".7 out" uses out-of-fold predictions for the rows that the old model was
trained on.

"churn" is the share of predictions that differ from the old model's, "newly wrong" the
share of rows that only the old model gets right. The last column is a lower bound of
the difference in accuracy to the plain refit: the mean minus twice its standard error
over all pairs of data and model.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd
from adult_chi2 import load_real
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator.comparison import AnchoredEstimator, churn

LATER = 0.43  # of a window
N_TEST = 3000
WINDOWS = {"adult": 2000, "spambase": 2000, "elec2": 2000, "digits": 800}
MODELS = {
    "forest": RandomForestClassifier(100),
    "boosting": HistGradientBoostingClassifier(),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
    "tree": DecisionTreeClassifier(min_samples_leaf=5),
}
REFITS = {"plain": 0.0, ".5": 0.5, ".7": 0.7, ".7 out": 0.7}


def read(name: str, rep: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return rows in the order in which the windows move over them."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
    else:
        frame, labels, _ = load_real(name)
        X = pd.get_dummies(frame, dtype=float).fillna(0).to_numpy(dtype=float)
        y = np.asarray(labels)
    if name == "elec2":
        return X[10_000 * rep :], y[10_000 * rep :]
    order = np.random.default_rng(rep).permutation(len(y))
    return X[order], y[order]


def with_random_state(name: str, random_state: int) -> Any:
    """Return an unfitted model with its random states set."""
    model = clone(MODELS[name])
    names = [p for p in model.get_params() if p.endswith("random_state")]
    return model.set_params(**dict.fromkeys(names, random_state))


def compare(data: str, name: str, rep: int) -> dict[str, tuple[float, float, float]]:
    """Return churn, accuracy and the share of newly wrong rows of each refit."""
    X, y = read(data, rep)
    n, start = WINDOWS[data], round(LATER * WINDOWS[data])
    window, test = slice(start, start + n), slice(start + n, start + n + N_TEST)
    old = with_random_state(name, 2 * rep).fit(X[:n], y[:n])
    out_of_fold = old.predict_proba(X[window])
    out_of_fold[: n - start] = cross_val_predict(
        with_random_state(name, 2 * rep), X[:n], y[:n], method="predict_proba"
    )[start:]
    found = {}
    for refit, strength in REFITS.items():
        new = with_random_state(name, 2 * rep + 1)
        if refit == "plain":
            new.fit(X[window], y[window])
        else:
            given = out_of_fold if refit == ".7 out" else None
            anchored = AnchoredEstimator(new, old, strength=strength)
            new = anchored.fit(X[window], y[window], anchor_predictions=given)
        both = churn(old, new, X[test], y[test])
        found[refit] = both.churn, both.performance.new, both.performance.negative_flips
    return found


def print_row(head: str, values: NDArray[np.float64]) -> None:
    """Print the figures of one pair of data and model."""
    cells = "   ".join("".join(f"{x:7.3f}" for x in figure) for figure in values.T)
    print(f"{head:20}{cells}", flush=True)


def print_summary(cells: NDArray[np.float64]) -> None:
    """Print the effect of anchoring, averaged over pairs of data and model."""
    print(f"\n{'refit':8}churn  lower in  newly wrong  accuracy  at least")
    plain = cells[:, 0]
    for i, refit in enumerate(REFITS):
        change = cells[:, i] - plain
        churned = cells[:, i, 0].mean() / plain[:, 0].mean() - 1
        flips = cells[:, i, 2].mean() / plain[:, 2].mean() - 1
        lower = f"{np.sum(change[:, 0] < 0)} of {len(cells)}"
        error = change[:, 1].std(ddof=1) / np.sqrt(len(cells))
        accuracy = change[:, 1].mean()
        print(
            f"{refit:8}{churned:+5.0%}  {lower:8}  {flips:+11.0%}  "
            f"{100 * accuracy:+6.2f} pp  {100 * (accuracy - 2 * error):+5.2f} pp"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one repetition")
    options = parser.parse_args()
    reps = 1 if options.quick else options.reps
    heads = ("churn", "accuracy", "newly wrong")
    print(f"{reps} repetitions")
    print(" " * 20 + "   ".join(f"{head:^28}" for head in heads))
    print(" " * 20 + "   ".join(["".join(f"{r:>7}" for r in REFITS)] * 3))
    cells = []
    for data in WINDOWS:
        for name in MODELS:
            runs = [list(compare(data, name, rep).values()) for rep in range(reps)]
            cells.append(np.mean(runs, axis=0))
            print_row(f"{data} {name}", cells[-1])
    print_row("mean", np.mean(cells, axis=0))
    print_summary(np.array(cells))


if __name__ == "__main__":
    main()
