"""Draw the figures of the documentation: `python docs/make_pictures.py`."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator import ResilientEstimator
from resilient_estimator.datasets import make_insurance

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend comes first

HERE = Path(__file__).parent


def draw_drift() -> None:
    """Draw the figure of the README: the drift of each column."""
    X, y = make_insurance(month=0, random_state=0, as_frame=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    model = ResilientEstimator(pipeline).fit(X, y)
    new, _ = make_insurance(month=24, random_state=1, as_frame=True)
    figure = model.assess(new).plot().figure_
    figure.savefig(HERE / "drift.png", dpi=120)


def draw_boundary() -> None:
    """Draw stable and unstable rows around the decision boundary of two models."""
    X, y = make_moons(800, noise=0.25, random_state=0)
    rows, _ = make_moons(500, noise=0.25, random_state=1)
    grid = np.stack(np.meshgrid(np.linspace(-2, 3, 200), np.linspace(-1.5, 2, 140)))
    points = grid.reshape(2, -1).T
    models = {
        "Decision tree": DecisionTreeClassifier(random_state=0),
        "Random forest": RandomForestClassifier(
            200, min_samples_leaf=5, random_state=0
        ),
    }
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.3), layout="constrained")
    for ax, (name, estimator) in zip(axes, models.items(), strict=True):
        model = ResilientEstimator(estimator, cv=None).fit(X, y)
        regions = model.predict(points).reshape(grid.shape[1:])
        ax.contourf(*grid, regions, levels=1, colors=["#f2f2f2", "#dbe7f3"])
        ax.contour(*grid, regions, levels=[0.5], colors="#333333", linewidths=0.8)
        scores = model.score_stability(rows)
        order = np.argsort(-scores)
        dots = ax.scatter(
            *rows[order].T,
            c=scores[order],
            cmap="RdYlBu",
            vmin=0.4,
            vmax=1,
            s=16,
            edgecolors="#555555",
            linewidths=0.3,
        )
        stability = model.assess(rows, stability=True).stability
        ax.set_title(
            f"{name}\n"
            f"{100 * stability.flip_rate:.1f} % of small changes flip the prediction",
            fontsize=10,
        )
        ax.set(xticks=[], yticks=[])
    figure.colorbar(dots, ax=axes, label="stability of the row", pad=0.01)
    figure.savefig(HERE / "boundary.png", dpi=110)


if __name__ == "__main__":
    draw_drift()
    draw_boundary()
