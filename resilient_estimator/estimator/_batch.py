"""Rows on their way through a fitted model: read once, flagged once, scored once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import Bunch, check_consistent_length

from resilient_estimator._typing import Floats, Mask
from resilient_estimator.assessment import (
    Assessment,
    Performance,
    check_no_missing,
    flags_surged,
    measure_performance,
)
from resilient_estimator.detectors._base import compare_batch
from resilient_estimator.drift import Drift
from resilient_estimator.estimator._deferral import (
    abstention_reasons,
    answer_deferred,
    is_uncertain,
    select,
    union,
)
from resilient_estimator.estimator._model_outputs import output_table, score_method
from resilient_estimator.guards._base import explain_flags, is_clear, rows_for
from resilient_estimator.stability._row_stability import (
    Neighbourhood,
    RowStability,
    spread_out,
)
from resilient_estimator.stability._scorer import Stability
from resilient_estimator.tabular._rows import count_rows, take_rows
from resilient_estimator.tabular._table import Table, container_of, read_rows

if TYPE_CHECKING:
    from resilient_estimator.estimator._estimator import ResilientEstimator
    from resilient_estimator.reference import Profile

N_ASSESSED = 1_000  # rows over which the stability of a model is assessed
N_COPIES_ASSESSED = 10


class Batch:
    """Some rows, and what a fitted model finds out about them.

    A batch is frozen: everything is made on demand and at most once. X is read once,
    each guard inspects it once, each method of the estimator is called once.

    Parameters
    ----------
    model : ResilientEstimator
        The fitted model.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows, in any container that the estimator takes.
    lenient : bool, default=False
        Whether rows that the estimator cannot score are left without scores, as where a
        batch is assessed, or raise its error, as where rows are answered.
    """

    def __init__(
        self, model: ResilientEstimator, X: Any, *, lenient: bool = False
    ) -> None:
        self._model = model
        self._X = X
        self._lenient = lenient
        self._reasons = abstention_reasons(model.min_confidence, model.min_stability)
        self._everywhere: dict[str, Any] = {}
        self._unguarded: dict[str, Any] = {}

    @cached_property
    def rows(self) -> Any:
        """The rows as a Table; as they came where they are none."""
        return read_rows(self._X)

    @property
    def table(self) -> Table | None:
        """The rows as a Table, None where they are none."""
        return self.rows if isinstance(self.rows, Table) else None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return count_rows(self._X)

    # What the guard finds.

    @cached_property
    def guard_flags(self) -> Mapping[str, Mask]:
        """Which rows the guard flags, by reason."""
        guard = self._model.guard_
        return {} if guard is None else guard.inspect(rows_for(guard, self.rows))

    @cached_property
    def guarded(self) -> Mask:
        """Which rows the guard flags for any reason."""
        return union(self.guard_flags, self.n_samples)

    @cached_property
    def flagged_columns(self) -> Mapping[str, Mapping[str, int]]:
        """Number of rows that the guard flags, by reason and column."""
        guard = self._model.guard_
        return explain_flags(guard, self.rows) if self.guarded.any() else {}

    # What the estimator returns.

    def everywhere(self, method: str) -> Any:
        """Return the estimator's outputs for all rows."""
        if method not in self._everywhere:
            self._everywhere[method] = getattr(self._model.estimator_, method)(self._X)
        return self._everywhere[method]

    def unguarded(self, method: str) -> Any:
        """Return the estimator's outputs for the rows that no guard flags."""
        if not self.guarded.any():
            return self.everywhere(method)
        if method in self._everywhere:
            return select(self._everywhere[method], ~self.guarded)
        if method not in self._unguarded:
            rows = take_rows(container_of(self.rows), ~self.guarded)
            self._unguarded[method] = getattr(self._model.estimator_, method)(rows)
        return self._unguarded[method]

    @cached_property
    def _scored(self) -> tuple[Any, str]:
        """The most detailed outputs for the rows that no guard flags, or why not."""
        if self.guarded.all() or not self._needs_scores:
            return None, ""
        try:
            return self.unguarded(score_method(self._model.estimator_)), ""
        except Exception as error:  # noqa: BLE001  a batch is judged whatever it holds
            return None, f"{type(error).__name__}: {error}"

    @property
    def _needs_scores(self) -> bool:
        return bool(self._model.reference_.layout.outputs or self._reasons)

    @property
    def failure(self) -> str:
        """Why the estimator could not score the rows; "" if it could."""
        return self._scored[1]

    @cached_property
    def outputs(self) -> Table | None:
        """The estimator's scores as columns, for the rows that no guard flags."""
        scores = self._scored[0]
        if scores is None or not self._model.reference_.layout.outputs:
            return None
        estimator = self._model.estimator_
        classes = getattr(estimator, "classes_", None)
        return output_table(scores, score_method(estimator), classes)

    # Who answers which row.

    @cached_property
    def abstentions(self) -> dict[str, Mask]:
        """Rows without a guard's flag on which the estimator had better abstain."""
        found = {r: np.zeros(self.n_samples, dtype=bool) for r in self._reasons}
        if not found or self.guarded.all() or (self._lenient and self.failure):
            return found
        free = ~self.guarded
        min_confidence = self._model.min_confidence
        if min_confidence is not None:
            proba = self.unguarded("predict_proba")
            found["uncertain"][free] = is_uncertain(proba, min_confidence)
        min_stability = self._model.min_stability
        if min_stability is not None:
            stability = self.score_stability(Neighbourhood(), free)
            found["unstable"] = np.asarray(stability < min_stability)
        return found

    @cached_property
    def deferred(self) -> Mask:
        """Which rows the fallback answers."""
        if self._model.fallback_ is None:
            return np.zeros(self.n_samples, dtype=bool)
        return self.guarded | union(self.abstentions, self.n_samples)

    @property
    def _is_clear(self) -> bool:
        """Whether no row is deferred, if that is plain without a look at each row."""
        if "deferred" in vars(self):
            return not self.deferred.any()
        guard = self._model.guard_
        return not self._reasons and (guard is None or is_clear(guard, self.rows))

    @cached_property
    def flags(self) -> Bunch:
        """One mask per reason, and `fallback`: the rows that the fallback answers."""
        reasons = {**self.guard_flags, **self.abstentions}
        return Bunch(**reasons | {"fallback": self.deferred})

    def answer(self, method: str) -> Any:
        """Return the answers of a method, each row from the part responsible for it."""
        model = self._model
        if model.fallback_ is None or self._is_clear or not self.deferred.any():
            return self.everywhere(method)
        answered = None
        if not self.deferred.all():
            answered = self.unguarded(method)
            kept = ~self.deferred[~self.guarded]
            answered = answered if kept.all() else select(answered, kept)
        predicts = method == "predict"
        classes = getattr(model.estimator_, "classes_", None) if predicts else None
        rows = container_of(self.rows)
        return answer_deferred(
            model.fallback_,
            method,
            rows,
            deferred=self.deferred,
            answered=answered,
            classes=classes,
        )

    def predict(self) -> Any:
        """Return the predictions, by the model's own threshold if it has one."""
        threshold = self._model.threshold_
        if threshold is None:
            return self.answer("predict")
        positive = self.answer("predict_proba")[:, 1] >= threshold
        return self._model.classes_[positive.astype(int)]

    # The batch as a whole.

    @cached_property
    def profile(self) -> Profile:
        """Counts of columns, outputs and flags over the cells of the reference."""
        layout = self._model.reference_.layout
        return layout.profile(self.rows, outputs=self.outputs, flags=self.flags)

    def score_stability(
        self,
        neighbourhood: Neighbourhood,
        chosen: Mask,
        *,
        tolerance: float = 1.0,
    ) -> Floats:
        """Return the stability of the estimator's predictions, NaN for other rows."""
        scores = np.full(self.n_samples, np.nan)
        if chosen.any():
            rows = self._chosen(chosen)
            found = self.row_stability.score(rows, neighbourhood, tolerance=tolerance)
            scores[chosen] = found.stability
        return scores

    @cached_property
    def row_stability(self) -> RowStability:
        """How the stability of the estimator's predictions is scored.

        Raises
        ------
        ValueError
            If a regressor has no out-of-fold residuals, the unit of its tolerance.
        """
        model = self._model
        scales = None
        if not is_classifier(model):
            residuals = model.reference_.residuals
            if residuals is None:
                why = "cv=None" if model.cv is None else "no fold could be fitted"
                raise ValueError(
                    "The stability of a regressor is in units of its out-of-fold "
                    f"residuals, which are missing because {why}; refit with cv=5."
                )
            scales = residuals.robust_scales()
        return RowStability(
            model.estimator_,
            model.perturbation_,
            follows_proba=model.follows_proba_,
            threshold=model.threshold_,
            residual_scales=scales,
        )

    def assess(self, y: Any = None, *, stability: bool = False) -> Assessment:
        """Compare the batch with training, and put together what is reported of it.

        Parameters
        ----------
        y : array-like of shape (n_samples,), default=None
            True targets.
        stability : bool, default=False
            Whether to score the stability of the model over rows that no guard flags.
        """
        model = self._model
        performance = None if y is None else self._measure(y)
        return Assessment(
            n_samples=self.n_samples,
            drift=self._compare(),
            flags=self.flags,
            flagged_columns=self.flagged_columns,
            flags_surged=flags_surged(
                int(np.count_nonzero(self.guarded)),
                self.n_samples,
                model.training_flags_["n_flagged"],
                model.training_flags_["n_samples"],
            ),
            performance=performance,
            stability=self._assess_stability() if stability else None,
            importances=model.importances_,
            failure=self.failure,
        )

    def _compare(self) -> Drift | None:
        detector = self._model.detector_
        if detector is None:
            return None
        return compare_batch(detector, container_of(self.rows), self.profile)

    def _measure(self, y: Any) -> Performance:
        check_consistent_length(self._X, y)
        check_no_missing(y)
        classify = is_classifier(self._model)
        return measure_performance(y, self.predict(), classify=classify)

    def _assess_stability(self) -> Stability | None:
        if self.failure:
            return None
        chosen = np.zeros(self.n_samples, dtype=bool)
        chosen[spread_out(np.flatnonzero(~self.guarded), N_ASSESSED)] = True
        neighbourhood = Neighbourhood(n_copies=N_COPIES_ASSESSED)
        scores = self.row_stability.score(self._chosen(chosen), neighbourhood)
        return Stability.of(scores, n_copies=N_COPIES_ASSESSED)

    def _chosen(self, chosen: Mask) -> Any:
        if chosen.all() or self.table is None:
            return self.rows
        return self.table.take(chosen)
