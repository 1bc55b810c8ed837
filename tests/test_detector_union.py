"""Several detectors judge a batch at one level, and what they say adds up."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from resilient_estimator import FeatureDrift, OutputDrift, ResilientEstimator
from resilient_estimator.detectors import (
    DependenceDrift,
    DetectorUnion,
    FlagDrift,
)
from resilient_estimator.detectors._auto import make_detector
from resilient_estimator.detectors._multiple_testing import Findings, Rules, judge
from resilient_estimator.drift import Drift

RULES = Rules(alpha=0.05, min_severity=0.04, max_severity=0.2)


def normal(n, n_features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_features))


def findings(pvalues, part="features", severity=0.1, **options):
    n = len(pvalues)
    return Findings(
        part=part,
        features=tuple(f"{part} {i}" for i in range(n)),
        statistics=np.zeros(n),
        pvalues=np.array(pvalues, dtype=float),
        severities=np.full(n, severity),
        uppers=np.full(n, severity + 0.05),
        surged=np.zeros(n, dtype=bool),
        fixed=("",) * n,
        describe=lambda i: f"change {i}",
        **options,
    )


def judged(*families, weights=None):
    weights = weights or [1.0] * len(families)
    return judge(families, weights, RULES, 1000, 500)


# How p-values become verdicts


def test_bonferroni_between_families():
    drift = judged(findings([0.02]), findings([0.5], "outputs"))
    assert drift.pvalue == pytest.approx(0.04)
    assert drift.verdicts == ("drifted", "stable")


def test_weights_share_alpha():
    drift = judged(findings([0.02]), findings([0.5], "outputs"), weights=[3, 1])
    assert drift.pvalue == pytest.approx(0.02 * 4 / 3)


def test_a_family_that_could_not_be_tested_takes_no_share():
    empty = findings([np.nan], "outputs")
    assert judged(findings([0.02]), empty).pvalue == pytest.approx(0.02)


def test_no_column_drifts_in_a_batch_that_does_not():
    """Holm alone would name the first column; the columns together say no."""
    drift = judged(findings([0.024, 0.95, 0.95, 0.95]), findings([0.9], "outputs"))
    assert not drift.detected
    assert drift.pvalues.min() == drift.pvalue > 0.05


def test_a_batch_may_drift_where_no_column_can_be_named():
    drift = judged(findings([0.02] * 10))
    assert drift.pvalue < 0.05
    assert not drift.drifted.any()
    assert drift.detected
    assert drift.verdict == "drifted"


def test_what_is_real_but_small_is_immaterial_only_if_it_is_surely_small():
    small = findings([1e-9], severity=0.01)
    assert judged(small).verdicts == ("real but immaterial",)
    small.uppers[:] = 0.5
    assert judged(small).verdicts == ("too few rows to say",)


# The union


def test_the_default_is_what_auto_means():
    union = make_detector("auto")
    assert isinstance(union, DetectorUnion)
    fitted = union.fit(normal(500))
    kinds = [type(d) for d in fitted.detectors_]
    assert kinds == [FeatureDrift, OutputDrift, DependenceDrift, FlagDrift]


def test_a_list_of_detectors_is_a_union_of_them():
    model = ResilientEstimator(
        LogisticRegression(), detector=[FeatureDrift("ks"), OutputDrift()]
    )
    model.fit(normal(400), normal(400)[:, 0] > 0)
    drift = model.assess(normal(300, seed=1)).drift
    assert set(drift.parts) == {"features", "outputs"}


def test_parameters_are_nested():
    union = DetectorUnion([FeatureDrift(), DependenceDrift()])
    model = ResilientEstimator(LogisticRegression(), detector=union, cv=2)
    grid = {"detector__featuredrift__test": ["ks", "ad"], "detector__alpha": [0.01]}
    X = normal(200)
    search = GridSearchCV(model, grid, cv=2).fit(X, X[:, 0] > 0)
    assert search.best_estimator_.detector_.alpha == 0.01
    assert clone(union).get_params()["featuredrift__test"] == "auto"


def test_counts_and_rows_are_judged_alike():
    detector = DetectorUnion().fit(normal(800))
    batch = normal(300, seed=1) + np.array([0, 0.2, 0])
    profile = detector.reference_.layout.profile(batch)
    by_rows, by_counts = detector.compare(batch), detector.compare(profile)
    assert by_rows.to_dict().keys() == by_counts.to_dict().keys()
    np.testing.assert_array_equal(by_rows.pvalues, by_counts.pvalues)


class HalfMissing(BaseEstimator):
    """A third party's detector, which sees the rows."""

    def fit(self, X, y=None):
        self.n_ = len(X)
        return self

    def compare(self, X):
        pvalue = 1e-6 if np.isnan(X).mean() > 0.5 else 0.5
        return Drift(
            features=("half missing",),
            statistics=np.array([np.nan]),
            pvalues=np.array([pvalue]),
            severities=np.array([0.5]),
            verdicts=("drifted" if pvalue < 0.05 else "stable",),
            changes=("mostly missing",),
            n_reference=self.n_,
            n_samples=len(X),
            alpha=0.05,
            min_severity=0.04,
        )


def test_detectors_of_third_parties_see_the_rows():
    detector = DetectorUnion([FeatureDrift(), HalfMissing()]).fit(normal(500))
    drift = detector.compare(np.full((200, 3), np.nan))
    assert drift.changes[-1] == "mostly missing"
    assert not detector.compare(normal(200, seed=2)).detected


