"""A refit that is anchored to the predictions of the old model."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import has_fit_parameter

from resilient_estimator import ResilientEstimator, RulePredictor
from resilient_estimator.comparison import AnchoredEstimator, churn
from resilient_estimator.comparison._soft_labels import soft_label_weights
from resilient_estimator.tabular._rows import count_rows

X, y = make_classification(4000, flip_y=0.2, random_state=0)
OLD_ROWS, NEW_ROWS, FRESH = slice(0, 1000), slice(500, 1500), slice(1500, None)
TREE = DecisionTreeClassifier(min_samples_leaf=5, random_state=0)


@pytest.fixture(scope="module")
def old():
    return clone(TREE).fit(X[OLD_ROWS], y[OLD_ROWS])


class Anything(BaseEstimator):
    """A fitted model that accepts any rows and ignores them."""

    def fit(self, X, y):
        raise AssertionError("an anchor is never fitted")

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        return tags


class AnyClass(ClassifierMixin, Anything):
    classes_ = np.array([0, 1, -1, 2])

    def predict_proba(self, X):
        return np.tile([0.3, 0.3, 0.3, 0.1], (count_rows(X), 1))

    def predict(self, X):
        return np.zeros(count_rows(X), dtype=int)


class AnyNumber(RegressorMixin, Anything):
    def predict(self, X):
        return np.zeros(count_rows(X))


SUBJECTS = {
    "logistic": (LogisticRegression(), AnyClass()),
    "tree": (DecisionTreeClassifier(random_state=0), AnyClass()),
    "forest": (RandomForestClassifier(5, random_state=0), AnyClass()),
    "frozen anchor": (LogisticRegression(), FrozenEstimator(AnyClass())),
    "pipeline": (make_pipeline(StandardScaler(), LogisticRegression()), AnyClass()),
    "ridge": (Ridge(), AnyNumber()),
    "tree regressor": (DecisionTreeRegressor(random_state=0), AnyNumber()),
}
# A scaler in a pipeline weighs all rows equally, whatever weights the last step gets.
UNWEIGHTED = {"pipeline": {"check_sample_weight_equivalence_on_dense_data"}}


def failed_checks(estimator):
    """Return the names of scikit-learn's checks that fail, and how many were run."""
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"] for r in results if r["status"] == "failed"}
    return failed, len(results)


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.filterwarnings("ignore")  # the checks provoke them
def test_scikit_learn_contract(name):
    """All checks that the bare estimator passes, except for the documented one."""
    estimator, anchor = SUBJECTS[name]
    failed, n_checks = failed_checks(AnchoredEstimator(estimator, anchor, strength=0.4))
    bare_failed, _ = failed_checks(estimator) if failed else (set(), 0)
    assert failed - bare_failed == UNWEIGHTED.get(name, set())
    assert n_checks > 40


@pytest.mark.parametrize("model", [LogisticRegression(), TREE])
def test_strength_zero_is_an_ordinary_refit(old, model):
    """Predictions are those of the bare estimator."""
    anchored = AnchoredEstimator(model, old, strength=0).fit(X[NEW_ROWS], y[NEW_ROWS])
    bare = clone(model).fit(X[NEW_ROWS], y[NEW_ROWS])
    assert_allclose(anchored.predict_proba(X), bare.predict_proba(X), atol=1e-8)
    assert_array_equal(anchored.predict(X), bare.predict(X))


def test_strength_one_ignores_the_labels(old):
    """The old model is copied, whatever the labels are."""
    deep = DecisionTreeClassifier(random_state=0)
    for labels in (y[NEW_ROWS], np.random.default_rng(0).permutation(y[NEW_ROWS])):
        model = AnchoredEstimator(deep, old, strength=1).fit(X[NEW_ROWS], labels)
        copied = model.predict_proba(X[NEW_ROWS])
        assert_allclose(copied, old.predict_proba(X[NEW_ROWS]), atol=1e-9)


