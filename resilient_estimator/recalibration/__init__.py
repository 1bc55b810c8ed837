"""What can be put right without retraining."""

__all__: list[str] = []
