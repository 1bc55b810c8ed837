"""Several detectors share one level, and their results are combined."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from resilient_estimator import FeatureDrift, OutputDrift, ResilientEstimator
from resilient_estimator.detectors import (
    DependenceDrift,
    DetectorUnion,
    FlagDrift,
)
from resilient_estimator.detectors._decision_rule import (
    DecisionRule,
    FamilyResult,
    decide,
)
from resilient_estimator.detectors._union import make_detector
from resilient_estimator.drift import Drift

RULE = DecisionRule(alpha=0.05, min_severity=0.04, max_severity=0.2)


def normal(n, n_features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_features))


def family(pvalues, part="features", severity=0.1, **options):
    n = len(pvalues)
    return FamilyResult(
        part=part,
        features=tuple(f"{part} {i}" for i in range(n)),
        statistics=np.zeros(n),
        pvalues=np.array(pvalues, dtype=float),
        severities=np.full(n, severity),
        upper_severities=np.full(n, severity + 0.05),
        surged=np.zeros(n, dtype=bool),
        fixed_verdicts=("",) * n,
        describe=lambda i: f"change {i}",
        **options,
    )


def decided(*families, weights=None):
    weights = weights or [1.0] * len(families)
    return decide(families, weights, RULE, 1000, 500)


# How p-values become verdicts


def test_families_are_combined_by_bonferroni():
    drift = decided(family([0.02]), family([0.5], "outputs"))
    assert drift.pvalue == pytest.approx(0.04)
    assert drift.verdicts == ("drifted", "stable")


def test_weights_divide_alpha():
    drift = decided(family([0.02]), family([0.5], "outputs"), weights=[3, 1])
    assert drift.pvalue == pytest.approx(0.02 * 4 / 3)


def test_an_untested_family_gets_no_share():
    empty = family([np.nan], "outputs")
    assert decided(family([0.02]), empty).pvalue == pytest.approx(0.02)


def test_no_column_drifts_in_a_batch_that_does_not():
    """Holm alone would name the first column; the batch is not significant."""
    drift = decided(family([0.024, 0.95, 0.95, 0.95]), family([0.9], "outputs"))
    assert not drift.detected
    assert drift.pvalues.min() == drift.pvalue > 0.05


def test_a_batch_may_drift_though_no_column_can_be_named():
    drift = decided(family([0.02] * 10))
    assert drift.pvalue < 0.05
    assert not drift.drifted.any()
    assert drift.detected
    assert drift.verdict == "drifted"


def test_a_significant_difference_is_immaterial_only_if_its_upper_bound_is_small():
    small = family([1e-9], severity=0.01)
    assert decided(small).verdicts == ("real but immaterial",)
    small.upper_severities[:] = 0.5
    assert decided(small).verdicts == ("too few rows to say",)


# The union


def test_auto_is_the_default_union():
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


def test_a_profile_gives_the_same_result_as_its_rows():
    detector = DetectorUnion().fit(normal(800))
    batch = normal(300, seed=1) + np.array([0, 0.2, 0])
    profile = detector.reference_.layout.profile(batch)
    by_rows, by_counts = detector.compare(batch), detector.compare(profile)
    assert by_rows.to_dict().keys() == by_counts.to_dict().keys()
    np.testing.assert_array_equal(by_rows.pvalues, by_counts.pvalues)


class HalfMissing(BaseEstimator):
    """A third-party detector that needs the rows."""

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


def test_third_party_detectors_are_given_the_rows():
    detector = DetectorUnion([FeatureDrift(), HalfMissing()]).fit(normal(500))
    drift = detector.compare(np.full((200, 3), np.nan))
    assert drift.changes[-1] == "mostly missing"
    assert not detector.compare(normal(200, seed=2)).detected


def test_materiality_is_not_shared_between_families():
    """The columns differ significantly but slightly, an output the other way round."""
    hair = family([1e-6], severity=0.01)
    assert not decided(hair, family([0.6], "outputs", severity=0.5)).detected


def test_a_profile_is_not_enough_for_detectors_that_need_rows():
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
def test_bad_parameters_raise(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        DetectorUnion(**options).fit(normal(50))


@pytest.mark.parametrize("kind", [OutputDrift, DependenceDrift, FlagDrift])
def test_bad_severities_raise(kind):
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
def test_flags_drift_if_far_more_rows_are_flagged(now, before, drifted):
    found = FlagDrift().fit(flags(*before)).compare(flags(*now))
    assert found.detected == drifted


def test_a_few_flags_of_new_rows_are_not_drift():
    """A guard that flags no training row still flags a few new ones."""
    drift = FlagDrift().fit(flags(0, 5000)).compare(flags(60, 5000))
    assert drift.pvalue > 0.9


def test_flags_are_compared_with_a_rise_by_min_severity():
    """By hand: binomial tail, debiased rise and its upper bound."""
    detector = FlagDrift(min_severity=0.05, alpha=0.1).fit(flags(20, 1000))
    profile = detector.reference_.layout.profile(None, flags=flags(30, 200))
    (found,) = detector.find(profile)
    expected = stats.binom.sf(29, 200, 20.5 / 1001 + 0.05)
    assert found.pvalues == pytest.approx([expected])
    scale = 1000 * 200 / 1200
    share = 50 / 1200
    chance = stats.norm.isf(1 / 4) * np.sqrt(share * (1 - share) / scale)
    assert found.severities == pytest.approx([np.sqrt(0.13**2 - chance**2)])
    upper = 0.13 + stats.kstwobign.isf(0.1) / np.sqrt(scale)
    assert found.upper_severities == pytest.approx([upper])
    none = detector.reference_.layout.profile(None, flags=flags(0, 200))
    assert detector.find(none)[0].pvalues.tolist() == [1.0]
    fewer = FlagDrift().fit(flags(500, 1000)).compare(flags(0, 1000))
    assert fewer.severities.tolist() == [0.0]


def test_the_change_of_flags_is_described():
    drift = FlagDrift().fit(flags(0, 1000)).compare(flags(200, 1000))
    assert drift.changes == ("20 % of rows, up from 0 %",)


def test_flags_that_are_not_masks_raise():
    with pytest.raises(TypeError, match="Flags must be a dict of masks"):
        FlagDrift().fit(normal(50))


def test_time_ordered_is_a_bool():
    with pytest.raises(TypeError, match=r"'time_ordered' parameter .* must be a bool"):
        FeatureDrift(time_ordered="yes").fit(normal(50))


# Surges


def labels(shares, n, seed=0):
    names = [f"label {i}" for i in range(len(shares))]
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"label": rng.choice(names, n, p=shares)})


def test_a_rare_label_that_surges_is_material():
    """From 1 to 4 % of the rows: the severity is only .03."""
    shares, grown = [0.59, 0.4, 0.01], [0.57, 0.39, 0.04]
    drift = FeatureDrift().fit(labels(shares, 10_000)).compare(labels(grown, 5000, 1))
    assert drift.severity < 0.04
    assert drift.verdict == "drifted"
    assert drift.surged.tolist() == [True]
    assert drift.changes == ("share of 'label 2' rose from 1.1 % to 3.8 %",)


def test_missing_values_that_surge_are_material():
    batch = normal(3000, 1, seed=1)
    batch[:90] = np.nan
    drift = FeatureDrift().fit(normal(5000, 1)).compare(batch)
    assert drift.verdict == "drifted"
    assert drift.changes == ("missing values rose from 0 % to 3.0 %",)


def test_a_rise_by_half_is_not_a_surge():
    shares, grown = [0.5, 0.46, 0.04], [0.49, 0.45, 0.06]
    drift = FeatureDrift().fit(labels(shares, 50_000)).compare(labels(grown, 9000, 1))
    assert drift.pvalue < 0.05
    assert drift.verdict == "real but immaterial"


def test_one_row_in_a_hundred_is_not_a_surge():
    batch = normal(9000, 1, seed=1)
    batch[:90] = np.nan
    drift = FeatureDrift().fit(normal(50_000, 1)).compare(batch)
    assert drift.pvalue < 0.05
    assert drift.verdict == "real but immaterial"


def test_a_surge_is_a_reason_of_the_assessment():
    X = normal(2000)
    model = ResilientEstimator(LogisticRegression(), detector=FeatureDrift())
    model.fit(X, X[:, 0] > 0)
    batch = normal(2000, seed=1)
    batch[:60, 1] = np.nan
    assert "x1: missing values rose from 0 % to 3.0 %" in model.assess(batch).reasons
