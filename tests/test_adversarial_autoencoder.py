"""A model's prediction against that for a reconstruction, and against a student's."""

import importlib
import pickle
import warnings
from functools import lru_cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import load_real
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PolynomialFeatures,
    StandardScaler,
)

from resilient_estimator import FeatureDrift, ResilientEstimator
from resilient_estimator.adversarial import DistillationScore
from resilient_estimator.adversarial._autoencoder import AdversarialAutoencoder
from resilient_estimator.adversarial._dense_net import (
    ACTIVATIONS,
    Adam,
    DenseNet,
    log_softmax,
    minibatches,
    softmax,
)
from resilient_estimator.adversarial._input_scaling import ScaledModel, find_scaling
from resilient_estimator.adversarial._prediction_divergence import (
    kl_divergence,
    sharpen,
)
from resilient_estimator.adversarial._surrogate import as_net, fast_gradient_signs
from resilient_estimator.tabular._embedding import Embedding

RANDOM_STATE = 0


@lru_cache
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(
        X / 16, y, test_size=0.4, random_state=RANDOM_STATE, stratify=y
    )


@lru_cache
def victim(kind):
    X, _, y, _ = digits()
    return {
        "linear": LogisticRegression(max_iter=500),
        "mlp": MLPClassifier(
            (64,), learning_rate_init=0.005, max_iter=500, random_state=RANDOM_STATE
        ),
        "forest": RandomForestClassifier(20, random_state=RANDOM_STATE),
    }[kind].fit(X, y)


@lru_cache
def fitted(kind):
    guard = AdversarialAutoencoder(
        FrozenEstimator(victim(kind)), random_state=RANDOM_STATE
    )
    return guard.fit(digits()[0])


def view(model, X, container=lambda rows: rows):
    """Return the model as a net, scaled rows, and whether the net is the model."""
    scaling = find_scaling(np.asarray(X, dtype=float))
    Z = scaling.transform(np.asarray(X))
    scaled = ScaledModel(model, container, scaling)
    net, exact = as_net(scaled, Z, np.random.default_rng(RANDOM_STATE))
    return net, Z, exact


def attacked(kind, size):
    """Return digits after one sign step of `size`, and which predictions changed."""
    net, Z, _ = view(victim(kind), digits()[1])
    values = net.layers(Z)
    error = softmax(values[-1])
    error[np.arange(len(Z)), values[-1].argmax(axis=1)] -= 1
    X = digits()[1] + size * np.sign(net.backward(values, error)[0])
    X = np.clip(X, 0, 1)
    return X, victim(kind).predict(X) != victim(kind).predict(digits()[1])


# --- nets


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_by_input_are_those_of_finite_differences(activation):
    rng = np.random.default_rng(RANDOM_STATE)
    net = DenseNet.initialized((4, 6, 5, 3), rng)
    net.activation = activation
    X, direction = rng.normal(size=(2, 7, 4)).astype(np.float32)
    gradient = rng.normal(size=(7, 3)).astype(np.float32)
    by_input, _ = net.backward(net.layers(X), gradient)
    step = np.float32(1e-3)
    ahead, behind = net(X + step * direction), net(X - step * direction)
    expected = ((ahead - behind) * gradient).sum(axis=1) / (2 * step)
    np.testing.assert_allclose(
        (by_input * direction).sum(axis=1), expected, rtol=2e-2, atol=2e-2
    )


def test_gradients_by_parameters_are_those_of_finite_differences():
    rng = np.random.default_rng(RANDOM_STATE)
    net = DenseNet.initialized((3, 5, 2), rng)
    net.activation = "tanh"
    X = rng.normal(size=(9, 3)).astype(np.float32)
    gradient = rng.normal(size=(9, 2)).astype(np.float32)
    _, found = net.backward(net.layers(X), gradient, parameters=True)
    for parameter, slope in zip(net.parameters, found, strict=True):
        parameter.flat[1] += 1e-2
        ahead = (net(X) * gradient).sum()
        parameter.flat[1] -= 2e-2
        behind = (net(X) * gradient).sum()
        parameter.flat[1] += 1e-2
        assert slope.flat[1] == pytest.approx((ahead - behind) / 2e-2, rel=2e-2)


