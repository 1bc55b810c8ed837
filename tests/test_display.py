"""A plot shows the same severities as the assessment."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from resilient_estimator import ResilientEstimator

mpl.use("Agg")
rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 3))
model = ResilientEstimator(DummyClassifier()).fit(X, X[:, 0] > 0)


def test_bars_are_the_severities_worst_first():
    """Columns, outputs and relations have a bar, in the order of the table."""
    assessment = model.assess(X + np.array([0, 1, 0]))
    display = assessment.plot()
    widths = [bar.get_width() for bar in display.ax_.patches]
    drift = assessment.drift
    order = [i for i in drift.order if i not in drift.of("flags")]
    assert widths == drift.severities[order].tolist()
    assert display.ax_.get_title(loc="left").startswith("1 of 3 columns drifted")
    assert display.ax_.get_yticklabels()[0].get_text() == "x1"
    mpl.pyplot.close(display.figure_)


def test_given_axes_are_drawn_on():
    """With `ax` no new figure is made."""
    figure, axes = mpl.pyplot.subplots()
    assert model.assess(X).plot(ax=axes).figure_ is figure
    mpl.pyplot.close(figure)


def test_without_a_detector_there_is_no_drift_to_draw():
    """The error explains why."""
    blind = ResilientEstimator(DummyClassifier(), detector=None).fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match="no drift to draw"):
        blind.assess(X).plot()


def test_optional_dependencies_are_imported_late_and_named_if_missing():
    """Importing the package imports none; the error names the extra to install."""
    code = """
import sys, sklearn.pipeline, sklearn.metrics, sklearn.dummy
before = set(sys.modules)
import resilient_estimator
print(*sorted(set(sys.modules) - before))
sys.modules["matplotlib"] = sys.modules["pandas"] = None
import numpy as np
X = np.arange(100.0).reshape(-1, 1)
model = resilient_estimator.ResilientEstimator(sklearn.dummy.DummyClassifier())
assessment = model.fit(X, X[:, 0] > 9).assess(X)
for call in (assessment.plot, assessment.to_frame):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    imported, without_matplotlib, without_pandas = done.stdout.splitlines()
    packages = {name.split(".")[0] for name in imported.split()}
    assert "resilient_estimator" in packages
    assert not packages & {"pandas", "polars", "matplotlib", "pyarrow"}
    assert "pip install 'resilient-estimator[plot]'" in without_matplotlib
    assert "pip install 'resilient-estimator[pandas]'" in without_pandas
