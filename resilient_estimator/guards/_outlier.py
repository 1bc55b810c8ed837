"""Let any scikit-learn outlier detector be a guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._columns import count_rows, read_table
from resilient_estimator.exceptions import parameter_error
from resilient_estimator.guards._base import Mask
from resilient_estimator.protocols import Guard


class OutlierGuard(BaseEstimator):
    """Flag rows that an outlier detector calls outliers.

    Rows which the detector cannot read, such as those with a missing value, are flagged
    too: nothing says that they are usual.

    Parameters
    ----------
    detector : outlier detector
        For example ``IsolationForest(contamination=0.001)``, or a Pipeline that ends in
        one. Set its contamination: IsolationForest's default rejects about a quarter of
        usual training rows.

    Attributes
    ----------
    detector_ : outlier detector
        The fitted detector.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from resilient_estimator import OutlierGuard
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> forest = IsolationForest(contamination=0.002, random_state=0)
    >>> guard = OutlierGuard(forest).fit(X)
    >>> guard.inspect(np.array([[0.0, 0.0], [9.0, 9.0], [0.0, np.inf]]))["outlier"]
    array([False,  True,  True])
    """

    def __init__(self, detector: Any) -> None:
        self.detector = detector

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Fit the detector.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : OutlierGuard
            The fitted guard.

        Raises
        ------
        TypeError
            If the detector cannot judge new rows.
        """
        detector = clone(self.detector)
        detector.fit(X)
        if not hasattr(detector, "predict"):
            expected = (
                "an outlier detector that judges new rows "
                "(LocalOutlierFactor: novelty=True)"
            )
            raise TypeError(parameter_error(self, "detector", expected, self.detector))
        self.detector_ = detector
        return self

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows are outliers.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to look at.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask, called "outlier".
        """
        check_is_fitted(self)
        try:
            return {"outlier": self.detector_.predict(X) == -1}
        except (TypeError, ValueError):
            return {"outlier": self._judge_readable_rows(X)}

    def _judge_readable_rows(self, X: Any) -> Mask:
        """Ask about the rows without missing or infinite numbers only."""
        readable = _readable_rows(X)
        outlier = np.asarray(~readable)
        if readable.any() and not readable.all():
            (X,) = indexable(X)
            try:
                rows = _safe_indexing(X, np.flatnonzero(readable))
                outlier[readable] = self.detector_.predict(rows) == -1
            except (TypeError, ValueError):
                outlier[readable] = False  # malformed as a whole: the estimator says so
        return outlier


def _readable_rows(X: Any) -> Mask:
    table = read_table(X)
    if table is None:
        return np.ones(count_rows(X), dtype=bool)
    readable = np.ones(table.shape[0], dtype=bool)
    for index in range(table.shape[1]):
        if table.is_sparse:
            start, stop = table.matrix.indptr[index : index + 2]
            bad = ~np.isfinite(table.matrix.data[start:stop])
            readable[table.matrix.indices[start:stop][bad]] = False
        elif table.kind(index) == "numeric":
            readable &= np.isfinite(table.numbers(index).values)
        else:
            readable &= ~table.missing(index)
    return readable


def as_guard(guard: Any) -> Guard:
    """Return an unfitted guard: a clone of `guard`, or of the detector it wraps."""
    if hasattr(guard, "inspect"):
        return clone(guard, safe=False)  # type: ignore[no-any-return]
    if hasattr(guard, "fit") and _estimator_type(guard) == "outlier_detector":
        return OutlierGuard(guard)
    expected = "'auto', None, an object with an 'inspect' method or an outlier detector"
    message = parameter_error("ResilientEstimator", "guard", expected, guard)
    raise TypeError(message)


def _estimator_type(estimator: Any) -> str | None:
    try:
        return get_tags(estimator).estimator_type  # type: ignore[no-any-return]
    except (AttributeError, TypeError):
        return None
