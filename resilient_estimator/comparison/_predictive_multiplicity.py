"""How much several refits of one estimator differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats, Positions
from resilient_estimator.comparison._gate import agree, percent
from resilient_estimator.statistics._intervals import effective_wilson

AT_STAKE = 0.25


class Multiplicity(NamedTuple):
    """How far refits that are as good as the best differ from it.

    `ambiguity` is the share of the rows for which some of them answers otherwise than
    the best, `discrepancy` the largest share on which one of them does. `n_as_good` is
    how many there are, the best included.
    """

    ambiguity: float
    discrepancy: float
    n_as_good: int


@dataclass(frozen=True, eq=False)
class RetrainChurnResult:
    """How much refits of one estimator differ among one another.

    Attributes
    ----------
    refit : str
        What differs between the refits: "bootstrap", "subsample" or "seed".
    n_refits : int
        Number of refits.
    n_samples : int
        Rows that they were asked about, none of which they learnt from.
    churn : float
        Share of the rows on which two refits differ, averaged over all pairs.
    low, high : float
        Interval of the churn at `confidence`, for other rows and other refits.
    confidence : float
        Coverage of the interval.
    disagreement : ndarray of float of shape (n_samples,)
        For each row, the share of pairs of refits that differ.
    rows : ndarray of int of shape (n_samples,)
        Where these rows stand in `X`, or in `X_eval` if that was given.
    multiplicity : Multiplicity or None
        How far the refits that are as good as the best differ from it. None without
        labels of the rows.
    tolerance : float or None
        Regressors: up to which difference two answers are the same.
    spread : float or None
        Regressors: median difference of two refits' answers, in units of `tolerance`.
    """

    refit: str
    n_refits: int
    n_samples: int
    churn: float
    low: float
    high: float
    confidence: float
    disagreement: Floats
    rows: Positions
    multiplicity: Multiplicity | None = None
    tolerance: float | None = None
    spread: float | None = None

    @property
    def retrain_stability(self) -> float:
        """Share of the answers that two refits share."""
        return 1 - self.churn

    @property
    def rows_at_stake(self) -> Positions:
        """Where the rows stand on which a quarter of the pairs or more differ."""
        return self.rows[self.disagreement >= AT_STAKE]

    def __repr__(self) -> str:
        n_at_stake = len(self.rows_at_stake)
        churn = (
            f"Retrain churn: {percent(self.churn)} of the answers differ between two "
            f"{self.refit} refits [{percent(self.low)}, {percent(self.high)}]"
        )
        rows = (
            f"  {self.n_refits} refits, {self.n_samples:,} rows, of which "
            f"{n_at_stake:,} are at stake"
        )
        lines = [churn, rows]
        if self.multiplicity is not None:
            ambiguity, discrepancy, n_as_good = self.multiplicity
            lines.append(
                f"  {n_as_good} of {self.n_refits} are about as good as the best: "
                f"ambiguity {percent(ambiguity)}, discrepancy {percent(discrepancy)}"
            )
        if self.spread is not None:
            lines.append(
                f"  median difference {self.spread:.2g} of the tolerance "
                f"({self.tolerance:.3g})"
            )
        return "\n".join(lines)


def disagreement(answers: NDArray[Any], tolerance: float | None) -> Floats:
    """Return for each row the share of pairs of refits that differ.

    Parameters
    ----------
    answers : ndarray of shape (n_refits, n_samples)
        What each refit says.
    tolerance : float or None
        Up to which difference numbers are the same.
    """
    n_refits = len(answers)
    differ = [(~agree(said, answers, tolerance)).sum(axis=0) for said in answers]
    return np.asarray(np.sum(differ, axis=0) / (n_refits * (n_refits - 1)))


def churn_interval(
    answers: NDArray[Any],
    by_row: Floats,
    *,
    tolerance: float | None,
    confidence: float,
) -> tuple[float, float]:
    """Return an interval of the churn, for other rows and other refits.

    Its variance is that of a mean over rows, plus the jackknife over refits.

    Parameters
    ----------
    answers : ndarray of shape (n_refits, n_samples)
        What each refit says.
    by_row : ndarray of float of shape (n_samples,)
        Disagreement of each row.
    tolerance : float or None
        Up to which difference numbers are the same.
    confidence : float
        Coverage.
    """
    n_refits, n_samples = answers.shape
    pairs = np.array(
        [(~agree(said, answers, tolerance)).mean(axis=1) for said in answers]
    )
    variance = by_row.var(ddof=1) / n_samples if n_samples > 1 else 0.0
    if n_refits > 2:
        without = (pairs.sum() - 2 * pairs.sum(axis=1)) / (n_refits - 1)
        without /= n_refits - 2
        variance += (n_refits - 1) * without.var()
    return effective_wilson(float(by_row.mean()), variance, n_samples, confidence)


def multiplicity(
    answers: NDArray[Any], y: NDArray[Any], tolerance: float | None, delta: float
) -> Multiplicity:
    """Compare the refits that are as good as the best with the best.

    Parameters
    ----------
    answers : ndarray of shape (n_refits, n_samples)
        What each refit says.
    y : ndarray of shape (n_samples,)
        What is true.
    tolerance : float or None
        Up to which difference numbers are the same.
    delta : float
        By how much the share of right answers may be lower than the best.
    """
    score = agree(answers, y, tolerance).mean(axis=1)
    best = int(score.argmax())
    as_good = score >= score[best] - delta - 1e-12
    differ = ~agree(answers[as_good], answers[best], tolerance)
    return Multiplicity(
        ambiguity=float(differ.any(axis=0).mean()),
        discrepancy=float(differ.mean(axis=1).max()),
        n_as_good=int(as_good.sum()),
    )


def spread(answers: Floats) -> float:
    """Return the median difference of two refits' numbers, averaged over pairs."""
    n_refits = len(answers)
    medians = [np.median(np.abs(said - answers), axis=1).sum() for said in answers]
    return float(np.sum(medians) / (n_refits * (n_refits - 1)))