def test_gradient_of_the_hidden_layer_is_added():
    rng = np.random.default_rng(RANDOM_STATE)
    net = DenseNet.initialized((3, 5, 2), rng)
    X = rng.normal(size=(4, 3)).astype(np.float32)
    hidden = rng.normal(size=(4, 5)).astype(np.float32)
    values = net.layers(X)
    none = np.zeros((4, 2), dtype=np.float32)
    expected = (hidden * (values[1] > 0)) @ net.weights[0].T
    found, _ = net.backward(values, none, hidden=hidden)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_first_step_of_adam_has_the_size_of_the_learning_rate():
    parameter = np.array([1.0, -2.0], dtype=np.float32)
    Adam([parameter], 0.1).step([np.array([5.0, -0.01], dtype=np.float32)])
    np.testing.assert_allclose(parameter, [0.9, -1.9], rtol=1e-4)


def test_each_epoch_has_each_row_once_and_the_rate_falls():
    steps = list(minibatches(10, 4, 3, np.random.default_rng(RANDOM_STATE)))
    epochs = np.concatenate([rows for rows, _ in steps])
    assert np.bincount(epochs).tolist() == [3] * 10
    rates = [rate for _, rate in steps]
    assert rates[0] == 1
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1


def test_log_softmax_is_the_logarithm_of_softmax_even_of_huge_logits():
    logits = np.array([[1.0, 2.0, 3.0], [9e4, 0.0, -9e4]], dtype=np.float32)
    np.testing.assert_allclose(np.exp(log_softmax(logits)), softmax(logits), rtol=1e-5)
    np.testing.assert_allclose(softmax(logits).sum(axis=1), 1, rtol=1e-6)


# --- models as nets


EXACT = {
    "binary": LogisticRegression(max_iter=2000),
    "multinomial": LogisticRegression(max_iter=2000),
    "relu": MLPClassifier((9, 7), max_iter=20, random_state=RANDOM_STATE),
    "tanh": MLPClassifier((9,), "tanh", max_iter=20, random_state=RANDOM_STATE),
    "logistic": MLPClassifier((9,), "logistic", max_iter=20, random_state=RANDOM_STATE),
    "identity": MLPClassifier((9,), "identity", max_iter=20, random_state=RANDOM_STATE),
    "scaled": make_pipeline(StandardScaler(), LogisticRegression()),
    "clipped": make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
    "nested": make_pipeline(
        StandardScaler(), make_pipeline(MinMaxScaler(), LogisticRegression())
    ),
    "search": GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [1.0]},
        cv=2,
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", EXACT)
def test_models_with_coefficients_are_nets_already(name):
    n_classes = 2 if name in ("binary", "relu", "scaled") else 3
    X, y = make_classification(
        300, 8, n_informative=6, n_classes=n_classes, random_state=RANDOM_STATE
    )
    model = clone(EXACT[name]).fit(X * 5 + 3, y)
    net, Z, exact = view(model, X * 5 + 3)
    assert exact
    np.testing.assert_allclose(
        softmax(net(Z)), model.predict_proba(X * 5 + 3), atol=1e-3
    )


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(30, random_state=RANDOM_STATE),
        GaussianNB(),
        RidgeClassifier(),
        make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=3000)),
        make_pipeline(FunctionTransformer(np.tanh), LogisticRegression()),
    ],
)
def test_the_student_of_any_other_model_agrees_with_it(model):
    X, y = make_classification(900, 8, n_informative=6, random_state=RANDOM_STATE)
    model = clone(model).fit(X[:600], y[:600])
    net, _, exact = view(model, X[:600])
    assert not exact
    fresh = find_scaling(X[:600]).transform(X[600:])
    agreement = np.mean(net(fresh).argmax(axis=1) == model.predict(X[600:]))
    assert agreement > 0.9


