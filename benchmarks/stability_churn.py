"""Stability under small perturbations, compared with retrain churn.

For 24 models on each data set: the share of perturbed copies whose prediction flips (no
labels, no retraining) against how often models refitted to bootstrap samples disagree;
how well stability ranks the contested rows, those with at least 25 % disagreement;
coverage and width of the confidence interval of a model's stability.

    python benchmarks/stability_churn.py            # all sets, about ten minutes
    python benchmarks/stability_churn.py --sets breast_cancer digits --refits 5
    python benchmarks/stability_churn.py --intervals
"""

import argparse
import os
import time
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from adult_chi2 import load_real
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator.stability import Stability, StabilityScorer
from resilient_estimator.stability._row_stability import RowScores

SHARED = (
    "adult",
    "german_credit",
    "spambase",
    "elec2",
    "acs_employment_ma",
    "insurance_talk",
)
SETS = (*SHARED, "breast_cancer", "digits", "wine", "synthetic")
N_TRAIN, N_TEST = 1000, 600
CONTESTED = 0.25


def models() -> dict[str, Any]:
    """Return 24 models, from very stable to very unstable."""
    forest = {"n_estimators": 60, "random_state": 0}
    return {
        **{
            f"logistic C={c}": LogisticRegression(C=c, max_iter=2000)
            for c in (0.01, 0.1, 1, 100)
        },
        **{f"neighbours k={k}": KNeighborsClassifier(k) for k in (1, 5, 15, 50)},
        **{
            f"tree depth={d}": DecisionTreeClassifier(max_depth=d, random_state=0)
            for d in (1, 3, 6, None)
        },
        "forest": RandomForestClassifier(**forest),
        "forest leaf=10": RandomForestClassifier(min_samples_leaf=10, **forest),
        "extra trees": ExtraTreesClassifier(**forest),
        **{
            f"boosting {n} x {r}": HistGradientBoostingClassifier(
                max_iter=n, learning_rate=r, random_state=0
            )
            for n, r in ((20, 0.1), (100, 0.1), (100, 0.5))
        },
        **{f"svc gamma={g}": SVC(gamma=g, random_state=0) for g in (0.001, 0.01, 0.1)},
        "mlp": MLPClassifier(max_iter=100, random_state=0),
        "mlp alpha=10": MLPClassifier(max_iter=100, alpha=10, random_state=0),
        "naive bayes": GaussianNB(),
        "ada boost": AdaBoostClassifier(n_estimators=50, random_state=0),
    }


