"""What packaging can break: the files, the modules, the names and the command.

`make wheel` runs this file and the README's examples against the built wheel.
"""

import pickle
import pickletools
import pkgutil
import subprocess
import sys
from importlib import import_module, metadata, resources

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge

import resilient_estimator
from resilient_estimator import ResilientEstimator, __version__
from resilient_estimator.adversarial import AdversarialGuard, DistillationScore
from resilient_estimator.monitor import ProbingDetector
from resilient_estimator.stability import StabilityScorer

MODULES = [
    module.name
    for module in pkgutil.walk_packages(
        resilient_estimator.__path__, prefix="resilient_estimator."
    )
    if not module.name.endswith("__main__")
]
PACKAGES = ["resilient_estimator", *(n for n in MODULES if "._" not in n)]


def test_every_module_can_be_imported():
    """A module that a wheel lacks would be found by whoever imports it first."""
    assert len(MODULES) > 50
    for name in MODULES:
        import_module(name)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package):
    """Each name of an `__all__` can be taken from its package."""
    home = import_module(package)
    assert [n for n in getattr(home, "__all__", ()) if not hasattr(home, n)] == []


def test_types_version_and_extras_are_declared():
    """Type checkers look for py.typed, pip for the metadata."""
    assert resources.files("resilient_estimator").joinpath("py.typed").is_file()
    about = metadata.metadata("resilient-estimator")
    assert about["Version"] == __version__
    assert set(about.get_all("Provides-Extra")) == {"pandas", "plot", "polars"}


def public_estimators():
    """Return the public estimator classes by the path that pickles are to name."""
    found = {}
    for package in PACKAGES:
        home = import_module(package)
        for name in getattr(home, "__all__", ()):
            thing = getattr(home, name)
            if isinstance(thing, type) and issubclass(thing, BaseEstimator):
                found[f"{thing.__module__}.{name}"] = thing
    return found


def test_pickles_name_the_public_path():
    """A pickle of a public class does not depend on the file that defines it."""
    for path, kind in public_estimators().items():
        stored = pickle.dumps(kind, protocol=0).decode()
        package, _, name = path.rpartition(".")
        assert stored.startswith(f"c{package}\n{name}\n")
        assert pickle.loads(stored.encode()) is kind
    X, y = make_classification(200, random_state=0)
    model = ResilientEstimator(LogisticRegression(), fallback="prior").fit(X, y)
    revived = pickle.loads(pickle.dumps(model))
    assert (revived.predict(X) == model.predict(X)).all()


ROWS = np.random.default_rng(0).normal(size=(300, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)
NAMED = np.where(ROWS[:, :1] > 1, "a", "b").astype(object)
SAVED = {
    "numbers": (ResilientEstimator(LogisticRegression(), fallback="prior"), ROWS),
    "labels": (ResilientEstimator(DummyClassifier()), np.hstack([ROWS, NAMED])),
    "regressor": (ResilientEstimator(Ridge()), ROWS),
    "guard": (AdversarialGuard(LogisticRegression()), ROWS),
    "guard of numbers": (AdversarialGuard(Ridge()), ROWS),
    "score": (DistillationScore(LogisticRegression(), random_state=0), ROWS),
    "stability": (StabilityScorer(LogisticRegression()), ROWS),
    "probing": (ProbingDetector(), ROWS),
}


@pytest.mark.parametrize("name", SAVED)
def test_no_private_module_is_named_in_a_saved_model(name):
    """Files may move without breaking models that were saved before."""
    part, X = SAVED[name]
    stored = pickle.dumps(clone(part).fit(X, LABELS), protocol=0)
    named = [arg for op, arg, _ in pickletools.genops(stored) if op.name == "GLOBAL"]
    ours = [path for path in named if path.startswith("resilient_estimator")]
    assert ours
    assert [path for path in ours if "._" in path] == []


def test_the_command_runs():
    """`python -m resilient_estimator demo`, of whatever is installed."""
    command = [sys.executable, "-W", "error", "-m", "resilient_estimator", "demo"]
    done = subprocess.run(
        [*command, "--months", "1"], capture_output=True, text=True, check=True
    )
    assert "Accuracy was" in done.stdout
    assert done.stderr == ""
