"""Churn between two versions of a model, and the gate that a new version must pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import _safe_indexing, check_consistent_length

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import (
    OPEN_PROPORTION,
    POSITIVE,
    check_argument,
    parameter_error,
)
from resilient_estimator.comparison._agreement import agree
from resilient_estimator.comparison._churn_result import (
    ChurnResult,
    GroupChurn,
    PairedPerformance,
)
from resilient_estimator.fallback import check_labels
from resilient_estimator.statistics._intervals import (
    clopper_pearson_lower,
    clopper_pearson_upper,
    ratio_bounds,
    tango_lower,
)
from resilient_estimator.tabular._column import is_missing
from resilient_estimator.tabular._rows import ravel_column
from resilient_estimator.tabular._table import read_table


def churn(
    model_a: Any,
    model_b: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    max_churn: float = 0.05,
    margin: float = 0.02,
    alpha: float = 0.05,
    tolerance: float | None = None,
) -> ChurnResult:
    """Compare the predictions of a new version of a model with those of the old one.

    The gate has two parts, and both must be passed. Churn: the upper confidence bound
    of the share of changed predictions is below `max_churn`. Performance, with labels:
    the lower bound of the improvement is above ``-margin``. A version that should not
    pass does so with probability of at most `alpha`, whichever part it violates
    (intersection-union test), so no correction for multiple testing is needed. With too
    few rows, no version passes.

    Parameters
    ----------
    model_a : fitted model or array-like of shape (n_samples,)
        The old version, or its predictions.
    model_b : fitted model or array-like of shape (n_samples,)
        The new version, or its predictions.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows that neither version was trained on, assumed to be independent.
    y : array-like of shape (n_samples,), default=None
        True labels or numbers. None: only churn is checked.
    groups : str or array-like of shape (n_samples,), default=None
        Group of each row, or the name of a column of X. Groups are reported but do not
        affect `passed`.
    max_churn : float, default=0.05
        Limit for the share of predictions that change.
    margin : float, default=0.02
        Limit for the loss of performance: of accuracy for classifiers, of the old mean
        absolute error, as a proportion of it, for regressors.
    alpha : float, default=0.05
        Significance level: the probability that a version passes that should not.
    tolerance : float, default=None
        Regressors: largest difference at which two predictions count as equal, in units
        of y. None: 1.4826 times the median absolute deviation of the out-of-fold
        residuals, which a ResilientEstimator remembers.

    Returns
    -------
    result : ChurnResult
        Figures, `passed`, and `reasons` in plain words.

    Raises
    ------
    TypeError, ValueError
        If a parameter is invalid, the versions have no class in common, `y` contains a
        class that neither knows, or a regressor's tolerance is unknown.

    Notes
    -----
    Accuracy: Tango's score bound for the difference of paired proportions (1998).
    Errors of regressors: Fieller's bound for the ratio of the means (1954). Churn and
    unnecessary churn: M. Milani Fard et al., "Launch and iterate: reducing prediction
    churn", NIPS 2016. Negative flips: S. Yan et al., "Positive-congruent training",
    CVPR 2021.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from resilient_estimator.comparison import churn
    >>> X, y = make_classification(4000, random_state=0)
    >>> old = LogisticRegression().fit(X[:800], y[:800])
    >>> new = LogisticRegression().fit(X[:1000], y[:1000])
    >>> result = churn(old, new, X[1000:], y[1000:])
    >>> result.passed
    True
    >>> print(repr(result).splitlines()[1])
    pass  predictions differ on 1.93 % of 3,000 rows, at most 2.4 % (limit 5 %)
    """
    limits = {"max_churn": max_churn, "margin": margin, "alpha": alpha}
    for name, value in limits.items():
        check_argument("churn", name, value, OPEN_PROPORTION)
    versions = _read_versions(model_a, model_b, X, y, tolerance)
    differs = ~agree(versions.a, versions.b, versions.tolerance)
    count, n = int(differs.sum()), len(differs)
    return ChurnResult(
        n_samples=n,
        churn=count / n,
        lower=float(clopper_pearson_lower(count, n, alpha=alpha)),
        upper=float(clopper_pearson_upper(count, n, alpha=alpha)),
        max_churn=max_churn,
        margin=margin,
        alpha=alpha,
        tolerance=versions.tolerance,
        performance=None if versions.y is None else _compare(versions, alpha),
        by_group=() if groups is None else _by_group(differs, X, groups, alpha),
        notes=versions.notes,
    )


class _Versions(NamedTuple):
    """Comparable predictions of both versions, and the truth if it is known."""

    a: NDArray[Any]
    b: NDArray[Any]
    y: NDArray[Any] | None
    tolerance: float | None
    notes: tuple[str, ...]


def _read_versions(
    model_a: Any, model_b: Any, X: Any, y: Any, tolerance: Any
) -> _Versions:
    a, b = _predictions(model_a, X, "model_a"), _predictions(model_b, X, "model_b")
    y = None if y is None else np.asarray(y).ravel()
    check_consistent_length(a, b, y)
    if not len(a):
        raise ValueError("churn needs at least one row. Got none.")
    if tolerance is None and not _are_regressors((model_a, a), (model_b, b)):
        notes = _check_classes((model_a, model_b), (a, b), y)
        return _Versions(a, b, y, None, notes)
    tolerance = _choose_tolerance(tolerance, model_a, model_b)
    y = None if y is None else _finite_numbers(y)
    return _Versions(_finite_numbers(a), _finite_numbers(b), y, tolerance, ())


def _predictions(model: Any, X: Any, parameter: str) -> NDArray[Any]:
    """Return the predictions of a model, or those given in place of it."""
    is_model = hasattr(model, "predict") and not isinstance(model, type)
    predictions = ravel_column(model.predict(X) if is_model else model)
    if predictions.ndim != 1:
        expected = "a fitted model with one prediction per row, or these predictions"
        raise parameter_error("churn", parameter, expected, model)
    if predictions.dtype == object and any(map(is_missing, predictions.tolist())):
        raise ValueError(
            f"{parameter} must have a prediction for each row. Some are missing."
        )
    return predictions


def _are_regressors(*versions: tuple[Any, NDArray[Any]]) -> bool:
    """Return whether the predictions are numbers to be compared with a tolerance."""
    return any(
        (isinstance(model, BaseEstimator) and is_regressor(model))
        or (
            predictions.dtype.kind == "f"
            and (predictions != np.floor(predictions)).any()
        )
        for model, predictions in versions
    )


def _choose_tolerance(tolerance: Any, *models: Any) -> float:
    """Return the tolerance that was given, or the one that a model remembers."""
    if tolerance is not None:
        check_argument("churn", "tolerance", tolerance, POSITIVE)
        if any(hasattr(model, "classes_") for model in models):
            expected = "None for classifiers"
            raise parameter_error("churn", "tolerance", expected, tolerance)
        return float(tolerance)
    for model in models:
        reference = getattr(model, "reference_", None)
        if reference is not None and reference.residuals is not None:
            scales = reference.residuals.robust_scales()
            if len(scales) == 1 and scales[0] > 0:
                return float(scales[0])
    expected = "given for regressors that do not remember their out-of-fold residuals"
    raise parameter_error("churn", "tolerance", expected, None)


def _finite_numbers(column: NDArray[Any]) -> Floats:
    if column.dtype.kind not in "biuf" or not np.isfinite(column).all():
        raise ValueError("Predictions and y of regressors must be finite numbers.")
    return column.astype(np.float64)  # unsigned integers have no negative difference


def _check_classes(
    models: Sequence[Any], predictions: Sequence[NDArray[Any]], y: NDArray[Any] | None
) -> tuple[str, ...]:
    """Return notes about classes that only one of the two versions knows."""
    old, new = (
        set(np.asarray(getattr(model, "classes_", predicted)).tolist())
        for model, predicted in zip(models, predictions, strict=True)
    )
    have_classes = all(hasattr(model, "classes_") for model in models)
    _check_common_classes(old, new, have_classes=have_classes)
    if y is not None:
        _check_true_labels(y, old | new, have_classes=have_classes)
    if not have_classes:
        return ()
    by_version = {"new": new - old, "old": old - new}
    return tuple(
        f"only the {version} version knows {_list(labels)}"
        for version, labels in by_version.items()
        if labels
    )


def _check_common_classes(old: set[Any], new: set[Any], *, have_classes: bool) -> None:
    is_text = {isinstance(label, str) for label in old | new}
    if len(is_text) > 1 or (have_classes and not old & new):
        raise ValueError(
            "Both versions must predict the same classes. model_a knows "
            f"{_list(old)}, model_b {_list(new)}."
        )


def _check_true_labels(
    y: NDArray[Any], classes: set[Any], *, have_classes: bool
) -> None:
    if any(map(is_missing, y.tolist())):
        raise ValueError("y must contain a label for each row. Some are missing.")
    if have_classes or not classes & set(y.tolist()):
        check_labels(y, np.array(list(classes), dtype=object), subject="y holds")


def _list(labels: set[Any]) -> str:
    return ", ".join(sorted(map(repr, labels)))


def _compare(versions: _Versions, alpha: float) -> PairedPerformance:
    """Compare the performance of both versions on the same labelled rows."""
    a, b, y, tolerance, _ = versions
    right_a, right_b = agree(a, y, tolerance), agree(b, y, tolerance)
    gained, lost = int((right_b & ~right_a).sum()), int((right_a & ~right_b).sum())
    n = len(a)
    if tolerance is None:
        old, new = float(right_a.mean()), float(right_b.mean())
        difference = new - old
        lower = float(tango_lower(gained, lost, n, alpha=alpha))
        upper = -float(tango_lower(lost, gained, n, alpha=alpha))
    else:
        errors = np.abs(a - y), np.abs(b - y)
        old, new = (float(each.mean()) for each in errors)
        difference, lower, upper = _error_reduction(*errors, alpha)
    differs = float((~agree(a, b, tolerance)).mean())
    return PairedPerformance(
        metric="accuracy" if tolerance is None else "mean absolute error",
        old=old,
        new=new,
        difference=difference,
        lower=lower,
        upper=upper,
        negative_flips=lost / n,
        positive_flips=gained / n,
        unnecessary_churn=max(differs - abs(gained - lost) / n, 0.0),
        win_loss_ratio=(gained + 0.5) / (lost + 0.5),
    )


def _error_reduction(
    errors_a: Floats, errors_b: Floats, alpha: float
) -> tuple[float, float, float]:
    """Return the relative reduction of the mean error, and its two bounds."""
    old, new = float(errors_a.mean()), float(errors_b.mean())
    smallest, largest = ratio_bounds(errors_b, errors_a, alpha=alpha)
    if old > 0:
        return 1 - new / old, 1 - largest, 1 - smallest
    return -np.inf if new > 0 else 0.0, 1 - largest, 1 - smallest


def _by_group(
    differs: Mask, X: Any, groups: Any, alpha: float
) -> tuple[GroupChurn, ...]:
    """Return the churn of each group, with simultaneous bounds."""
    column = _group_labels(X, groups)
    check_consistent_length(differs, column)
    names, codes = np.unique(column.astype(str), return_inverse=True)
    n = np.bincount(codes)
    count = np.bincount(codes, weights=differs).astype(int)
    lower = clopper_pearson_lower(count, n, alpha=alpha / len(n))
    upper = clopper_pearson_upper(count, n, alpha=alpha / len(n))
    columns = names, n, count / n, lower, upper
    rows = zip(*(each.tolist() for each in columns), strict=True)
    return tuple(GroupChurn(*row) for row in rows)


def _group_labels(X: Any, groups: Any) -> NDArray[Any]:
    """Return the group of each row."""
    if isinstance(groups, str):
        table = None if X is None else read_table(X)
        if table is None or groups not in (table.names or []):
            expected = "the group of each row, or the name of a column of X"
            raise parameter_error("churn", "groups", expected, groups)
        groups = _safe_indexing(X, groups, axis=1)
    return np.asarray(groups, dtype=object).ravel()
