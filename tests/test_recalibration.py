"""A new threshold from fresh labels: a new model, and its gain."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, make_scorer
from sklearn.svm import LinearSVC

from resilient_estimator import ResilientEstimator, RulePredictor
from resilient_estimator.recalibration import _threshold
from resilient_estimator.recalibration._threshold import cost_metric, find_threshold

X, y = make_classification(3000, weights=[0.8], class_sep=0.5, random_state=0)
TRAIN, FRESH = slice(0, 1000), slice(1000, 3000)


def cost(tp, fp, fn, tn):
    """Return the total cost: five for a missed case, one for a false alarm."""
    return 5 * fn + fp


@pytest.fixture(scope="module")
def model():
    return ResilientEstimator(LogisticRegression()).fit(X[TRAIN], y[TRAIN])


@pytest.fixture(scope="module")
def cheaper(model):
    return model.recalibrate(X[FRESH], y[FRESH], cost=cost)


def test_recalibration_returns_a_new_model_that_shares_the_fitted_parts(model, cheaper):
    """The first model and all probabilities stay unchanged."""
    assert model.threshold_ is None
    assert cheaper.estimator_ is model.estimator_
    assert_array_equal(cheaper.predict_proba(X), model.predict_proba(X))
    assert (cheaper.predict(X) != model.predict(X)).any()


def test_predictions_follow_the_threshold(cheaper):
    """Rows that reach the threshold are positive, for any selection of rows."""
    proba = cheaper.predict_proba(X)[:, 1]
    assert_array_equal(cheaper.predict(X), (proba >= cheaper.threshold_).astype(int))
    assert_array_equal(cheaper.predict(X[5:9]), cheaper.predict(X)[5:9])


def test_the_threshold_minimises_the_cost(model, cheaper):
    """No threshold on a fine grid is cheaper on these labels."""
    proba, truth = model.predict_proba(X[FRESH])[:, 1], y[FRESH] == 1
    metric = cost_metric(cost)
    grid = [metric(truth, proba >= t) for t in np.linspace(0, 1, 501)]
    assert metric(truth, proba >= cheaper.threshold_) >= max(grid) - 0.005
    assert cheaper.threshold_ == pytest.approx(1 / 6, abs=0.06)  # Bayes: fp / (fp + fn)


def test_the_record_contains_the_gain(cheaper):
    """It has both thresholds, both scores, and the gain with an interval."""
    record = cheaper.recalibration_
    assert record.old_threshold == 0.5
    assert record.threshold == cheaper.threshold_
    assert record.gain == record.score_after - record.score_before
    lower, upper = record.gain_interval
    assert 0 < lower < record.gain < upper
    assert record.n_samples == 2000


def test_recalibration_can_be_undone(model, cheaper):
    """Without arguments, the estimator's own decision is restored."""
    back = cheaper.recalibrate()
    assert back.threshold_ is None
    assert back.recalibration_ is None
    assert_array_equal(back.predict(X), model.predict(X))
    old = cheaper.recalibrate(threshold=cheaper.recalibration_.old_threshold)
    assert_array_equal(old.predict(X), model.predict(X))


@pytest.mark.parametrize("scoring", ["f1", "balanced_accuracy", make_scorer(f1_score)])
def test_any_scorer_of_labels_is_accepted(model, scoring, monkeypatch):
    """With a name or a scorer object, the score on fresh labels rises.

    A scorer takes a millisecond per call; few calls are enough without an interval.
    """
    monkeypatch.setattr(_threshold, "N_RESAMPLES", 10)
    monkeypatch.setattr(_threshold, "MAX_CANDIDATES", 25)
    tuned = model.recalibrate(X[FRESH], y[FRESH], scoring=scoring)
    assert tuned.recalibration_.gain > 0
    assert f1_score(y, tuned.predict(X)) > f1_score(y, model.predict(X))


def test_labels_can_be_text():
    """The positive class is the second one in sorted order."""
    labels = np.where(y == 1, "yes", "no")
    model = ResilientEstimator(LogisticRegression()).fit(X[TRAIN], labels[TRAIN])
    tuned = model.recalibrate(X[FRESH], labels[FRESH], cost=cost)
    assert set(tuned.predict(X)) == {"yes", "no"}
    assert (tuned.predict(X) == "yes").sum() > (model.predict(X) == "yes").sum()


