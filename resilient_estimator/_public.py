"""Let classes name the package that exports them as their home."""

from __future__ import annotations

from typing import Any


def publish(namespace: dict[str, Any], *stored: type) -> None:
    """Let classes name a package, and no private module of it, as their home.

    A pickle records where a class lives: so saved models survive when files move.

    Parameters
    ----------
    namespace : dict
        The package's `globals()`. Published are the classes in its `__all__`.
    *stored : type
        Classes that fitted models hold, though no user needs them by name.
    """
    public = (namespace[name] for name in namespace["__all__"])
    for thing in (*public, *stored):
        if isinstance(thing, type):
            thing.__module__ = namespace["__name__"]
