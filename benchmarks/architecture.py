"""The size of the package, and the way of the rows through it.

    python benchmarks/architecture.py
    PYTHONPATH=/path/to/another/checkout python benchmarks/architecture.py

Prints modules, lengths of functions, the largest folder, public names, the functions
that receive X itself in one call ("stops"), how often these calls cross from folder to
folder, how often X is read from its container, and how often the estimator is fitted.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import resilient_estimator
from resilient_estimator import ResilientEstimator

PACKAGE = Path(resilient_estimator.__file__).parent


class Way(NamedTuple):
    """How X passes through one call."""

    stops: int
    folders: int
    crossings: int
    reads: int


class CountingRegression(LogisticRegression):
    """A logistic regression that counts its fits."""

    n_fits = 0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> CountingRegression:
        """Count and fit."""
        CountingRegression.n_fits += 1
        super().fit(X, y, sample_weight)
        return self


def function_lengths() -> NDArray[np.intp]:
    """Return the lines of each function, without its docstring."""
    lengths = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body:
                    lengths.append((body[-1].end_lineno or 0) - body[0].lineno + 1)
    return np.array(lengths)


def print_sizes() -> None:
    """Print modules, functions and public names."""
    modules = list(PACKAGE.rglob("*.py"))
    lines = {path: path.read_text().count("\n") for path in modules}
    folders: dict[str, int] = {}
    for path, length in lines.items():
        folder = path.relative_to(PACKAGE).parts[0]
        folders[folder] = folders.get(folder, 0) + length
    largest = max(folders, key=folders.__getitem__)
    share = folders[largest] / sum(lines.values())
    functions = function_lengths()
    median, p90, most = np.quantile(functions, [0.5, 0.9, 1.0])
    print(f"modules: {len(modules)}, {sum(lines.values()):,} lines")
    print(f"functions: {len(functions)}, lines median {median:.0f}, ", end="")
    print(f"p90 {p90:.0f}, max {most:.0f}")
    print(f"largest folder: {largest}, {100 * share:.0f} % of the lines")
    print(f"public names at the front door: {len(resilient_estimator.__all__)}")


def follow(call: Callable[[Any], object], X: Any) -> Way:
    """Return the way of X through a call."""
    stops: list[str] = []
    reads = 0

    def trace(frame: FrameType, event: str, _: object) -> None:
        nonlocal reads
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(str(PACKAGE)):
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if any(frame.f_locals.get(name) is X for name in names):
            path = Path(code.co_filename).relative_to(PACKAGE)
            stops.append(path.parts[0])
            reads += code.co_name == "_read_frame"

    sys.setprofile(trace)
    call(X)
    sys.setprofile(None)
    crossings = sum(a != b for a, b in pairwise(stops))
    return Way(len(stops), len(set(stops)), crossings, reads)


def make_rows(n_samples: int, seed: int) -> Any:
    """Return rows of numbers and a label, one of them with a missing value."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n_samples, 2))
    frame = pd.DataFrame(numbers, columns=["a", "b"])
    return frame.assign(label=rng.choice(list("xyz"), n_samples))


def print_ways() -> None:
    """Print how X passes through each method."""
    X = make_rows(600, 0)
    y = (X["a"] > 0).astype(int).to_numpy()
    encoder = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encoder, ["label"]), remainder="passthrough")
    estimator = make_pipeline(columns, CountingRegression())
    model = ResilientEstimator(estimator, fallback="prior")
    rows = make_rows(50, 1)
    rows.loc[3, "a"] = np.nan
    calls: dict[str, Callable[[Any], object]] = {
        "fit": lambda X: model.fit(X, y),
        "predict": model.predict,
        "assess": model.assess,
        "assess with y, stability": lambda X: model.assess(X, y[:50], stability=True),
    }
    print(f"\n{'call':26} {'stops':>6} {'folders':>8} {'crossings':>10} {'reads':>6}")
    for name, call in calls.items():
        way = follow(call, X if name == "fit" else rows)
        print(
            f"{name:26} {way.stops:6} {way.folders:8} {way.crossings:10} {way.reads:6}"
        )


def print_fits() -> None:
    """Print how often `fit` fits the estimator, with a guard that looks at it."""
    try:
        from resilient_estimator.adversarial import (  # noqa: PLC0415  moved here
            AdversarialGuard,
        )
    except ImportError:
        from resilient_estimator import AdversarialGuard  # noqa: PLC0415
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    CountingRegression.n_fits = 0
    guard = [resilient_estimator.RangeGuard(), AdversarialGuard()]
    y = (X[:, 0] > 0).astype(int)
    ResilientEstimator(CountingRegression(), guard=guard).fit(X, y)
    n_fits = CountingRegression.n_fits
    print(f"\nfits of the estimator, guard=[RangeGuard, AdversarialGuard]: {n_fits}")


if __name__ == "__main__":
    print_sizes()
    print_ways()
    print_fits()
