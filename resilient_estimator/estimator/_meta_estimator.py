"""What scikit-learn expects of an estimator that is made of parts.

Tags, metadata routing, `hasattr` that holds, fittedness and persistence. Nothing here
depends on what the parts do.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from types import MethodType
from typing import Any

from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from resilient_estimator._composition import copy_tags, restrict_input_tags
from resilient_estimator._validation import parameter_error
from resilient_estimator._version import __version__
from resilient_estimator.exceptions import InconsistentVersionWarning
from resilient_estimator.fallback import as_fallback


def every_part_has(method: str) -> Any:
    """Return a check that each part which may have to answer has `method`."""

    def check(self: MetaEstimator) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        fallback = getattr(self, "fallback_", self.fallback)
        if isinstance(fallback, str):  # "prior", not fitted yet
            fallback = as_fallback(fallback, get_tags(self).estimator_type)
        if fallback is not None:
            getattr(fallback, method)
        return True

    return available_if(check)


PARTS = ("estimator", "fallback")


class shows_sample_weight:  # noqa: N801  used as a decorator
    """Let `fit` name `sample_weight` exactly if the wrapped estimator's does.

    scikit-learn reads the signature of `fit` to find out whether it accepts weights:
    with ``**params`` alone, AdaBoost would refuse a model whose estimator accepts them.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self._method
        bound = MethodType(self._method, instance)
        estimator = instance.estimator
        if not hasattr(estimator, "fit") or not has_fit_parameter(
            estimator, "sample_weight"
        ):
            return bound

        @wraps(bound)
        def fit(X: Any, y: Any = None, **params: Any) -> Any:
            return bound(X, y, **params)

        shown = signature(bound)
        weight = Parameter("sample_weight", Parameter.KEYWORD_ONLY, default=None)
        *named, rest = shown.parameters.values()
        known = shown.replace(parameters=[*named, weight, rest])
        vars(fit)["__signature__"] = known
        return fit


class MetaEstimator(MetaEstimatorMixin, BaseEstimator):
    """An estimator whose rows are answered by `estimator` or by `fallback`."""

    estimator: Any
    fallback: Any
    cv: Any

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels; classifiers only."""
        return self.estimator_.classes_  # type: ignore[no-any-return]

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata go where.

        Returns
        -------
        routing : MetadataRouter
            Requests of this estimator and of its parts.
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(estimator=self.estimator, method_mapping=to_fit)
        if not self._fallback_is_named():
            router.add(fallback=self.fallback, method_mapping=to_fit)
        to_split = MethodMapping().add(caller="fit", callee="split")
        return router.add(splitter=self.cv, method_mapping=to_split)

    def _fallback_is_named(self) -> bool:
        """Whether there is no fallback object that could request metadata."""
        return self.fallback is None or isinstance(self.fallback, str)

    def _route(self, params: dict[str, Any]) -> Any:
        if not hasattr(self.estimator, "fit"):
            expected = "a scikit-learn estimator"
            raise parameter_error(self, "estimator", expected, self.estimator)
        fallback = self.fallback
        if fallback is not None:  # a bad one is named here, not deep inside
            fallback = as_fallback(fallback, get_tags(self).estimator_type)
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **params)
            requesting = ["estimator"] if self._fallback_is_named() else list(PARTS)
            parts = {part: {"fit": routed[part]["fit"]} for part in requesting}
            parts["splitter"] = {"split": routed["splitter"]["split"]}
            return {"fallback": {"fit": {}}} | parts
        taken = {
            name: value
            for name, value in params.items()
            if fallback is not None and has_fit_parameter(fallback, name)
        }
        return {
            "estimator": {"fit": params},
            "fallback": {"fit": taken},
            "splitter": {"split": {}},
        }

    def _check_fitted(self) -> None:
        """Raise unless fitted; `check_is_fitted` alone would cost a fifth of a call."""
        if not hasattr(self, "estimator_"):
            check_is_fitted(self)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self) -> Any:
        tags = copy_tags(super().__sklearn_tags__(), get_tags(self.estimator))
        if hasattr(self.fallback, "__sklearn_tags__"):
            restrict_input_tags(tags, get_tags(self.fallback))
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_resilient_estimator_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("_resilient_estimator_version", "unknown")
        if saved != __version__:
            warnings.warn(
                f"This model was saved by resilient_estimator {saved}; this is "
                f"{__version__}. Predictions may differ.",
                InconsistentVersionWarning,
                stacklevel=2,
            )
        super().__setstate__(state)
