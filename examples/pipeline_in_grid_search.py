"""Tune the estimator, the guard and the detector together in one grid search."""

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from resilient_estimator import FeatureDrift, RangeGuard, ResilientEstimator
from resilient_estimator.datasets import make_insurance


def main() -> None:
    """Search, then use the best model like any other."""
    X, y = make_insurance(month=0, n_samples=1500, random_state=0)
    X_later, y_later = make_insurance(month=12, n_samples=1500, random_state=1)

    # The wrapper goes around the pipeline, not into it, so that the guard sees the raw
    # rows, before a scaler or an encoder makes them look normal.
    model = ResilientEstimator(
        make_pipeline(SplineTransformer(), LogisticRegression(max_iter=1000)),
        fallback="prior",
        guard=RangeGuard(),
        detector=FeatureDrift(),
    )

    grid = {
        # A parameter of the model, as usual.
        "estimator__logisticregression__C": [0.1, 10.0],
        # A narrow guard sends more rows to the fallback. As the score includes these
        # rows, the search finds out whether that costs accuracy.
        "guard__margin": [0.0, 1.0],
        # This does not affect any prediction, so there is nothing to search for: it is
        # set here to show how to reach the detector.
        "detector__alpha": [0.01],
    }
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    n_settings = len(search.cv_results_["params"])
    print(f"best of {n_settings} settings: {search.best_score_:.3f}")
    for name, value in sorted(search.best_params_.items()):
        print(f"  {name} = {value}")

    # The best model was refitted to all rows and remembers what they look like.
    best = search.best_estimator_
    print(f"a year later: {best.score(X_later, y_later):.3f}")
    print(f"alpha of its detector: {best.detector_.alpha}")
    print(best.assess(X_later, y_later))


if __name__ == "__main__":
    main()
