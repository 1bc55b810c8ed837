"""Retrain churn: how much predictions change when an estimator is merely refitted."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import check_consistent_length, column_or_1d, indexable
from sklearn.utils.multiclass import check_classification_targets

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Positions
from resilient_estimator._validation import (
    MAPPING,
    N_JOBS,
    OPEN_PROPORTION,
    POSITIVE,
    PREDICTOR,
    Constraints,
    Interval,
    Options,
    check_argument,
    parameter_error,
)
from resilient_estimator.comparison._resampling import (
    bootstrap_rows,
    draw_random_states,
    held_out,
    is_random_state,
    subsample_rows,
)
from resilient_estimator.comparison._retrain_churn_result import (
    RetrainChurnResult,
)
from resilient_estimator.fallback import check_labels
from resilient_estimator.tabular._rows import (
    count_rows,
    ravel_column,
    take_fit_params,
    take_rows,
)

OWNER = "retrain_churn"
HELD_OUT = 0.3
_CONSTRAINTS: Constraints = {
    "estimator": [PREDICTOR],
    "n_refits": [Interval(Integral, 2, np.inf)],
    "refit": [Options("bootstrap", "subsample", "seed")],
    "delta": [Interval(Real, 0, 1)],
    "tolerance": [POSITIVE, None],
    "confidence_level": [OPEN_PROPORTION],
    "fit_params": [MAPPING, None],
    "n_jobs": [N_JOBS],
}


def retrain_churn(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    n_refits: int = 10,
    X_eval: Any = None,
    y_eval: Any = None,
    refit: str = "bootstrap",
    delta: float = 0.01,
    tolerance: float | None = None,
    confidence_level: float = 0.95,
    fit_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> RetrainChurnResult:
    """Refit an estimator several times, and measure how much its predictions change.

    Parameters
    ----------
    estimator : classifier or regressor
        The estimator to refit; it is cloned, not changed. For a ResilientEstimator,
        pass the wrapped ``estimator``, or each refit would repeat its cross-validation.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,)
        Labels or numbers.
    n_refits : int, default=10
        Number of refits, at least 2.
    X_eval : array-like of shape (n_eval, n_features), default=None
        Rows on which the refits are compared; none of them should be in X. None: 30 %
        of the rows of X are held out, stratified by class. Refits are then trained on
        fewer rows, and differ slightly more than models trained on all rows would.
    y_eval : array-like of shape (n_eval,), default=None
        Their labels, needed for ambiguity, discrepancy and a regressor's tolerance.
    refit : {"bootstrap", "subsample", "seed"}, default="bootstrap"
        What differs between refits. "bootstrap": rows are drawn with replacement, as
        many from each class as it has. "subsample": 80 % of each class. "seed": the
        rows stay the same and every ``random_state`` changes, which isolates the churn
        caused by the learner's own randomness.
    delta : float, default=0.01
        A refit counts as good as the best if its accuracy is lower by at most this much
        (regressors: the share of rows within the tolerance).
    tolerance : float, default=None
        Regressors: largest difference at which two predictions count as equal, in units
        of y. None: 1.4826 times the median absolute deviation of the residuals on the
        evaluated rows.
    confidence_level : float, default=0.95
        Coverage of the interval.
    fit_params : dict, default=None
        Further arguments of `fit`, such as ``{"sample_weight": w}``. Those with one
        entry per row of X are resampled with the rows.
    n_jobs : int, default=None
        Number of refits that run in parallel.
    random_state : int, Generator or None, default=None
        Controls the resampling. Every ``random_state`` of the estimator that is None is
        set from it; one that is set is kept, except for ``refit="seed"``.

    Returns
    -------
    result : RetrainChurnResult
        Churn with a confidence interval, the disagreement on each row, and the
        contested rows.

    Raises
    ------
    TypeError, ValueError
        If a parameter is invalid, no row can be held out, or a regressor's tolerance is
        unknown.

    Notes
    -----
    The disagreement on row i is ``u_i = 2 / (B (B - 1)) sum_{a < b} [refits a and b
    disagree on i]``, and churn is its mean. The variance is that of a mean over rows,
    plus the delete-one jackknife over refits; the interval is Wilson's, with the
    effective number of rows that has this variance. Ambiguity and discrepancy: C. Marx,
    F. Calmon, B. Ustun, "Predictive multiplicity in classification", ICML 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from resilient_estimator.comparison import retrain_churn
    >>> X, y = make_classification(1000, random_state=0)
    >>> tree = retrain_churn(DecisionTreeClassifier(), X, y, random_state=0)
    >>> linear = retrain_churn(LogisticRegression(), X, y, random_state=0)
    >>> linear.churn < tree.churn
    True
    >>> len(linear.contested_rows) < len(tree.contested_rows)
    True
    """
    _check_parameters(
        estimator=estimator,
        n_refits=n_refits,
        refit=refit,
        delta=delta,
        tolerance=tolerance,
        confidence_level=confidence_level,
        fit_params=fit_params,
        n_jobs=n_jobs,
    )
    if y is None:
        raise parameter_error(OWNER, "y", "the labels or numbers of X", y)
    X, y = indexable(X, y)
    rng = np.random.default_rng(random_state)
    split = _split(estimator, X, column_or_1d(y), (X_eval, y_eval), rng)
    plans = [_plan_refit(estimator, refit, split, rng) for _ in range(n_refits)]
    predictions = _run_refits(
        plans, X, y, split.X_eval, fit_params or {}, n_jobs=n_jobs
    )
    if is_regressor(estimator) and tolerance is None:
        tolerance = _residual_scale(predictions, split.y_eval)
    return RetrainChurnResult.of(
        predictions,
        split.y_eval,
        rows=split.rows,
        refit=refit,
        delta=delta,
        tolerance=tolerance,
        confidence_level=confidence_level,
    )


class _Split(NamedTuple):
    """Rows to train on with their classes as codes, and rows to compare refits on."""

    train: Positions
    codes: Positions
    rows: Positions
    X_eval: Any
    y_eval: NDArray[Any] | None


class _Refit(NamedTuple):
    """An unfitted estimator, and the rows to fit it to."""

    estimator: Any
    rows: Positions


def _check_parameters(**parameters: Any) -> None:
    for name, value in parameters.items():
        check_argument(OWNER, name, value, *_CONSTRAINTS[name])
    estimator, tolerance = parameters["estimator"], parameters["tolerance"]
    has_random_state = any(map(is_random_state, estimator.get_params()))
    if parameters["refit"] == "seed" and not has_random_state:
        expected = "an estimator with a random_state if refit is 'seed'"
        raise parameter_error(OWNER, "estimator", expected, estimator)
    if tolerance is not None and is_classifier(estimator):
        raise parameter_error(OWNER, "tolerance", "None for classifiers", tolerance)


def _split(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    evaluation: tuple[Any, Any],
    rng: np.random.Generator,
) -> _Split:
    """Return which rows to train on, and which to evaluate."""
    codes = np.zeros(len(y), dtype=np.intp)
    if is_classifier(estimator):
        check_classification_targets(y)
        codes = np.unique(y, return_inverse=True)[1]
    X_eval, y_eval = evaluation
    if X_eval is not None:
        truth = None if y_eval is None else _check_truth(estimator, y, y_eval)
        check_consistent_length(X_eval, truth)
        rows = np.arange(count_rows(X_eval))
        if not len(rows):
            raise ValueError("retrain_churn needs at least one row of X_eval.")
        return _Split(np.arange(len(y)), codes, rows, X_eval, truth)
    if y_eval is not None:
        raise parameter_error(OWNER, "X_eval", "given together with y_eval", None)
    out = held_out(codes, HELD_OUT, rng)
    rows, train = np.flatnonzero(out), np.flatnonzero(~out)
    if not len(rows):
        expected = "given if every class has too few rows to hold one out"
        raise parameter_error(OWNER, "X_eval", expected, None)
    return _Split(train, codes[train], rows, take_rows(X, rows), y[rows])


def _check_truth(estimator: Any, y: NDArray[Any], y_eval: Any) -> NDArray[Any]:
    truth: NDArray[Any] = column_or_1d(y_eval)
    if is_classifier(estimator):
        check_labels(truth, np.unique(y), subject="y_eval holds")
    elif truth.dtype.kind not in "biuf" or not np.isfinite(truth).all():
        raise ValueError("y_eval must contain finite numbers for regressors.")
    return truth


def _plan_refit(
    estimator: Any, refit: str, split: _Split, rng: np.random.Generator
) -> _Refit:
    drawn = np.arange(len(split.train))
    if refit == "bootstrap":
        drawn = bootstrap_rows(split.codes, rng)
    elif refit == "subsample":
        drawn = subsample_rows(split.codes, rng)
    states = draw_random_states(estimator, rng, only_unset=refit != "seed")
    return _Refit(clone(estimator).set_params(**states), split.train[drawn])


def _run_refits(
    refits: list[_Refit],
    X: Any,
    y: Any,
    X_eval: Any,
    fit_params: Mapping[str, Any],
    *,
    n_jobs: int | None,
) -> NDArray[Any]:
    """Return the predictions of each refit; log the progress if it takes long."""
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_fit_and_predict)(refit, X, y, X_eval, fit_params) for refit in refits
    )
    progress = Progress("retrain_churn", len(refits), unit="refits")
    predictions = []
    for done, result in enumerate(results, start=1):
        predictions.append(result)
        progress.step(done)
    return np.array(predictions)


def _fit_and_predict(
    refit: _Refit, X: Any, y: Any, X_eval: Any, fit_params: Mapping[str, Any]
) -> NDArray[Any]:
    estimator, rows = refit
    params = take_fit_params(fit_params, rows, count_rows(X))
    model = estimator.fit(take_rows(X, rows), take_rows(y, rows), **params)
    predictions = ravel_column(model.predict(X_eval))
    if predictions.ndim > 1:
        raise ValueError("retrain_churn needs an estimator with a single output.")
    return predictions.astype(np.float64) if is_regressor(model) else predictions


def _residual_scale(predictions: NDArray[Any], y: NDArray[Any] | None) -> float:
    """Return the robust standard deviation of the residuals of all refits."""
    scale = 0.0
    if y is not None:
        residuals = y - predictions
        spread = stats.median_abs_deviation(residuals, axis=None, scale="normal")
        scale = float(spread)
    if scale > 0:
        return scale
    expected = "given for a regressor without y_eval, or one whose residuals are zero"
    raise parameter_error(OWNER, "tolerance", expected, None)