def test_gradient_of_a_pipeline_is_that_of_its_probabilities():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(X, y)
    net, Z, _ = view(model, X)
    scaling = find_scaling(X)
    values = net.layers(Z)
    p = softmax(values[-1])
    gradient = p[:, [1]] * (np.array([[0, 1]], dtype=np.float32) - p)
    by_input = net.backward(values, gradient)[0][:, 5]
    step = np.zeros(X.shape[1])
    step[5] = 0.01 * scaling.scale[5]
    ahead, behind = (model.predict_proba(X + s * step)[:, 1] for s in (1, -1))
    np.testing.assert_allclose(by_input, (ahead - behind) / 0.02, atol=1e-4)


def test_steps_against_the_model_lower_the_probability_of_its_label():
    net, Z, _ = view(victim("mlp"), digits()[1])
    labels = net(Z).argmax(axis=1)
    steps = fast_gradient_signs(net, Z, labels, np.random.default_rng(RANDOM_STATE))
    rows = np.arange(len(Z))
    before, after = (softmax(net(A))[rows, labels] for A in (Z, Z + 0.3 * steps))
    assert np.mean(after < before) > 0.95
    assert set(np.unique(steps)) <= {-1.0, 0.0, 1.0}


def test_pixels_share_a_unit_and_other_columns_have_their_own():
    assert len(set(find_scaling(digits()[0]).scale)) == 1
    assert len(set(find_scaling(load_breast_cancer().data).scale)) == 30


@pytest.mark.parametrize(
    ("reach", "n_columns", "common"),
    [(0.92, 30, True), (0.88, 30, False), (0.92, 19, False)],
)
def test_pixels_are_twenty_columns_within_a_tenth_of_their_common_range(
    reach, n_columns, common
):
    """The nets and the embedding have one rule; a tenth is not half."""
    n_whole = n_columns // 2 - 1
    ends = reach - 0.001 * np.arange(n_columns - n_whole)
    X = np.linspace(0, 1, 50)[:, np.newaxis] * np.append(np.ones(n_whole), ends)
    for rows in (X, -X):
        assert (len(set(find_scaling(rows).scale)) == 1) == common
        assert (len(set(Embedding.learn(rows).scales)) == 1) == common


def test_indicators_beside_a_large_number_are_no_pixels():
    """A common scale would hide them: it would be that of the number."""
    X = (np.random.default_rng(RANDOM_STATE).random((100, 30)) < 0.5).astype(float)
    X[:, 0] *= 1e4
    assert len(set(Embedding.learn(X).scales)) > 1


# --- scores


def test_temperature_zero_is_the_limit_of_sharpened_divergence():
    rng = np.random.default_rng(RANDOM_STATE)
    proba = rng.dirichlet(np.ones(4), size=50)
    other = np.log(rng.dirichlet(np.ones(4), size=50))
    label = kl_divergence(sharpen(proba, 0), other)
    np.testing.assert_allclose(
        label, -other[np.arange(50), proba.argmax(axis=1)], rtol=1e-6
    )
    near = kl_divergence(sharpen(proba, 1e-3), other)
    assert np.median(np.abs(near - label)) < 1e-3


def test_divergence_is_that_of_kullback_and_leibler():
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    assert kl_divergence(p, np.log(q))[0] == pytest.approx(0.5 * np.log(2))
    assert kl_divergence(q, np.log(q))[0] == 0


@pytest.mark.parametrize(("kind", "size"), [("linear", 0.15), ("mlp", 0.15)])
def test_attacked_digits_are_separated_from_usual_ones(kind, size):
    X, changed = attacked(kind, size)
    assert changed.sum() > 100
    guard, usual = fitted(kind), digits()[1]
    scores = -np.concatenate(
        [guard.score_samples(usual), guard.score_samples(X[changed])]
    )
    truth = np.repeat([0, 1], [len(usual), changed.sum()])
    assert roc_auc_score(truth, scores) > 0.93


def test_attacks_of_another_library_are_separated_from_usual_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evasion = pytest.importorskip("art.attacks.evasion")
        wrapped = importlib.import_module("art.estimators.classification.scikitlearn")
        target = wrapped.ScikitlearnLogisticRegression(
            victim("linear"), clip_values=(0, 1)
        )
        usual = digits()[1]
        attack = evasion.FastGradientMethod(target, eps=0.15)
        X = attack.generate(usual.astype(np.float32))
    changed = victim("linear").predict(X) != victim("linear").predict(usual)
    scores = [-fitted("linear").score_samples(A) for A in (usual, X[changed])]
    truth = np.repeat([0, 1], [len(usual), changed.sum()])
    assert roc_auc_score(truth, np.concatenate(scores)) > 0.95


