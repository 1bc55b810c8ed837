"""Decision-boundary probing raises an alarm, and ordinary use does not."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import load_real
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator.monitor._hard_labels import label_only
from resilient_estimator.monitor._probing import ProbingDetector

RNG = np.random.default_rng(0)
REFERENCE = RNG.normal(size=(1500, 4))
ORDINARY = RNG.normal(size=(400, 4))
PROBES = 1.0 + 0.01 * RNG.normal(size=(60, 4))
KEYS = ("alarm", "evidence", "pvalue", "repeat", "flip")


@lru_cache
def pickled(**options):
    return pickle.dumps(ProbingDetector(**options).fit(REFERENCE))


def fitted(**options):
    return pickle.loads(pickled(**options))


def probes(n):
    return 1.0 + 0.01 * np.random.default_rng(1).normal(size=(n, 4))


# ---------------------------------------------------------------- ordinary queries


@pytest.mark.parametrize("name", ["adult", "spambase", "california_housing"])
def test_ordinary_queries_raise_no_alarm(name):
    """All rows that were not in the reference, sent by one source."""
    X = load_real(name)[0]
    order = np.random.default_rng(1).permutation(len(X))[:12_000]
    n = len(order) // 3
    detector = ProbingDetector().fit(X.iloc[order[:n]])
    seen = detector.observe(X.iloc[order[n:]], "user")
    assert not seen.alarm.any()
    assert seen.evidence.max() < 2000


@pytest.mark.parametrize("ties", [False, True])
def test_pvalues_of_ordinary_queries_are_not_too_small(ties):
    """P(p <= a) is at most about a, also where most distances are ties."""
    rng = np.random.default_rng(2)
    draw = lambda n: rng.normal(size=(n, 6))
    if ties:
        draw = lambda n: rng.choice(["a", "b", "c"], size=(n, 8))
    pvalues = []
    for _ in range(20):
        detector = ProbingDetector(shared_window=512).fit(draw(600))
        seen = detector.observe(draw(700), "user")
        pvalues.append(seen.pvalue[~seen.repeat])
    for level in (0.01, 0.05, 0.2):
        share = np.mean(np.concatenate(pvalues) <= level)
        assert share < 1.3 * level
        assert ties or share > level / 3


def test_forgetting_keeps_chance_from_accumulating():
    """Without it the evidence of a long ordinary stream is far higher."""
    rows = np.random.default_rng(3).normal(size=(8000, 4))
    keeping = fitted(forgetting_factor=1.0).observe(rows, "user").evidence
    forgetting = fitted().observe(rows, "user").evidence
    assert keeping.max() > 5 * forgetting.max()
    assert forgetting.max() < 1000


@pytest.mark.parametrize("random_state", range(10))
def test_a_user_who_edits_a_field_eight_times_raises_no_alarm(random_state):
    """Wherever it happens in an ordinary stream."""
    X = load_breast_cancer().data
    rng = np.random.default_rng(random_state)
    X = X[rng.permutation(len(X))]
    place, column = rng.integers(250), rng.integers(X.shape[1])
    edits = np.repeat(X[[284 + place]], 8, axis=0)
    edits[:, column] = rng.choice(X[:, column], 8)
    stream = np.vstack([X[284 : 285 + place], edits, X[285 + place :]])
    detector = ProbingDetector().fit(X[:284])
    assert not detector.observe(stream, "user").alarm.any()


# ------------------------------------------------------------------------- attacks


class Recorder:
    """A model that records its queries, and stops after 200 of them."""

    def __init__(self, model):
        self.model, self.queries = model, []

    def predict(self, X):
        self.queries.append(np.array(X, dtype=float))
        if sum(map(len, self.queries)) > 200:
            raise StopIteration
        return self.model.predict_proba(X)


def attack(kind, model, X, i):
    """Return the queries of an attack of the adversarial-robustness-toolbox."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art.attacks.evasion import HopSkipJump, ZooAttack  # noqa: PLC0415
        from art.estimators.classification import BlackBoxClassifier  # noqa: PLC0415

        victim, labels = Recorder(model), model.predict(X)
        clip = float(X.min()), float(X.max())
        classifier = BlackBoxClassifier(
            victim.predict, X.shape[1:], 2, clip_values=clip
        )
        np.random.seed(i)  # noqa: NPY002  the toolbox draws from the global state
        with suppress(StopIteration):
            if kind == "zoo":
                whole = {"use_resize": False, "use_importance": False}
                zoo = ZooAttack(classifier, nb_parallel=8, verbose=False, **whole)
                zoo.generate(X[i : i + 1])
            else:
                start = X[labels != labels[i]][:1]
                hop = HopSkipJump(classifier, max_eval=100, verbose=False)
                hop.generate(X[i : i + 1], x_adv_init=start)
    return np.vstack(victim.queries)


