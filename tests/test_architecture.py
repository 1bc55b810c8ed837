"""The layout of the package: who may import whom, and what is public."""

import ast
import re
from pathlib import Path

import pytest

import resilient_estimator

PACKAGE = Path(resilient_estimator.__file__).parent
INNERMOST = {"_version", "exceptions", "drift", "protocols", "_listed", "_parameters"}
INNERMOST |= {
    "_parameters",
    "_columns",
    "_cells",
    "_guide",
    "_scores",
    "_noise",
    "_counting",
}
MIDDLE = {"reference", "fallback"}
PARTS = {"guards", "detectors", "recalibration", "stability"}
OUTERMOST = {"__main__", "_demo", "datasets"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def room(path):
    """Return the file or folder of the package that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Return the rooms that a module imports from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "resilient_estimator" and len(parts) > 1:
                found.add(parts[1])
    return found - {room(path)}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_inwards(path):
    """Inner modules know nothing of outer ones, and parts not of one another."""
    name = room(path)
    if name in INNERMOST:
        assert imports(path) <= INNERMOST
    elif name in MIDDLE or name in PARTS:
        assert imports(path) <= INNERMOST | MIDDLE
    elif name != "__init__":
        assert not imports(path) & (OUTERMOST - {name, "_demo", "datasets"})


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_public_scikit_learn_names(path):
    """Private names of scikit-learn may move; `_safe_indexing` is documented."""
    used = re.findall(
        r"from sklearn[\w.]* import (?:\(([^)]*)\)|(.*))", path.read_text()
    )
    names = {
        n.strip() for pair in used for n in " ".join(pair).replace("\n", " ").split(",")
    }
    assert {n for n in names if n.startswith("_")} <= {"_safe_indexing"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_stay_readable(path):
    """No module is over 500 lines, and no function over 40 without its docstring."""
    text = path.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                assert body[-1].end_lineno - body[0].lineno < 40, node.name


def test_public_names_are_documented_and_pickled_by_their_public_path():
    """Each name in `__all__` has a docstring and says that it lives in the package."""
    for name in resilient_estimator.__all__:
        thing = getattr(resilient_estimator, name)
        if isinstance(thing, type):
            assert thing.__module__ == "resilient_estimator"
            assert thing.__doc__


def test_public_names_are_these():
    """A snapshot: a name that appears or disappears is a decision."""
    assert sorted(resilient_estimator.__all__) == [
        "AdversarialAutoencoder",
        "AdversarialGuard",
        "AnchoredEstimator",
        "Assessment",
        "CategoryGuard",
        "Churn",
        "DependenceDrift",
        "Detector",
        "DetectorUnion",
        "DistillationScore",
        "Drift",
        "Explanation",
        "FallbackError",
        "FeatureDrift",
        "FlagDrift",
        "Guard",
        "GuardUnion",
        "InconsistentVersionWarning",
        "Layout",
        "Manipulability",
        "NoReferenceWarning",
        "OutlierGuard",
        "OutputDrift",
        "ProbingDetector",
        "Profile",
        "RangeGuard",
        "Recourse",
        "Reference",
        "RegionGuard",
        "ResilientEstimator",
        "RetrainChurn",
        "RulePredictor",
        "Soft",
        "Stability",
        "StabilityScorer",
        "__version__",
        "churn",
        "datasets",
        "explain",
        "label_only",
        "manipulability",
        "recourse",
        "retrain_churn",
    ]
