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


ROOMS = {
    "foundations": [
        "tabular\nread rows of any container",
        "statistics\npure functions of counts",
        "drift, protocols\nresults, hooks, errors",
    ],
    "memory": [
        "reference\ncells, counts, profiles",
        "fallback\nanswers deferred rows",
    ],
    "questions": [
        "guards\nmay this row be answered?",
        "detectors\ndoes the batch look like training?",
        "stability\nwould a small change flip it?",
        "recalibration\ncan it be fixed without a refit?",
        "comparison\nhow do two versions differ?",
        "explanation\nwhy, and what would change it?",
        "adversarial\nwas it crafted to fool the model?",
    ],
    "results": ["assessment, display\nin words and pictures"],
    "the wrapper": ["estimator\nfit, predict, assess"],
    "outermost": [
        "monitor\na memory over time",
        "__main__, testing\ncommand line, checks",
    ],
}


def draw_rooms() -> None:
    """Draw the folders of the package in columns; imports point to the left."""
    figure, ax = plt.subplots(figsize=(13, 5.6), layout="constrained")
    tallest = max(map(len, ROOMS.values()))
    for column, (title, rooms) in enumerate(ROOMS.items()):
        ax.text(column, tallest + 0.35, title, ha="center", fontsize=10, weight="bold")
        start = (tallest - len(rooms)) / 2
        for i, room in enumerate(rooms):
            name, _, question = room.partition("\n")
            y = tallest - 1 - start - i + 0.5
            box = plt.Rectangle((column - 0.45, y - 0.38), 0.9, 0.76, fill=True)
            box.set(facecolor="#eef3f8", edgecolor="#5b7fa6", linewidth=1)
            ax.add_patch(box)
            ax.text(column, y + 0.12, name, ha="center", va="center", fontsize=9)
            ax.text(
                column,
                y - 0.15,
                question,
                ha="center",
                va="center",
                fontsize=6.6,
                color="#444444",
            )
    arrow = {"arrowstyle": "->", "color": "#b3261e", "linewidth": 1.4}
    ends = {"xy": (-0.4, -0.35), "xytext": (len(ROOMS) - 0.6, -0.35)}
    ax.annotate("", arrowprops=arrow, **ends)
    middle = (len(ROOMS) - 1) / 2
    ax.text(middle, -0.25, "imports", ha="center", color="#b3261e", fontsize=9)
    ax.set(xlim=(-0.6, len(ROOMS) - 0.4), ylim=(-0.6, tallest + 1))
    ax.axis("off")
    figure.savefig(HERE / "architecture.png", dpi=110)


if __name__ == "__main__":
    draw_drift()
    draw_boundary()
    draw_rooms()