def test_weighted_copies_minimise_the_log_loss_of_soft_labels():
    """A leaf that contains all rows predicts the mean of the soft labels."""
    prior = DecisionTreeClassifier(max_depth=1).fit(X[OLD_ROWS], y[OLD_ROWS])
    stump = DecisionTreeClassifier(min_samples_leaf=10**6)
    model = AnchoredEstimator(stump, prior, strength=0.7)
    model.fit(X[NEW_ROWS], y[NEW_ROWS])
    expected = 0.3 * y[NEW_ROWS].mean()
    expected += 0.7 * prior.predict_proba(X[NEW_ROWS])[:, 1].mean()
    assert_allclose(model.predict_proba(X)[:, 1], expected)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(20, max_depth=8, random_state=0),
        DecisionTreeClassifier(max_depth=6, random_state=0),
    ],
    ids=["logistic", "forest", "tree"],
)
def test_churn_falls_and_accuracy_stays(model):
    """On fresh rows; newly wrong predictions become rarer as well."""
    figures = []
    for seed in range(6):
        X, y = make_classification(3000, flip_y=0.2, random_state=seed)
        old = clone(model).fit(X[OLD_ROWS], y[OLD_ROWS])
        plain = clone(model).fit(X[NEW_ROWS], y[NEW_ROWS])
        anchored = AnchoredEstimator(model, old).fit(X[NEW_ROWS], y[NEW_ROWS])
        both = (churn(old, m, X[FRESH], y[FRESH]) for m in (plain, anchored))
        figures.append(
            [(c.churn, c.performance.negative_flips, c.performance.new) for c in both]
        )
    (churned, lost, right), (churned_less, lost_less, right_too) = np.mean(figures, 0)
    assert churned_less < 0.8 * churned
    assert lost_less < 0.9 * lost
    assert right_too > right - 0.005


def test_regressors_are_trained_on_a_mixed_target():
    """For ridge, mixing the targets is the same as mixing both predictions."""
    X, y = load_diabetes(return_X_y=True)
    old = KNeighborsRegressor().fit(X[:200], y[:200])
    model = AnchoredEstimator(Ridge(), old, strength=0.3).fit(X[100:], y[100:])
    by_label = Ridge().fit(X[100:], y[100:]).predict(X)
    by_old = Ridge().fit(X[100:], old.predict(X[100:])).predict(X)
    assert_allclose(model.predict(X), 0.7 * by_label + 0.3 * by_old)


def test_sample_weights_multiply_the_weights_of_copies():
    """A row of weight two is equivalent to two rows."""
    weight = np.where(np.arange(1000) % 2, 2, 1)
    twice = np.repeat(np.arange(1000), weight)
    old = LogisticRegression().fit(X[OLD_ROWS], y[OLD_ROWS])
    model = AnchoredEstimator(LogisticRegression(), old)
    weighted = clone(model).fit(X[NEW_ROWS], y[NEW_ROWS], sample_weight=weight)
    repeated = clone(model).fit(X[NEW_ROWS][twice], y[NEW_ROWS][twice])
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)


def test_new_and_dropped_classes(old):
    """A new class is learned in full; one that is gone is never predicted."""
    labels = np.where(X[:, 0] > 1, 2, y)
    stronger = AnchoredEstimator(TREE, old, strength=0.99)
    stronger.fit(X[NEW_ROWS], labels[NEW_ROWS])
    assert_array_equal(stronger.classes_, [0, 1, 2])
    is_new = labels[FRESH] == 2
    assert np.mean(stronger.predict(X[FRESH])[is_new] == 2) > 0.9
    three = clone(TREE).fit(X[OLD_ROWS], labels[OLD_ROWS])
    two = AnchoredEstimator(TREE, three, strength=0.99).fit(X[NEW_ROWS], y[NEW_ROWS])
    assert_array_equal(two.classes_, [0, 1])


def test_an_anchor_without_common_classes_has_no_effect():
    """The result is an ordinary refit."""
    texts = np.where(y == 1, "yes", "no")
    other = clone(TREE).fit(X[OLD_ROWS], texts[OLD_ROWS])
    anchored = AnchoredEstimator(TREE, other).fit(X[NEW_ROWS], y[NEW_ROWS])
    bare = clone(TREE).fit(X[NEW_ROWS], y[NEW_ROWS])
    assert_array_equal(anchored.predict_proba(X), bare.predict_proba(X))


