"""The layout of the package: who may import whom, and what is public."""

import ast
import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import resilient_estimator

PACKAGE = Path(resilient_estimator.__file__).parent
PLUMBING = {
    "_typing",
    "_results",
    "_validation",
    "_composition",
    "_progress",
    "_public",
    "_version",
}
INNERMOST = {"protocols", "exceptions", "drift", "tabular", "statistics"} | PLUMBING
MIDDLE = INNERMOST | {"reference", "fallback"}
QUESTIONS = {
    "guards",
    "detectors",
    "recalibration",
    "stability",
    "comparison",
    "explanation",
    "adversarial",
}
RESULTS = QUESTIONS | {"assessment", "display"}
MAY_IMPORT = {
    **dict.fromkeys(PLUMBING, PLUMBING | {"exceptions"}),
    "exceptions": PLUMBING,
    "drift": PLUMBING | {"exceptions"},
    "protocols": {"drift"} | PLUMBING,
    "tabular": PLUMBING | {"exceptions"},
    "statistics": PLUMBING | {"exceptions"},
    "reference": INNERMOST,
    "fallback": INNERMOST,
    **dict.fromkeys(QUESTIONS, MIDDLE),
    "display": MIDDLE,
    "assessment": MIDDLE | RESULTS,
    "estimator": MIDDLE | RESULTS,
    "monitor": MIDDLE | RESULTS | {"estimator"},
    "testing": MIDDLE | RESULTS,
    "datasets": PLUMBING | {"exceptions"},
    "_demo": MIDDLE | RESULTS | {"estimator", "monitor", "datasets", ""},
    "__main__": MIDDLE | RESULTS | {"estimator", "monitor", "datasets", "_demo"},
}

PUBLIC = {
    "resilient_estimator": [
        "Assessment",
        "CategoryGuard",
        "FallbackError",
        "FeatureDrift",
        "InconsistentVersionWarning",
        "NoReferenceWarning",
        "OutlierGuard",
        "OutputDrift",
        "Profile",
        "RangeGuard",
        "RegionGuard",
        "ResilientEstimator",
        "RulePredictor",
        "__version__",
    ],
    "resilient_estimator.adversarial": [
        "AdversarialAutoencoder",
        "AdversarialGuard",
        "DistillationScore",
    ],
    "resilient_estimator.comparison": [
        "AnchoredEstimator",
        "ChurnResult",
        "GroupChurn",
        "Multiplicity",
        "PairedPerformance",
        "RetrainChurnResult",
        "churn",
        "retrain_churn",
    ],
    "resilient_estimator.detectors": [
        "DependenceDrift",
        "DetectorUnion",
        "FeatureDrift",
        "FlagDrift",
        "OutputDrift",
    ],
    "resilient_estimator.estimator": ["ResilientEstimator"],
    "resilient_estimator.explanation": [
        "Explanation",
        "FeatureChange",
        "ManipulabilityResult",
        "RecourseResult",
        "SoftFeature",
        "UniversalTweak",
        "explain",
        "manipulability",
        "recourse",
    ],
    "resilient_estimator.guards": [
        "CategoryGuard",
        "GuardUnion",
        "OutlierGuard",
        "RangeGuard",
        "RegionGuard",
    ],
    "resilient_estimator.monitor": ["ProbingDetector", "label_only"],
    "resilient_estimator.reference": ["Layout", "Profile", "Reference"],
    "resilient_estimator.stability": ["Perturbation", "Stability", "StabilityScorer"],
}


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
    """Each room has a rule: what it may import. None of the questions another one."""
    if path != PACKAGE / "__init__.py":
        assert imports(path) <= MAY_IMPORT[room(path)]


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


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_documented_and_pickled_by_their_public_path(package):
    """Each name in an `__all__` has a docstring; a class names its public home."""
    home = import_module(package)
    for name in home.__all__:
        thing = getattr(home, name)
        if isinstance(thing, type):
            assert thing.__module__ in {package, "resilient_estimator"}
            assert getattr(import_module(thing.__module__), name) is thing
        if name != "__version__":
            assert thing.__doc__


def methods_with_examples():
    """Return the methods of public classes whose docstrings hold examples."""
    homes = [import_module(package) for package in PUBLIC]
    things = {getattr(home, name) for home in homes for name in home.__all__ if name}
    found = [
        pytest.param(method, id=f"{thing.__name__}.{name}")
        for thing in things
        if isinstance(thing, type)
        for name, method in vars(thing).items()
        if ">>>" in (inspect.getdoc(method) or "")
    ]
    return sorted(found, key=lambda param: param.id)


@pytest.mark.parametrize("method", methods_with_examples())
def test_examples_of_methods_run(method):
    """Doctest looks for them in the module that a public class claims as its home."""
    text = inspect.getdoc(method)
    example = doctest.DocTestParser().get_doctest(text, {}, "example", None, 0)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_no_two_public_names_differ_by_case_alone():
    """`churn` and `Churn` would be mistaken for one another."""
    names = {n for package in PUBLIC for n in import_module(package).__all__}
    assert len({n.lower().replace("_", "") for n in names}) == len(names)


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_these(package):
    """A snapshot: a name that appears or disappears is a decision."""
    assert sorted(import_module(package).__all__) == PUBLIC[package]
