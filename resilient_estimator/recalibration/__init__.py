"""Corrections without retraining: the decision threshold."""

__all__: list[str] = []
