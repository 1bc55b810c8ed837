"""Tune the estimator, the guard and the detector together in one grid search."""

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from resilient_estimator import FeatureDrift, RangeGuard, ResilientEstimator
from resilient_estimator.datasets import make_insurance


def main() -> None:
    """Search, then use the winner as any other model."""
    X, y = make_insurance(month=0, n_samples=1500, random_state=0)
    X_later, y_later = make_insurance(month=12, n_samples=1500, random_state=1)

    # The wrapper goes around the pipeline, not into it: so the guard sees the rows as
    # they come, before a scaler or an encoder has made them look normal.
    model = ResilientEstimator(
        make_pipeline(SplineTransformer(), LogisticRegression(max_iter=1000)),
        fallback="prior",
        guard=RangeGuard(),
        detector=FeatureDrift(),
    )

    grid = {
        # The usual.
        "estimator__logisticregression__C": [0.1, 10.0],
        # A narrow guard hands more rows to the fallback. Scored with it, the search
        # finds out whether that costs accuracy.
        "guard__margin": [0.0, 1.0],
        # This cannot change an answer, so that the search cannot choose it: it is set
        # here to show how the detector is reached.
        "detector__alpha": [0.01],
    }
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    print(f"best of {len(search.cv_results_['params'])}: {search.best_score_:.3f}")
    for name, value in sorted(search.best_params_.items()):
        print(f"  {name} = {value}")

    # The winner was fitted to all rows and remembers what they look like.
    winner = search.best_estimator_
    print(f"a year later: {winner.score(X_later, y_later):.3f}")
    print(f"alpha of its detector: {winner.detector_.alpha}")
    print(winner.assess(X_later, y_later))


if __name__ == "__main__":
    main()
