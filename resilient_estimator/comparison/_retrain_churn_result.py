"""How far refits of one estimator differ, above all those that are equally good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from resilient_estimator._results import NoTruthValue, percent
from resilient_estimator._typing import Floats, Positions
from resilient_estimator.comparison._agreement import (
    agree,
    disagreement,
    disagreement_interval,
    median_difference,
)

CONTESTED = 0.25


class Multiplicity(NamedTuple):
    """How far refits that are as good as the best one differ from it.

    `ambiguity` is the share of the rows on which at least one of them disagrees with
    the best, `discrepancy` the largest share on which a single one does. `n_as_good` is
    their number, including the best.
    """

    ambiguity: float
    discrepancy: float
    n_as_good: int


@dataclass(frozen=True, eq=False)
class RetrainChurnResult(NoTruthValue):
    """How much refits of one estimator differ from one another.

    Attributes
    ----------
    refit : {"bootstrap", "subsample", "seed"}
        What differs between the refits.
    n_refits : int
        Number of refits.
    n_samples : int
        Number of evaluated rows, none of which the refits were trained on.
    churn : float
        Share of the rows on which two refits disagree, averaged over all pairs.
    lower, upper : float
        Confidence interval of the churn, for other rows and other refits.
    confidence_level : float
        Coverage of the interval.
    disagreement : ndarray of float of shape (n_samples,)
        Share of the pairs of refits that disagree on each row.
    rows : ndarray of int of shape (n_samples,)
        Positions of these rows in `X`, or in `X_eval` if it was given.
    multiplicity : Multiplicity or None
        How far the refits that are as good as the best differ from it; None without
        labels of the rows.
    tolerance : float or None
        Regressors: largest difference at which two predictions count as equal.
    spread : float or None
        Regressors: median difference between two refits, in units of `tolerance`.
    """

    refit: str
    n_refits: int
    n_samples: int
    churn: float
    lower: float
    upper: float
    confidence_level: float
    disagreement: Floats
    rows: Positions
    multiplicity: Multiplicity | None = None
    tolerance: float | None = None
    spread: float | None = None

    @classmethod
    def of(
        cls,
        predictions: NDArray[Any],
        y: NDArray[Any] | None,
        *,
        rows: Positions,
        refit: str,
        delta: float,
        tolerance: float | None,
        confidence_level: float,
    ) -> Self:
        """Compute the result from the predictions of all refits.

        Parameters
        ----------
        predictions : ndarray of shape (n_refits, n_samples)
            Predictions of each refit.
        y : ndarray of shape (n_samples,) or None
            True labels or numbers.
        rows, refit, tolerance, confidence_level
            Attributes of the result.
        delta : float
            Loss of accuracy at which a refit is still as good as the best.
        """
        by_row = disagreement(predictions, tolerance)
        lower, upper = disagreement_interval(
            predictions, by_row, tolerance=tolerance, confidence_level=confidence_level
        )
        good = None if y is None else multiplicity(predictions, y, tolerance, delta)
        spread = None
        if tolerance is not None:
            spread = median_difference(predictions) / tolerance
        return cls(
            refit=refit,
            n_refits=len(predictions),
            n_samples=len(by_row),
            churn=float(by_row.mean()),
            lower=lower,
            upper=upper,
            confidence_level=confidence_level,
            disagreement=by_row,
            rows=rows,
            multiplicity=good,
            tolerance=tolerance,
            spread=spread,
        )

    @property
    def retrain_stability(self) -> float:
        """Share of the predictions on which two refits agree."""
        return 1 - self.churn

    @property
    def contested_rows(self) -> Positions:
        """Positions of the rows on which at least 25 % of the pairs disagree."""
        return self.rows[self.disagreement >= CONTESTED]

    def __repr__(self) -> str:
        churn, lower, upper = (
            percent(share, digits=2) for share in (self.churn, self.lower, self.upper)
        )
        first = (
            f"Retrain churn: two {self.refit} refits disagree on {churn} of the rows "
            f"[{lower}, {upper}]"
        )
        rows = (
            f"  {self.n_refits} refits, {self.n_samples:,} rows, "
            f"{len(self.contested_rows):,} of them contested (at least "
            f"{percent(CONTESTED)} of the pairs disagree)"
        )
        lines = [first, rows]
        if self.multiplicity is not None:
            lines.append(self._multiplicity_line(self.multiplicity))
        if self.spread is not None:
            lines.append(
                f"  median difference {self.spread:.2g} times the tolerance "
                f"({self.tolerance:.3g})"
            )
        return "\n".join(lines)

    def _multiplicity_line(self, multiplicity: Multiplicity) -> str:
        ambiguity = percent(multiplicity.ambiguity, digits=2)
        discrepancy = percent(multiplicity.discrepancy, digits=2)
        return (
            f"  {multiplicity.n_as_good} of {self.n_refits} refits are about as good "
            f"as the best: ambiguity {ambiguity}, discrepancy {discrepancy}"
        )


def multiplicity(
    predictions: NDArray[Any], y: NDArray[Any], tolerance: float | None, delta: float
) -> Multiplicity:
    """Compare the best refit with the others that are about as good.

    Parameters
    ----------
    predictions : ndarray of shape (n_refits, n_samples)
        Predictions of each refit.
    y : ndarray of shape (n_samples,)
        True labels or numbers.
    tolerance : float or None
        Largest difference at which numbers count as equal.
    delta : float
        By how much the accuracy may be below that of the best refit.
    """
    accuracy = agree(predictions, y, tolerance).mean(axis=1)
    best = int(accuracy.argmax())
    as_good = accuracy >= accuracy[best] - delta - 1e-12
    differ = ~agree(predictions[as_good], predictions[best], tolerance)
    return Multiplicity(
        ambiguity=float(differ.any(axis=0).mean()),
        discrepancy=float(differ.mean(axis=1).max()),
        n_as_good=int(as_good.sum()),
    )