@pytest.mark.parametrize("kind", ["hop_skip_jump", "zoo"])
def test_attacks_raise_an_alarm_within_45_queries(kind):
    """At the median of seven attacks, each from a new source."""
    pytest.importorskip("art")
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    detector = ProbingDetector().fit(X[:300])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:300], y[:300])
    alarms = []
    for i in range(7):
        alarm = detector.observe(attack(kind, model, X[300:], i), i).alarm
        alarms.append(alarm.argmax() if alarm.any() else np.inf)
    assert np.median(alarms) < 45


def test_a_jittered_row_raises_an_alarm_that_lasts():
    """After ordinary queries of the same source."""
    detector = fitted()
    detector.observe(ORDINARY, "bob")
    seen = detector.observe(PROBES, "bob")
    assert 10 < seen.alarm.argmax() < 25
    assert seen.alarm[seen.alarm.argmax() :].all()
    assert detector.alarms_ == ["bob"]


def test_probes_among_ordinary_queries_raise_an_alarm():
    """One probe to five ordinary queries of the same source."""
    rng = np.random.default_rng(4)
    mixed = rng.normal(size=(600, 4))
    mixed[::6] = probes(100)
    assert fitted().observe(mixed, "bob").alarm.any()


def test_detection_delay_is_the_number_of_near_duplicates_without_an_alarm():
    """Within two, for any bets, threshold and number of neighbours."""
    for options in (
        {},
        {"epsilon": 0.8},
        {"threshold": 1e3},
        {"forgetting_factor": 1.0},
        {"n_neighbors": 6},
    ):
        detector = fitted(**options)
        detector.observe(ORDINARY[:100], "user")
        n = detector.observe(PROBES, "user").alarm.argmax()
        assert abs(n - detector.detection_delay_) <= 2


def test_queries_without_a_source_share_a_longer_memory():
    """They are observed, and more of them are remembered."""
    detector = ProbingDetector(shared_window=1024, window=128).fit(REFERENCE)
    rows = np.random.default_rng(5).normal(size=(2000, 4))
    detector.observe(rows)
    detector.observe(rows, source="user")
    assert 1024 - 128 <= detector.status().n_remembered < 1024
    assert 128 - 16 <= detector.status("user").n_remembered < 128
    assert detector.observe(PROBES).alarm.any()
    assert detector.alarms_ == [None]


# ---------------------------------------------------------- evidence and its memory


def test_evidence_is_that_of_the_formula():
    """R = (1 + forgetting_factor R) epsilon p^(epsilon - 1), at most the threshold."""
    detector = fitted()
    seen = detector.observe(np.vstack([ORDINARY, PROBES]), "user")
    expected, evidence = [], 0.0
    for p in seen.pvalue:
        evidence = min((1 + 0.98 * evidence) * 0.9 * p**-0.1, 1e5)
        expected.append(evidence)
    np.testing.assert_allclose(seen.evidence, expected, rtol=1e-9)
    assert seen.evidence.max() == 1e5


def test_pvalue_compares_with_the_next_longer_memory():
    """The mean distance to the three nearest of five earlier rows, among eight."""
    detector = fitted()
    detector.observe(ORDINARY[:5], "user")
    pvalue = detector.observe(ORDINARY[[5]], "user").pvalue[0]
    scaled = (ORDINARY[:6] - REFERENCE.mean(axis=0)) / REFERENCE.std(axis=0)
    distances = np.sort(np.linalg.norm(scaled[:5] - scaled[5], axis=1))
    lengths = list(detector.memory_lengths_)
    reference = detector.reference_distances_[lengths.index(8)]
    n_nearer = np.sum(reference <= distances[:3].mean())
    assert pvalue == pytest.approx((1 + n_nearer) / (1 + len(reference)))


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("window", [16, 64])
def test_one_by_one_is_the_same_as_many_at_once(size, window):
    """To the last digit, with repeats, alarms and a full memory."""
    rng = np.random.default_rng(6)
    rows = np.vstack([ORDINARY[:150], PROBES, ORDINARY[100:300], PROBES[:20]])
    rows = rows[
        np.sort(np.append(np.arange(len(rows)), rng.integers(len(rows), size=50)))
    ]
    labels = rng.integers(2, size=len(rows))
    whole, parts = fitted(window=window), fitted(window=window)
    at_once = whole.observe(rows, "user", predictions=labels)
    pieces = [
        parts.observe(rows[i : i + size], "user", predictions=labels[i : i + size])
        for i in range(0, len(rows), size)
    ]
    assert at_once.alarm.any()
    assert at_once.repeat.sum() >= 50
    for key in KEYS:
        joined = np.concatenate([piece[key] for piece in pieces])
        np.testing.assert_array_equal(joined, at_once[key])
    assert whole.status("user") == parts.status("user")


