"""Fit all parts to the same rows, and count the rows as later batches are counted."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_regressor
from sklearn.utils import Bunch
from sklearn.utils.validation import validate_data

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import (
    check_parameters,
    parameter_error,
)
from resilient_estimator.detectors._base import fit_detector
from resilient_estimator.detectors._union import make_detector
from resilient_estimator.estimator._batch import Batch
from resilient_estimator.estimator._deferral import (
    check_min_confidence,
    is_uncertain,
    select,
    union,
)
from resilient_estimator.estimator._meta_estimator import (
    MetaEstimator,
    shows_sample_weight,
)
from resilient_estimator.estimator._model_outputs import output_table
from resilient_estimator.estimator._out_of_fold import OutOfFold, cross_fit
from resilient_estimator.fallback import fit_fallback
from resilient_estimator.guards._base import fit_guard, inspect_training
from resilient_estimator.guards._union import make_guard
from resilient_estimator.reference import Reference
from resilient_estimator.stability._perturbation import Perturbation
from resilient_estimator.stability._row_stability import (
    follows_probabilities,
)
from resilient_estimator.tabular._folds import RowOrder
from resilient_estimator.tabular._rows import count_rows, take_rows
from resilient_estimator.tabular._table import Table, container_of, read_rows


class FitMixin(MetaEstimator):
    """The method that fits; its parameters are those of `ResilientEstimator`."""

    guard: Any
    detector: Any
    min_confidence: float | None
    min_stability: float | None
    row_order: str
    n_jobs: int | None
    importance: bool

    @shows_sample_weight
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all parts to the same rows, and remember what the rows look like.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows, in any container that `estimator` takes.
        y : array-like of shape (n_samples,), default=None
            Targets.
        **params : dict
            Metadata for `fit` of the estimator, and of the fallback where it takes
            them: such as ``sample_weight``. With metadata routing enabled they go where
            they were requested.

        Returns
        -------
        self : ResilientEstimator
            The fitted model.
        """
        routed = self._route(params)
        validate_data(self, X, y, skip_check_array=True)
        # First: its errors about malformed input are those that users know.
        estimator = clone(self.estimator)
        estimator.fit(X, y, **routed["estimator"]["fit"])
        self._check_parameters(estimator, X)
        self.threshold_: float | None = None
        self.recalibration_: Bunch | None = None
        fallback = fit_fallback(
            self.fallback, estimator, X, y, **routed["fallback"]["fit"]
        )
        rows = read_rows(X)
        self._remember(estimator, rows, y, routed)
        self._learn_stability(estimator, rows)
        self.estimator_, self.fallback_ = estimator, fallback  # last: now it is fitted
        self._check_stability(rows)
        return self

    def _check_parameters(self, estimator: Any, X: Any) -> None:
        check_parameters(self)
        check_min_confidence(self.min_confidence, estimator)
        if self.importance and sparse.issparse(X):
            expected = "False where X is a sparse matrix"
            raise parameter_error(self, "importance", expected, self.importance)

    def _remember(self, estimator: Any, rows: Any, y: Any, routed: Any) -> None:
        """Fit everything that looks at the training rows and at their predictions."""
        guard, detector = make_guard(self.guard), make_detector(self.detector)
        out_of_fold = cross_fit(
            estimator,
            rows,
            y,
            cv=self.cv,
            row_order=self.row_order,
            n_jobs=self.n_jobs,
            fit_params=routed["estimator"]["fit"],
            split_params=routed["splitter"]["split"],
            importance=self.importance,
        )
        order = RowOrder(self.row_order, "") if out_of_fold is None else out_of_fold[-1]
        self.row_order_ = Bunch(**order._asdict())
        self.importances_ = importance_shares(out_of_fold)
        flags: dict[str, Mask] = {}
        if guard is not None:
            fit_guard(guard, rows, y, model=estimator, out_of_fold=out_of_fold)
            flags = dict(inspect_training(guard, rows))
        guarded = union(flags, count_rows(rows))
        self.guard_ = guard
        n_flagged, n_samples = int(guarded.sum()), len(guarded)
        self.training_flags_ = {"n_flagged": n_flagged, "n_samples": n_samples}
        self.reference_ = learn_reference(
            rows,
            y,
            estimator,
            out_of_fold,
            flags=flags,
            guarded=guarded,
            min_confidence=self.min_confidence,
            time_ordered=getattr(detector, "time_ordered", False),
        )
        self.detector_ = None
        if detector is not None:
            container = container_of(rows)
            self.detector_ = fit_detector(detector, self.reference_, container, y)

    def _learn_stability(self, estimator: Any, rows: Any) -> None:
        self.perturbation_ = Perturbation.learn(rows)
        try:
            self.follows_proba_ = follows_probabilities(estimator, rows)
        except Exception:  # noqa: BLE001  it raises again where its predictions count
            self.follows_proba_ = False

    def _check_stability(self, rows: Any) -> None:
        """Raise an error unless rows have a stability, if there is a limit for it."""
        if self.min_stability is None:
            return
        if not isinstance(rows, Table):
            expected = f"None where X is no table, but {type(rows).__name__}"
            raise parameter_error(self, "min_stability", expected, self.min_stability)
        _ = Batch(self, rows).row_stability  # its error is better raised by fit


