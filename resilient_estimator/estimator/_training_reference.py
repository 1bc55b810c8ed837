"""Build the reference in `fit`: count training rows as later batches are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor

from resilient_estimator._typing import Floats, Mask
from resilient_estimator.estimator._deferral import is_uncertain, select
from resilient_estimator.estimator._model_outputs import output_table
from resilient_estimator.estimator._out_of_fold import OutOfFold
from resilient_estimator.reference import Reference
from resilient_estimator.tabular._rows import take_rows


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
