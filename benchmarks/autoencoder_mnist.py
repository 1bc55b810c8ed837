"""AdversarialAutoencoder on MNIST: attacks flagged, and predictions corrected.

    python benchmarks/autoencoder_mnist.py [--train 60000] [--attacked 1000]
        [--boundary 10] [--white-box 100] [--perturbation 0.5] [--forms]
        [--cache FOLDER]

The victim is a perceptron (784-200-10) trained on all 60,000 rows, pixels in [0, 1]; a
random forest, which has no gradients, is the second one. The attacked rows are of the
test file, which nothing was trained on. AUC: the other test rows against the attacked
rows whose prediction changed. "corrected" is the accuracy on all attacked rows after
`correct`, whose threshold (alpha = .05) was set in `fit`.

FGSM, PGD, Carlini-Wagner (CW) and HopSkipJump are those of
adversarial-robustness-toolbox, with the gradients of the victim (forest: PGD against a
perceptron that the attacker trained on the forest's predictions; HopSkipJump on a few
rows). The toolbox has no sparse l1 descent (SLIDE; Tramer and Boneh, 2019), so it is
implemented below, as is a longer search of Carlini and Wagner's kind, which comes
nearer than the toolbox's. The attacker who knows the guard searches in the same way for
the nearest row that changes the prediction and keeps the score below the threshold,
with gradients through victim and autoencoder. The cost factor is the median, over rows,
of that distance over the distance without a guard.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import joblib
import numpy as np
from adult_chi2 import load_real
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier

from resilient_estimator.adversarial import AdversarialAutoencoder
from resilient_estimator.adversarial._dense_net import (
    Adam,
    DenseNet,
    log_softmax,
    softmax,
)
from resilient_estimator.adversarial._input_scaling import ScaledModel, Scaling
from resilient_estimator.adversarial._prediction_divergence import kl_divergence
from resilient_estimator.adversarial._surrogate import as_net

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from art.attacks.evasion import (
        CarliniL2Method,
        FastGradientMethod,
        HopSkipJump,
        ProjectedGradientDescent,
    )
    from art.estimators.classification import BlackBoxClassifier
    from art.estimators.classification.scikitlearn import (
        ScikitlearnLogisticRegression,
    )

Array = NDArray[Any]
Attacks = dict[str, Array]

RANDOM_STATE = 0
N_CALIBRATION = 2000


class Victim(ScikitlearnLogisticRegression):
    """A perceptron in the form that the toolbox expects: logits and gradients."""

    def __init__(self, model: MLPClassifier) -> None:
        self.net = as_plain_net(model)
        model_ = model
        super(ScikitlearnLogisticRegression, self).__init__(model_, (0, 1))
        self._nb_classes = len(model.classes_)

    def predict(self, x: Array, **_: object) -> Array:
        """Return the logits."""
        return self.net(np.asarray(x, dtype=np.float32))

    def loss_gradient(self, x: Array, y: Array, **_: object) -> Array:
        """Return the gradient of the cross-entropy."""
        labels = y.argmax(axis=1) if y.ndim == 2 else y
        return loss_gradient(self.net, np.asarray(x, dtype=np.float32), labels)

    def class_gradient(
        self, x: Array, label: int | list[int] | Array | None = None, **_: object
    ) -> Array:
        """Return the gradients of the logits of `label`."""
        values = self.net.layers(np.asarray(x, dtype=np.float32))
        if label is None:
            labels = np.tile(np.arange(self.nb_classes), (len(x), 1))
        else:
            labels = np.broadcast_to(label, len(x))[:, None]
        eye = np.eye(self.nb_classes, dtype=np.float32)
        parts = [self.net.backward(values, eye[k])[0] for k in labels.T]
        return np.stack(parts, axis=1)


def as_plain_net(model: MLPClassifier) -> DenseNet:
    """Return a perceptron as a net whose inputs are pixels."""
    n_pixels = model.n_features_in_
    plain = Scaling(np.zeros(n_pixels), np.ones(n_pixels))
    rows = np.random.default_rng(RANDOM_STATE).random((50, n_pixels)).astype(np.float32)
    scaled = ScaledModel(model, lambda values: values.astype(np.float32), plain)
    return as_net(scaled, rows, np.random.default_rng(RANDOM_STATE))[0]


def loss_gradient(net: DenseNet, X: Array, labels: Array) -> Array:
    """Return the gradient of the cross-entropy with labels by the rows."""
    values = net.layers(X)
    error = softmax(values[-1])
    error[np.arange(len(X)), labels] -= 1
    return net.backward(values, error)[0]


def sparse_descent(
    net: DenseNet, X: Array, radius: float = 12.0, n_steps: int = 60
) -> Array:
    """Return rows moved by sparse l1 descent, one percent of the pixels at a time."""
    labels, moved = net(X).argmax(axis=1), X.copy()
    n_pixels, step = max(1, X.shape[1] // 100), 4 * radius / n_steps
    for _ in range(n_steps):
        slope = loss_gradient(net, moved, labels)
        blocked = ((moved >= 1) & (slope > 0)) | ((moved <= 0) & (slope < 0))
        size = np.where(blocked, 0, np.abs(slope))
        largest = np.partition(size, -n_pixels, axis=1)[:, -n_pixels]
        direction = np.sign(slope) * (size >= largest[:, None])
        direction /= np.maximum(np.abs(direction).sum(axis=1, keepdims=True), 1)
        change = into_l1_ball(moved + step * direction - X, radius)
        moved = np.clip(X + change, 0, 1).astype(np.float32)
    return moved


def into_l1_ball(change: Array, radius: float) -> Array:
    """Return the nearest points of the l1 ball (Duchi et al., 2008)."""
    size = -np.sort(-np.abs(change), axis=1)
    excess = np.cumsum(size, axis=1) - radius
    count = (size > excess / np.arange(1, size.shape[1] + 1)).sum(axis=1)
    cut = excess[np.arange(len(size)), count - 1] / count
    shrunk = np.maximum(np.abs(change) - np.maximum(cut, 0)[:, None], 0)
    return np.sign(change) * shrunk


def nearest_adversary(
    objective: Callable[[Array], tuple[Array, Array]],
    X: Array,
    n_rounds: int,
    n_steps: int,
) -> Array:
    """Return the nearest successful rows that Adam finds, as Carlini and Wagner search.

    `objective` returns which rows are successful, and the gradient of the loss. Rows
    for which none is found stay as they are.
    """
    weight, low, high = np.ones(len(X)), np.zeros(len(X)), np.full(len(X), np.inf)
    best, nearest = np.full(len(X), np.inf), X.copy()
    start = np.arctanh((2 * X - 1) * np.float32(0.9999))
    for _ in range(n_rounds):
        w, found = start.copy(), np.zeros(len(X), dtype=bool)
        optimizer = Adam([w], 0.03)
        for _ in range(n_steps):
            tanh = np.tanh(w)
            moved = (tanh + 1) / 2
            done, slope = objective(moved)
            found |= done
            distance = np.linalg.norm(moved - X, axis=1)
            nearer = done & (distance < best)
            best[nearer], nearest[nearer] = distance[nearer], moved[nearer]
            slope = weight[:, None] * slope + 2 * (moved - X)
            optimizer.step([(slope * (1 - tanh * tanh) / 2).astype(np.float32)])
        high = np.where(found, np.minimum(high, weight), high)
        low = np.where(found, low, np.maximum(low, weight))
        weight = np.where(np.isfinite(high), (low + high) / 2, weight * 10)
    return nearest


class Attacker:
    """Searches for another prediction, with a score below the threshold of a guard."""

    def __init__(self, net: DenseNet, X: Array, guard: Any = None) -> None:
        self.net, self.guard = net, guard
        self.rows = np.arange(len(X))
        self.labels = net(X).argmax(axis=1)
        if guard is not None:
            self.view = DenseNet(**guard.net_)
            self.autoencoder = DenseNet(**guard.autoencoder_)

    def __call__(self, X: Array) -> tuple[Array, Array]:
        """Return which rows get through, and the gradient of the loss of others."""
        values = self.net.layers(X)
        logits = values[-1]
        others = logits.copy()
        others[self.rows, self.labels] = -np.inf
        target = others.argmax(axis=1)
        gap = logits[self.rows, self.labels] - logits[self.rows, target]
        error = np.zeros_like(logits)
        error[self.rows, self.labels] = gap > -0.1
        error[self.rows, target] = -(gap > -0.1).astype(np.float32)
        slope = self.net.backward(values, error)[0]
        if self.guard is None:
            return gap < 0, slope
        surprise, by_row = self._surprise(X, target)
        above = surprise > 0.95 * -self.guard.offset_
        done = (gap < 0) & (surprise < -self.guard.offset_)
        return done, slope + np.where(above[:, None], by_row, 0)

    def _surprise(self, X: Array, target: Array) -> tuple[Array, Array]:
        center, scale = self.guard.center_, self.guard.scale_
        Z = ((X - center) / scale).astype(np.float32)
        inner = self.autoencoder.layers(Z)
        outer = self.view.layers(inner[-1])
        error = softmax(outer[-1])
        error[self.rows, target] -= 1
        by_reconstruction = self.view.backward(outer, error)[0]
        by_row = self.autoencoder.backward(inner, by_reconstruction)[0] / scale
        return -log_softmax(outer[-1])[self.rows, target], by_row


def attack_perceptron(model: MLPClassifier, X: Array) -> Attacks:
    """Return the attacked rows by name of the attack."""
    victim = Victim(model)
    made = {
        f"FGSM {eps}": FastGradientMethod(victim, eps=eps, batch_size=500).generate(X)
        for eps in (0.1, 0.2, 0.3)
    }
    pgd = ProjectedGradientDescent(
        victim, eps=0.1, eps_step=0.01, max_iter=20, batch_size=500, verbose=False
    )
    made["PGD 0.1"] = pgd.generate(X)
    for confidence in (0.0, 5.0):
        carlini = CarliniL2Method(
            victim,
            confidence=confidence,
            learning_rate=0.1,
            initial_const=1.0,
            binary_search_steps=5,
            max_iter=20,
            batch_size=500,
            verbose=False,
        )
        made[f"CW k={confidence:.0f}"] = carlini.generate(X).reshape(X.shape)
    made["CW own search"] = nearest_adversary(Attacker(victim.net, X), X, 5, 100)
    made["SLIDE l1=12"] = sparse_descent(victim.net, X)
    return made


def attack_forest(forest: Any, surrogate: MLPClassifier, X: Array, n: int) -> Attacks:
    """Return the attacked rows by name of the attack; HopSkipJump on `n` rows."""
    victim = Victim(surrogate)
    made = {}
    for eps in (0.1, 0.2):
        pgd = ProjectedGradientDescent(
            victim,
            eps=eps,
            eps_step=eps / 10,
            max_iter=20,
            batch_size=500,
            verbose=False,
        )
        made[f"PGD {eps} transferred"] = pgd.generate(X)

    def query(rows: Array) -> Array:
        return np.asarray(forest.predict_proba(rows))

    box = BlackBoxClassifier(query, (X.shape[1],), 10, clip_values=(0, 1))
    jump = HopSkipJump(box, max_iter=10, max_eval=1000, init_eval=100, verbose=False)
    np.random.seed(RANDOM_STATE)  # noqa: NPY002  the toolbox draws from the global state
    if n:
        made["HopSkipJump"] = jump.generate(X[:n])
    return made


def scores(guard: Any, X: Array) -> Array:
    """Return the surprise at the label, and the divergence at T = 1, row by row."""
    Z = ((X - guard.center_) / guard.scale_).astype(np.float32)
    reconstruction = DenseNet(**guard.autoencoder_)(Z)
    log_proba = log_softmax(DenseNet(**guard.net_)(reconstruction))
    label = guard.model_.predict(X)[:, None] == guard.classes_
    proba = guard.model_.predict_proba(X)
    return np.stack(
        [kl_divergence(label * 1.0, log_proba), kl_divergence(proba, log_proba)]
    )


def both(parts: Array, reference: Array) -> Array:
    """Return Fisher's sum of the logarithms of two conformal p-values."""
    total = np.zeros(parts.shape[1])
    for part, usual in zip(parts, np.sort(reference, axis=1), strict=True):
        above = len(usual) - np.searchsorted(usual, part)
        total -= np.log((1 + above) / (1 + len(usual)))
    return total


