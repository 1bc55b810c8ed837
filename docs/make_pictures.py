"""Draw the picture of the README: `python docs/make_pictures.py`."""

from pathlib import Path

import matplotlib as mpl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator import ResilientEstimator
from resilient_estimator.datasets import make_insurance

mpl.use("Agg")
X, y = make_insurance(month=0, random_state=0, as_frame=True)
pipeline = make_pipeline(StandardScaler(), LogisticRegression())
model = ResilientEstimator(pipeline).fit(X, y)
new, _ = make_insurance(month=24, random_state=1, as_frame=True)
picture = Path(__file__).with_name("drift.png")
model.assess(new).plot().figure_.savefig(picture, dpi=120)
