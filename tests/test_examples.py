"""The examples run as they stand, without a warning."""

import subprocess
import sys
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


def run(name):
    if not EXAMPLES.exists():
        pytest.skip("the examples are not part of a package")
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("name", SHOWN)
def test_example(name):
    """An example ends well and shows what it is about."""
    done = run(name)
    assert (done.returncode, done.stderr) == (0, "")
    assert [text for text in SHOWN[name] if text not in done.stdout] == []


def test_recalibration_pays_in_the_example():
    """The churn example ends with a lower cost than it had."""
    *_, before, after = run("churn_classifier.py").stdout.splitlines()
    before, after = (int(line.split()[-1].replace(",", "")) for line in (before, after))
    assert after < before


@pytest.mark.skipif(not EXAMPLES.exists(), reason="not part of a package")
def test_every_example_is_tested():
    """There is no example besides these."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SHOWN)