def auc(usual: Array, bad: Array) -> float:
    """Return the area under the curve of usual against attacked rows."""
    truth = np.repeat([0, 1], [len(usual), len(bad)])
    return float(roc_auc_score(truth, np.concatenate([usual, bad])))


def print_attacks(guard: Any, made: Attacks, data: dict[str, Array], n: int) -> None:
    """Print the table of one victim."""
    model, X, y = guard.model_, data["test"], data["y_test"]
    rest = X[n:]
    reference = scores(guard, data["train"][:N_CALIBRATION])
    usual = scores(guard, rest)
    clean = float(np.mean(model.predict(X) == y))
    false = float(np.mean(guard.predict(rest) == -1))
    print(
        f"accuracy of the victim {clean:.3f}, goal {0.9 * clean:.3f}; false alarms "
        f"{false:.3f} at alpha {guard.alpha}; usual rows after correction "
        f"{np.mean(guard.correct(rest) == y[n:]):.3f}; net is the victim: "
        f"{guard.exact_}"
    )
    print(
        "attack                 rows  changed  L2    accuracy  AUC hard  KL     both   "
        "caught  corrected"
    )
    for name, bad in made.items():
        m = len(bad)
        changed = model.predict(bad) != model.predict(X[:m])
        parts = scores(guard, bad[changed])
        areas = [auc(usual[k], parts[k]) for k in range(2)]
        areas.append(auc(both(usual, reference), both(parts, reference)))
        print(
            f"{name:22s} {m:5d}  {changed.mean():7.3f}  "
            f"{np.median(np.linalg.norm(bad - X[:m], axis=1)):.2f}  "
            f"{np.mean(model.predict(bad) == y[:m]):8.3f}  {areas[0]:8.3f}  "
            f"{areas[1]:.3f}  {areas[2]:.3f}  "
            f"{np.mean(guard.predict(bad[changed]) == -1):6.3f}  "
            f"{np.mean(guard.correct(bad) == y[:m]):9.3f}",
            flush=True,
        )


