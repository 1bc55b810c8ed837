"""How cheaply the predictions of models for spam and credit can be manipulated.

    python benchmarks/manipulation.py [--quick]

Spambase: which two words, raised to the same frequency in every mail, let most spam
pass a boosting model. The words are found on training mail, out of all 48, and tried on
mail that neither the model nor the search has seen.

German credit: what rejected applicants of the test set can achieve by changing amount,
purpose and duration, which cannot be verified. Columns of the table: number of rejected
rows; share flippable at budgets of one and two interquartile ranges or label changes,
with a confidence interval for the first; the score at the larger budget; mean number of
edits; queries and milliseconds per row; the columns involved. "reference" uses what a
ResilientEstimator remembers of its training data instead of training rows. "seen" is
the share of tweaked rows that an isolation forest flags, which flags 5 % of training
rows, and "before" its share of the same rows before the tweak.

Finally, the time of one explanation and of one recourse per row.
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
    "model          rows  M(1)  [95 %]       M(2)  score  edits    queries  ms/row  "
    "seen  before  levers"
)


def split(name: str, random_state: int) -> list[Any]:
    """Return training and test rows, training and test labels."""
    X, y, _ = load_real(name)
    return list(
        train_test_split(X, y, test_size=0.3, random_state=random_state, stratify=y)
    )


def print_spam(random_state: int) -> None:
    """Print which words let spam pass, and how much of it."""
    train, test, y_train, y_test = split("spambase", random_state)
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
    print(f"split {random_state}: accuracy {model.score(test, y_test):.3f}")
    print(
        f"  on {len(spam)} training mails: {pair} (first word: {pair.share_first:.0%})"
    )
    print(f"  on {len(other)} other mails: {share:.1%} flip")
    levers = ", ".join(f"{k} {v:.0%}" for k, v in list(found.levers.items())[:4])
    print(f"  each mail separately: M(1) {found.share_flippable:.3f}, levers {levers}")
    queries = found.n_queries / len(spam)
    print(f"  {queries:.0f} queries per mail, {seconds:.1f} s in total", flush=True)


def split_credit(random_state: int) -> tuple[Any, Any, Any]:
    """Return training and test rows, and training labels as "good" or "bad"."""
    train, test, y_train, _ = split("german_credit", random_state)
    return train, test, np.where(y_train == 1, "bad", "good")


def credit_models(X: Any) -> dict[str, Any]:
    """Return unfitted classifiers that accept categories."""
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
    """Return a fitted guard that encodes categories as numbers."""
    labels = [name for name in X if str(X[name].dtype) == "category"]
    order = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    plain = make_column_transformer((order, labels), remainder="passthrough")
    forest = IsolationForest(contamination=0.05, random_state=0)
    return OutlierGuard(make_pipeline(plain, forest)).fit(X)


def print_credit(random_state: int) -> None:
    """Print one line per model, and one with a reference instead of training rows."""
    train, test, y_train = split_credit(random_state)
    guard = outlier_guard(train)
    for name, model in credit_models(train).items():
        model.fit(train, y_train)
        print_attack(name, model, test, train, guard)
    resilient = ResilientEstimator(credit_models(train)["boosting"])
    resilient.fit(train, y_train)
    print_attack("  reference", resilient, test, None, guard)


def print_attack(name: str, model: Any, X: Any, reference: Any, guard: Any) -> None:
    """Print the figures of one model."""
    start = perf_counter()
    found = manipulability(
        model, X, soft=SOFT, target="good", reference=reference, budget=2
    )
    seconds = (perf_counter() - start) / len(found.rows)
    flipped = np.isfinite(found.costs)
    before = X.iloc[found.rows[flipped]]
    seen, seen_before = (
        guard.inspect(rows)["outlier"].mean() for rows in (found.apply(X), before)
    )
    one, two = found.curve([1, 2])
    count, n = int(np.rint(one * len(found.rows))), len(found.rows)
    at_one = manipulability(model, X, soft=SOFT, target="good", reference=reference)
    lower, upper = at_one.interval()
    edits = found.changed[flipped].sum(axis=1).mean()
    levers = ", ".join(f"{k} {v:.0%}" for k, v in at_one.levers.items())
    print(
        f"{name:13} {n:5}  {count / n:.3f} [{lower:.2f}, {upper:.2f}]  {two:.3f}  "
        f"{found.score:.3f}  {edits:5.2f}  {found.n_queries / n:9.0f}  "
        f"{1000 * seconds:6.1f}  {seen:4.0%}  {seen_before:6.0%}  {levers}",
        flush=True,
    )


def print_explanations(n_rows: int) -> None:
    """Print the time per explanation and recourse, and one example of each."""
    train, test, y_train = split_credit(0)
    model = ResilientEstimator(credit_models(train)["boosting"]).fit(train, y_train)
    rejected = test[model.predict(test) == "bad"].iloc[:n_rows]
    start = perf_counter()
    explanation = explain(model, rejected)
    explained = perf_counter()
    changes = recourse(model, rejected, immutable=FIXED, target="good")
    done = perf_counter()
    print(f"explain: {1000 * (explained - start) / n_rows:.0f} ms per row")
    print("  " + "\n  ".join(explanation.reasons[0]))
    print(f"recourse: {1000 * (done - explained) / n_rows:.0f} ms per row")
    print(f"  {changes[0]}")


def main() -> None:
    """Print all figures, or those of one split."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="one split")
    splits = range(1 if parser.parse_args().quick else 3)
    print("Spambase: raising two words")
    for i in splits:
        print_spam(i)
    print("\nGerman credit: changing amount, purpose and duration")
    for i in splits:
        print(f"split {i}\n{HEAD}")
        print_credit(i)
    print("\nGerman credit, boosting with its own reference")
    print_explanations(20)


if __name__ == "__main__":
    main()