def test_sources_in_one_call_do_not_mix():
    """Each is scored as if it were alone."""
    rng = np.random.default_rng(7)
    source = rng.choice(["ann", "bob", "eve"], size=500)
    rows = rng.normal(size=(500, 4))
    rows[source == "eve"] = probes(np.sum(source == "eve"))
    together, alone = fitted(), fitted()
    seen = together.observe(rows, source)
    assert together.alarms_ == ["eve"]
    for name in ("ann", "bob", "eve"):
        single = alone.observe(rows[source == name], name)
        for key in KEYS:
            np.testing.assert_array_equal(seen[key][source == name], single[key])


def test_repeats_are_counted_and_are_no_evidence():
    """Clients retry. Nor do repeats displace what is remembered."""
    detector = fitted(window=64)
    before = detector.observe(ORDINARY[:50], "user").evidence[-1]
    seen = detector.observe(np.repeat(ORDINARY[[49, 0]], 500, axis=0), "user")
    assert seen.repeat.all()
    assert (seen.evidence == before).all()
    assert (seen.pvalue == 1).all()
    status = detector.status("user")
    assert (status.n_queries, status.n_repeats, status.n_remembered) == (1050, 1000, 50)


def test_the_smallest_step_is_no_repeat():
    """Finite differences of an attacker are not a client's retry."""
    detector = fitted()
    step = ORDINARY[[0]] + [[1e-12, 0, 0, 0]]
    seen = detector.observe(np.vstack([ORDINARY[:20], step, ORDINARY[:1]]), "user")
    assert seen.repeat.tolist() == [False] * 21 + [True]


def test_flips_are_near_duplicates_with_another_prediction():
    """Neither distant rows, nor repeats, nor rows without a prediction."""
    rows = np.vstack([ORDINARY, PROBES[:10], PROBES[:1]])
    labels = np.array(["no"] * 200 + ["yes"] * 200 + ["no", "yes"] * 5 + ["yes"])
    detector = fitted()
    seen = detector.observe(rows, "user", predictions=labels)
    assert seen.flip[403:410].sum() >= 2
    assert seen.flip[:400].mean() < 0.02
    assert not seen.flip[-1]
    assert detector.status("user").n_flips == seen.flip.sum()
    assert not fitted().observe(rows, "user").flip.any()
    missing = np.where(labels == "yes", None, "no")
    assert not fitted().observe(rows, "user", predictions=missing).flip.any()


def test_alarm_ends_after_enough_ordinary_queries():
    """When evidence has fallen below the root of the threshold, and not before."""
    detector = fitted()
    detector.observe(PROBES, "user")
    seen = detector.observe(np.random.default_rng(8).normal(size=(1000, 4)), "user")
    end = int(np.argmin(seen.alarm))
    assert 30 < end < 500
    assert seen.evidence[end] < np.sqrt(1e5) <= seen.evidence[:end].min()
    assert not seen.alarm[end:].any()
    assert detector.alarms_ == []


def test_a_forgotten_source_is_new():
    """And unknown ones are ignored."""
    detector = fitted()
    detector.observe(PROBES, "bob")
    detector.forget("bob")
    detector.forget("nobody")
    assert detector.alarms_ == []
    assert detector.status("bob") == fitted().status("bob")
    assert not detector.observe(PROBES[:5], "bob").repeat.any()


def test_the_source_silent_for_longest_is_forgotten():
    """Any number of sources takes bounded memory."""
    detector = fitted(max_sources=3)
    for name in ("a", "b", "c", "a", "d"):
        detector.observe(ORDINARY[:5], name)
    assert list(detector.sources_) == ["c", "a", "d"]
    detector.observe(ORDINARY[:400], np.arange(400))
    assert [s["source"] for s in detector.sources_.values()] == [397, 398, 399]


