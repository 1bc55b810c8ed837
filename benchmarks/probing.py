"""False alarms among ordinary queries, and the detection delay of probing attacks.

    python benchmarks/probing.py [--quick] [--forgetting-factor .98]

Ordinary queries are rows that were not in the reference, in order of time if there is
one, else in random order, all sent by one source: a hard case, as no user is so busy.
elec2 and bike_hourly are meters that report slowly changing values: feeds, not users,
and nearly as close together as probing queries. They are listed below the total.

Attacks are those of the adversarial-robustness-toolbox against models that record each
query. HopSkipJump starts from a random row which the model assigns to the other class
with p > .9; "far": with the highest probability, which is often an outlier. Adult is
attacked as numbers, with an indicator for each label that may have any value, and as
proper rows, where the label of the largest indicator counts: then nearly all queries of
ZOO repeat earlier ones, from which it learns nothing. Each attack is a new source and
ends after 1,000 queries. "caught" is the share of sources under alarm by then, "median"
the number of queries until the alarm, "slowest" the most among those that were caught;
"distinct" is the median number of different rows among these queries.

Jitter queries one row with normal noise in every number, in units of the columns'
standard deviations. Extraction queries 64 rows, then steps of .1 from all earlier
queries, repeatedly (Papernot and others, 2017, with random signs). Mixed: each query of
HopSkipJump is followed by a number of ordinary ones from the same source.

An honest user sends ordinary queries, and edits one field of a row eight times: once at
a random place among 600 queries, or again after every hundredth query.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from adult_chi2 import load_real
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator.monitor import ProbingDetector

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from art.attacks.evasion import HopSkipJump, ZooAttack
    from art.estimators.classification import BlackBoxClassifier

Floats = NDArray[np.float64]

MAX_QUERIES = 1000
MODELS = {
    "logistic": lambda: LogisticRegression(max_iter=2000),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=50, random_state=0),
}
USERS = (
    "adult",
    "spambase",
    "california_housing",
    "insurance_talk",
    "acs_employment_ma",
)
METERS = ("elec2", "bike_hourly")
IN_TIME = (*METERS, "insurance_talk", "acs_employment_ma")


class Split(NamedTuple):
    """A reference, rows that were not in it, and the labels of both."""

    X: pd.DataFrame
    X_new: pd.DataFrame
    y: pd.Series
    y_new: pd.Series


class EnoughError(Exception):
    """The attack has used up its queries."""


def load(name: str) -> Split:
    """Return a third of the rows as reference, or the first ones if there is a time."""
    rng = np.random.default_rng(0)
    if name == "breast_cancer":
        X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        n, order = len(X) // 2, rng.permutation(len(X))
    else:
        X, y, meta = load_real(name)
        in_time = name in IN_TIME
        n = meta["n_ref"] if in_time else len(X) // 3
        order = np.arange(len(X)) if in_time else rng.permutation(len(X))
    X, y = X.iloc[order], pd.Series(np.asarray(y)[order])
    return Split(X[:n], X[n:], y[:n], y[n:])


def load_adult_as_numbers() -> Split:
    """Return numbers, and an indicator for each label."""
    split = load("adult")
    code = Code(split.X)
    X, X_new = (pd.DataFrame(code.encode(X)) for X in (split.X, split.X_new))
    return Split(X, X_new, split.y, split.y_new)


class Code:
    """Rows as an array of numbers that an attack can change, and back."""

    def __init__(self, X: pd.DataFrame) -> None:
        self.numeric = list(X.select_dtypes("number"))
        others = [c for c in X if c not in self.numeric]
        self.labels = {c: list(X[c].dropna().unique()) for c in others}
        self.columns = list(X)
        self.center = X[self.numeric].mean()
        self.scale = X[self.numeric].std()

    def encode(self, X: pd.DataFrame) -> Floats:
        """Return standardised numbers and indicators of labels."""
        parts = [(X[self.numeric] - self.center) / self.scale]
        for column, labels in self.labels.items():
            parts.append(
                pd.DataFrame({t: X[column] == t for t in labels}).astype(float)
            )
        return np.hstack([part.to_numpy(dtype=float) for part in parts])

    def decode(self, Z: Floats) -> pd.DataFrame:
        """Return rows; labels are those whose indicator is largest."""
        n = len(self.numeric)
        frame = pd.DataFrame(Z[:, :n], columns=self.numeric) * self.scale + self.center
        for column, labels in self.labels.items():
            block = Z[:, n : n + len(labels)]
            frame[column] = np.array(labels, dtype=object)[block.argmax(axis=1)]
            n += len(labels)
        return frame[self.columns]


class Victim:
    """A model that records its queries."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.batches: list[Floats] = []

    def predict(self, Z: Floats) -> Floats:
        """Return probabilities."""
        self.batches.append(np.array(Z, dtype=float))
        if sum(map(len, self.batches)) >= MAX_QUERIES:
            raise EnoughError
        return np.asarray(self.model.predict_proba(Z))

    def queries(self) -> Floats:
        """Return the recorded queries."""
        return np.vstack(self.batches)[:MAX_QUERIES]


