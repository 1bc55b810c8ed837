"""Decide from several families of tests whether a batch drifted, and which columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from resilient_estimator import statistics as st
from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import (
    OPEN_PROPORTION,
    PROPORTION,
    Constraints,
)
from resilient_estimator.drift import (
    DRIFTED,
    IMMATERIAL,
    STABLE,
    TOO_FEW,
    Drift,
)

RULE_CONSTRAINTS: Constraints = {
    "alpha": [OPEN_PROPORTION],
    "min_severity": [PROPORTION],
    "max_severity": [PROPORTION],
}


@dataclass
class FamilyResult:
    """Results of one family of tests, before they are compared with `alpha`.

    Attributes
    ----------
    part : str
        What was tested: "features", "outputs", "relations" or "flags".
    features : tuple of str
        Name of the subject of each test.
    statistics, pvalues, severities, upper_severities : ndarray of shape (n_features,)
        Results of each test; `upper_severities` are upper confidence bounds.
    surged : ndarray of bool of shape (n_features,)
        Whether a label or the missing values at least doubled.
    fixed_verdicts : tuple of str
        Verdicts that do not depend on the p-value; "" for all others.
    describe : callable
        Returns the change of the i-th subject in words.
    pvalue : float
        P-value of the family; by default the Cauchy combination of those of the tests.
        NaN if there was nothing to test.
    """

    part: str
    features: tuple[str, ...]
    statistics: Floats
    pvalues: Floats
    severities: Floats
    upper_severities: Floats
    surged: Mask
    fixed_verdicts: tuple[str, ...]
    describe: Callable[[int], str]
    pvalue: float = np.nan

    def __post_init__(self) -> None:
        if np.isnan(self.pvalue) and len(self.pvalues):
            self.pvalue = float(st.cauchy_combination(self.pvalues))


@dataclass(frozen=True)
class DecisionRule:
    """When a difference is significant, material, or ruled out.

    Attributes
    ----------
    alpha : float
        Probability of a false alarm for a batch.
    min_severity : float
        Severity from which on a significant difference is material.
    max_severity : float
        Severity that must be ruled out for a column to be called stable.
    """

    alpha: float
    min_severity: float
    max_severity: float

    def is_material(self, family: FamilyResult) -> Mask:
        """Return which subjects of a family changed enough to matter."""
        return np.asarray((family.severities >= self.min_severity) | family.surged)

    def verdicts(self, family: FamilyResult, pvalues: Floats) -> list[str]:
        """Return the verdict on each subject of a family, given corrected p-values."""
        table = zip(
            (pvalues < self.alpha).tolist(),
            self.is_material(family).tolist(),
            (family.upper_severities < self.max_severity).tolist(),
            family.fixed_verdicts,
            strict=True,
        )
        return [_verdict(*each) for each in table]


def decide(
    families: Sequence[FamilyResult],
    weights: Sequence[float],
    rule: DecisionRule,
    n_reference: int,
    n_samples: int,
) -> Drift:
    """Return the verdicts on all subjects of all families, and on the batch.

    The p-value of the batch is the weighted Bonferroni correction of the p-values of
    the families. That of a column is corrected by Holm's method within its family, and
    never below that of the batch: no column drifted in a batch that did not.

    Parameters
    ----------
    families : list of FamilyResult
        Results of the tests.
    weights : list of float
        Share of `alpha` for each family, in any unit.
    rule : DecisionRule
        Limits of significance and severity.
    n_reference, n_samples : int
        Rows of the reference and of the batch.
    """
    shares = _shares_of_alpha(families, weights)
    own = [f.pvalue / share for f, share in zip(families, shares, strict=True)]
    batch = min([1.0, *(p for p in own if np.isfinite(p))])
    pvalues = [
        _correct(f, share, batch) for f, share in zip(families, shares, strict=True)
    ]
    verdicts = [rule.verdicts(f, p) for f, p in zip(families, pvalues, strict=True)]
    drifted = any(
        p < rule.alpha and bool(rule.is_material(family).any())
        for p, family in zip(own, families, strict=True)
    )
    return Drift(
        features=tuple(name for f in families for name in f.features),
        statistics=_join(f.statistics for f in families),
        pvalues=_join(pvalues),
        severities=_join(f.severities for f in families),
        verdicts=tuple(chain.from_iterable(verdicts)),
        changes=tuple(chain.from_iterable(map(_describe_drift, families, verdicts))),
        n_reference=n_reference,
        n_samples=n_samples,
        alpha=rule.alpha,
        min_severity=rule.min_severity,
        parts=tuple(f.part for f in families for _ in f.features),
        upper_severities=_join(f.upper_severities for f in families),
        surged=np.concatenate([np.empty(0, bool), *(f.surged for f in families)]),
        batch_pvalue=batch,
        batch_drifted=drifted,
    )


def _correct(family: FamilyResult, share: float, batch: float) -> Floats:
    """Return the corrected p-values of a family with its share of alpha."""
    corrected = np.minimum(st.holm(family.pvalues) / share, 1.0)
    return np.maximum(corrected, batch)  # NaN stays


def _describe_drift(family: FamilyResult, verdicts: Sequence[str]) -> list[str]:
    """Return what changed where there is drift, "" elsewhere."""
    return [
        family.describe(i) if verdict == DRIFTED else ""
        for i, verdict in enumerate(verdicts)
    ]


def _shares_of_alpha(
    families: Sequence[FamilyResult], weights: Sequence[float]
) -> list[float]:
    """Return the share of alpha of each family; those without a p-value get none."""
    known = [np.isfinite(family.pvalue) for family in families]
    total = sum(w for w, each in zip(weights, known, strict=True) if each)
    return [w / total if k else 1.0 for w, k in zip(weights, known, strict=True)]


def _join(arrays: Iterable[Any]) -> Any:
    return np.concatenate([np.empty(0), *arrays])


def _verdict(significant: bool, material: bool, small: bool, fixed: str) -> str:  # noqa: FBT001
    if significant and material:
        return DRIFTED
    if significant:
        return IMMATERIAL if small else TOO_FEW
    return fixed or (STABLE if small else TOO_FEW)