def test_attacks_on_the_student_that_fool_the_forest_are_flagged():
    X, changed = attacked("forest", 0.25)
    assert changed.sum() > 50
    flagged = fitted("forest").predict(X[changed]) == -1
    assert flagged.mean() > 0.8
    assert not fitted("forest").exact_


def test_predictions_of_attacked_rows_are_corrected():
    X, _ = attacked("linear", 0.15)
    truth = digits()[3]
    before = np.mean(victim("linear").predict(X) == truth)
    after = np.mean(fitted("linear").correct(X) == truth)
    usual = np.mean(fitted("linear").correct(digits()[1]) == truth)
    assert before < 0.4
    assert after > 0.75
    assert usual > 0.93


def test_training_on_perturbed_rows_is_what_finds_large_steps():
    X, changed = attacked("linear", 0.3)
    published = clone(fitted("linear")).set_params(perturbation=0.0).fit(digits()[0])
    shares = [
        np.mean(g.predict(X[changed]) == -1) for g in (fitted("linear"), published)
    ]
    assert shares[0] > shares[1] + 0.2


@pytest.mark.slow
def test_share_of_false_alarms_is_alpha_if_the_model_was_trained_on_other_rows():
    X, y = make_classification(
        6000, 6, n_informative=4, flip_y=0.1, random_state=RANDOM_STATE
    )
    model = FrozenEstimator(LogisticRegression().fit(X[:500], y[:500]))
    rng, shares = np.random.default_rng(RANDOM_STATE), []
    for random_state in range(30):
        rows = 500 + rng.permutation(5500)
        guard = AdversarialAutoencoder(
            model,
            hidden_layer_sizes=(16,),
            encoding_dim=4,
            max_iter=3,
            alpha=0.1,
            random_state=random_state,
        ).fit(X[rows[:400]])
        shares.append(np.mean(guard.predict(X[rows[400:]]) == -1))
    assert 0.08 < np.mean(shares) < 0.115  # noise of the mean: .006


def test_few_false_alarms_also_where_the_guard_fits_the_model():
    """The model that sets the threshold was not trained on the held-out rows."""
    X, y = make_classification(1500, 10, n_informative=4, flip_y=0.2, random_state=3)
    forest = RandomForestClassifier(30, random_state=RANDOM_STATE)
    guard = AdversarialAutoencoder(forest, max_iter=5, random_state=RANDOM_STATE)
    guard.fit(X[:750], y[:750])
    assert np.mean(guard.predict(X[750:]) == -1) < 0.09


# --- other settings


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0},
        {"temperature": 0.5, "hidden_weight": 0.5},
        {"reconstruction_weight": 1.0},
        {"hidden_layer_sizes": (), "encoding_dim": 20},
    ],
)
def test_every_form_of_the_loss_separates_attacks_from_usual_rows(settings):
    guard = clone(fitted("mlp")).set_params(**settings).fit(digits()[0])
    X, changed = attacked("mlp", 0.15)
    scores = [-guard.score_samples(A) for A in (digits()[1], X[changed])]
    truth = np.repeat([0, 1], list(map(len, scores)))
    assert roc_auc_score(truth, np.concatenate(scores)) > 0.85


def test_weight_on_the_reconstruction_makes_it_resemble_the_row():
    X, gaps = digits()[0], []
    for weight in (0.0, 2.0):
        guard = (
            clone(fitted("linear"))
            .set_params(reconstruction_weight=weight, max_iter=15)
            .fit(X)
        )
        Z = ((X - guard.center_) / guard.scale_).astype(np.float32)
        gaps.append(np.mean((DenseNet(**guard.autoencoder_)(Z) - Z) ** 2))
    assert gaps[1] < 0.5 * gaps[0]