def test_the_threshold_does_not_change_a_rule_s_predictions():
    """The probabilities of a rule are zero and one."""
    rule = RulePredictor(lambda rows: np.zeros(len(rows), int))
    model = ResilientEstimator(LogisticRegression(), fallback=rule)
    tuned = model.fit(X[TRAIN], y[TRAIN]).recalibrate(X[FRESH], y[FRESH], cost=cost)
    absurd = X[:10] * 1e6
    predictions, flags = tuned.predict(absurd, return_flags=True)
    assert flags.fallback.all()
    assert not predictions.any()


def test_the_interval_of_the_gain_covers_the_true_gain():
    """The 90 % interval covers the true gain in 90 % of 200 repetitions.

    The true gain is the mean gain, on a large sample, of the thresholds chosen from 400
    labels. The bounds are three standard errors of a rate of .90 over 200 repetitions.
    """
    rng = np.random.default_rng(0)

    def metric(truth, positive):  # `cost_metric(cost)`, in two counts
        n_missed = np.count_nonzero(truth & ~positive)
        return -(5 * n_missed + np.count_nonzero(positive & ~truth)) / len(truth)

    def sample(n):
        scores = rng.beta(1, 2, n)
        return scores, rng.random(n) < scores

    scores, truth = sample(200_000)
    found = [
        find_threshold(*s, s[0] >= 0.5, metric, 0.9) for s in map(sample, [400] * 200)
    ]
    chosen = [metric(truth, scores >= f.threshold) for f in found]
    gain = np.mean(chosen) - metric(truth, scores >= 0.5)
    covered = np.mean([f.gain_interval[0] <= gain <= f.gain_interval[1] for f in found])
    assert 0.836 <= covered <= 0.964


def test_recalibration_needs_a_binary_classifier():
    """Regressors do not have the method; three classes are refused."""
    assert not hasattr(ResilientEstimator(Ridge()), "recalibrate")
    with pytest.raises(AttributeError, match="recalibrate"):
        ResilientEstimator(Ridge()).fit(*make_regression()).recalibrate(X, y)
    three = make_classification(n_informative=4, n_classes=3, random_state=0)
    with pytest.raises(ValueError, match="needs a binary classifier"):
        ResilientEstimator(LogisticRegression()).fit(*three).recalibrate(*three)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": np.zeros(10, int)}, "labels of both classes"),
        ({"y": np.arange(10)}, r"y contains 2, 3, .* but the classes"),
        ({"y": y[:10], "threshold": 0.5}, r"either labelled rows or a threshold"),
        (
            {"y": y[:10], "confidence_level": 3},
            r"'confidence_level' parameter .* Got 3",
        ),
        ({"y": y[:5]}, r"inconsistent numbers of samples: \[10, 5\]"),
        ({"y": y[:10], "scoring": "roc_auc"}, "a scorer of predicted labels"),
    ],
)
def test_bad_labels_are_refused(model, arguments, message):
    """The error names single classes, unknown labels and contradictions."""
    with pytest.raises(ValueError, match=message):
        model.recalibrate(X[:10], **arguments)


def test_labels_without_rows_are_refused(model):
    """Labels alone are not enough."""
    with pytest.raises(ValueError, match="y was passed without X"):
        model.recalibrate(None, y)


def test_a_cost_must_be_callable(model):
    """The error shows the signature of a cost."""
    with pytest.raises(TypeError, match=r"a callable cost\(tp, fp, fn, tn\)"):
        model.recalibrate(X, y, cost="cheap")


def test_a_threshold_must_be_a_probability(model):
    """A number outside [0, 1] is refused."""
    with pytest.raises(ValueError, match=r"'threshold' parameter .* Got 7 instead"):
        model.recalibrate(threshold=7)


def test_the_score_before_is_that_of_the_model_as_it_is(monkeypatch):
    """Positives are rows predicted as the second class."""
    monkeypatch.setattr(_threshold, "N_RESAMPLES", 10)
    monkeypatch.setattr(_threshold, "MAX_CANDIDATES", 25)
    X, y = make_classification(1200, weights=[0.8], random_state=0)
    model = ResilientEstimator(LogisticRegression(), cv=None).fit(X[:600], y[:600])
    record = model.recalibrate(X[600:], y[600:], scoring="f1").recalibration_
    assert record.score_before == f1_score(y[600:], model.predict(X[600:]))


def test_without_probabilities_there_is_no_recalibrate():
    assert hasattr(ResilientEstimator(LogisticRegression()), "recalibrate")
    assert not hasattr(ResilientEstimator(LinearSVC()), "recalibrate")
