"""Several guards as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from resilient_estimator.exceptions import parameter_error
from resilient_estimator.guards._base import Mask
from resilient_estimator.guards._outlier import as_guard
from resilient_estimator.protocols import Guard


class GuardUnion(BaseEstimator):
    """Flag what any of several guards flags.

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
    >>> from resilient_estimator import CategoryGuard, GuardUnion, RangeGuard
    >>> guard = GuardUnion([RangeGuard(limits={0: (0, 1)}), CategoryGuard()])
    >>> guard = guard.set_params(rangeguard__limits={0: (0, 2)})
    >>> guard.fit(np.array([[0.5], [1.5]])).inspect([[3.0]])["out_of_range"]
    array([ True])
    """

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
        if not isinstance(self.guards, Sequence) or isinstance(self.guards, str):
            expected = "a list of guards"
            raise TypeError(parameter_error(self, "guards", expected, self.guards))
        self.guards_: list[Guard] = [as_guard(guard) for guard in self.guards]
        for guard in self.guards_:
            guard.fit(X, y)
        return self

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows are suspicious, and why.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to look at.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask per reason; guards with the same reason share it.
        """
        if not hasattr(self, "guards_"):  # far cheaper than the check itself
            check_is_fitted(self)
        flags: dict[str, Mask] = {}
        for guard in self.guards_:
            for reason, mask in guard.inspect(X).items():
                known = flags.get(reason)
                flags[reason] = mask if known is None else known | mask
        return flags

    def all_clear(self, X: Any) -> bool:
        """Return whether it is plain that no row has a flag; False is no verdict."""
        return all(
            guard.all_clear(X) if hasattr(guard, "all_clear") else False
            for guard in getattr(self, "guards_", [None])
        )

    def explain(self, X: Any) -> dict[str, dict[str, int]]:
        """Count the flagged rows per reason and column, where guards can tell.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to look at.

        Returns
        -------
        counts : dict of str to dict of str to int
            Reason, column, number of rows; only what occurs.
        """
        check_is_fitted(self)
        counts: dict[str, dict[str, int]] = {}
        for guard in self.guards_:
            explain = getattr(guard, "explain", None)
            for reason, columns in explain(X).items() if explain else ():
                counts.setdefault(reason, {}).update(columns)
        return counts

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the parameters, with those of the guards if `deep`."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep and isinstance(self.guards, Sequence):
            for name, guard in zip(self._names(), self.guards, strict=True):
                params[name] = guard
                nested = guard.get_params() if hasattr(guard, "get_params") else {}
                params |= {f"{name}__{key}": value for key, value in nested.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; the name of a guard replaces that guard.

        Parameters
        ----------
        **params : dict
            Parameters as `get_params` names them.

        Returns
        -------
        self : GuardUnion
            This guard.
        """
        if "guards" in params:
            super().set_params(guards=params.pop("guards"))
        replaced = dict(zip(self._names(), self.guards, strict=True))
        if replaced.keys() & params.keys():
            self.guards = [params.pop(name, old) for name, old in replaced.items()]
        return super().set_params(**params)  # type: ignore[no-any-return]

    def _names(self) -> list[str]:
        plain = [type(guard).__name__.lower() for guard in self.guards]
        total, seen = Counter(plain), Counter[str]()
        names = []
        for name in plain:
            seen[name] += 1
            names.append(f"{name}-{seen[name]}" if total[name] > 1 else name)
        return names
