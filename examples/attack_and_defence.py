"""Attack a classifier of digits, detect the attack, and try to evade the guard."""

from collections.abc import Callable
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
Criterion = Callable[[Floats], NDArray[np.bool_]]


def attack(model: Any, rows: Floats, starts: Floats, allowed: Criterion) -> Floats:
    """Return pictures close to `rows` for which the model predicts something else.

    The attack needs only predictions, such as a customer gets: starting from a picture
    with another prediction, move as close to the row as possible, then try random steps
    that come closer (Brendel, Rauber and Bethge, 2018).
    """
    rng = np.random.default_rng(0)
    original = model.predict(rows)
    succeeds = lambda tried: allowed(tried) & (model.predict(tried) != original)
    attacked = move_closer(rows, starts, succeeds)
    for _ in range(30):
        away = np.linalg.norm(attacked - rows, axis=1, keepdims=True)
        noise = rng.normal(size=rows.shape) / np.sqrt(rows.shape[1])
        tried = np.clip(attacked + 0.3 * away * noise, 0, 1)
        useful = succeeds(tried)[:, np.newaxis]
        tried = move_closer(rows, np.where(useful, tried, attacked), succeeds)
        closer = np.linalg.norm(tried - rows, axis=1, keepdims=True) < away
        attacked = np.where(closer, tried, attacked)
    return attacked


def move_closer(rows: Floats, starts: Floats, succeeds: Criterion) -> Floats:
    """Bisect the lines from rows to successful pictures, eight times."""
    near, far = np.zeros((len(rows), 1)), np.ones((len(rows), 1))
    for _ in range(8):
        middle = (near + far) / 2
        good = succeeds(rows + middle * (starts - rows))[:, np.newaxis]
        near, far = np.where(good, near, middle), np.where(good, middle, far)
    return rows + far * (starts - rows)


def distance(pictures: Floats, rows: Floats) -> float:
    """Return the median distance of pictures from rows."""
    return float(np.median(np.linalg.norm(pictures - rows, axis=1)))


X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
model = ResilientEstimator(
    LogisticRegression(max_iter=1000),
    # Most neighbours of an attacked picture belong to its true class.
    fallback=KNeighborsClassifier(),
    guard=AdversarialGuard(alpha=0.05),
    detector=None,
).fit(X, y)
bare, guard = model.estimator_, model.guard_

rows = X_test[bare.predict(X_test) == y_test][:60]
truth = bare.predict(rows)
# The attack on each row starts from a training picture of another digit.
correct = bare.predict(X) == y
starts = np.array([X[correct & (y != digit)][i] for i, digit in enumerate(truth)])


def any_picture(pictures: Floats) -> NDArray[np.bool_]:
    """Allow every picture: the attacker does not know the guard."""
    return np.ones(len(pictures), dtype=bool)


def not_flagged(pictures: Floats) -> NDArray[np.bool_]:
    """Allow pictures without a flag: the attacker can query the guard, too."""
    return ~guard.inspect(pictures)["adversarial"]


attacked = attack(bare, rows, starts, any_picture)
apart = np.median(np.linalg.norm(rows[1:] - rows[:-1], axis=1))
print("median distance")
print(f"  from an attacked digit to its original: {distance(attacked, rows):.2f}")
print(f"  from a digit to another one: {apart:.2f}\n")

print("accuracy on attacked digits")
print(f"  model alone: {np.mean(bare.predict(attacked) == truth):.0%}")
predictions, flags = model.predict(attacked, return_flags=True)
print(f"  with guard and fallback: {np.mean(predictions == truth):.0%}", end="")
print(f" ({np.mean(flags.adversarial):.0%} are flagged)")
corrected = np.mean(guard.correct(attacked) == truth)
print(f"  with the guard's own correction instead: {corrected:.0%}\n")

clean = guard.score_pvalues(X_test)
print(f"clean digits that are flagged: {np.mean(clean <= guard.alpha):.1%}")
pvalues = np.concatenate([clean, guard.score_pvalues(attacked)])
is_attacked = np.repeat([0, 1], [len(clean), len(attacked)])
print(f"AUC of the guard: {roc_auc_score(is_attacked, -pvalues):.3f}\n")

# No guard stops an attacker who can query it. What counts is the additional effort.
evading = attack(bare, rows, starts, not_flagged)
through = ~guard.inspect(evading)["adversarial"]
factor = distance(evading[through], rows[through]) / distance(attacked, rows)
print(f"an attacker who knows the guard needs {factor:.1f} times the distance")
