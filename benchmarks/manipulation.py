"""How cheaply models of spam and of credit can be pushed to the answer that suits.

    python benchmarks/manipulation.py [--quick]

Spambase: which two words, raised to the same frequency in every mail, let most spam
through a boosting model. The words are found on training mail, out of all 48, and tried
on mail that neither the model nor the search has seen.

German credit: what refused applicants of the test rows can reach by tweaking amount,
purpose and duration, which nobody can check. Columns of the table: rows refused; share
flippable at budgets of one and two interquartile ranges or swaps, with the interval of
the first; the score at the larger budget; mean edits of the tweaks found; which columns
have part in the flips; questions and seconds per row. "from fit" uses what a
ResilientEstimator remembers of its training instead of training rows. "seen" is the
share of tweaked rows that an isolation forest flags, which flags 5 % of training rows,
and "before" the same of these rows as they were.

Last, the price of one question "why" and of one "what would change it" per row.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np
from adult_chi2 import load_real
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from resilient_estimator import OutlierGuard, ResilientEstimator
from resilient_estimator.explanation import (
    SoftFeature,
    explain,
    manipulability,
    recourse,
)

SOFT = ["amount", "purpose", "duration"]
FIXED = ["age", "personal_status_sex", "foreign_worker"]
SPAM, MAIL = 1, 0
HEAD = (
    "model          rows  M(1)  [95 %]       M(2)  score  edits  questions  ms/row  "
    "seen  before  levers"
)


def split(name: str, seed: int) -> list[Any]:
    """Return train and test rows, train and test labels."""
    X, y, _ = load_real(name)
    return list(train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y))


def print_spam(seed: int) -> None:
    """Print which words open the door, and how far."""
    train, test, y_train, y_test = split("spambase", seed)
    model = HistGradientBoostingClassifier(random_state=0).fit(train, y_train)
    spam = train[model.predict(train) == SPAM]
    words = [column for column in train if column.startswith("word_freq")]
    soft = {word: SoftFeature(direction="up") for word in words}
    start = perf_counter()
    found = manipulability(model, spam, soft=soft, target=MAIL, reference=train)
    seconds = perf_counter() - start
    other = test[model.predict(test) == SPAM].copy()
    pair = found.universal
    for word, value in zip(pair.features, pair.values, strict=True):
        other[word] = np.maximum(other[word], value)
    share = (model.predict(other) == MAIL).mean()
    print(f"seed {seed}: accuracy {model.score(test, y_test):.3f}")
    print(
        f"  on {len(spam)} training mails: {pair} (first word: {pair.share_first:.0%})"
    )
    print(f"  on {len(other)} other mails: {share:.1%} flip")
    levers = ", ".join(f"{k} {v:.0%}" for k, v in list(found.levers.items())[:4])
    print(f"  each mail by itself: M(1) {found.share_flippable:.3f}, levers {levers}")
    questions = found.n_queries / len(spam)
    print(f"  {questions:.0f} questions per mail, {seconds:.1f} s in all", flush=True)


def split_credit(seed: int) -> tuple[Any, Any, Any]:
    """Return train and test rows, and in words whether training credits were bad."""
    train, test, y_train, _ = split("german_credit", seed)
    return train, test, np.where(y_train == 1, "bad", "good")


def credit_models(X: Any) -> dict[str, Any]:
    """Return unfitted classifiers that read labels."""
    labels = [name for name in X if str(X[name].dtype) == "category"]
    hot = OneHotEncoder(handle_unknown="ignore")
    order = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    scaled = make_column_transformer((hot, labels), remainder=StandardScaler())
    plain = make_column_transformer((order, labels), remainder="passthrough")
    boosting = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    )
    return {
        "boosting": boosting,
        "forest": make_pipeline(plain, RandomForestClassifier(random_state=0)),
        "logistic": make_pipeline(scaled, LogisticRegression(max_iter=1000)),
    }


def outlier_guard(X: Any) -> OutlierGuard:
    """Return a fitted guard that reads labels as numbers."""
    labels = [name for name in X if str(X[name].dtype) == "category"]
    order = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    plain = make_column_transformer((order, labels), remainder="passthrough")
    forest = IsolationForest(contamination=0.05, random_state=0)
    return OutlierGuard(make_pipeline(plain, forest)).fit(X)


def print_credit(seed: int) -> None:
    """Print one line per model, and one with a reference instead of rows."""
    train, test, y_train = split_credit(seed)
    guard = outlier_guard(train)
    for name, model in credit_models(train).items():
        model.fit(train, y_train)
        print_attack(name, model, test, train, guard)
    resilient = ResilientEstimator(credit_models(train)["boosting"])
    resilient.fit(train, y_train)
    print_attack("  from fit", resilient, test, None, guard)


def print_attack(name: str, model: Any, X: Any, reference: Any, guard: Any) -> None:
    """Print what the search found for one model."""
    start = perf_counter()
    found = manipulability(
        model, X, soft=SOFT, target="good", reference=reference, budget=2
    )
    seconds = (perf_counter() - start) / len(found.rows)
    flipped = np.isfinite(found.costs)
    before = X.iloc[found.rows[flipped]]
    seen, usual = (
        guard.inspect(rows)["outlier"].mean() for rows in (found.apply(X), before)
    )
    one, two = found.curve([1, 2])
    count, n = int(np.rint(one * len(found.rows))), len(found.rows)
    at_one = manipulability(model, X, soft=SOFT, target="good", reference=reference)
    low, high = at_one.interval()
    edits = found.changed[flipped].sum(axis=1).mean()
    levers = ", ".join(f"{k} {v:.0%}" for k, v in at_one.levers.items())
    print(
        f"{name:13} {n:5}  {count / n:.3f} [{low:.2f}, {high:.2f}]  {two:.3f}  "
        f"{found.score:.3f}  {edits:5.2f}  {found.n_queries / n:9.0f}  "
        f"{1000 * seconds:6.1f}  {seen:4.0%}  {usual:6.0%}  {levers}",
        flush=True,
    )


def print_questions(n_rows: int) -> None:
    """Print what explanations and recourse cost and say."""
    train, test, y_train = split_credit(0)
    model = ResilientEstimator(credit_models(train)["boosting"]).fit(train, y_train)
    refused = test[model.predict(test) == "bad"].iloc[:n_rows]
    start = perf_counter()
    why = explain(model, refused)
    asked = perf_counter()
    ways = recourse(model, refused, immutable=FIXED, target="good")
    done = perf_counter()
    print(f"why: {1000 * (asked - start) / n_rows:.0f} ms per row")
    print("  " + "\n  ".join(why.reasons[0]))
    print(f"what would change it: {1000 * (done - asked) / n_rows:.0f} ms per row")
    print(f"  {ways[0]}")


def main() -> None:
    """Run everything, or one seed of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="one seed")
    seeds = range(1 if parser.parse_args().quick else 3)
    print("Spambase: raising two words")
    for seed in seeds:
        print_spam(seed)
    print("\nGerman credit: tweaking amount, purpose and duration")
    for seed in seeds:
        print(f"seed {seed}\n{HEAD}")
        print_credit(seed)
    print("\nGerman credit, boosting with what it remembers")
    print_questions(20)


if __name__ == "__main__":
    main()
