"""The models that the laws are checked on."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from resilient_estimator import RangeGuard, ResilientEstimator, RulePredictor

N_FEATURES = 4
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def first_label(X):
    """Rule that needs no look at the row."""
    return np.zeros(X.shape[0], dtype=int)


def first_column_sign(X):
    """Rule for any container of numbers: the sign of the first column."""
    first = np.asarray(X, dtype=float)[:, 0]
    return (first > 0).astype(int)


def mixed_pipeline(final):
    """Impute, scale and encode whatever columns there are."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    labels = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    columns = ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            ("labels", labels, make_column_selector(dtype_exclude="number")),
        ]
    )
    return make_pipeline(columns, final)


CLASSIFIERS = {
    "logistic": LogisticRegression(),
    "boosting": HistGradientBoostingClassifier(max_iter=3),
    "forest": RandomForestClassifier(n_estimators=5, random_state=0),
    "svc": SVC(),
    "knn": KNeighborsClassifier(algorithm="brute"),
    "mlp": MLPClassifier((4,), solver="lbfgs", max_iter=500, alpha=1, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2),
    "stack": StackingClassifier(
        [
            ("logistic", LogisticRegression()),
            ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
        ],
        cv=2,
    ),
}
REGRESSORS = {"ridge": Ridge(), "knn-regressor": KNeighborsRegressor(algorithm="brute")}

ALONE = {n: ResilientEstimator(e) for n, e in (CLASSIFIERS | REGRESSORS).items()}
WITH_FALLBACK = {
    "logistic+prior": ResilientEstimator(LogisticRegression(), fallback="prior"),
    "ridge+prior": ResilientEstimator(Ridge(), fallback="prior"),
    "logistic+rule": ResilientEstimator(
        LogisticRegression(), fallback=RulePredictor(first_column_sign)
    ),
    "unsure+prior": ResilientEstimator(
        RandomForestClassifier(n_estimators=5, random_state=0),
        fallback="prior",
        guard=RangeGuard(margin=0.1),
        min_confidence=0.7,
    ),
    "boosting+isolation": ResilientEstimator(
        HistGradientBoostingClassifier(max_iter=3),
        fallback="prior",
        guard=IsolationForest(n_estimators=10, contamination=0.01, random_state=0),
    ),
    "pipeline+boosting": ResilientEstimator(
        make_pipeline(StandardScaler(), LogisticRegression()),
        fallback=HistGradientBoostingClassifier(max_iter=3),
    ),
}
MODELS = ALONE | WITH_FALLBACK


def is_regression(name):
    return "ridge" in name or "regressor" in name


def training_data(name):
    """Return X and y that suit the model called `name`."""
    if is_regression(name):
        return make_regression(200, N_FEATURES, noise=1.0, random_state=0)
    return make_classification(200, N_FEATURES, random_state=0)


def takes_missing(model):
    """Whether every row, however broken, gets an answer."""
    return model.fallback is not None


def production_rows(model, n_samples=60, *, shift=0.0):
    """Rows unlike training: shifted, absurd and, where they get an answer, missing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, N_FEATURES)) + shift
    X[:5] *= 100
    if takes_missing(model):
        X[5, 1], X[6, 2], X[7, 3] = np.nan, np.inf, -np.inf
    return X


def answers(model, X):
    """Everything that a model says about the rows of X, as arrays of one length."""
    with np.errstate(divide="ignore"):  # forests take the logarithm of zero
        said = {m: getattr(model, m)(X) for m in METHODS if hasattr(model, m)}
    _, flags = model.predict(X, return_flags=True)
    stability = model.score_stability(X, n_copies=2)
    return said | dict(flags) | {"stability": stability}


def as_frame(X):
    return pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
