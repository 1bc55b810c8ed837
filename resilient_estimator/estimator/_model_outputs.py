"""The outputs of a model as columns that a detector can compare."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.tabular._column import NUMBERS, label_text
from resilient_estimator.tabular._table import Table

SCORE_METHODS = ("predict_proba", "decision_function")
MAX_SCORES = 30  # of one target


def score_method(estimator: Any) -> str:
    """Return the method of an estimator with the most detailed outputs."""
    if hasattr(estimator, "classes_"):
        for method in SCORE_METHODS:
            if hasattr(estimator, method):
                return method
    return "predict"


def output_table(outputs: Any, method: str, classes: Any) -> Table | None:
    """Return the outputs of a model as a table.

    Parameters
    ----------
    outputs : ndarray or list of ndarray
        What `method` returned for some rows.
    method : str
        "predict_proba", "decision_function" or "predict".
    classes : ndarray, list of ndarray or None
        Classes of the model, of each target if there are several; None for a regressor.

    Returns
    -------
    outputs : Table or None
        Scores, uncertainty and the label with the highest score of a classifier,
        predictions of a regressor. None where outputs are neither numbers nor labels.
    """
    columns: dict[str, NDArray[Any]] = {}
    for own, classes_of, of in _targets(outputs, classes):
        if classes_of is None:
            columns |= _predictions(own, of)
        elif method == "predict":
            columns[f"predicted label{of}"] = _labels(own)
        elif method == "predict_proba":
            columns |= _probabilities(own, classes_of, of)
        else:
            columns |= _decisions(own, classes_of, of)
    if not columns:
        return None
    values = list(columns.values())
    return Table(list(columns), (len(values[0]), len(values)), columns=values)


def _targets(outputs: Any, classes: Any) -> list[tuple[NDArray[Any], Any, str]]:
    """Return outputs, classes and the suffix of the names for each target."""
    if not isinstance(outputs, list):
        outputs = np.asarray(outputs)
        own = isinstance(classes, np.ndarray)
        if outputs.ndim == 1 or own:
            return [(outputs, classes, "")]
        if outputs.shape[1] == 1:
            return [(outputs[:, 0], classes, "")]
        outputs = list(outputs.T)
    several = isinstance(classes, list) and len(classes) == len(outputs)
    classes = classes if several else [classes] * len(outputs)
    return [
        (np.asarray(each), own, f" of target {i}")
        for i, (each, own) in enumerate(zip(outputs, classes, strict=True))
    ]


def _predictions(outputs: NDArray[Any], of: str) -> dict[str, NDArray[Any]]:
    numeric = outputs.ndim == 1 and outputs.dtype.kind in NUMBERS
    return {f"prediction{of}": outputs} if numeric else {}


def _probabilities(
    outputs: NDArray[Any], classes: Any, of: str
) -> dict[str, NDArray[Any]]:
    names = _names(classes)
    if outputs.ndim != 2 or outputs.shape[1] != len(names):
        return {}
    shown = range(1, 2) if len(names) == 2 else range(min(len(names), MAX_SCORES))
    columns = {f"probability of class {names[i]}{of}": outputs[:, i] for i in shown}
    columns[f"uncertainty{of}"] = 1 - outputs.max(axis=1)
    columns[f"predicted label{of}"] = names[outputs.argmax(axis=1)]
    return columns


def _decisions(outputs: NDArray[Any], classes: Any, of: str) -> dict[str, NDArray[Any]]:
    names = _names(classes)
    if outputs.ndim == 1 and len(names) != 2:
        return {f"decision value{of}": outputs}
    if outputs.ndim == 1:
        return {
            f"decision value{of}": outputs,
            f"predicted label{of}": names[(outputs > 0).astype(int)],
        }
    columns = {
        f"decision value {i}{of}": outputs[:, i]
        for i in range(min(outputs.shape[1], MAX_SCORES))
    }
    if outputs.shape[1] == len(names):
        columns[f"predicted label{of}"] = names[outputs.argmax(axis=1)]
    return columns


def _names(classes: Any) -> NDArray[Any]:
    return np.array([label_text(c).strip("<>") for c in classes], dtype=object)


def _labels(outputs: NDArray[Any]) -> NDArray[Any]:
    distinct, codes = np.unique(outputs, return_inverse=True)
    return _names(distinct)[codes.ravel()]
