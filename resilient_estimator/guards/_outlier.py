"""Use any scikit-learn outlier detector as a guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Mask
from resilient_estimator._validation import parameter_error
from resilient_estimator.protocols import Guard
from resilient_estimator.tabular._rows import count_rows
from resilient_estimator.tabular._table import (
    column_names,
    container_of,
    read_table,
)
from resilient_estimator.tabular._valid_rows import (
    UNREADABLE,
    find_columns,
    in_training_order,
    predict_readable,
    valid_rows,
)


class OutlierGuard(BaseEstimator):
    """Flag rows that a scikit-learn outlier detector classifies as outliers.

    Rows that the detector cannot read, such as those with a missing value, are flagged
    too. A detector that accepts missing or infinite values, such as IsolationForest,
    judges them itself.

    Parameters
    ----------
    detector : outlier detector
        For example ``IsolationForest(contamination=0.001)``, or a Pipeline that ends in
        one. Set its contamination: with its default, IsolationForest flags about a
        quarter of ordinary training rows.

    Attributes
    ----------
    detector_ : outlier detector
        The fitted detector.
    feature_names_ : list of str
        Names of the columns seen in `fit`.
    named_ : bool
        Whether they are names of its own.
    numeric_ : list of bool
        Which columns are numeric.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from resilient_estimator import OutlierGuard
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> forest = IsolationForest(contamination=0.002, random_state=0)
    >>> guard = OutlierGuard(forest).fit(X)
    >>> guard.inspect(np.array([[0.0, 0.0], [9.0, 9.0]]))["outlier"]
    array([False,  True])
    """

    takes_table: ClassVar[bool] = True

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
        if not hasattr(self.detector, "fit"):
            expected = "an outlier detector"
            raise parameter_error(self, "detector", expected, self.detector)
        detector = clone(self.detector)
        detector.fit(container_of(X))
        if not hasattr(detector, "predict"):
            expected = (
                "an outlier detector that judges new rows "
                "(LocalOutlierFactor: novelty=True)"
            )
            raise parameter_error(self, "detector", expected, self.detector)
        self.detector_ = detector
        table = read_table(X)
        self.feature_names_ = [] if table is None else column_names(table)
        self.named_ = table is not None and table.names is not None
        self.numeric_ = [
            table is not None and table.kind(index) == "numeric"
            for index in range(len(self.feature_names_))
        ]
        return self

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows are outliers.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask, called "outlier".
        """
        check_is_fitted(self)
        try:
            return {"outlier": self.detector_.predict(container_of(X)) == -1}
        except UNREADABLE:
            return {"outlier": self._inspect_readable(X)}

    def _inspect_readable(self, X: Any) -> Mask:
        """Keep one unreadable row from taking away the verdict on the others."""
        found = find_columns(X, self.feature_names_, named=self.named_)
        if found is None:  # the wrapped estimator complains
            return np.zeros(count_rows(X), dtype=bool)
        table, places = found
        X = in_training_order(X, table, self.feature_names_, named=self.named_)
        valid = np.flatnonzero(valid_rows(table, places, self.numeric_))
        verdicts, rows = predict_readable(self.detector_.predict, X, valid)
        outlier = np.ones(table.shape[0], dtype=bool)
        outlier[rows] = verdicts == -1
        return outlier


def as_guard(guard: Any) -> Guard:
    """Return an unfitted guard: a clone of `guard`, or of the detector it wraps."""
    if hasattr(guard, "inspect") and not isinstance(guard, type):
        return clone(guard, safe=False)  # type: ignore[no-any-return]
    if hasattr(guard, "fit") and _estimator_type(guard) == "outlier_detector":
        return OutlierGuard(guard)
    expected = (
        "'auto', None, an object with an 'inspect' method, an outlier detector or a "
        "list of these"
    )
    raise parameter_error("ResilientEstimator", "guard", expected, guard)


def _estimator_type(estimator: Any) -> str | None:
    try:
        return get_tags(estimator).estimator_type  # type: ignore[no-any-return]
    except (AttributeError, TypeError):
        return None
