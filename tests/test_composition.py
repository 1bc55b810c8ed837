"""ResilientEstimator inside everything that scikit-learn puts around a model."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator import (
    CategoryGuard,
    FeatureDrift,
    RangeGuard,
    ResilientEstimator,
)
from resilient_estimator.guards import GuardUnion

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)[:, :8]


def guarded(**params):
    return ResilientEstimator(LogisticRegression(), fallback="prior", **params)


def test_in_a_pipeline_flags_pass_through():
    """`return_flags` and `return_assessment` reach the last step of a Pipeline."""
    pipeline = make_pipeline(StandardScaler(), guarded()).fit(X, y)
    answer, flags = pipeline.predict(X, return_flags=True)
    again, assessment = pipeline.predict(X, return_assessment=True)
    assert_array_equal(answer, again)
    assert len(flags.fallback) == assessment.n_samples == len(X)


def test_in_a_grid_search_over_nested_parameters():
    """Parameters of guard, detector and estimator are searched by name."""
    union = GuardUnion([RangeGuard(), CategoryGuard()])
    model = guarded(guard=union, detector=FeatureDrift())
    grid = {
        "estimator__C": [0.1, 1.0],
        "guard__rangeguard__margin": [0.5, 1.0],
        "detector__alpha": [0.01, 0.05],
    }
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    best = search.best_estimator_
    assert (
        best.guard_.guards_[0].margin
        == search.best_params_["guard__rangeguard__margin"]
    )
    assert best.detector_.alpha == search.best_params_["detector__alpha"]
    assert search.best_score_ > 0.9


def test_an_outlier_detector_s_parameters_are_nested_too():
    """`guard__contamination` reaches a plain outlier detector."""
    forest = IsolationForest(n_estimators=5, random_state=0)
    model = guarded(guard=forest).set_params(guard__contamination=0.2).fit(X, y)
    assert model.training_flags_["n_flagged"] == pytest.approx(0.2 * len(X), rel=0.1)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_cross_val_predict(method):
    """Out-of-fold answers are those of the bare model where no row is flagged."""
    bare = cross_val_predict(LogisticRegression(), X, y, method=method)
    model = ResilientEstimator(LogisticRegression())
    assert_array_equal(cross_val_predict(model, X, y, method=method), bare)


def test_cross_val_score_on_auc():
    """Scorers find the probabilities."""
    assert cross_val_score(guarded(), X, y, scoring="roc_auc").min() > 0.95


@pytest.mark.parametrize(
    "around",
    [
        lambda model: CalibratedClassifierCV(model, cv=2),
        lambda model: TunedThresholdClassifierCV(model, cv=2),
        lambda model: StackingClassifier([("model", model)], cv=2),
        lambda model: BaggingClassifier(model, n_estimators=3, random_state=0),
    ],
    ids=["calibrated", "tuned threshold", "stacking", "bagging"],
)
def test_inside_other_classifiers(around):
    """Whatever wraps the model works as it does around the bare one."""
    model = around(guarded()).fit(X, y)
    assert model.score(X, y) > 0.9
    assert clone(model).fit(X, y).score(X, y) == model.score(X, y)


def test_multi_output_around():
    """MultiOutputClassifier fits one wrapped model per target."""
    targets = np.column_stack([y, X[:, 0] > 0])
    model = MultiOutputClassifier(guarded()).fit(X, targets)
    assert model.predict(X).shape == targets.shape
    numbers = MultiOutputRegressor(ResilientEstimator(Ridge(), fallback="prior"))
    assert numbers.fit(X, X[:, :2]).predict(X).shape == (len(X), 2)


def test_multi_output_inside():
    """A wrapped model with several targets is completed target by target."""
    targets = np.column_stack([y, X[:, 0] > 0]).astype(int)
    forest = RandomForestClassifier(n_estimators=5, random_state=0)
    model = ResilientEstimator(forest, fallback="prior").fit(X, targets)
    rows = X[:20].copy()
    rows[3, 0] = 1e9
    proba = model.predict_proba(rows)
    assert [p.shape for p in proba] == [(20, 2), (20, 2)]
    assert_array_equal(proba[0][3], model.fallback_.predict_proba(rows[[3]])[0][0])
    assert model.predict(rows).shape == (20, 2)


def test_permutation_importance_and_partial_dependence():
    """Inspection asks about rows that never were, and gets row-wise answers."""
    X, y = load_diabetes(return_X_y=True)
    boosting = HistGradientBoostingRegressor(max_iter=20, random_state=0)
    model = ResilientEstimator(boosting, fallback="prior").fit(X, y)
    bare = clone(boosting).fit(X, y)
    for inspect in (
        lambda m: partial_dependence(m, X, [2], method="brute")["average"],
        lambda m: permutation_importance(m, X, y, random_state=0)["importances"],
    ):
        np.testing.assert_allclose(inspect(model), inspect(bare))


def test_a_fitted_estimator_is_kept():
    """FrozenEstimator says that the model is fitted: it is not fitted again."""
    fitted = LogisticRegression().fit(X, y)
    model = ResilientEstimator(FrozenEstimator(fitted), fallback="prior").fit(X, y)
    assert model.estimator_.estimator is fitted
    frozen = FrozenEstimator(model)
    assert_array_equal(frozen.predict(X), model.predict(X))
    tuned = TunedThresholdClassifierCV(frozen, cv="prefit", refit=False).fit(X, y)
    assert tuned.score(X, y) > 0.9


def test_voting_and_feature_elimination():
    """A regressor inside an ensemble, and importances by attribute path."""
    model = ResilientEstimator(Ridge())
    assert VotingRegressor([("model", model)]).fit(X, X[:, 0]).score(X, X[:, 0]) > 0.9
    search = RFE(
        guarded(), importance_getter="estimator_.coef_", n_features_to_select=3
    )
    assert search.fit(X, y).support_.sum() == 3


def test_parameters_survive_clone():
    """A clone has equal parameters, is not fitted, and shares nothing."""
    model = guarded(guard=GuardUnion([RangeGuard(margin=2.0)]), min_confidence=0.6)
    twin = clone(model.fit(X, y))
    assert not hasattr(twin, "estimator_")
    assert twin.get_params()["guard__rangeguard__margin"] == 2.0
    assert twin.guard is not model.guard


def test_transform_output_does_not_concern_predictions():
    """With pandas output configured, answers are still arrays."""
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    pipeline = make_pipeline(StandardScaler(), guarded()).set_output(transform="pandas")
    assert isinstance(pipeline.fit(frame, y).predict(frame), np.ndarray)


def test_predict_never_warns():
    """A served model would warn a million times: flags are the channel."""
    model = guarded().fit(X, y)
    rows = X[:5].copy()
    rows[0], rows[1], rows[2, 0] = np.nan, np.inf, -1e308
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer, flags = model.predict(rows, return_flags=True)
        model.assess(rows)
    assert flags.fallback.tolist() == [True, True, True, False, False]
    assert len(answer) == 5


class WeightedRule(LogisticRegression):
    """A fallback that notes the weights it is fitted with."""

    def fit(self, X, y, sample_weight=None):
        self.weights_ = sample_weight
        return super().fit(X, y, sample_weight)


def test_weights_reach_a_fallback_that_takes_them():
    """Without metadata routing, by the signature of its `fit`."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    weights = np.linspace(0.5, 2, len(y))
    model = ResilientEstimator(LogisticRegression(), fallback=WeightedRule(), cv=None)
    model.fit(X, y, sample_weight=weights)
    assert_array_equal(model.fallback_.weights_, weights)
    plain = ResilientEstimator(LogisticRegression(), fallback="prior", cv=None)
    assert plain.fit(X, y, sample_weight=weights).fallback_ is not None