def hop_skip_jump(classifier: Any) -> Any:
    """Return an attack that needs labels only."""
    return HopSkipJump(classifier, max_iter=10, max_eval=200, verbose=False)


def zoo(classifier: Any) -> Any:
    """Return an attack that needs probabilities."""
    return ZooAttack(
        classifier,
        max_iter=20,
        nb_parallel=8,
        use_resize=False,
        use_importance=False,
        verbose=False,
    )


def record(
    attack: Callable[[Any], Any], model: Any, Z: Floats, i: int, *, far: bool = False
) -> Floats:
    """Return the queries of an attack on one row."""
    victim = Victim(model)
    per_column = 0 if attack is hop_skip_jump else None  # ZOO knows one range only
    clip = Z.min(axis=per_column), Z.max(axis=per_column) + 1e-6  # some are constant
    classifier = BlackBoxClassifier(victim.predict, Z.shape[1:], 2, clip_values=clip)
    proba = model.predict_proba(Z)
    other = proba[:, proba[i].argmin()]
    sure = np.flatnonzero(other > min(0.9, other.max() - 1e-9))
    start = np.argmax(other) if far else np.random.default_rng(i).choice(sure)
    known = {"x_adv_init": Z[[start]]} if attack is hop_skip_jump else {}
    np.random.seed(i)  # noqa: NPY002  the toolbox draws from the global state
    with warnings.catch_warnings(), suppress(EnoughError):
        warnings.simplefilter("ignore")
        attack(classifier).generate(Z[i : i + 1], **known)
    return victim.queries()


def jitter(Z: Floats, i: int, noise: float) -> Floats:
    """Return one row with noise."""
    rng = np.random.default_rng(i)
    return np.asarray(Z[i] + noise * rng.normal(size=(MAX_QUERIES, Z.shape[1])))


def extraction(Z: Floats, i: int, step: float = 0.1) -> Floats:
    """Return random rows, and repeatedly steps from all queries so far."""
    rng = np.random.default_rng(i)
    queries = Z[rng.choice(len(Z), 64, replace=False)]
    while len(queries) < MAX_QUERIES:
        moved = queries + step * rng.choice([-1.0, 1.0], size=queries.shape)
        queries = np.vstack([queries, moved])
    return queries[:MAX_QUERIES]


def mixed(queries: Floats, Z: Floats, n_ordinary: int, random_state: int) -> Floats:
    """Return queries, each followed by `n_ordinary` ordinary ones."""
    rng = np.random.default_rng(random_state)
    ordinary = Z[rng.integers(len(Z), size=(len(queries), n_ordinary))]
    return np.concatenate([queries[:, np.newaxis], ordinary], axis=1).reshape(
        -1, Z.shape[1]
    )


