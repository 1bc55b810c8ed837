"""Several guards as one, and the guard for a parameter value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from sklearn.utils.validation import check_is_fitted

from resilient_estimator._composition import ListComposition
from resilient_estimator._typing import Mask
from resilient_estimator.guards._base import (
    explain_flags,
    fit_guard,
    inspect_training,
    is_clear,
    rows_for,
)
from resilient_estimator.guards._category import CategoryGuard
from resilient_estimator.guards._outlier import as_guard
from resilient_estimator.guards._range import RangeGuard
from resilient_estimator.protocols import Guard, HeldOutPredictions
from resilient_estimator.tabular._table import read_rows


class GuardUnion(ListComposition):
    """Flag every row that any of several guards flags.

    Parameters
    ----------
    guards : list of guards or outlier detectors
        Their nested parameters are reached by the lower-case name of the class, with a
        number if there are several: ``rangeguard__margin``, ``regionguard-2__regions``.

    Attributes
    ----------
    guards_ : list of guards
        The fitted guards.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator import CategoryGuard, RangeGuard
    >>> from resilient_estimator.guards import GuardUnion
    >>> guard = GuardUnion([RangeGuard(limits={0: (0, 1)}), CategoryGuard()])
    >>> guard = guard.set_params(rangeguard__limits={0: (0, 2)})
    >>> guard.fit(np.array([[0.5], [1.5]])).inspect([[3.0]])["out_of_range"]
    array([ True])
    """

    takes_table: ClassVar[bool] = True
    _listed = "guards"

    def __init__(self, guards: Sequence[Any]) -> None:
        self.guards = guards

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of each guard.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Targets, for guards that use them.

        Returns
        -------
        self : GuardUnion
            The fitted guard.
        """
        return self.fit_model(None, X, y)

    def fit_model(
        self,
        model: Any,
        X: Any,
        y: Any = None,
        out_of_fold: HeldOutPredictions | None = None,
    ) -> Self:
        """Fit a clone of each guard, to the model's predictions where it uses them.

        Parameters
        ----------
        model : predictor or None
            The fitted model.
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Targets, for guards that use them.
        out_of_fold : HeldOutPredictions or None, default=None
            Predictions for the rows by models that were not trained on them.

        Returns
        -------
        self : GuardUnion
            The fitted guard.
        """
        self._check_list()
        self.guards_: list[Guard] = [as_guard(guard) for guard in self.guards]
        rows = read_rows(X)
        for guard in self.guards_:
            fit_guard(guard, rows, y, model=model, out_of_fold=out_of_fold)
        return self

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows are suspicious, and why.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask per reason; guards with the same reason share it.
        """
        if not hasattr(self, "guards_"):  # far cheaper than the check itself
            check_is_fitted(self)
        rows = read_rows(X)
        return _joined(guard.inspect(rows_for(guard, rows)) for guard in self.guards_)

    def inspect_training(self, X: Any) -> Mapping[str, Mask]:
        """Return the flags of the rows given to `fit`, as if they had been new.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The rows given to `fit`.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            As from `inspect`.
        """
        check_is_fitted(self)
        rows = read_rows(X)
        return _joined(inspect_training(guard, rows) for guard in self.guards_)

    def all_clear(self, X: Any) -> bool:
        """Return whether no row has a flag; False leaves it open."""
        rows = read_rows(X)
        return all(is_clear(guard, rows) for guard in getattr(self, "guards_", [None]))

    def explain(self, X: Any) -> dict[str, dict[str, int]]:
        """Count the flagged rows per reason and column, where guards know them.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect.

        Returns
        -------
        counts : dict of str to dict of str to int
            Reason, column, number of rows; only what occurs.
        """
        check_is_fitted(self)
        counts: dict[str, dict[str, int]] = {}
        rows = read_rows(X)
        for guard in self.guards_:
            for reason, columns in explain_flags(guard, rows).items():
                counts.setdefault(reason, {}).update(columns)
        return counts


def _joined(found: Iterable[Mapping[str, Mask]]) -> dict[str, Mask]:
    """Return the masks of several guards; those with the same reason share one."""
    flags: dict[str, Mask] = {}
    for masks in found:
        for reason, mask in masks.items():
            known = flags.get(reason)
            flags[reason] = mask if known is None else known | mask
    return flags


def make_guard(guard: Any) -> Guard | None:
    """Return the unfitted guard that the parameter of ResilientEstimator stands for."""
    if guard is None:
        return None
    if isinstance(guard, str) and guard == "auto":
        return GuardUnion([RangeGuard(), CategoryGuard()])
    if isinstance(guard, (list, tuple)):
        return as_guard(GuardUnion(list(guard)))
    return as_guard(guard)