def test_memory_of_a_source_is_bounded():
    """By window * (4 * n_dims + 16) bytes, however many queries and columns."""
    rng = np.random.default_rng(9)
    X = rng.normal(size=(300, 100))
    detector = ProbingDetector(window=64, shared_window=64, max_dims=20).fit(X)
    detector.observe(rng.normal(size=(1000, 100)), "user")
    state = detector.sources_["user"]
    arrays = [value for value in state.values() if isinstance(value, np.ndarray)]
    assert 0 < sum(a.nbytes for a in arrays) <= 64 * (4 * 20 + 16)
    assert all(a.base is None or a.base.nbytes <= 64 * 4 * 20 for a in arrays)


@pytest.mark.parametrize(
    "revive", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_evidence_outlives_a_restart(revive):
    """Some probes come before, the rest after."""
    detector, other = fitted(), fitted()
    whole = other.observe(PROBES, "bob")
    detector.observe(PROBES[:10], "bob")
    rest = revive(detector).observe(PROBES[10:], "bob")
    np.testing.assert_array_equal(rest.alarm, whole.alarm[10:])
    np.testing.assert_array_equal(rest.evidence, whole.evidence[10:])


def test_fitted_state_is_plain():
    """Arrays, numbers, texts, lists and dicts: no lock."""
    detector = fitted()
    detector.observe(PROBES, np.arange(len(PROBES)) % 3)
    state = {k: v for k, v in detector.__getstate__().items() if k != "embedding_"}
    assert_plain(state)


def assert_plain(value):
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in (np.ndarray, str, int, float, bool, type(None))


def test_clone_and_fit_start_anew():
    """The memory of sources is no parameter."""
    detector = fitted(window=100)
    detector.observe(PROBES, "bob")
    assert clone(detector).window == 100
    assert detector.fit(REFERENCE).alarms_ == []


def test_threads_do_not_lose_queries():
    """They take turns."""
    detector = fitted()
    pieces = np.array_split(np.random.default_rng(10).normal(size=(400, 4)), 40)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda rows: detector.observe(rows, "user"), pieces))
    status = detector.status("user")
    assert (status.n_queries, status.n_remembered) == (400, 400)


# --------------------------------------------------------------------------- input


def table(rows, n=900):
    """Return rows with a number, a whole number and labels, some of them missing."""
    rng = np.random.default_rng(rows)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": rng.integers(0, 50, size=n),
            "c": rng.choice(["x", "y", "z"], size=n),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.02)


def test_containers_do_not_matter():
    """pandas, polars and an array of objects give the same result."""
    X, X_new = table(0), table(1)
    makers = (lambda f: f, pl.from_pandas, lambda f: f.to_numpy(dtype=object))
    seen = [ProbingDetector().fit(m(X)).observe(m(X_new), "u") for m in makers]
    for other in seen[1:]:
        np.testing.assert_allclose(other.evidence, seen[0].evidence)
        np.testing.assert_array_equal(other.repeat, seen[0].repeat)


def test_sparse_matrices_and_lists_are_accepted():
    """The result is that of the dense array."""
    X = np.where(REFERENCE > 1, REFERENCE, 0)
    for make in (sparse.csr_array, sparse.csc_matrix, list):
        seen = ProbingDetector().fit(make(X)).observe(make(X[:200]), "user")
        dense = ProbingDetector().fit(X).observe(X[:200], "user")
        np.testing.assert_array_equal(seen.evidence, dense.evidence)


def test_invalid_cells_never_raise():
    """Missing, infinite, huge, unseen, of another type, whole columns of them."""
    detector = ProbingDetector().fit(table(0))
    bad = table(1).astype(object)
    bad.iloc[:5, 0] = [np.inf, -np.inf, None, 1e308, "text"]
    bad.iloc[5:8, 2] = ["unseen", 3.5, None]
    seen = detector.observe(bad, "user")
    assert np.isfinite(seen.evidence).all()
    nothing = pd.DataFrame(dict.fromkeys("abc", [None] * 50))
    assert detector.observe(nothing, "user").repeat.sum() == 49
    assert len(detector.observe(bad[["a"]], "user").alarm) == len(bad)


@pytest.mark.parametrize("X", [np.ones((1, 2)), np.ones((50, 2)), np.eye(5)[:, :2]])
def test_a_poor_reference_raises_no_alarm(X):
    """Where all rows are alike, nothing is known about distances."""
    detector = ProbingDetector().fit(X)
    rows = 1 + 0.01 * np.random.default_rng(0).normal(size=(300, 2))
    assert not detector.observe(rows, "user").alarm.any()
    assert detector.detection_delay_ == np.inf


def test_few_distinct_rows_allow_no_bold_bets():
    """Copies of training rows do not show how near others come."""
    rows = np.repeat(REFERENCE[:100], 20, axis=0)
    detector = ProbingDetector().fit(rows)
    pvalue = detector.observe(PROBES, "user").pvalue
    assert 1 / 120 < pvalue.min() < 1 / 80
    assert detector.memory_lengths_[-1] < 100


