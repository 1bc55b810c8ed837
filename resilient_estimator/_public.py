"""Let public classes name the package that exports them as their home."""

from __future__ import annotations

from typing import Any


def publish(namespace: dict[str, Any]) -> None:
    """Let the classes in a package's `__all__` name that package as their home.

    A pickle records where a class lives: the public place stays when files move.
    """
    for name in namespace["__all__"]:
        if isinstance(namespace[name], type):
            namespace[name].__module__ = namespace["__name__"]
