"""What scikit-learn expects of an estimator, and of a meta-estimator."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification, make_regression
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter
from subjects import ALONE, MODELS

from resilient_estimator import ResilientEstimator


class BoostingWithCV(HistGradientBoostingClassifier):
    """Scikit-learn's boosting with a `cv` that it ignores.

    The check of weights takes other rows for estimators that have a `cv`.
    """

    def __init__(self, max_iter=3, cv=None):
        super().__init__(max_iter=max_iter)
        self.cv = cv


BARE = {"boosting": BoostingWithCV(), "boosting+isolation": BoostingWithCV()}

# Each fold is one more fit of every check. Here are probabilities, decision values and
# predictions, missing values and a fallback; for the other models `cv` is None.
WITH_FOLDS = {"boosting", "knn-regressor", "logistic", "logistic+prior", "ridge", "svc"}


def failed_checks(estimator):
    """Return the names of scikit-learn's checks that fail, and how many were run."""
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"] for r in results if r["status"] == "failed"}
    return failed, len(results)


def documented_failure(model):
    """Return the one check that cannot pass with a fallback."""
    answers_nan = model.fallback is not None
    says_so = get_tags(model).input_tags.allow_nan
    return {"check_estimators_nan_inf"} if answers_nan and not says_so else set()


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.filterwarnings("ignore")  # the checks provoke them
def test_scikit_learn_contract(name):
    """All checks pass that the bare estimator passes, but the documented one."""
    model = clone(MODELS[name])
    if name not in WITH_FOLDS:
        model.set_params(cv=None)
    failed, n_checks = failed_checks(model)
    bare = BARE.get(name, model.estimator)
    documented = documented_failure(model)
    unexpected = failed - documented
    bare_failed, _ = failed_checks(bare) if unexpected else (set(), 0)
    assert unexpected <= bare_failed
    assert documented <= failed
    assert n_checks > 40


@pytest.mark.parametrize("name", ["logistic", "knn", "search", "ridge"])
def test_fit_shows_sample_weight_as_the_estimator_does(name):
    """Whoever looks at the signature of `fit` sees what the estimator understands."""
    model = ALONE[name]
    shown = has_fit_parameter(model, "sample_weight")
    assert shown == has_fit_parameter(model.estimator, "sample_weight")


def test_adaboost_weighs_the_rows_of_a_wrapped_model():
    """It asks for `sample_weight`, and boosts as it does the bare model."""
    X, y = make_classification(random_state=0)
    stump = DecisionTreeClassifier(max_depth=1, random_state=0)
    bare = AdaBoostClassifier(stump, n_estimators=5, random_state=0).fit(X, y)
    boosted = clone(bare).set_params(estimator=ResilientEstimator(stump)).fit(X, y)
    assert_array_equal(boosted.predict_proba(X), bare.predict_proba(X))


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.filterwarnings("ignore")
def test_column_names_are_checked_as_scikit_learn_does(name):
    """Names are remembered, and wrong ones are refused in scikit-learn's words."""
    check_dataframe_column_names_consistency(name, clone(MODELS[name]))


class Probe(BaseEstimator):
    """An estimator with every method, of which one can be hidden."""

    def __init__(self, hidden=None):
        self.hidden = hidden

    def fit(self, X, y=None):
        self.coef_ = np.arange(X.shape[1])
        self.classes_ = []
        return True  # some estimators do not return self

    def _check_fit(self):
        check_is_fitted(self)

    def _shown(method):  # noqa: N805
        return available_if(lambda self: self.hidden != method)

    @_shown("predict_proba")
    def predict_proba(self, X):
        self._check_fit()
        return np.ones((X.shape[0], 2))

    @_shown("predict_log_proba")
    def predict_log_proba(self, X):
        self._check_fit()
        return np.ones((X.shape[0], 2))

    @_shown("decision_function")
    def decision_function(self, X):
        self._check_fit()
        return np.ones(X.shape[0])

    def predict(self, X):
        self._check_fit()
        return np.ones(X.shape[0])


DELEGATED = ("predict_proba", "predict_log_proba", "decision_function")


