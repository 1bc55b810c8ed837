"""Save a model, predict in another process, and compare a day from its batches."""

import multiprocessing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator import ResilientEstimator, RulePredictor
from resilient_estimator.datasets import INSURANCE_FEATURES, make_insurance

AGE, POWER = INSURANCE_FEATURES.index("age"), INSURANCE_FEATURES.index("power")


def young_is_risky(X: Any) -> Any:
    """Predict by age. Defined at module level, as a pickle holds only the name."""
    return np.where(X[:, AGE] < 33, 1, 0)


def serve(path: Path) -> tuple[str, str]:
    """Predict one batch per hour, like a service that has nothing but the file."""
    model = joblib.load(path)
    day: Any = 0
    for hour in range(24):
        batch, _ = make_insurance(month=15, n_samples=100, random_state=hour)
        batch[0, POWER] = np.nan  # the pipeline alone would refuse the whole batch
        batch[1, AGE] = -1e6
        predictions, flags = model.predict(batch, return_flags=True)
        if hour == 0:
            reasons = [name for name, mask in flags.items() if mask.any()]
            print(f"predicted {len(predictions)} rows, flags: {', '.join(reasons)}")
            print(f"rows answered by the fallback: {np.flatnonzero(flags.fallback)}")
            hour_alone = model.detector_.compare(model.profile(batch))
            # A pool ends its processes without flushing what they have printed.
            print(f"one hour: {hour_alone}", flush=True)
        # Counts, not rows: nothing personal is kept, and order does not matter.
        day = day + model.profile(batch)
    return day.to_json(), str(model.detector_.compare(day))


def main() -> None:
    """Fit and save here, predict in a new process, then print the verdict of a day."""
    X, y = make_insurance(month=0, n_samples=3000, random_state=0, n_classes=2)
    model = ResilientEstimator(
        make_pipeline(StandardScaler(), LogisticRegression()),
        fallback=RulePredictor(young_is_risky),
    ).fit(X, y)

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(model, path)
        print(f"saved {path.stat().st_size / 1024:.0f} kB")
        # "spawn" starts from scratch, as another machine would.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            day, verdict = pool.apply(serve, (path,))
    print(f"the day, {len(day) / 1024:.0f} kB of counts: {verdict}")


if __name__ == "__main__":
    main()