def test_weight_on_the_hidden_layer_makes_hidden_layers_alike():
    X, gaps = digits()[0], []
    for weight in (1e-9, 2.0):
        guard = (
            clone(fitted("mlp")).set_params(hidden_weight=weight, max_iter=15).fit(X)
        )
        Z = ((X - guard.center_) / guard.scale_).astype(np.float32)
        net, again = DenseNet(**guard.net_), DenseNet(**guard.autoencoder_)(Z)
        p, q = (net.hidden(A) @ guard.projection_ for A in (Z, again))
        gaps.append(kl_divergence(softmax(p).astype(float), log_softmax(q)).mean())
    assert gaps[1] < 0.7 * gaps[0]


def test_a_linear_model_has_no_hidden_layer_to_match():
    guard = clone(fitted("linear")).set_params(hidden_weight=1.0)
    with pytest.raises(ValueError, match=r"'hidden_weight' .* 0 for a model without"):
        guard.fit(digits()[0])


# --- behaviour as a scikit-learn object


def test_scores_depend_on_the_random_state():
    X = digits()[0][:300]
    guard = clone(fitted("linear")).set_params(max_iter=2)
    first, second, other = (
        clone(guard).set_params(random_state=random_state).fit(X).score_samples(X)
        for random_state in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_fit_leaves_the_global_random_state_and_the_rows_alone():
    X = digits()[0][:200].copy()
    before, state = X.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    clone(fitted("linear")).set_params(max_iter=1, random_state=None).fit(X)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_verdict_score_flag_and_column_agree():
    guard, X = fitted("linear"), attacked("linear", 0.1)[0]
    flagged = guard.inspect(X)["adversarial"]
    np.testing.assert_array_equal(flagged, guard.predict(X) == -1)
    np.testing.assert_array_equal(flagged, guard.decision_function(X) < 0)
    np.testing.assert_array_equal(guard.transform(X)[:, 0], -guard.score_samples(X))
    assert guard.get_feature_names_out().tolist() == ["divergence"]
    assert 0 < flagged.sum() < len(X)


def test_pickled_copies_agree_and_are_small():
    guard, X = fitted("mlp"), digits()[1][:50]
    raw = pickle.dumps(guard)
    np.testing.assert_array_equal(
        pickle.loads(raw).score_samples(X), guard.score_samples(X)
    )
    n_weights = sum(w.size for w in guard.autoencoder_["weights"])
    assert len(raw) < 5 * n_weights + 200_000


def test_no_training_row_is_kept():
    X = digits()[0][:300].copy()
    X[7, 20:28] = canary = np.linspace(0.1234567, 0.7654321, 8)
    raw = pickle.dumps(clone(fitted("linear")).set_params(max_iter=1).fit(X))
    for dtype in (np.float64, np.float32):
        assert canary.astype(dtype).tobytes() not in raw


def test_clone_unfits_a_model_unless_it_is_frozen():
    X, y = digits()[0][:200], digits()[2][:200]
    guard = AdversarialAutoencoder(
        victim("linear"), max_iter=1, random_state=RANDOM_STATE
    )
    assert guard.fit(X).model_ is victim("linear")
    with pytest.raises(ValueError, match=r"needs y, because its model is not fitted"):
        clone(guard).fit(X)
    again = clone(guard).fit(X, y)
    assert again.model_ is not victim("linear")
    np.testing.assert_array_equal(
        again.model_.coef_, clone(victim("linear")).fit(X, y).coef_
    )


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, np.asarray])
def test_every_container_gets_the_same_flags(make):
    X, _, y, _ = digits()
    frame = pd.DataFrame(X[:300]).rename(columns=str)
    rows = frame if make is pd.DataFrame else make(frame.to_numpy())
    forest = RandomForestClassifier(5, random_state=RANDOM_STATE)
    guard = AdversarialAutoencoder(forest, max_iter=2, random_state=RANDOM_STATE)
    flags = guard.fit(rows, y[:300]).inspect(rows)["adversarial"]
    plain = clone(guard).fit(X[:300], y[:300]).inspect(X[:300])["adversarial"]
    np.testing.assert_array_equal(flags, plain)


def test_columns_are_found_by_name():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    guard = AdversarialAutoencoder(model, max_iter=2, random_state=RANDOM_STATE).fit(
        X, y
    )
    np.testing.assert_allclose(
        guard.score_samples(X.iloc[:, ::-1]), guard.score_samples(X), rtol=1e-6
    )