def print_forms(model: Any, made: Attacks, data: dict[str, Array], n: int) -> None:
    """Print the AUC of other losses and scores, the published ones included."""
    forms: dict[str, dict[str, Any]] = {
        "published, T=1": {"perturbation": 0.0, "temperature": 1.0},
        "published, T=.5": {"perturbation": 0.0, "temperature": 0.5},
        "published, T=.5, hidden": {
            "perturbation": 0.0,
            "temperature": 0.5,
            "hidden_weight": 0.5,
        },
        "T=0 alone": {"perturbation": 0.0},
        "perturbation alone": {"temperature": 1.0},
        "default, hidden": {"hidden_weight": 0.5},
        "default, reconstruction": {"reconstruction_weight": 1.0},
    }
    print("AUC of other forms       " + "  ".join(f"{name:11s}" for name in made))
    for label, form in forms.items():
        guard = AdversarialAutoencoder(
            FrozenEstimator(model), random_state=RANDOM_STATE
        )
        guard.set_params(**form).fit(data["train"])
        usual = -guard.score_samples(data["test"][n:])
        line = []
        for bad in made.values():
            changed = model.predict(bad) != model.predict(data["test"][: len(bad)])
            line.append(f"{auc(usual, -guard.score_samples(bad[changed])):<11.3f}")
        print(f"{label:24s} " + "  ".join(line), flush=True)