def pipeline(model: Any) -> Any:
    """Return a model for frames with categories and missing values."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    labels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (labels, make_column_selector(dtype_exclude="number")),
        ),
        clone(model),
    )


def read_set(name: str, n_test: int = N_TEST) -> list[Any]:
    """Return training and test rows of a data set."""
    if name == "synthetic":
        X, y = make_classification(
            4000, 20, n_informative=8, n_classes=3, flip_y=0.05, random_state=0
        )
    elif name in SHARED:
        X, y, _ = load_real(name)
    else:
        toys = {
            "breast_cancer": load_breast_cancer,
            "digits": load_digits,
            "wine": load_wine,
        }
        X, y = toys[name](return_X_y=True)
    X, y = pd.DataFrame(X), np.asarray(y)
    n_test = min(n_test, len(y) // 2)
    n_train = min(N_TRAIN, len(y) - n_test)
    return train_test_split(
        X, y, train_size=n_train, test_size=n_test, stratify=y, random_state=0
    )


def disagreement(model: Any, X: Any, y: Any, X_test: Any, n_refits: int) -> Any:
    """Return how often two models fitted to bootstrap samples disagree on each row."""
    predictions: list[Any] = []
    rng = np.random.default_rng(0)
    while len(predictions) < n_refits:
        rows = rng.integers(len(y), size=len(y))
        if len(np.unique(y[rows])) == len(np.unique(y)):
            refit = pipeline(model).fit(X.iloc[rows], y[rows])
            predictions.append(refit.predict(X_test))
    predictions = np.array(predictions)
    pairs = [(a, b) for a in range(n_refits) for b in range(a)]
    return np.mean([predictions[a] != predictions[b] for a, b in pairs], axis=0)


def measure_set(name: str, n_refits: int, n_copies: int) -> pd.DataFrame:
    """Return one row of figures per model."""
    X, X_test, y, _ = read_set(name)
    rows = []
    for label, model in models().items():
        fitted = pipeline(model).fit(X, y)
        scorer = StabilityScorer(fitted, n_copies=n_copies).fit(X, y)
        stability = scorer.score_samples(X_test)
        flips = scorer.estimate(X_test).flip_rate
        u = disagreement(model, X, y, X_test, n_refits)
        contested = u >= CONTESTED
        auc = np.nan
        if contested.any() and not contested.all():
            auc = roc_auc_score(contested, -stability)
        low = stability < 0.75
        rows.append(
            {
                "set": name,
                "model": label,
                "flips": flips,
                "stability": stability.mean(),
                "churn": u.mean(),
                "auc": auc,
                "share_contested": contested.mean(),
                "recall_75": low[contested].mean() if contested.any() else np.nan,
                "share_low": low.mean(),
            }
        )
    return pd.DataFrame(rows)


def print_churn(names: list[str], n_refits: int, n_copies: int) -> None:
    """Print rank correlations for each data set, and their means."""
    tables = []
    print(
        f"{'set':18} {'flips~churn':>11} {'stability~churn':>15} {'row AUC':>8}"
        f" {'recall<.75':>10} {'seconds':>8}"
    )
    for name in names:
        start = time.perf_counter()
        table = measure_set(name, n_refits, n_copies)
        tables.append(table)
        by_flips = spearmanr(table.flips, table.churn).statistic
        by_score = spearmanr(-table.stability, table.churn).statistic
        print(
            f"{name:18} {by_flips:11.3f} {by_score:15.3f} {table.auc.mean():8.3f}"
            f" {table.recall_75.mean():10.3f} {time.perf_counter() - start:8.0f}",
            flush=True,
        )
        tables[-1]["rho"], tables[-1]["rho_score"] = by_flips, by_score
    whole = pd.concat(tables)
    per_set = whole.groupby("set")[["rho", "rho_score"]].first()
    print(
        f"{'mean':18} {per_set.rho.mean():11.3f} {per_set.rho_score.mean():15.3f}"
        f" {whole.auc.mean():8.3f} {whole.recall_75.mean():10.3f}"
    )
    print(f"\nworst AUC of a model on a set: {whole.auc.min():.3f}")
    print("\nmean over the sets, by model")
    shown = ["flips", "stability", "churn", "auc"]
    print(whole.groupby("model")[shown].mean().sort_values("churn").round(3))


def keeps(scorer: StabilityScorer, X: Any) -> Any:
    """Return the share of each row's copies that keep its prediction."""
    n_each = 1 + scorer.n_copies
    moved = scorer.perturbation_.move(X, n_copies=scorer.n_copies, size=scorer.size)
    predictions = scorer.model_.predict(moved).reshape(-1, n_each)
    return (predictions[:, 1:] == predictions[:, :1]).mean(axis=1)


def print_intervals(n_reps: int = 2000) -> None:
    """Print how often the interval holds the stability over all rows, and its width."""
    print(
        f"{'set':12} {'model':18} {'rows':>5} {'copies':>6} {'covered':>8} {'width':>7}"
    )
    rng = np.random.default_rng(0)
    covered = []
    for name in ("adult", "elec2", "spambase"):
        X, X_test, y, _ = read_set(name, n_test=3000)
        for label in ("logistic C=1", "forest", "tree depth=6"):
            fitted = pipeline(models()[label]).fit(X, y)
            for n_copies in (1, 10):
                scorer = StabilityScorer(fitted, n_copies=n_copies).fit(X, y)
                pool = keeps(scorer, X_test)
                for n in (50, 200, 500):
                    samples = [
                        pool[rng.integers(len(pool), size=n)] for _ in range(n_reps)
                    ]
                    drawn = [
                        Stability.of(RowScores(rows, rows), n_copies=n_copies)
                        for rows in samples
                    ]
                    hit = np.mean([s.lower <= pool.mean() <= s.upper for s in drawn])
                    width = np.mean([s.upper - s.lower for s in drawn])
                    covered.append(hit)
                    print(
                        f"{name:12} {label:18} {n:5} {n_copies:6} {hit:8.3f}"
                        f" {width:7.3f}",
                        flush=True,
                    )
    print(f"coverage from {min(covered):.3f} to {max(covered):.3f}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--refits", type=int, default=10)
    parser.add_argument("--copies", type=int, default=32)
    parser.add_argument("--intervals", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # convergence of small perceptrons
    if options.intervals:
        print_intervals()
    else:
        print_churn(options.sets, options.refits, options.copies)


if __name__ == "__main__":
    main()