@pytest.mark.parametrize("method", DELEGATED)
def test_delegation_is_honest_before_and_after_fit(method):
    """A method exists exactly if the wrapped estimator has it, and needs fit."""
    X, y = make_classification(random_state=0)
    model = ResilientEstimator(Probe())
    assert hasattr(model, method)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(model, method)(X)
    model.fit(X, y)
    assert len(getattr(model, method)(X)) == len(X)
    hidden = ResilientEstimator(Probe(hidden=method))
    assert not hasattr(hidden, method)
    with pytest.raises(AttributeError, match=method):
        getattr(hidden.fit(X, y), method)


@pytest.mark.parametrize("method", DELEGATED)
def test_a_method_exists_only_if_every_part_has_it(method):
    """A fallback without a method hides it: answers of two kinds are never mixed."""
    model = ResilientEstimator(LogisticRegression(), fallback="prior")
    assert hasattr(model, method) == hasattr(DummyClassifier(), method)
    assert hasattr(ResilientEstimator(LogisticRegression()), method)


def test_data_validation_is_the_wrapped_estimator_s():
    """Text documents pass through, and no number of features is made up."""
    documents = ["the first", "the second", "a third one", "and one more"]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model = ResilientEstimator(pipeline, fallback=None).fit(documents, [0, 1, 1, 0])
    assert not hasattr(model, "n_features_in_")
    assert_array_equal(model.predict(documents), model.estimator_.predict(documents))
    _, flags = model.predict(documents, return_flags=True)
    assert all(len(mask) == len(documents) for mask in flags.values())


def test_the_type_follows_the_wrapped_estimator():
    """Tags are those of the estimator; a target is required even by a Pipeline."""
    classifier = ResilientEstimator(make_pipeline(LogisticRegression()))
    assert get_tags(classifier).estimator_type == "classifier"
    assert get_tags(classifier).target_tags.required
    assert get_tags(ResilientEstimator(Ridge())).estimator_type == "regressor"


def test_sparse_input_is_promised_only_if_both_parts_take_it():
    """The tag is the conjunction of both tags."""
    dense = ResilientEstimator(LogisticRegression(), fallback=ALONE["boosting"])
    assert not get_tags(dense).input_tags.sparse
    assert get_tags(ResilientEstimator(LogisticRegression())).input_tags.sparse


@pytest.mark.parametrize("routing", [False, True])
def test_sample_weight_reaches_every_part(routing):
    """Weights go to estimator and fallback, with metadata routing on and off."""
    X, y = make_classification(random_state=0)
    weight = np.where(y == 1, 10.0, 1.0)
    with config_context(enable_metadata_routing=routing):
        parts = LogisticRegression(), DummyClassifier()
        if routing:
            parts = [part.set_fit_request(sample_weight=True) for part in parts]
        estimator, fallback = parts
        model = ResilientEstimator(estimator, fallback=fallback)
        model.fit(X, y, sample_weight=weight)
    bare = LogisticRegression().fit(X, y, sample_weight=weight)
    assert_array_equal(model.estimator_.coef_, bare.coef_)
    assert model.fallback_.class_prior_[1] > 0.9


@pytest.mark.parametrize("fallback", [None, "prior"])
def test_routing_works_without_a_fallback_to_route_to(fallback):
    """A fallback that is only a name requests nothing."""
    X, y = make_classification(random_state=0)
    with config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_fit_request(sample_weight=True)
        model = ResilientEstimator(estimator, fallback=fallback)
        model.fit(X, y, sample_weight=np.ones(len(y)))
    assert model.score(X, y) > 0.8


def test_flags_and_scores_are_routed_through_a_search():
    """With routing on, weights reach fit and score as for any scikit-learn model."""
    X, y = make_classification(random_state=0)
    weight = np.random.default_rng(0).uniform(size=len(y))
    with config_context(enable_metadata_routing=True):
        inner = LogisticRegression().set_fit_request(sample_weight=True)
        model = ResilientEstimator(inner).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"estimator__C": [0.1, 1]}, cv=2)
        search.fit(X, y, sample_weight=weight)
        assert search.best_score_ > 0.5
        model.set_predict_request(return_flags=True)
        pipeline = make_pipeline(model).fit(X, y)
        _, flags = pipeline.predict(X, return_flags=True)
    assert len(flags.fallback) == len(X)


def test_metadata_that_the_estimator_does_not_know_is_its_own_error():
    """Unknown metadata get the wrapped estimator's TypeError."""
    X, y = make_regression(random_state=0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        ResilientEstimator(Ridge()).fit(X, y, colour="red")