def print_white_box(guard: Any, net: DenseNet, X: Array) -> None:
    """Print the cost of getting through for an attacker who knows the guard."""
    bare = np.linalg.norm(nearest_adversary(Attacker(net, X), X, 5, 100) - X, axis=1)
    found = nearest_adversary(Attacker(net, X, guard), X, 6, 200)
    knowing = np.linalg.norm(found - X, axis=1)
    changed = guard.model_.predict(found) != guard.model_.predict(X)
    through = changed & (guard.predict(found) == 1)
    pairs = through & (bare > 0)
    factor = np.median(knowing[pairs] / bare[pairs])
    far, near = np.median(knowing[pairs]), np.median(bare[pairs])
    print(
        f"attacker who knows the guard: {len(X)} rows, {through.mean():.3f} get "
        f"through; median L2 {far:.2f} against {near:.2f}; cost factor {factor:.2f}"
    )


def load_mnist(n_train: int) -> dict[str, Array]:
    """Return pixels in [0, 1]; the guard is fitted to `train`."""
    X, y, meta = load_real("mnist", n_train=None)
    pixels = (X.to_numpy() / np.float32(255)).astype(np.float32)
    test = (meta["split"] == "test").to_numpy()
    labels = y.to_numpy()
    return {
        "all": pixels[~test],
        "y_all": labels[~test],
        "train": pixels[~test][:n_train],
        "test": pixels[test],
        "y_test": labels[test],
    }


