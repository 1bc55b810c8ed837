"""Check whether a guard or a detector of your own does what the library relies on.

The library's own guards and detectors pass the same checks. In a `ResilientEstimator`,
one that passes them flags row by row, changes nothing, survives pickling, and never
prevents a prediction by raising an error.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from resilient_estimator._typing import Floats
from resilient_estimator.detectors._base import compare_batch, fit_detector
from resilient_estimator.drift import Drift
from resilient_estimator.guards._base import fit_guard, inspect_training, is_clear
from resilient_estimator.protocols import Detector, Guard
from resilient_estimator.reference import Reference
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import read_table

N_SAMPLES = 300
N_FEATURES = 3
FAR = 10.0  # standard deviations


def check_guard(guard: Any, X: Any = None, y: Any = None) -> None:
    """Raise an AssertionError that names the promise that a guard breaks.

    Parameters
    ----------
    guard : guard
        An unfitted object that follows `protocols.Guard`. It is not changed.
    X : array-like or data frame of shape (n_samples, n_features), default=None
        Training rows. None: 300 rows of three numbers.
    y : array-like of shape (n_samples,), default=None
        Their labels. None: labels that depend on the numbers.

    Examples
    --------
    >>> from resilient_estimator import RangeGuard
    >>> from resilient_estimator.testing import check_guard
    >>> check_guard(RangeGuard())
    """
    _promise(isinstance(guard, Guard), "a guard has 'fit' and 'inspect'")
    X, y = _training(X, y)
    fitted = _fit_guard(guard, X, y)
    production = _spoilt(X)
    for rows in (X, production):
        flags = fitted.inspect(rows)
        _check_masks(flags, len(rows))
        _check_row_by_row(fitted, rows, flags)
    _check_pure(fitted, fitted.inspect, production)
    _check_masks(inspect_training(fitted, X), len(X))
    _check_lenient(fitted, X)
    _check_guard_hooks(fitted, X, production)


def check_detector(detector: Any, X: Any = None, y: Any = None) -> None:
    """Raise an AssertionError that names the promise that a detector breaks.

    Parameters
    ----------
    detector : detector
        An unfitted object that follows `protocols.Detector`. It is not changed.
    X : ndarray of float of shape (n_samples, n_features), default=None
        Training rows. None: 300 rows of three numbers.
    y : array-like of shape (n_samples,), default=None
        Their targets.

    Examples
    --------
    >>> from resilient_estimator import FeatureDrift
    >>> from resilient_estimator.testing import check_detector
    >>> check_detector(FeatureDrift())
    """
    _promise(isinstance(detector, Detector), "a detector has 'fit' and 'compare'")
    X, y = _training(X, y)
    fitted = clone(detector, safe=False)
    _promise(fitted.fit(X, y) is fitted, "'fit' returns the detector itself")
    drift = fitted.compare(X)
    _check_drift(drift, len(X))
    _promise(not drift.detected, "the training rows show no drift from themselves")
    moved = X + FAR * np.std(X, axis=0)
    _promise(fitted.compare(moved).detected, "a large shift of all columns is detected")
    shuffled = X[np.random.default_rng(1).permutation(len(X))]
    same = np.allclose(fitted.compare(shuffled).pvalue, drift.pvalue)
    _promise(same, "the order of the rows of a batch does not matter")
    _check_pure(fitted, fitted.compare, moved)
    for column in (np.full(len(X), np.nan), np.full(len(X), np.inf)):
        fitted.compare(np.column_stack([column, moved[:, 1:]]))
    _check_detector_hooks(detector, X, y, moved)


def _promise(condition: bool, promise: str) -> None:  # noqa: FBT001
    """Raise an AssertionError that names the broken promise."""
    if not condition:
        raise AssertionError(f"Broken promise: {promise}.")


def _training(X: Any, y: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    if X is None:
        X = rng.normal(size=(N_SAMPLES, N_FEATURES))
    if y is None:
        y = (np.arange(len(X)) % 3 == 0).astype(int)
        table = read_table(X)
        if table is not None and table.kind(0) == "numeric":
            values = np.nan_to_num(table.numbers(0).values)
            y = (values > np.median(values)).astype(int)
    return X, y


def _spoilt(X: Any) -> Any:
    """Return the rows with faulty cells as in production, if X is an array."""
    if not isinstance(X, np.ndarray) or X.dtype.kind != "f":
        return X
    rows = X.copy()
    rows[0, 0], rows[1, 0], rows[2, 0], rows[3, 0] = np.nan, np.inf, -np.inf, 1e30
    rows[4:10] *= 1e3
    return rows


def _fit_guard(guard: Any, X: Any, y: Any) -> Any:
    fitted = clone(guard, safe=False)
    model = None
    if hasattr(fitted, "fit_model"):
        table = read_table(X)
        numeric = table is not None and table.matrix is not None
        model = LogisticRegression() if numeric else DummyClassifier()
        model.fit(X, y)
    fit_guard(fitted, X, y, model=model)
    return fitted


def _check_masks(flags: Any, n_samples: int) -> None:
    _promise(isinstance(flags, Mapping), "'inspect' returns a mapping of masks")
    for reason, mask in flags.items():
        named = isinstance(reason, str) and reason.isidentifier()
        _promise(named, f"each reason is an identifier, unlike {reason!r}")
        is_mask = isinstance(mask, np.ndarray) and mask.dtype == bool
        fits = is_mask and mask.shape == (n_samples,)
        _promise(fits, f"the flags {reason!r} are booleans of shape (n_samples,)")


def _check_row_by_row(
    guard: Any, X: Any, flags: Mapping[str, NDArray[np.bool_]]
) -> None:
    rows = np.random.default_rng(2).integers(len(X), size=20)
    some = guard.inspect(take_rows(X, rows))
    alike = all(np.array_equal(some[reason], flags[reason][rows]) for reason in flags)
    _promise(alike, "each row is flagged independently of the others")


def _check_pure(part: Any, method: Any, X: Any) -> None:
    before = joblib.hash(part), joblib.hash(X)
    result = method(X)
    after = joblib.hash(part), joblib.hash(X)
    name = method.__name__
    _promise(before == after, f"{name!r} changes neither the object nor the rows")
    revived = getattr(pickle.loads(pickle.dumps(part)), name)(X)  # noqa: S301  its own
    alike = joblib.hash(_comparable(revived)) == joblib.hash(_comparable(result))
    _promise(alike, f"{name!r} of a pickled copy returns the same")


def _comparable(result: Any) -> Any:
    return result.to_dict() if isinstance(result, Drift) else dict(result)


def _check_lenient(guard: Any, X: Any) -> None:
    """Check that malformed input gets no flag and no error: the estimator complains."""
    malformed: list[Any] = [["some", "text"], np.zeros((4, 17))]
    for rows in malformed:
        try:
            flags = guard.inspect(rows)
        except Exception as error:
            message = f"Broken promise: 'inspect' never raises. It does for {rows!r}."
            raise AssertionError(message) from error
        _check_masks(flags, len(rows))
    _promise(len(guard.inspect(X[:0])) >= 0, "a batch without rows can be inspected")


def _check_guard_hooks(guard: Any, X: Any, production: Any) -> None:
    flags = guard.inspect(production)
    flagged = any(mask.any() for mask in flags.values())
    clear = is_clear(guard, production)
    _promise(not (clear and flagged), "'all_clear' holds only where no row is flagged")
    if hasattr(guard, "explain"):
        for reason, columns in guard.explain(production).items():
            counted = max(columns.values(), default=0)
            fits = reason in flags and counted <= int(flags[reason].sum())
            _promise(fits, "'explain' counts no more rows than are flagged")
    if getattr(guard, "takes_table", False):
        found = guard.inspect(read_table(production))
        alike = joblib.hash(dict(found)) == joblib.hash(dict(flags))
        _promise(alike, "with 'takes_table', a table gets the flags of its rows")
    _check_masks(inspect_training(guard, X), len(X))


def _check_drift(drift: Any, n_samples: int) -> None:
    _promise(isinstance(drift, Drift), "'compare' returns a Drift")
    _promise(
        drift.n_samples == n_samples,
        "'n_samples' of a Drift counts the rows of the batch",
    )
    lengths = {len(drift.features), len(drift.pvalues), len(drift.severities)}
    lengths |= {len(drift.verdicts), len(drift.changes), len(drift.statistics)}
    _promise(len(lengths) == 1, "a Drift has one value per entry everywhere")
    for figures in (drift.pvalues, drift.severities):
        _promise(_are_shares(figures), "p-values and severities are in [0, 1] or NaN")


def _are_shares(figures: Floats) -> bool:
    known = figures[~np.isnan(figures)]
    return bool(np.all((known >= 0) & (known <= 1)))


def _check_detector_hooks(detector: Any, X: Any, y: Any, moved: Any) -> None:
    if not hasattr(detector, "fit_reference"):
        return
    reference = Reference.learn(X, pairs=True)
    fitted = fit_detector(clone(detector, safe=False), reference, X, y)
    layout = reference.layout
    whole = compare_batch(fitted, moved, layout.profile(moved))
    parts = layout.profile(moved[:100]) + layout.profile(moved[100:])
    summed = compare_batch(fitted, moved, parts)
    alike = joblib.hash(whole.to_dict()) == joblib.hash(summed.to_dict())
    _promise(alike, "the summed profiles of two parts compare as the whole does")
