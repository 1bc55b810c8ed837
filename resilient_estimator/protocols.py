"""What a third party may plug into a ResilientEstimator.

These are structural types: nothing has to inherit from them, nothing is registered.
`Guard` and `Detector` are all that is needed. The others are hooks: a guard or detector
that has the method gets the call, alone as well as in a list. `testing.check_guard` and
`testing.check_detector` check an implementation against this page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

from resilient_estimator._typing import Mask, Positions
from resilient_estimator.drift import Drift


@runtime_checkable
class Guard(Protocol):
    """Flags rows before the estimator predicts.

    A guard judges every row by itself and never raises: input that it cannot read is
    left to the wrapped estimator, whose error messages the user knows.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the guard to training rows."""
        ...

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return a mask of shape (n_samples,) for each reason to flag a row."""
        ...


class HeldOutPredictions(Protocol):
    """Predictions for rows by models that were not trained on them.

    `rows` are the positions of these rows in increasing order, possibly not all,
    `predictions` what `predict` returned for them, of shape (n_rows,) or (n_rows,
    n_targets).
    """

    @property
    def rows(self) -> Positions:
        """Positions of the rows."""
        ...

    @property
    def predictions(self) -> Any:
        """One prediction for each of them."""
        ...


class FitsModel(Protocol):
    """A guard that looks at the predictions of the estimator it guards."""

    def fit_model(
        self, model: Any, X: Any, y: Any, out_of_fold: HeldOutPredictions | None
    ) -> Self:
        """Fit the guard to training rows, and to a model fitted to them; not `fit`."""
        ...


class InspectsTraining(Protocol):
    """A guard for which its own training rows are unlike new ones."""

    def inspect_training(self, X: Any) -> Mapping[str, Mask]:
        """Return the flags that the training rows would have had as new rows."""
        ...


class ClearsRows(Protocol):
    """A guard that can rule flags out faster than it can set them."""

    def all_clear(self, X: Any) -> bool:
        """Whether no row has a flag; False leaves it open."""
        ...


class ExplainsFlags(Protocol):
    """A guard whose flags belong to columns."""

    def explain(self, X: Any) -> Mapping[str, Mapping[str, int]]:
        """Return the number of flagged rows per reason and column."""
        ...


class TakesTable(Protocol):
    """A guard that works on a `tabular.Table`, so that several read the rows once.

    Where `takes_table` is true, its methods get the table in place of X.
    """

    takes_table: bool


@runtime_checkable
class Detector(Protocol):
    """Compares a batch with the training data."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the detector to training rows."""
        ...

    def compare(self, X: Any) -> Drift:
        """Compare a batch with the training rows."""
        ...


class FitsReference(Protocol):
    """A detector that works from the counts that the estimator keeps anyway."""

    def fit_reference(self, reference: Any, X: Any, y: Any) -> Self:
        """Fit the detector to a `Reference`, in place of `fit`; the rows come along."""
        ...

    def compare(self, X: Any, *, profile: Any) -> Drift:
        """Compare a batch with the reference; `profile` holds the counts of `X`."""
        ...


class FindsFamilies(Protocol):
    """A detector whose p-values a union can combine before any correction."""

    @property
    def rule(self) -> Any:
        """When a difference is significant, material, or ruled out."""
        ...

    def find(self, profile: Any) -> Sequence[Any]:
        """Return the uncorrected results of each family of tests."""
        ...


class HasTimeOrder(Protocol):
    """A detector that may take the training rows to be in the order of time."""

    time_ordered: bool
