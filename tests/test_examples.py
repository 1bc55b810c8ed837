"""The examples run as they stand, without a warning."""

import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import lru_cache
from io import StringIO
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

SHOWN = {
    "attack_and_defence.py": [
        "model alone: 0%",
        "AUC of the guard: 0.98",
        "times the distance",
    ],
    "churn_classifier.py": ["fallback", "calls drifted", "cost after recalibration"],
    "pipeline_in_grid_search.py": ["guard__margin =", "alpha of its detector: 0.01"],
    "elec2_decay.py": ["* decayed", "outputs drifted", "labels: clearly worse"],
    "new_version_gate.py": ["gate: FAILED", "contested", "gate: passed"],
    "pickled_deployment.py": ["by the fallback: [0 1]", "the day", "3 of 6 columns"],
}


OF_ITS_OWN = "pickled_deployment.py"  # it spawns a process that imports it again


@lru_cache
def run(name):
    """Return what an example writes to stdout and stderr; warnings are errors."""
    if not EXAMPLES.exists():
        pytest.skip("the examples are not part of a package")
    if name == OF_ITS_OWN:
        command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout, done.stderr
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        except SystemExit as end:
            assert not end.code  # noqa: PT017  the exit code is the example's result
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", SHOWN)
def test_example(name):
    """An example ends well and shows what it is about."""
    out, err = run(name)
    assert err == ""
    assert [text for text in SHOWN[name] if text not in out] == []


def test_recalibration_pays_in_the_example():
    """The churn example ends with a lower cost than it had."""
    *_, before, after = run("churn_classifier.py")[0].splitlines()
    before, after = (int(line.split()[-1].replace(",", "")) for line in (before, after))
    assert after < before


@pytest.mark.skipif(not EXAMPLES.exists(), reason="not part of a package")
def test_every_example_is_tested():
    """There is no example besides these."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SHOWN)