def perceptron(X: Array, y: Array) -> MLPClassifier:
    """Return a perceptron after twelve epochs."""
    model = MLPClassifier(
        (200,), batch_size=128, max_iter=12, random_state=RANDOM_STATE
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


def make_guard(model: Any, perturbation: float) -> AdversarialAutoencoder:
    """Return an unfitted guard of a fitted model."""
    return AdversarialAutoencoder(
        FrozenEstimator(model), perturbation=perturbation, random_state=RANDOM_STATE
    )


def timed(label: str, call: Callable[[], Any]) -> Any:
    """Return the result of a call, and print how long it took."""
    start = time.perf_counter()
    result = call()
    print(f"{label}: {time.perf_counter() - start:.0f} s", flush=True)
    return result


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--train", type=int, default=60_000, help="training rows of the guard"
    )
    parser.add_argument("--attacked", type=int, default=1000, help="attacked rows")
    parser.add_argument(
        "--boundary", type=int, default=10, help="rows attacked by HopSkipJump"
    )
    parser.add_argument(
        "--white-box",
        type=int,
        default=100,
        help="rows attacked by one who knows the guard",
    )
    parser.add_argument("--perturbation", type=float, default=0.5, help="in training")
    parser.add_argument("--forms", action="store_true", help="other losses too")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    memory = joblib.Memory(options.cache / "autoencoder_mnist", verbose=0)
    data = load_mnist(options.train)
    n = options.attacked
    X = data["test"][:n]

    fitted = memory.cache(perceptron)
    model = timed("perceptron", lambda: fitted(data["all"], data["y_all"]))
    guard = make_guard(model, options.perturbation)
    guard = timed(f"guard, {options.train} rows", lambda: guard.fit(data["train"]))
    made = timed("attacks", lambda: memory.cache(attack_perceptron)(model, X))
    print_attacks(guard, made, data, n)
    print_white_box(guard, as_plain_net(model), X[: options.white_box])
    if options.forms:
        print_forms(model, made, data, n)

    forest = RandomForestClassifier(50, min_samples_leaf=2, random_state=RANDOM_STATE)
    forest.fit(data["train"], data["y_all"][: options.train])
    surrogate = perceptron(data["train"], forest.predict(data["train"]))
    guard = make_guard(forest, options.perturbation)
    guard = timed("\nforest's guard", lambda: guard.fit(data["train"]))
    cached = memory.cache(attack_forest)
    made = timed("attacks", lambda: cached(forest, surrogate, X, options.boundary))
    print_attacks(guard, made, data, n)


if __name__ == "__main__":
    main()