def is_positive(X):
    return (np.asarray(X)[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    "anchor",
    [
        RulePredictor(is_positive),
        LinearSVC(),
        KNeighborsClassifier(),
        ResilientEstimator(LogisticRegression()),
    ],
)
def test_any_fitted_model_is_an_anchor(anchor):
    """Without probabilities, its predictions are certain: strength 1 copies them."""
    anchor = clone(anchor).fit(X[OLD_ROWS], y[OLD_ROWS])
    deep = DecisionTreeClassifier(random_state=0)
    model = AnchoredEstimator(deep, anchor, strength=1).fit(X[NEW_ROWS], y[NEW_ROWS])
    assert_array_equal(model.predict(X[NEW_ROWS]), anchor.predict(X[NEW_ROWS]))


def test_given_predictions_replace_those_of_the_anchor(old):
    """Out-of-fold probabilities, in the order of the anchor's classes."""
    given = old.predict_proba(X[NEW_ROWS])
    model = AnchoredEstimator(TREE, old)
    own = clone(model).fit(X[NEW_ROWS], y[NEW_ROWS])
    replaced = clone(model).fit(X[NEW_ROWS], y[NEW_ROWS], anchor_predictions=given)
    assert_array_equal(own.predict_proba(X), replaced.predict_proba(X))
    given[:500] = cross_val_predict(
        clone(old), X[OLD_ROWS], y[OLD_ROWS], method="predict_proba"
    )[500:]
    replaced.fit(X[NEW_ROWS], y[NEW_ROWS], anchor_predictions=given)
    assert (own.predict_proba(X) != replaced.predict_proba(X)).any()


def test_a_clone_keeps_the_anchor(old):
    """Searches and cross-validation work with any fitted model as anchor."""
    model = AnchoredEstimator(TREE, old)
    assert clone(model).anchor is old
    assert clone(make_pipeline(model))[-1].anchor is old
    search = GridSearchCV(model, {"strength": [0, 0.5], "estimator__max_depth": [2]})
    search.fit(X[NEW_ROWS], y[NEW_ROWS])
    assert search.best_estimator_.anchor is old
    assert cross_val_score(model, X[NEW_ROWS], y[NEW_ROWS]).mean() > 0.7


def test_predictions_do_not_need_the_old_model(old):
    """After `fit`, the anchor may change or be removed."""
    model = AnchoredEstimator(TREE, old).fit(X[NEW_ROWS], y[NEW_ROWS])
    revived = pickle.loads(pickle.dumps(model))
    revived.anchor = None
    assert_array_equal(revived.predict_proba(X), model.predict_proba(X))


def test_transformers_of_a_pipeline_are_fitted_to_the_original_rows(old):
    """The scaler counts no row twice, and the pipeline predicts as usual."""
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    model = AnchoredEstimator(pipeline, old).fit(X[NEW_ROWS], y[NEW_ROWS])
    scaler = model.estimator_[0]
    assert_array_equal(scaler.mean_, X[NEW_ROWS].mean(axis=0))
    last = model.estimator_[-1]
    assert_array_equal(model.predict(X), last.predict(scaler.transform(X)))
    assert not hasattr(pipeline[0], "mean_")
    assert model.n_features_in_ == 20


@pytest.mark.parametrize("kind", ["pandas", "csr", "coo"])
def test_containers_do_not_matter(old, kind):
    """Frames and sparse matrices give the same refit as arrays."""
    make = {"pandas": pd.DataFrame, "csr": sparse.csr_array, "coo": sparse.coo_array}
    rows = make[kind](X[NEW_ROWS])
    if kind == "pandas":
        rows.columns = [f"c{i}" for i in range(20)]
        old = clone(old).fit(rows, y[NEW_ROWS])
    model = AnchoredEstimator(TREE, old)
    found = clone(model).fit(rows, y[NEW_ROWS])
    plain = clone(model).fit(X[NEW_ROWS], y[NEW_ROWS]) if kind != "pandas" else found
    assert_array_equal(found.predict(rows), plain.predict(rows))
    assert hasattr(found, "feature_names_in_") == (kind == "pandas")


def test_a_resilient_estimator_can_wrap_it(old):
    """Sample weights are passed through."""
    anchored = AnchoredEstimator(TREE, old)
    assert has_fit_parameter(anchored, "sample_weight")
    model = ResilientEstimator(anchored, fallback="prior")
    model.fit(X[NEW_ROWS], y[NEW_ROWS], sample_weight=np.ones(1000))
    bare = clone(anchored).fit(X[NEW_ROWS], y[NEW_ROWS])
    assert_array_equal(model.estimator_.predict(X), bare.predict(X))


def test_weights_and_predictions_are_routed_through_a_search(old):
    """With metadata routing, both are split with the rows."""
    with config_context(enable_metadata_routing=True):
        model = AnchoredEstimator(TREE, old)
        model.set_fit_request(sample_weight=True, anchor_predictions=True)
        model.set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"strength": [0.5]}, cv=2)
        search.fit(
            X[NEW_ROWS],
            y[NEW_ROWS],
            sample_weight=np.ones(1000),
            anchor_predictions=old.predict_proba(X[NEW_ROWS]),
        )
    assert search.best_score_ > 0.7


