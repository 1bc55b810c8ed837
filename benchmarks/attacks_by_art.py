"""Data, victims and attacks of `adversarial.py`.

Attacks are those of adversarial-robustness-toolbox (ART), a development dependency,
with as many queries as a benchmark can afford.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from adult_chi2 import load_real
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from resilient_estimator.adversarial._dense_net import DenseNet, softmax

Floats = NDArray[np.float64]

TABLES = ("breast_cancer", "spambase", "adult", "german_credit")
PICTURES = ("digits", "mnist")
VICTIMS = {
    "LR": LogisticRegression(max_iter=2000),
    "SVC": CalibratedClassifierCV(SVC(), ensemble=False, cv=3),
    "RF": RandomForestClassifier(60, random_state=0),
    "HGB": HistGradientBoostingClassifier(max_iter=60, random_state=0),
    "MLP": MLPClassifier((50,), max_iter=150, alpha=0.01, random_state=0),
}
ATTACKS = ("HSJ", "ZOO", "Boundary", "PGD")
EPSILON = {"digits": 0.2, "mnist": 0.1}  # of PGD, per cell; tables: .3
MAX_QUERIES = 5000  # per row; a query may be a batch of many copies of it


class Split(NamedTuple):
    """Training and test rows, and the minimum and maximum of each column."""

    X: Floats
    y: NDArray[np.intp]
    X_test: Floats
    y_test: NDArray[np.intp]
    low: Floats
    high: Floats


@cache
def load_split(name: str) -> Split:
    """Return a data set as numbers that an attack can change."""
    X, y, n_train, n_test = load_numbers(name)
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=n_train, test_size=n_test, stratify=y, random_state=0
    )
    if name not in PICTURES:
        center, scale = X.mean(axis=0), X.std(axis=0)
        varies = scale > 0
        X, X_test = ((Z - center)[:, varies] / scale[varies] for Z in (X, X_test))
    return Split(X, y, X_test, y_test, X.min(axis=0), X.max(axis=0))


def load_numbers(name: str) -> tuple[Floats, NDArray[np.intp], Any, Any]:
    """Return rows, classes, and the numbers of training and test rows."""
    if name == "breast_cancer":
        return *load_breast_cancer(return_X_y=True), 0.7, 0.3
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y, 0.7, 0.3
    X, y, _ = load_real(name)
    sizes = {"adult": (6000, 1000), "mnist": (5000, 1000)}.get(name, (0.7, 0.3))
    if name == "mnist":
        return X.to_numpy() / 255, y.to_numpy(), *sizes
    return pd.get_dummies(X).to_numpy(dtype=float), y.to_numpy(), *sizes


@cache
def fit_victim(set_name: str, name: str) -> Any:
    """Return the fitted victim."""
    split = load_split(set_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(VICTIMS[name]).fit(split.X, split.y)


class LimitedVictim:
    """A victim with a limit of queries per row: HopSkipJump may never stop."""

    def __init__(self, victim: Any) -> None:
        self.victim = victim
        self.n_queries = 0

    def __call__(self, X: Any) -> Floats:
        """Return probabilities; ART sends 32-bit rows, at times one by one."""
        self.n_queries += 1
        if self.n_queries > MAX_QUERIES:
            raise TimeoutError
        return np.asarray(self.victim.predict_proba(np.asarray(X, dtype=np.float64)))


def wrap(query: LimitedVictim, split: Split, *, one_range: bool) -> Any:
    """Return the victim as a classifier of ART, with gradients if it is an MLP."""
    from art.estimators.classification import BlackBoxClassifier  # noqa: PLC0415
    from art.estimators.estimator import LossGradientsMixin  # noqa: PLC0415

    class Net(LossGradientsMixin, BlackBoxClassifier):  # type: ignore[misc]
        def loss_gradient(self, x: Any, y: Any, **_: Any) -> Any:
            net = DenseNet(victim.coefs_, victim.intercepts_, victim.activation)
            values = net.layers(np.asarray(x, dtype=np.float32))
            if values[-1].shape[1] == 1:  # two classes have one logit
                proba = 1 / (1 + np.exp(-values[-1]))
                gradient = proba - y[:, 1:]
            else:
                gradient = softmax(values[-1]) - y
            return net.backward(values, gradient.astype(np.float32))[0]

    low, high = split.low.astype(np.float32), split.high.astype(np.float32)
    victim = query.victim
    kind = Net if isinstance(victim, MLPClassifier) else BlackBoxClassifier
    return kind(
        query,
        input_shape=(split.X.shape[1],),
        nb_classes=len(victim.classes_),
        clip_values=(float(low.min()), float(high.max())) if one_range else (low, high),
    )


def make_attack(name: str, set_name: str, model: Any) -> Any:
    """Return an attack of ART with as many queries as a benchmark can afford."""
    from art.attacks import evasion  # noqa: PLC0415

    n_features = model.input_shape[0]
    if name == "HSJ":
        return evasion.HopSkipJump(
            model,
            max_iter=20,
            max_eval=1000,
            verbose=False,
        )
    if name == "ZOO":
        return evasion.ZooAttack(
            model,
            max_iter=30,
            binary_search_steps=3,
            initial_const=1.0,
            learning_rate=0.1,
            use_resize=False,
            use_importance=False,
            nb_parallel=min(n_features, 64),
            variable_h=0.25,
            verbose=False,
        )
    if name == "Boundary":
        return evasion.BoundaryAttack(
            model,
            targeted=False,
            max_iter=200,
            num_trial=10,
            sample_size=10,
            verbose=False,
        )
    epsilon = EPSILON.get(set_name, 0.3)
    return evasion.ProjectedGradientDescentNumpy(
        model, eps=epsilon, eps_step=epsilon / 5, max_iter=20, verbose=False
    )


def attack(set_name: str, victim_name: str, name: str, n_rows: int) -> Floats:
    """Return attacked versions of test rows that the victim classifies correctly."""
    split, victim = load_split(set_name), fit_victim(set_name, victim_name)
    correct = np.flatnonzero(victim.predict(split.X_test) == split.y_test)
    if name == "PGD":  # cheap
        n_rows = max(n_rows, 200)
    np.random.seed(0)  # noqa: NPY002  ART draws from the global state
    start = perf_counter()
    rows = split.X_test[correct[:n_rows]].astype(np.float32)
    query = LimitedVictim(victim)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one_range = name == "ZOO" or set_name in PICTURES
        attacker = make_attack(name, set_name, wrap(query, split, one_range=one_range))
        if name == "PGD":
            attacked = attacker.generate(rows)
        else:
            starts = starting_rows(victim, split, rows)
            attacked = rows.copy()
            for i in range(len(rows)):
                query.n_queries = 0
                options = {} if name == "ZOO" else {"x_adv_init": starts[i : i + 1]}
                with suppress(TimeoutError):
                    attacked[i] = attacker.generate(rows[i : i + 1], **options)[0]
    print(
        f"  {set_name} {victim_name} {name}: {perf_counter() - start:.0f} s", flush=True
    )
    return np.asarray(attacked, dtype=np.float64)


def starting_rows(victim: Any, split: Split, rows: Floats) -> Floats:
    """Return for each row a random training row with another prediction."""
    rng = np.random.default_rng(0)
    predictions = victim.predict(split.X)
    others = [np.flatnonzero(predictions != label) for label in victim.predict(rows)]
    chosen = np.array([rng.choice(other) for other in others])
    return np.asarray(split.X[chosen], dtype=np.float32)


def cached_attack(folder: Path, *cell: Any) -> Floats:
    """Return attacked rows, from the cache if they are in it."""
    path = cache_path(folder, *cell)
    if not path.exists():
        np.save(path, attack(*cell))
    return np.asarray(np.load(path))


def cache_path(folder: Path, *cell: Any) -> Path:
    """Return the file of the attacked rows of a cell."""
    return folder / ("-".join(map(str, cell)) + ".npy")
