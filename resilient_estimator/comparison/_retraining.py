"""By how much a retrained model would answer otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import (
    _safe_indexing,
    check_consistent_length,
    column_or_1d,
    indexable,
)
from sklearn.utils.multiclass import check_classification_targets

from resilient_estimator._progress import Progress
from resilient_estimator._typing import Positions
from resilient_estimator._validation import parameter_error
from resilient_estimator.comparison._predictive_multiplicity import (
    RetrainChurnResult,
    churn_interval,
    disagreement,
    multiplicity,
    spread,
)
from resilient_estimator.comparison._resampling import (
    bootstrap_rows,
    held_out,
    is_seed,
    seeds_of,
    subsample_rows,
)
from resilient_estimator.exceptions import is_count, is_number
from resilient_estimator.fallback import check_labels
from resilient_estimator.reference._bins import NORMAL_MAD
from resilient_estimator.tabular._table import count_rows

HELD_OUT = 0.3
REFITS = ("bootstrap", "subsample", "seed")


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
    confidence: float = 0.95,
    fit_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> RetrainChurnResult:
    """Refit an estimator several times, and measure how much its answers change.

    Parameters
    ----------
    estimator : classifier or regressor
        What to refit; it stays as it is. Of a ResilientEstimator, give the wrapped
        ``estimator``: its own folds would be refitted each time.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,)
        Labels or numbers.
    n_refits : int, default=10
        Number of refits, at least 2.
    X_eval : array-like of shape (n_eval, n_features), default=None
        Rows to ask about, that are not in X. None: three tenths of the rows of X are
        held out, of each class alike; refits then learn from the others, and differ a
        little more than models of all rows would.
    y_eval : array-like of shape (n_eval,), default=None
        Their labels, for ambiguity, discrepancy and a regressor's tolerance.
    refit : {"bootstrap", "subsample", "seed"}, default="bootstrap"
        What differs between refits. "bootstrap": as many rows, drawn with replacement
        from each class. "subsample": four fifths of each class. "seed": the same rows,
        and another seed for each ``random_state``; what then remains of the churn is
        the learner's own chance.
    delta : float, default=0.01
        Up to which difference in accuracy (regressors: in the share of rows within the
        tolerance) a refit is as good as the best.
    tolerance : float, default=None
        Regressors: up to which difference two answers are the same, in units of y.
        None: 1.4826 times the median absolute deviation of the residuals of the
        evaluated rows.
    confidence : float, default=0.95
        Coverage of the interval.
    fit_params : dict, default=None
        More for `fit`, such as ``{"sample_weight": w}``; what has one entry per row of
        X is drawn with the rows.
    n_jobs : int, default=None
        How many refits at a time.
    random_state : int, Generator or None, default=None
        Seed of what is drawn. A ``random_state`` of the estimator which is None is set
        from it, one that is set is kept (but by ``refit="seed"``).

    Returns
    -------
    churn : RetrainChurnResult
        Churn with an interval, each row's disagreement, and the rows at stake.

    Raises
    ------
    TypeError, ValueError
        If a parameter is bad, nothing can be held out, or a regressor's tolerance is
        not known.

    Notes
    -----
    Of a row ``u_i = 2 / (B (B - 1)) sum_{a < b} [answers of a and b differ]``; churn is
    the mean. Its variance is that of a mean over rows, plus the delete-one-refit
    jackknife; the interval is Wilson's with as many rows as would have this variance.
    Ambiguity and discrepancy: C. Marx, F. Calmon, B. Ustun, "Predictive multiplicity in
    classification", ICML 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from resilient_estimator.comparison import retrain_churn
    >>> X, y = make_classification(1000, random_state=0)
    >>> tree = retrain_churn(DecisionTreeClassifier(), X, y, random_state=0)
    >>> line = retrain_churn(LogisticRegression(), X, y, random_state=0)
    >>> line.churn < tree.churn
    True
    >>> len(line.rows_at_stake) < len(tree.rows_at_stake)
    True
    """
    _check_parameters(estimator, n_refits, refit, tolerance)
    for name, value in {"delta": delta, "confidence": confidence}.items():
        if not is_number(value) or not 0 <= value < 1:
            expected = "a float in the range [0, 1)"
            raise parameter_error("retrain_churn", name, expected, value)
    if y is None:
        expected = "the labels or numbers of X"
        raise parameter_error("retrain_churn", "y", expected, y)
    X, y = indexable(X, y)
    rng = np.random.default_rng(random_state)
    asked = _choose_rows(estimator, X, column_or_1d(y), (X_eval, y_eval), rng)
    plans = [_draw(estimator, refit, asked, rng) for _ in range(n_refits)]
    answers = _ask_refits(plans, X, y, asked.X_eval, fit_params or {}, n_jobs=n_jobs)
    if is_regressor(estimator) and tolerance is None:
        tolerance = _residual_scale(answers, asked.y_eval)
    by_row = disagreement(answers, tolerance)
    low, high = churn_interval(
        answers, by_row, tolerance=tolerance, confidence=confidence
    )
    good = None
    if asked.y_eval is not None:
        good = multiplicity(answers, asked.y_eval, tolerance, delta)
    return RetrainChurnResult(
        refit=refit,
        n_refits=n_refits,
        n_samples=len(by_row),
        churn=float(by_row.mean()),
        low=low,
        high=high,
        confidence=confidence,
        disagreement=by_row,
        rows=asked.rows,
        multiplicity=good,
        tolerance=tolerance,
        spread=None if tolerance is None else spread(answers) / tolerance,
    )


class _Asked(NamedTuple):
    """Which rows are learnt from, and which are asked about."""

    train: Positions
    codes: Positions
    rows: Positions
    X_eval: Any
    y_eval: NDArray[Any] | None


class _Plan(NamedTuple):
    """An unfitted estimator, and the rows that it is to learn from."""

    estimator: Any
    rows: Positions


def _check_parameters(
    estimator: Any, n_refits: Any, refit: Any, tolerance: Any
) -> None:
    owner = "retrain_churn"
    if not hasattr(estimator, "fit") or isinstance(estimator, type):
        expected = "a classifier or a regressor"
        raise parameter_error(owner, "estimator", expected, estimator)
    if not is_classifier(estimator) and not is_regressor(estimator):
        expected = "a classifier or a regressor"
        raise parameter_error(owner, "estimator", expected, estimator)
    if not is_count(n_refits, least=2):
        expected = "an int of at least 2"
        raise parameter_error(owner, "n_refits", expected, n_refits)
    if refit not in REFITS:
        expected = "'bootstrap', 'subsample' or 'seed'"
        raise parameter_error(owner, "refit", expected, refit)
    if refit == "seed" and not any(map(is_seed, estimator.get_params())):
        expected = "an estimator with a random_state where refit is 'seed'"
        raise parameter_error(owner, "estimator", expected, estimator)
    if tolerance is None:
        return
    if is_classifier(estimator):
        expected = "None for classifiers"
        raise parameter_error(owner, "tolerance", expected, tolerance)
    if not is_number(tolerance) or not 0 < tolerance < np.inf:
        expected = "a positive number"
        raise parameter_error(owner, "tolerance", expected, tolerance)


def _choose_rows(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    evaluate: tuple[Any, Any],
    rng: np.random.Generator,
) -> _Asked:
    X_eval, y_eval = evaluate
    codes = np.zeros(len(y), dtype=np.intp)
    if is_classifier(estimator):
        check_classification_targets(y)
        codes = np.unique(y, return_inverse=True)[1]
    if X_eval is not None:
        truth = None if y_eval is None else _check_truth(estimator, y, y_eval)
        check_consistent_length(X_eval, truth)
        rows = np.arange(count_rows(X_eval))
        if not len(rows):
            raise ValueError("retrain_churn needs at least one row of X_eval.")
        return _Asked(np.arange(len(y)), codes, rows, X_eval, truth)
    if y_eval is not None:
        expected = "given together with y_eval"
        raise parameter_error("retrain_churn", "X_eval", expected, X_eval)
    out = held_out(codes, HELD_OUT, rng)
    rows, train = np.flatnonzero(out), np.flatnonzero(~out)
    if not len(rows):
        expected = "given where no class has four rows of which one can be held out"
        raise parameter_error("retrain_churn", "X_eval", expected, X_eval)
    return _Asked(train, codes[train], rows, _safe_indexing(X, rows), y[rows])


def _check_truth(estimator: Any, y: NDArray[Any], y_eval: Any) -> NDArray[Any]:
    truth: NDArray[Any] = column_or_1d(y_eval)
    if is_classifier(estimator):
        check_labels(truth, np.unique(y), who="y_eval holds")
    elif truth.dtype.kind not in "biuf" or not np.isfinite(truth).all():
        raise ValueError("y_eval must hold finite numbers for regressors.")
    return truth


def _draw(estimator: Any, refit: str, asked: _Asked, rng: np.random.Generator) -> _Plan:
    drawn = np.arange(len(asked.train))
    if refit == "bootstrap":
        drawn = bootstrap_rows(asked.codes, rng)
    elif refit == "subsample":
        drawn = subsample_rows(asked.codes, rng)
    seeds = seeds_of(estimator, rng, only_free=refit != "seed")
    return _Plan(clone(estimator).set_params(**seeds), asked.train[drawn])


def _ask_refits(
    plans: list[_Plan],
    X: Any,
    y: Any,
    X_eval: Any,
    fit_params: Mapping[str, Any],
    *,
    n_jobs: int | None,
) -> NDArray[Any]:
    """Return what each refit says, and tell now and then how many are done."""
    refits = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_refit_and_ask)(plan, X, y, X_eval, fit_params) for plan in plans
    )
    progress, said = Progress("retrain_churn", len(plans), unit="refits"), []
    for done, answers in enumerate(refits, start=1):
        said.append(answers)
        progress.step(done)
    return np.array(said)


def _refit_and_ask(
    plan: _Plan, X: Any, y: Any, X_eval: Any, fit_params: Mapping[str, Any]
) -> NDArray[Any]:
    n_samples = count_rows(X)
    params = {
        name: _safe_indexing(value, plan.rows) if _per_row(value, n_samples) else value
        for name, value in fit_params.items()
    }
    model = plan.estimator.fit(
        _safe_indexing(X, plan.rows), _safe_indexing(y, plan.rows), **params
    )
    answers = np.asarray(model.predict(X_eval))
    if is_regressor(model):
        answers = answers.astype(np.float64)
    if answers.ndim > 1 and answers.shape[1:] != (1,):
        raise ValueError("retrain_churn needs one answer per row.")
    return answers.ravel()


def _per_row(value: Any, n_samples: int) -> bool:
    is_list = hasattr(value, "__len__") and not isinstance(value, (str, dict))
    return is_list and count_rows(value) == n_samples


def _residual_scale(answers: NDArray[Any], y: NDArray[Any] | None) -> float:
    scale = 0.0
    if y is not None:
        scale = NORMAL_MAD * float(stats.median_abs_deviation(y - answers, axis=None))
    if scale > 0:
        return scale
    expected = "given for a regressor without y_eval, or one whose residuals are zero"
    raise parameter_error("retrain_churn", "tolerance", expected, None)
