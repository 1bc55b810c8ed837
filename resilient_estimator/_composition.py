"""Estimators made of other estimators: nested parameters and tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy
from typing import Any, Self

from sklearn.base import BaseEstimator

from resilient_estimator._validation import parameter_error


class ListComposition(BaseEstimator):
    """An estimator whose parameter `_listed` is a list of parts.

    Their parameters are reached by the lower-case name of the class, with a number if
    there are several: ``rangeguard__margin``, ``regionguard-2__regions``.
    """

    _listed: str

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the parameters, with those of the parts if `deep`."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            parts = self._parts()
            for name, part in zip(part_names(parts), parts, strict=True):
                params[name] = part
                nested = part.get_params() if hasattr(part, "get_params") else {}
                params |= {f"{name}__{key}": value for key, value in nested.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; the name of a part replaces that part.

        Parameters
        ----------
        **params : dict
            Parameters as `get_params` names them.

        Returns
        -------
        self : estimator
            This estimator.
        """
        if self._listed in params:
            super().set_params(**{self._listed: params.pop(self._listed)})
        parts = self._parts()
        replaced = dict(zip(part_names(parts), parts, strict=True))
        if replaced.keys() & params.keys():
            chosen = [params.pop(name, old) for name, old in replaced.items()]
            setattr(self, self._listed, chosen)
        return super().set_params(**params)  # type: ignore[no-any-return]

    def _parts(self) -> list[Any]:
        """Return the parts, none if the parameter is not a list."""
        parts = getattr(self, self._listed)
        is_list = isinstance(parts, Sequence) and not isinstance(parts, str)
        return list(parts) if is_list else []

    def _check_list(self) -> None:
        parts = getattr(self, self._listed)
        if not isinstance(parts, Sequence) or isinstance(parts, str):
            expected = f"a list of {self._listed}"
            raise parameter_error(self, self._listed, expected, parts)


def part_names(parts: Sequence[Any]) -> list[str]:
    """Return the lower-case name of each part's class, numbered where there are more.

    Examples
    --------
    >>> from resilient_estimator._composition import part_names
    >>> part_names([0, "a", 1])
    ['int-1', 'str', 'int-2']
    """
    plain = [type(part).__name__.lower() for part in parts]
    total, seen = Counter(plain), Counter[str]()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(f"{name}-{seen[name]}" if total[name] > 1 else name)
    return names


def copy_tags(tags: Any, inner: Any) -> Any:
    """Return the tags of a meta-estimator, with those of the wrapped estimator.

    Parameters
    ----------
    tags : sklearn.utils.Tags
        Tags of the meta-estimator, changed in place.
    inner : sklearn.utils.Tags
        Tags of the wrapped estimator.
    """
    tags.estimator_type = inner.estimator_type
    tags.classifier_tags = copy(inner.classifier_tags)
    tags.regressor_tags = copy(inner.regressor_tags)
    tags.input_tags = copy(inner.input_tags)
    tags.target_tags = copy(inner.target_tags)
    tags.target_tags.required = True  # a Pipeline does not report it
    tags.non_deterministic = inner.non_deterministic
    return tags


def restrict_input_tags(tags: Any, part: Any) -> Any:
    """Return tags that allow only the input that another part accepts, too.

    Parameters
    ----------
    tags : sklearn.utils.Tags
        Tags of the meta-estimator, changed in place.
    part : sklearn.utils.Tags
        Tags of another part that receives X.
    """
    accepts_nan = part.input_tags.allow_nan or part.no_validation
    tags.input_tags.sparse &= part.input_tags.sparse
    tags.input_tags.allow_nan &= accepts_nan
    return tags