def test_sparse_rows_are_accepted():
    X, y = digits()[0][:300], digits()[2][:300]
    guard = AdversarialAutoencoder(
        LogisticRegression(), max_iter=2, random_state=RANDOM_STATE
    )
    guard.fit(sparse.csr_array(X), y)
    plain = clone(guard).fit(X, y)
    np.testing.assert_allclose(
        guard.score_samples(sparse.csr_array(X)), plain.score_samples(X), atol=1e-4
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_unreadable_rows_are_flagged_and_do_not_affect_the_others(bad):
    guard, X = fitted("mlp"), digits()[1][:20].copy()
    expected = guard.score_samples(X)
    X[[3, 5], [0, 30]] = bad
    scores = guard.score_samples(X)
    assert np.isneginf(scores[[3, 5]]).all()
    assert guard.inspect(X)["adversarial"][[3, 5]].all()
    usable = np.setdiff1d(np.arange(20), [3, 5])
    np.testing.assert_allclose(scores[usable], expected[usable], rtol=1e-4, atol=1e-6)
    assert set(guard.correct(X)) <= set(range(10))


def test_rows_with_missing_values_are_left_out_of_training():
    X, y = load_breast_cancer(return_X_y=True)
    X = X.copy()
    X[::50, 3] = np.nan
    model = FrozenEstimator(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(X[1:50], y[1:50])
    )
    guard = AdversarialAutoencoder(model, max_iter=2, random_state=RANDOM_STATE).fit(X)
    assert np.isfinite(guard.offset_)
    assert np.isneginf(guard.score_samples(X)[::50]).all()


def test_no_rows_no_flags():
    X = digits()[1][:0]
    assert fitted("linear").inspect(X)["adversarial"].shape == (0,)
    assert fitted("linear").correct(X).shape == (0,)


@pytest.mark.parametrize("X", [np.zeros((3, 5)), np.zeros(4), [["a"], ["b"]]])
def test_malformed_input_is_left_to_the_estimator(X):
    flags = fitted("linear").inspect(X)["adversarial"]
    assert flags.tolist() == [False] * len(X)
    with pytest.raises(ValueError, match=r"needs the 64 columns"):
        fitted("linear").score_samples(X)


def test_columns_of_text_are_refused_by_name():
    X = pd.DataFrame({"age": [20.0, 30.0] * 50, "town": ["Ulm", "Bonn"] * 50})
    guard = AdversarialAutoencoder(LogisticRegression())
    with pytest.raises(ValueError, match=r"these are not: \['town'\]"):
        guard.fit(X, [0, 1] * 50)


def test_too_few_rows_for_alpha_are_refused():
    guard = AdversarialAutoencoder(LogisticRegression(), alpha=0.01)
    with pytest.raises(ValueError, match=r"at least 198 rows .* Got 100 instead"):
        guard.fit(digits()[0][:100], digits()[2][:100])


@pytest.mark.parametrize("kind", [AdversarialAutoencoder, DistillationScore])
@pytest.mark.parametrize(
    "model", [LinearRegression(), FrozenEstimator(LinearRegression()), 3, GaussianNB]
)
def test_only_classifiers_are_accepted(kind, model):
    with pytest.raises(TypeError, match=r"'model' .* must be a classifier"):
        kind(model).fit(digits()[0], digits()[2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1.0),
        ("temperature", np.inf),
        ("alpha", 1.0),
        ("alpha", True),
        ("perturbation", -0.1),
        ("reconstruction_weight", "much"),
        ("hidden_weight", None),
        ("encoding_dim", 0),
        ("max_iter", 2.5),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("hidden_layer_sizes", (8, 0)),
        ("hidden_layer_sizes", 8),
    ],
)
def test_bad_parameters_are_named(name, value):
    guard = AdversarialAutoencoder(victim("linear"), **{name: value})
    with pytest.raises(
        ValueError, match=rf"The '{name}' parameter of Adversarial.* Got"
    ):
        guard.fit(digits()[0])