def test_a_batch_may_be_empty():
    """And its source is not remembered."""
    detector = fitted()
    assert len(detector.observe(ORDINARY[:0], "user").alarm) == 0
    assert len(detector.observe(ORDINARY[:0], []).alarm) == 0
    assert detector.sources_ == {}


def test_sources_are_texts_numbers_or_missing():
    """1 and "1" are two, 1 and 1.0 and np.int64(1) one; None and NaN are unknown."""
    detector = fitted()
    names = [1, "1", 1.0, np.int64(1), None, np.nan]
    detector.observe(ORDINARY[:6], names)
    detector.observe(ORDINARY[6:7], pd.Series(["1"], dtype="category"))
    assert len(detector.sources_) == 3
    counts = [detector.status(name).n_queries for name in (1, "1", None)]
    assert counts == [3, 2, 2]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("window", 3, r"an int in the range \[4, inf\)"),
        ("window", 100.5, r"an int in the range \[4, inf\)"),
        ("shared_window", None, r"an int in the range \[4, inf\)"),
        ("n_neighbors", 0, r"an int in the range \[1, inf\)"),
        ("max_sources", True, r"an int in the range \[1, inf\)"),
        ("max_dims", 0, r"an int in the range \[1, inf\) or None"),
        ("epsilon", 1.0, r"a float in the range \(0, 1\)"),
        ("forgetting_factor", 0, r"a float in the range \(0, 1\]"),
        ("threshold", np.inf, r"a float in the range \(1, inf\)"),
        ("threshold", 1, r"a float in the range \(1, inf\)"),
        ("random_state", "0", "an int"),
        ("n_neighbors", 512, "less than 'window' and 'shared_window'"),
    ],
)
def test_bad_parameters_are_named(name, value, words):
    detector = ProbingDetector(**{name: value})
    message = f"The '{name}' parameter of ProbingDetector must be {words}. Got"
    with pytest.raises(ValueError, match=message):
        detector.fit(REFERENCE)


def test_misuse_raises():
    """Not fitted, no table, too few sources or predictions."""
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ProbingDetector().observe(ORDINARY, "user")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ProbingDetector().status("user")
    detector = fitted()
    with pytest.raises(ValueError, match="Expected a table of rows"):
        detector.observe(ORDINARY[0], "user")
    with pytest.raises(ValueError, match="one value of 'source' per row, 400 of them"):
        detector.observe(ORDINARY, ["ann", "bob"])
    with pytest.raises(ValueError, match="one value of 'predictions' per row"):
        detector.observe(ORDINARY, "user", predictions=[1])
    assert detector.sources_ == {}


# ----------------------------------------------------------------------- hardening


def test_label_only_keeps_nothing_but_the_label():
    """Rows without alarm and the given array stay as they are."""
    proba = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    before, alarm = proba.copy(), np.arange(50) % 2 == 0
    hardened = label_only(proba, alarm)
    np.testing.assert_array_equal(proba, before)
    np.testing.assert_array_equal(hardened[~alarm], proba[~alarm])
    np.testing.assert_array_equal(hardened.argmax(axis=1), proba.argmax(axis=1))
    assert np.isin(hardened[alarm], (0, 1)).all()


def test_label_only_needs_one_alarm_per_row():
    with pytest.raises(ValueError, match=r"Got shapes \(2, 3\) and \(3,\)"):
        label_only(np.ones((2, 3)), [True, False, True])


def test_no_source_can_take_the_key_of_queries_without_one():
    """The text "<None>" is a source of its own, "<1>" is not 1."""
    detector = fitted()
    detector.observe(ORDINARY[:4], [None, "<None>", 1, "<1>"])
    detector.observe(ORDINARY[4:5], "<None>")
    assert len(detector.sources_) == 4
    assert detector.status("<None>").n_queries == 2
    assert detector.status(None).n_queries == detector.status("<1>").n_queries == 1


def test_sources_may_be_tuples_or_zero_dimensional_arrays():
    detector = fitted()
    detector.observe(ORDINARY[:3], ["ann", ("bob", 1), 3])
    detector.observe(ORDINARY[3:5], np.array("ann"))
    assert detector.status(("bob", 1)).n_queries == 1
    assert detector.status("ann").n_queries == 3


def test_an_empty_batch_takes_no_sources():
    with pytest.raises(ValueError, match="one value of 'source' per row, 0 of them"):
        fitted().observe(ORDINARY[:0], ["ann"])
