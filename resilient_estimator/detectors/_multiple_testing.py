"""From what the tests of several families found to one verdict per column and batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator import statistics as st
from resilient_estimator._typing import Floats
from resilient_estimator.drift import (
    DRIFTED,
    IMMATERIAL,
    STABLE,
    TOO_FEW,
    Drift,
)


@dataclass
class Findings:
    """What one family of tests found, before it is compared with `alpha`.

    Attributes
    ----------
    part : str
        What was looked at: "features", "outputs", "relations" or "flags".
    features : tuple of str
        Names of what was tested.
    statistics, pvalues, severities, uppers : ndarray of shape (n_features,)
        Results of each test; `uppers` are the upper ends of the bands of severity.
    surged : ndarray of bool of shape (n_features,)
        Whether a label or the missing values at least doubled.
    fixed : tuple of str
        Verdict where it does not depend on the p-value, else "".
    describe : callable
        Returns in words how the i-th one changed.
    pvalue : float
        p-value of the family; by default those of the tests, joined by Cauchy's
        combination. NaN where there was nothing to test.
    """

    part: str
    features: tuple[str, ...]
    statistics: Floats
    pvalues: Floats
    severities: Floats
    uppers: Floats
    surged: NDArray[np.bool_]
    fixed: tuple[str, ...]
    describe: Callable[[int], str]
    pvalue: float = np.nan

    def __post_init__(self) -> None:
        if np.isnan(self.pvalue) and len(self.pvalues):
            self.pvalue = float(st.cauchy_combination(self.pvalues))


@dataclass(frozen=True)
class Rules:
    """When a difference is real, material, or ruled out."""

    alpha: float
    min_severity: float
    max_severity: float


def judge(
    families: Sequence[Findings],
    weights: Sequence[float],
    rules: Rules,
    n_reference: int,
    n_samples: int,
) -> Drift:
    """Return the verdicts on all columns of all families, and on the batch.

    The p-value of the batch is Bonferroni's, with weights, over the p-values of the
    families. That of a column is Holm's within its family, and never below that of the
    batch: no column drifted in a batch that did not.
    """
    shares = _shares_of_alpha(families, weights)
    own = [f.pvalue / share for f, share in zip(families, shares, strict=True)]
    batch = min([1.0, *(p for p in own if np.isfinite(p))])
    pvalues, verdicts, changes = [], [], []
    for family, share in zip(families, shares, strict=True):
        corrected = np.minimum(st.holm(family.pvalues) / share, 1.0)
        corrected = np.maximum(corrected, batch)  # NaN stays
        judged = _verdicts(family, corrected, rules)
        pvalues.append(corrected)
        verdicts += judged
        changes += [
            family.describe(i) if verdict == DRIFTED else ""
            for i, verdict in enumerate(judged)
        ]
    return Drift(
        features=tuple(name for f in families for name in f.features),
        statistics=_join(f.statistics for f in families),
        pvalues=_join(pvalues),
        severities=_join(f.severities for f in families),
        verdicts=tuple(verdicts),
        changes=tuple(changes),
        n_reference=n_reference,
        n_samples=n_samples,
        alpha=rules.alpha,
        min_severity=rules.min_severity,
        parts=tuple(f.part for f in families for _ in f.features),
        uppers=_join(f.uppers for f in families),
        surged=np.concatenate([np.empty(0, bool), *(f.surged for f in families)]),
        batch_pvalue=batch,
        batch_drifted=any(
            p < rules.alpha and bool(_material(family, rules).any())
            for p, family in zip(own, families, strict=True)
        ),
    )


def _shares_of_alpha(
    families: Sequence[Findings], weights: Sequence[float]
) -> list[float]:
    """Return the share of alpha of each family; those without p-value take none."""
    known = [np.isfinite(family.pvalue) for family in families]
    total = sum(w for w, each in zip(weights, known, strict=True) if each)
    return [w / total if k else 1.0 for w, k in zip(weights, known, strict=True)]


def _join(arrays: Iterable[Any]) -> Any:
    return np.concatenate([np.empty(0), *arrays])


def _material(family: Findings, rules: Rules) -> NDArray[np.bool_]:
    return np.asarray((family.severities >= rules.min_severity) | family.surged)


def _verdicts(family: Findings, pvalues: Floats, rules: Rules) -> list[str]:
    material = _material(family, rules)
    real = pvalues < rules.alpha
    small = family.uppers < rules.max_severity
    table = zip(
        real.tolist(), material.tolist(), small.tolist(), family.fixed, strict=True
    )
    return [_verdict(*each) for each in table]


def _verdict(real: bool, material: bool, small: bool, fixed: str) -> str:  # noqa: FBT001
    if real and material:
        return DRIFTED
    if real:
        return IMMATERIAL if small else TOO_FEW
    return fixed or (STABLE if small else TOO_FEW)