def test_unfitted_objects_raise():
    with pytest.raises(NotFittedError, match=r"not fitted yet"):
        AdversarialAutoencoder(victim("linear")).score_samples(digits()[1])


def test_labels_may_be_text():
    X, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    guard = AdversarialAutoencoder(model, random_state=RANDOM_STATE).fit(X, names)
    assert np.mean(guard.correct(X) == names) > 0.9


# --- as a part of other things


def test_flagged_rows_are_answered_by_the_fallback():
    X, usual, y, _ = digits()
    model = ResilientEstimator(
        LogisticRegression(max_iter=500),
        fallback="prior",
        guard=AdversarialAutoencoder(LogisticRegression(max_iter=500), random_state=0),
    ).fit(X, y)
    bad, _ = attacked("linear", 0.15)
    answers, flags = model.predict(bad, return_flags=True)
    assert flags["adversarial"].mean() > 0.6
    assert np.array_equal(flags["fallback"], flags["adversarial"])
    assert len(set(answers[flags["fallback"]])) == 1
    assert model.predict(usual, return_flags=True)[1]["adversarial"].mean() < 0.1


def corrupted_digits():
    """Return two corruptions of one size: along and across the model's gradient."""
    net, Z, _ = view(victim("mlp"), digits()[1])
    values = net.layers(Z)
    error = softmax(values[-1])
    error[np.arange(len(Z)), values[-1].argmax(axis=1)] -= 1
    along = np.sign(net.backward(values, error)[0])
    across = np.random.default_rng(RANDOM_STATE).permuted(along, axis=1)
    return digits()[1] + 0.08 * along, digits()[1] + 0.08 * across


@pytest.mark.parametrize("kind", [DistillationScore, AdversarialAutoencoder])
def test_watched_scores_report_only_the_corruption_that_harms(kind):
    """Two corruptions of one size, of which only one changes predictions."""
    X, usual, _, truth = digits()
    score = kind(FrozenEstimator(victim("mlp")), random_state=RANDOM_STATE).fit(X)
    detector = FeatureDrift().fit(score.transform(usual[:400]))
    harmful, harmless = corrupted_digits()
    accuracy = [np.mean(victim("mlp").predict(A) == truth) for A in (harmful, harmless)]
    assert accuracy[0] < 0.5
    assert accuracy[1] > 0.94
    assert detector.compare(score.transform(harmful[400:])).severity > 0.4
    assert not detector.compare(score.transform(harmless[400:])).detected
    assert FeatureDrift().fit(usual[:400]).compare(harmless[400:]).detected


@pytest.mark.slow
def test_predictions_of_attacked_handwriting_are_corrected():
    """MNIST, a perceptron; smaller than benchmarks/autoencoder_mnist.py."""
    X, y, _ = load_real("mnist", n_train=6000, n_test=1000)
    X, y = (X.to_numpy() / np.float32(255)).astype(np.float32), y.to_numpy()
    model = MLPClassifier((64,), max_iter=8, random_state=RANDOM_STATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:6000], y[:6000])
    guard = AdversarialAutoencoder(
        FrozenEstimator(model), max_iter=8, random_state=RANDOM_STATE
    ).fit(X[:6000])
    net, Z, _ = view(model, X)
    values = net.layers(Z[6000:])
    error = softmax(values[-1])
    error[np.arange(1000), values[-1].argmax(axis=1)] -= 1
    steps = np.sign(net.backward(values, error)[0])
    bad = np.clip(X[6000:] + np.float32(0.1) * steps, 0, 1)
    changed = model.predict(bad) != model.predict(X[6000:])
    scores = [-guard.score_samples(A) for A in (X[6000:], bad[changed])]
    truth = np.repeat([0, 1], list(map(len, scores)))
    assert np.mean(model.predict(bad) == y[6000:]) < 0.3
    assert roc_auc_score(truth, np.concatenate(scores)) > 0.97
    assert np.mean(guard.correct(bad) == y[6000:]) > 0.85


def test_one_label_per_row_is_needed():
    X = np.random.default_rng(0).normal(size=(100, 3))
    guard = AdversarialAutoencoder(LogisticRegression())
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[100, 50"):
        guard.fit(X, X[:50, 0] > 0)