@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_methods_exist_if_the_estimator_has_them(old, method):
    """`hasattr` is correct before `fit`, but calling them requires it."""
    for estimator in (LogisticRegression(), TREE, LinearSVC()):
        model = AnchoredEstimator(estimator, old)
        assert hasattr(model, method) == hasattr(estimator, method)
        if hasattr(model, method):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                getattr(model, method)(X)


@pytest.mark.parametrize("bad", [-0.1, 1.1, "0.5", None])
def test_an_invalid_strength_is_reported(old, bad):
    """It must be a proportion."""
    with pytest.raises(ValueError, match=r"'strength' .* in the range \[0, 1\]. Got"):
        AnchoredEstimator(TREE, old, strength=bad).fit(X, y)


@pytest.mark.parametrize(
    ("estimator", "anchor", "error", "match"),
    [
        (TREE, clone(TREE), NotFittedError, r"'anchor' .* must be a fitted model"),
        (TREE, None, TypeError, r"'anchor' .* must be a fitted model"),
        (TREE, DecisionTreeClassifier, TypeError, r"'anchor' .* a fitted model"),
        (TREE, Ridge().fit(X, y), TypeError, r"'anchor' .* be a classifier, as the"),
        (Ridge(), AnyClass(), TypeError, r"'anchor' .* be a regressor, as the"),
        (StandardScaler(), AnyClass(), TypeError, r"'estimator' .* a classifier or a"),
        (KNeighborsClassifier(), AnyClass(), TypeError, r"takes sample_weight. Got KN"),
        (
            make_pipeline(StandardScaler(), KNeighborsClassifier()),
            AnyClass(),
            TypeError,
            r"takes sample_weight. Got KN",
        ),
    ],
)
def test_invalid_parts_are_reported(estimator, anchor, error, match):
    """Estimators that cannot be anchored, and models that cannot be anchors."""
    with pytest.raises(error, match=match):
        AnchoredEstimator(estimator, anchor).fit(X, y)


def test_malformed_predictions_are_reported(old):
    """One finite probability is needed for each row and each class of the anchor."""
    model = AnchoredEstimator(TREE, old)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y, anchor_predictions=np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"of its 2 classes\. Got shape"):
        model.fit(X, y, anchor_predictions=np.ones((len(y), 3)))
    with pytest.raises(ValueError, match="must be finite"):
        model.fit(X, y, anchor_predictions=np.full((len(y), 2), np.nan))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda p: p[:, 1], r"of shape \(n_samples, n_anchor_classes\)\. Got shape"),
        (lambda p: np.log(p + 0.1), r"a minimum of -2\.3 instead"),
        (lambda p: np.where(p > 0.5, "yes", "no"), r"must be finite numbers"),
    ],
    ids=["one column", "logarithms", "labels"],
)
def test_predictions_that_are_not_probabilities_are_rejected(old, change, match):
    """They would silently result in an ordinary refit."""
    given = change(old.predict_proba(X))
    with pytest.raises(ValueError, match=match):
        AnchoredEstimator(TREE, old).fit(X, y, anchor_predictions=given)


def test_an_anchor_that_predicts_nan_is_reported():
    """The error does not blame y."""

    class PredictsNan(AnyNumber):
        def predict(self, X):
            return np.full(count_rows(X), np.nan)

    with pytest.raises(ValueError, match=r"The anchor's predictions must be finite"):
        AnchoredEstimator(Ridge(), PredictsNan()).fit(X, y)


@pytest.mark.parametrize("estimator", [None, DecisionTreeClassifier])
def test_an_invalid_estimator_is_reported(old, estimator):
    """None, or a class instead of an instance."""
    with pytest.raises(TypeError, match=r"'estimator' .* a classifier or a regressor"):
        AnchoredEstimator(estimator, old).fit(X, y)


def test_many_equally_likely_classes_are_kept():
    """Each weight is small, but none is negligible relative to the others."""
    classes = np.arange(2000)
    proba = np.full((3, 2000), 1 / 2000)
    weights = soft_label_weights(classes[:3], proba, classes, classes, strength=1.0)
    assert_allclose(weights, proba)