def print_benign(options: argparse.Namespace, most: int) -> None:
    """Print alarms among ordinary queries, and the cost of a query."""
    print("Ordinary queries of one source")
    print(f"{'':26}{'reference':>10}{'queries':>9}{'repeats':>9}", end="")
    print(f"{'alarms':>8}{'largest evidence':>18}{'us/query':>10}")
    total = alarms = 0
    for name in USERS + METERS:
        if name == METERS[0]:
            print(f"{'all users':26}{'':10}{total:9,}{'':9}{alarms:8}")
        split = load(name)
        rows = split.X_new[:most]
        detector = ProbingDetector(**settings(options)).fit(split.X)
        start = perf_counter()
        seen = detector.observe(rows, "user")
        cost = 1e6 * (perf_counter() - start) / len(rows)
        n = int(np.sum(np.diff(seen.alarm.astype(int), prepend=0) == 1))
        total, alarms = total + len(rows), alarms + n
        print(f"{name:26}{len(split.X):10,}{len(rows):9,}", end="")
        print(f"{seen.repeat.mean():9.3f}{n:8}{seen.evidence.max():18,.0f}", end="")
        print(f"{cost:10.0f}", flush=True)
    print()


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters given on the command line."""
    factor = options.forgetting_factor
    return {} if factor is None else {"forgetting_factor": factor}


def streams(split: Split, code: Code, n: int) -> Iterator[tuple[str, list[Floats]]]:
    """Yield attacks and the queries of each of their runs."""
    Z, Z_new = code.encode(split.X), code.encode(split.X_new)
    hop: list[Floats] = []
    for label, make in MODELS.items():
        model = make_pipeline(StandardScaler(), make()).fit(Z, split.y)
        for attack in (hop_skip_jump, zoo):
            runs = [record(attack, model, Z_new, i) for i in range(n)]
            yield f"{attack.__name__}, {label}", runs
            hop = hop or runs
        runs = [record(hop_skip_jump, model, Z_new, i, far=True) for i in range(n)]
        yield f"{hop_skip_jump.__name__}, {label}, far", runs
    for noise in (0.01, 0.1, 0.3, 1.0):
        yield f"jitter {noise}", [jitter(Z_new, i, noise) for i in range(n)]
    yield "extraction", [extraction(Z_new, i) for i in range(n)]
    for k in (1, 5, 10, 20):
        yield f"mixed 1:{k}", [mixed(q, Z_new, k, i) for i, q in enumerate(hop)]


def print_attacks(options: argparse.Namespace, n: int) -> None:
    """Print the number of queries until attacks raise an alarm."""
    print(f"Attacks, {n} of each kind: queries until alarm")
    print(f"{'':46}{'caught':>8}{'median':>8}{'slowest':>9}{'distinct':>10}")
    headline: list[float] = []
    splits = {
        "breast_cancer": load("breast_cancer"),
        "adult": load_adult_as_numbers(),
        "adult, rows": load("adult"),
        "spambase": load("spambase"),
    }
    for name, split in splits.items():
        code = Code(split.X)
        detector = ProbingDetector(**settings(options)).fit(split.X)
        print(f"{name}: shortest delay {detector.detection_delay_:.0f}")
        for label, runs in streams(split, code, n):
            found = [first_alarm(detector, code.decode(queries)) for queries in runs]
            queries, distinct = np.array(found).T
            caught = np.isfinite(queries)
            slowest = count(queries[caught].max()) if caught.any() else "-"
            median = count(np.median(queries))
            print(f"{name:16}{label:30}{caught.mean():8.2f}{median:>8}", end="")
            print(f"{slowest:>9}{np.median(distinct):10,.0f}", flush=True)
            if label.startswith(("hop", "zoo")) and not label.endswith("far"):
                headline += queries.tolist()
    print(f"HopSkipJump and ZOO, all: median {count(np.median(headline))}")
    print()


def count(number: float) -> str:
    """Return a number of queries as text."""
    return f"{number:,.0f}" if np.isfinite(number) else "-"


def first_alarm(detector: ProbingDetector, queries: pd.DataFrame) -> tuple[float, int]:
    """Return the number of queries until the alarm, and of distinct rows among them."""
    detector.forget("attacker")
    seen = detector.observe(queries, "attacker")
    if not seen.alarm.any():
        return np.inf, int((~seen.repeat).sum())
    n = int(seen.alarm.argmax()) + 1
    return n, int((~seen.repeat[:n]).sum())


def print_honest(options: argparse.Namespace, n: int) -> None:
    """Print how often users who edit one field raise an alarm."""
    print(f"Honest users who edit one field eight times, {n} of them: under alarm")
    print(f"{'':26}{'once':>8}{'largest evidence':>18}{'every 100':>11}{'largest':>10}")
    for name in ("breast_cancer", "adult", "spambase", "california_housing"):
        split = load(name)
        detector = ProbingDetector(**settings(options)).fit(split.X)
        cells = []
        for often in (False, True):
            most = []
            for i in range(n):
                detector.forget("user")
                queries = honest(split.X_new, i, often=often)
                most.append(detector.observe(queries, "user").evidence.max())
            cells += [sum(m >= detector.threshold for m in most), max(most)]
        print(f"{name:26}{cells[0]:8}{cells[1]:18,.0f}{cells[2]:11}{cells[3]:10,.0f}")


def honest(
    X: pd.DataFrame, random_state: int, *, often: bool, n: int = 600
) -> pd.DataFrame:
    """Return ordinary queries, with eight edits of a field once or repeatedly."""
    rng = np.random.default_rng(random_state)
    rows = X.iloc[rng.permutation(len(X))[:n]].reset_index(drop=True)
    n = len(rows)
    places = np.arange(99, n, 100) if often else rng.integers(n, size=1)
    parts, start = [], 0
    for place in places:
        edits = rows.iloc[[place] * 8].copy()
        column = rng.integers(X.shape[1])
        edits.isetitem(column, X.iloc[rng.integers(len(X), size=8), column].array)
        parts += [rows[start : place + 1], edits]
        start = place + 1
    return pd.concat([*parts, rows[start:]])


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--forgetting-factor", type=float, help="of ProbingDetector")
    options = parser.parse_args()
    print_benign(options, 5_000 if options.quick else 50_000)
    print_attacks(options, 5 if options.quick else 20)
    print_honest(options, 10 if options.quick else 100)


if __name__ == "__main__":
    main()
