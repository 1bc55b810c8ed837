"""Compare the answers of a new version of a model with those of the old one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import _safe_indexing, check_consistent_length

from resilient_estimator._typing import Mask
from resilient_estimator._validation import parameter_error
from resilient_estimator.comparison._gate import (
    ChurnResult,
    GroupChurn,
    PairedPerformance,
    agree,
)
from resilient_estimator.exceptions import is_number
from resilient_estimator.fallback import check_labels
from resilient_estimator.statistics._intervals import (
    clopper_pearson_lower,
    clopper_pearson_upper,
    ratio_bounds,
    tango_lower,
)
from resilient_estimator.tabular._table import is_missing, read_table


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
    """Compare a new version of a model with the old one, row by row.

    The gate has two parts, and both must be passed. Churn: its upper bound is below
    `max_churn`. Performance, with labels: the lower bound of new minus old is above
    ``-margin``. A version that should not pass, passes with probability of at most
    `alpha`, whichever of the two it fails (intersection-union test), so no correction
    is needed. Too few rows do not pass.

    Parameters
    ----------
    model_a : fitted model or array-like of shape (n_samples,)
        The old version, or what it answered.
    model_b : fitted model or array-like of shape (n_samples,)
        The new version, or what it answers.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows that neither version learnt from. They are taken to be independent.
    y : array-like of shape (n_samples,), default=None
        True labels or numbers. None: only churn is looked at.
    groups : str or array-like of shape (n_samples,), default=None
        Group of each row, or the name of a column of X. Groups are told, not gated.
    max_churn : float, default=0.05
        Share of the answers that may change.
    margin : float, default=0.02
        By how much the new version may be worse: classifiers, in accuracy; regressors,
        as a share of the old mean absolute error.
    alpha : float, default=0.05
        How often a version that should not pass may pass.
    tolerance : float, default=None
        Regressors: up to which difference two answers are the same, in units of y.
        None: 1.4826 times the median absolute deviation of the out-of-fold residuals,
        which a ResilientEstimator remembers.

    Returns
    -------
    churn : ChurnResult
        Figures, `passed`, and `reasons` in plain words.

    Raises
    ------
    TypeError, ValueError
        If a parameter is bad, the versions have no class in common, `y` holds a class
        that neither knows, or a regressor's tolerance is not known.

    Notes
    -----
    Accuracy: Tango's score bound of the difference of paired shares (1998). Errors of
    regressors: Fieller's bound of the ratio of both means (1954). Churn and its
    unnecessary part: M. Milani Fard et al., "Launch and iterate: reducing prediction
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
    >>> gate = churn(old, new, X[1000:], y[1000:])
    >>> gate.passed
    True
    >>> print(repr(gate).splitlines()[1])
    pass  answers differ on 1.93 % of 3,000 rows, at most 2.4 % (limit 5 %)
    """
    shares = {"max_churn": max_churn, "margin": margin, "alpha": alpha}
    for name, value in shares.items():
        if not is_number(value) or not 0 < value < 1:
            expected = "a float in the range (0, 1)"
            raise parameter_error("churn", name, expected, value)
    a, b = _answers(model_a, X, "model_a"), _answers(model_b, X, "model_b")
    y = None if y is None else np.asarray(y).ravel()
    check_consistent_length(a, b, y)
    if not len(a):
        raise ValueError("churn needs at least one row. Got none.")
    notes: tuple[str, ...] = ()
    if tolerance is not None or _is_number_answered((model_a, a), (model_b, b)):
        tolerance = _check_tolerance(tolerance, model_a, model_b)
        a, b = _read_numbers(a), _read_numbers(b)
        y = None if y is None else _read_numbers(y)
    else:
        notes = _check_classes((model_a, model_b), (a, b), y)
    differs = ~agree(a, b, tolerance)
    count, n = int(differs.sum()), len(differs)
    return ChurnResult(
        n_samples=n,
        churn=count / n,
        lower=float(clopper_pearson_lower(count, n, alpha=alpha)),
        upper=float(clopper_pearson_upper(count, n, alpha=alpha)),
        max_churn=max_churn,
        margin=margin,
        alpha=alpha,
        tolerance=tolerance,
        performance=None if y is None else _compare(a, b, y, tolerance, alpha),
        by_group=() if groups is None else _by_group(differs, X, groups, alpha),
        notes=notes,
    )


def _answers(model: Any, X: Any, name: str) -> NDArray[Any]:
    is_model = hasattr(model, "predict") and not isinstance(model, type)
    answers = np.asarray(model.predict(X) if is_model else model)
    if answers.ndim == 2 and answers.shape[1] == 1:
        answers = answers.ravel()
    if answers.ndim != 1:
        expected = "a fitted model with one answer per row, or these answers"
        raise parameter_error("churn", name, expected, model)
    if answers.dtype == object and any(map(is_missing, answers.tolist())):
        raise ValueError(f"{name} must answer each row. Some answers are missing.")
    return answers


def _is_number_answered(*versions: tuple[Any, NDArray[Any]]) -> bool:
    """Whether the answers are numbers to be compared up to a tolerance."""
    return any(
        (isinstance(model, BaseEstimator) and is_regressor(model))
        or (answers.dtype.kind == "f" and (answers != np.floor(answers)).any())
        for model, answers in versions
    )


def _check_tolerance(tolerance: Any, *models: Any) -> float:
    if tolerance is not None:
        if not is_number(tolerance) or not 0 < tolerance < np.inf:
            expected = "a positive number"
            raise parameter_error("churn", "tolerance", expected, tolerance)
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


def _read_numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    if column.dtype.kind not in "biuf" or not np.isfinite(column).all():
        raise ValueError("The answers and y must be finite numbers for regressors.")
    return column.astype(np.float64)  # unsigned integers have no negative difference


def _check_classes(
    models: Sequence[Any], answers: Sequence[NDArray[Any]], y: NDArray[Any] | None
) -> tuple[str, ...]:
    """Return what to tell about classes that only one of both versions knows."""
    known = [
        set(np.asarray(getattr(model, "classes_", said)).tolist())
        for model, said in zip(models, answers, strict=True)
    ]
    either = known[0] | known[1]
    both_say = all(hasattr(model, "classes_") for model in models)
    texts = {isinstance(label, str) for label in either}
    if len(texts) > 1 or (both_say and not known[0] & known[1]):
        old, new = (sorted(map(repr, labels)) for labels in known)
        raise ValueError(
            "Both versions must answer with the same classes. model_a knows "
            f"{', '.join(old)}, model_b {', '.join(new)}."
        )
    if y is not None and any(map(is_missing, y.tolist())):
        raise ValueError("y must hold a label for each row. Some are missing.")
    if y is not None and (both_say or not either & set(y.tolist())):
        check_labels(y, np.array(list(either), dtype=object), who="y holds")
    if not both_say:
        return ()
    added, gone = known[1] - known[0], known[0] - known[1]
    told = {"only the new version knows": added, "only the old version knows": gone}
    return tuple(
        f"{text} {', '.join(sorted(map(repr, labels)))}"
        for text, labels in told.items()
        if labels
    )


def _compare(
    a: NDArray[Any],
    b: NDArray[Any],
    y: NDArray[Any],
    tolerance: float | None,
    alpha: float,
) -> PairedPerformance:
    right_a, right_b = agree(a, y, tolerance), agree(b, y, tolerance)
    gained, lost = int((right_b & ~right_a).sum()), int((right_a & ~right_b).sum())
    n = len(y)
    if tolerance is None:
        metric, old, new = "accuracy", float(right_a.mean()), float(right_b.mean())
        difference = new - old
        lower = float(tango_lower(gained, lost, n, alpha=alpha))
        upper = -float(tango_lower(lost, gained, n, alpha=alpha))
    else:
        metric, errors_a, errors_b = "mean absolute error", abs(a - y), abs(b - y)
        old, new = float(errors_a.mean()), float(errors_b.mean())
        low, high = ratio_bounds(errors_b, errors_a, alpha=alpha)
        difference = 1 - new / old if old > 0 else (-np.inf if new > 0 else 0.0)
        lower, upper = 1 - high, 1 - low
    differs = float((~agree(a, b, tolerance)).mean())
    return PairedPerformance(
        metric=metric,
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


def _by_group(
    differs: Mask, X: Any, groups: Any, alpha: float
) -> tuple[GroupChurn, ...]:
    if isinstance(groups, str):
        table = None if X is None else read_table(X)
        if table is None or groups not in (table.names or []):
            expected = "the group of each row, or the name of a column of X"
            raise parameter_error("churn", "groups", expected, groups)
        groups = _safe_indexing(X, groups, axis=1)
    column: NDArray[Any] = np.asarray(groups, dtype=object).ravel()
    check_consistent_length(differs, column)
    names, codes = np.unique(column.astype(str), return_inverse=True)
    n = np.bincount(codes)
    count = np.bincount(codes, weights=differs).astype(int)
    lower = clopper_pearson_lower(count, n, alpha=alpha / len(n))
    upper = clopper_pearson_upper(count, n, alpha=alpha / len(n))
    shares = (count / n).tolist()
    columns = (names.tolist(), n.tolist(), shares, lower, upper)
    return tuple(
        GroupChurn(name, size, share, float(low), float(high))
        for name, size, share, low, high in zip(*columns, strict=True)
    )