def learn_reference(
    X: Any,
    y: Any,
    estimator: Any,
    out_of_fold: OutOfFold | None,
    *,
    flags: dict[str, Mask],
    guarded: Mask,
    min_confidence: float | None,
    time_ordered: bool,
) -> Reference:
    """Return the reference of training rows.

    As later in production, predictions count only for rows that no guard flags.

    Parameters
    ----------
    X : Table, array-like, sparse matrix or data frame
        Training rows.
    y : array-like of shape (n_samples,)
        Targets.
    estimator : estimator
        The fitted estimator.
    out_of_fold : OutOfFold or None
        Predictions for the rows by models that were not trained on them.
    flags : dict of str to ndarray of bool of shape (n_samples,)
        Flags that the training rows would have had as new rows.
    guarded : ndarray of bool of shape (n_samples,)
        Which rows have any of them.
    min_confidence : float or None
        Limit below which a prediction is uncertain.
    time_ordered : bool
        Whether the rows are taken to stand in the order of time.
    """
    if out_of_fold is None:
        return Reference.learn(X, flags=flags, pairs=True, time_ordered=time_ordered)
    classes = getattr(estimator, "classes_", None)
    method = out_of_fold.method
    kept, probed = ~guarded[out_of_fold.rows], ~guarded[out_of_fold.probes]
    rows, scores = out_of_fold.rows[kept], select(out_of_fold.scores, kept)
    if min_confidence is not None:
        uncertain = np.zeros(len(guarded), dtype=bool)
        uncertain[rows] = is_uncertain(scores, min_confidence)
        flags = flags | {"uncertain": uncertain}
    return Reference.learn(
        X,
        outputs=output_table(scores, method, classes),
        probes=[
            output_table(select(each, probed), method, classes)
            for each in out_of_fold.probe_scores
            if each is not None
        ],
        probe_folds=out_of_fold.probe_folds[probed],
        flags=flags,
        residuals=_residuals(y, rows, scores) if is_regressor(estimator) else None,
        pairs=True,
        time_ordered=time_ordered,
    )


def importance_shares(out_of_fold: OutOfFold | None) -> Floats | None:
    """Return the share of each column in what the estimator uses."""
    if out_of_fold is None or out_of_fold.importances is None:
        return None
    used = np.maximum(out_of_fold.importances, 0.0)
    return np.asarray(used / max(used.sum(), 1e-12))


def _residuals(y: Any, rows: Any, predictions: Any) -> Floats:
    truth = np.asarray(take_rows(y, rows), dtype=float)
    return np.asarray(truth.reshape(predictions.shape) - predictions)
