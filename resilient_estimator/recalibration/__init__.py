"""Corrections that do not need retraining."""

__all__: list[str] = []
