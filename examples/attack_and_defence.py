"""Attack a classifier of digits, find the forged ones, and try to get by the guard."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from resilient_estimator import ResilientEstimator
from resilient_estimator.adversarial import AdversarialGuard

Floats = NDArray[np.float64]


def forge(model: Any, rows: Floats, starts: Floats, fits: Any) -> Floats:
    """Return pictures next to `rows` for which the model's answer is another.

    Only answers are asked for, as a customer can: from a picture that serves, walk
    towards the row as far as it goes, then try steps by chance that come nearer
    (Brendel, Rauber and Bethge, 2018).
    """
    rng = np.random.default_rng(0)
    said = model.predict(rows)
    serves = lambda pictures: fits(pictures) & (model.predict(pictures) != said)
    forged = approach(rows, starts, serves)
    for _ in range(30):
        away = np.linalg.norm(forged - rows, axis=1, keepdims=True)
        noise = rng.normal(size=rows.shape) / np.sqrt(rows.shape[1])
        tried = np.clip(forged + 0.3 * away * noise, 0, 1)
        useful = serves(tried)[:, np.newaxis]
        tried = approach(rows, np.where(useful, tried, forged), serves)
        nearer = np.linalg.norm(tried - rows, axis=1, keepdims=True) < away
        forged = np.where(nearer, tried, forged)
    return forged


def approach(rows: Floats, starts: Floats, serves: Any) -> Floats:
    """Halve the way between pictures that serve and rows that do not, eight times."""
    near, far = np.zeros((len(rows), 1)), np.ones((len(rows), 1))
    for _ in range(8):
        middle = (near + far) / 2
        good = serves(rows + middle * (starts - rows))[:, np.newaxis]
        near, far = np.where(good, near, middle), np.where(good, middle, far)
    return rows + far * (starts - rows)


def distance(pictures: Floats, rows: Floats) -> float:
    """Return how far pictures are from rows, typically."""
    return float(np.median(np.linalg.norm(pictures - rows, axis=1)))


X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
model = ResilientEstimator(
    LogisticRegression(max_iter=1000),
    # Nearly all pictures around a forged one are what it was.
    fallback=KNeighborsClassifier(),
    guard=AdversarialGuard(alpha=0.05),
    detector=None,
).fit(X, y)
bare, guard = model.estimator_, model.guard_

rows = X_test[bare.predict(X_test) == y_test][:60]
truth = bare.predict(rows)
# Where to start from: for each row, a training picture of some other digit.
known = bare.predict(X) == y
starts = np.array([X[known & (y != digit)][i] for i, digit in enumerate(truth)])


def any_picture(pictures: Floats) -> NDArray[np.bool_]:
    """Let an attacker do as he likes."""
    return np.ones(len(pictures), dtype=bool)


def not_flagged(pictures: Floats) -> NDArray[np.bool_]:
    """Let an attacker who has the guard, too, avoid it."""
    return ~guard.inspect(pictures)["adversarial"]


forged = forge(bare, rows, starts, any_picture)
apart = np.median(np.linalg.norm(rows[1:] - rows[:-1], axis=1))
print(f"a forged digit differs by {distance(forged, rows):.2f}; digits by {apart:.2f}")
print(
    f"model alone: {np.mean(bare.predict(forged) == truth):.0%} right on forged digits"
)
answers, flags = model.predict(forged, return_flags=True)
print(f"with guard and fallback: {np.mean(answers == truth):.0%} right, ", end="")
print(f"{np.mean(flags.adversarial):.0%} flagged")
nearest = np.mean(guard.correct(forged) == truth)
print(f"with the guard's own correction instead: {nearest:.0%} right")

honest = guard.score_pvalues(X_test)
print(f"\nhonest digits flagged: {np.mean(honest <= guard.alpha):.1%}")
mixed = np.concatenate([honest, guard.score_pvalues(forged)])
is_forged = np.repeat([0, 1], [len(honest), len(forged)])
print(f"AUC of the guard: {roc_auc_score(is_forged, -mixed):.3f}")

# No guard is safe from who has it. What counts is how much more he must change.
evading = forge(bare, rows, starts, not_flagged)
through = ~guard.inspect(evading)["adversarial"]
factor = distance(evading[through], rows[through]) / distance(forged, rows)
print(f"\nan attacker who has the guard, too, must change {factor:.1f} x as much")