def test_what_one_family_finds_is_not_made_material_by_another():
    """The columns differ by a hair; that some output might be far off is no proof."""
    hair = findings([1e-6], severity=0.01)
    assert not judged(hair, findings([0.6], "outputs", severity=0.5)).detected


def test_counts_are_not_enough_for_detectors_that_see_rows():
    detector = DetectorUnion([FeatureDrift(), HalfMissing()]).fit(normal(500))
    profile = detector.reference_.layout.profile(normal(100))
    with pytest.raises(TypeError, match="HalfMissing does not work from counts"):
        detector.compare(profile)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detectors": FeatureDrift()}, "must be a list of detectors"),
        ({"detectors": [3]}, r"a list of objects with 'fit' and 'compare'\. Got 3"),
        ({"detectors": [FeatureDrift]}, "a list of objects with 'fit' and 'compare'"),
        ({"alpha": 0}, r"a float in the range \(0, 1\). Got 0 instead"),
        ({"detectors": []}, "a list of at least one detector"),
        ({"weights": "abcd"}, "one positive number per detector"),
        ({"weights": [1]}, "None or one positive number per detector"),
        ({"detectors": [FeatureDrift()], "weights": [-1]}, "one positive number"),
    ],
)
def test_bad_parameters_are_told(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        DetectorUnion(**options).fit(normal(50))


@pytest.mark.parametrize("kind", [OutputDrift, DependenceDrift, FlagDrift])
def test_bad_limits_are_told(kind):
    with pytest.raises(ValueError, match=r"'max_severity' parameter .* Got 2 instead"):
        kind(max_severity=2).fit({} if kind is FlagDrift else normal(50))


# Flags


def flags(n_flagged, n_samples):
    return {"missing": np.arange(n_samples) < n_flagged}


@pytest.mark.parametrize(
    ("now", "before", "drifted"),
    [
        ((30, 200), (0, 1000), True),
        ((20, 1000), (0, 1000), False),
        ((40, 50_000), (0, 50_000), False),
        ((100, 1000), (100, 1000), False),
        ((0, 1000), (500, 1000), False),
        ((2, 20), (0, 1000), False),
    ],
)
def test_flags_drift_when_far_more_rows_carry_one(now, before, drifted):
    found = FlagDrift().fit(flags(*before)).compare(flags(*now))
    assert found.detected == drifted


def test_flags_of_fresh_rows_are_no_drift_by_themselves():
    """A guard flags none of the rows it knows and a few others: no p-value for that."""
    drift = FlagDrift().fit(flags(0, 5000)).compare(flags(60, 5000))
    assert drift.pvalue > 0.9


def test_the_change_of_flags_is_told():
    drift = FlagDrift().fit(flags(0, 1000)).compare(flags(200, 1000))
    assert drift.changes == ("20 % of rows, was 0 %",)


def test_what_are_no_masks_is_told():
    with pytest.raises(TypeError, match="Flags must be a dict of masks"):
        FlagDrift().fit(normal(50))


def test_a_time_order_is_yes_or_no():
    with pytest.raises(TypeError, match=r"'time_ordered' parameter .* must be a bool"):
        FeatureDrift(time_ordered="yes").fit(normal(50))


# Surges


def labels(shares, n, seed=0):
    names = [f"label {i}" for i in range(len(shares))]
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"label": rng.choice(names, n, p=shares)})


def test_a_rare_label_that_grows_is_material_though_few_rows_have_it():
    """From 1 to 4 % of the rows: three in a hundred are unlike training."""
    shares, grown = [0.59, 0.4, 0.01], [0.57, 0.39, 0.04]
    drift = FeatureDrift().fit(labels(shares, 10_000)).compare(labels(grown, 5000, 1))
    assert drift.severity < 0.04
    assert drift.verdict == "drifted"
    assert drift.surged.tolist() == [True]
    assert drift.changes == ("'label 2' 3.8 %, was 1.1 %",)


def test_missing_values_that_appear_are_material_though_few():
    batch = normal(3000, 1, seed=1)
    batch[:90] = np.nan
    drift = FeatureDrift().fit(normal(5000, 1)).compare(batch)
    assert drift.verdict == "drifted"
    assert drift.changes == ("missing 3.0 %, was 0 %",)


def test_half_as_much_again_is_no_surge():
    shares, grown = [0.5, 0.46, 0.04], [0.49, 0.45, 0.06]
    drift = FeatureDrift().fit(labels(shares, 50_000)).compare(labels(grown, 9000, 1))
    assert drift.pvalue < 0.05
    assert drift.verdict == "real but immaterial"


def test_one_row_in_a_hundred_is_no_surge():
    batch = normal(9000, 1, seed=1)
    batch[:90] = np.nan
    drift = FeatureDrift().fit(normal(50_000, 1)).compare(batch)
    assert drift.pvalue < 0.05
    assert drift.verdict == "real but immaterial"


def test_a_surge_reads_as_one():
    X = normal(2000)
    model = ResilientEstimator(LogisticRegression(), detector=FeatureDrift())
    model.fit(X, X[:, 0] > 0)
    batch = normal(2000, seed=1)
    batch[:60, 1] = np.nan
    assert "x1: missing 3.0 %, was 0 %" in model.assess(batch).reasons
