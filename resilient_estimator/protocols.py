"""What a third party may plug into a ResilientEstimator.

These are structural types: nothing has to inherit from them, nothing is registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.drift import Drift


@runtime_checkable
class Guard(Protocol):
    """Says row by row what is wrong with an input.

    A guard judges every row by itself and never raises: input that it cannot read is
    left to the wrapped estimator, whose error messages the user knows.

    A guard may also have ``explain(X)``, which counts flagged rows per reason and
    column, and ``all_clear(X)``, which is true if no row has a flag and that is cheaper
    to tell than which.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from training rows."""
        ...

    def inspect(self, X: Any) -> Mapping[str, NDArray[np.bool_]]:
        """Return a mask of shape (n_samples,) for each reason to worry."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Says whether a batch looks like the training data.

    A detector may also have ``fit_reference(reference)``: it then works from the counts
    that the estimator keeps anyway, and `compare` is given a `Profile`.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from training rows."""
        ...

    def compare(self, X: Any) -> Drift:
        """Compare a batch with the training rows."""
        ...
