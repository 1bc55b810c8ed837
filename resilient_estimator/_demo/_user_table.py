"""The stream of a table provided by the user."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from resilient_estimator._demo._walk_forward import DemoError, Stream
from resilient_estimator.estimator._estimator import ResilientEstimator
from resilient_estimator.exceptions import needs_extra

MIN_ROWS = 150
MIN_WINDOW_ROWS = 50
MAX_WINDOWS = 12
MAX_LEVELS = 200
MAX_CLASSES = 50
MAX_CLASS_NUMBERS = 20


def table_stream(path: str, target: str, time: str | None) -> Stream:
    """Return a table as a stream: the first third, then at most 12 windows.

    Parameters
    ----------
    path : str
        CSV or Parquet file.
    target : str
        Column to predict.
    time : str or None
        Column to sort by; None keeps the order of the file.

    Raises
    ------
    DemoError
        If the file cannot be used.
    """
    notes: list[str] = []
    table, times = read_rows(path, target, time, notes)
    y, classify = read_target(table[target], target)
    edges = window_edges(len(table), None if times is None else times.to_numpy())
    table = table.drop(columns=[target, *filter(None, [time])])
    X = read_features(table, edges[0], notes)
    kind = "classification" if classify else "regression"
    order = f"sorted by {time}" if time else "in file order"
    return Stream(
        title=(
            f"{Path(path).name}: {kind} of {target} from {X.shape[1]} columns, {order}."
            f" Trained on the first {edges[0]:,} of {len(X):,} rows."
        ),
        model=table_model(classify=classify),
        X=X,
        y=y,
        edges=edges,
        windows=[window_name(times, *pair) for pair in pairwise(edges)],
        features=list(X.columns),
        unit="window",
        notes=notes,
    )


def read_rows(
    path: str, target: str, time: str | None, notes: list[str]
) -> tuple[Any, Any]:
    """Return the rows that have a target, sorted by time, and their times."""
    table = read_file(path)
    for column in filter(None, (target, time)):
        check_column(table, column, path)
    if target == time:
        raise DemoError("--target and --time are the same column")
    table, times = sort_by_time(table, time, notes)
    table, times = drop_unlabelled(table, times, target, notes)
    if len(table) < MIN_ROWS:
        raise DemoError(
            f"{path} has {len(table):,} usable rows; at least {MIN_ROWS} are needed"
        )
    return table, times


def table_model(*, classify: bool) -> ResilientEstimator:
    """Return a model that supports categories and missing values natively."""
    boosting = (
        HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    )
    estimator = boosting(categorical_features="from_dtype", random_state=0)
    return ResilientEstimator(estimator, fallback="prior")


def read_file(path: str) -> Any:
    """Return a CSV or Parquet file as a data frame."""
    try:
        import pandas as pd  # noqa: PLC0415  an extra
    except ImportError as error:
        raise DemoError(needs_extra("pandas", "pandas", "demo --data")) from error
    if not Path(path).is_file():
        raise DemoError(f"there is no file {path}")
    try:
        if Path(path).suffix in {".parquet", ".pq"}:
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, sep=_separator(path), low_memory=False)
    except ImportError as error:
        raise DemoError(needs_extra("pyarrow", "pandas", "a Parquet file")) from error
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["it is empty"])[0]
        raise DemoError(f"{path} cannot be read as a table: {reason}") from error
    return table.set_axis([str(name) for name in table.columns], axis=1)


def _separator(path: str) -> str:
    """Return the separator used in the first line; a comma for compressed files."""
    if Path(path).suffix in {".gz", ".bz2", ".xz", ".zip", ".zst"}:
        return ","
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        line = file.readline()
    return max(",;\t", key=line.count)


def check_column(table: Any, column: str, path: str) -> None:
    """Raise a DemoError unless the table has the column exactly once."""
    n_found = list(table.columns).count(column)
    if n_found != 1:
        names = ", ".join(table.columns[:20]) + (", ..." if table.shape[1] > 20 else "")
        problem = "no column" if n_found == 0 else f"{n_found} columns"
        raise DemoError(f"{path} has {problem} {column!r}; its columns are: {names}")


def sort_by_time(table: Any, time: str | None, notes: list[str]) -> tuple[Any, Any]:
    """Return the table sorted by time, and the times; text is read as dates."""
    if time is None:
        return table, None
    times = table[time]
    if times.dtype.kind not in "iufM":
        times = read_dates(times.astype("string"))
    known = times.notna()
    if known.sum() < len(times) / 2:
        raise DemoError(f"most of the column {time!r} cannot be read as times")
    if not known.all():
        n_unknown = int((~known).sum())
        notes.append(f"{n_unknown:,} rows left out: no time in {time}")
    times = times[known].sort_values(kind="stable")
    return table.loc[times.index], times


def read_dates(texts: Any) -> Any:
    """Return texts as dates, parsed in the way that most of them allow."""
    import pandas as pd  # noqa: PLC0415  an extra

    ways: list[dict[str, Any]] = [{}, {"dayfirst": True}, {"format": "mixed"}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the format is guessed
        readings = [
            pd.to_datetime(texts, errors="coerce", utc=True, **way) for way in ways
        ]
    return max(readings, key=lambda dates: int(dates.notna().sum()))


def drop_unlabelled(
    table: Any, times: Any, target: str, notes: list[str]
) -> tuple[Any, Any]:
    """Drop the rows whose target is missing or infinite."""
    values = table[target]
    known = values.notna()
    if values.dtype.kind == "f":
        known &= np.isfinite(values)
    if not known.all():
        n_unknown = int((~known).sum())
        notes.append(f"{n_unknown:,} rows left out: no target in {target}")
    return table[known], None if times is None else times[known]


def read_target(values: Any, target: str) -> tuple[NDArray[Any], bool]:
    """Return the targets, and whether they are class labels."""
    n_values = values.nunique()
    if n_values < 2:
        raise DemoError(
            f"the target {target!r} has only one value, {values.iloc[0]!s}: "
            "there is nothing to predict"
        )
    if values.dtype.kind in "iuf" and n_values > MAX_CLASS_NUMBERS:
        return values.to_numpy(dtype=np.float64), False
    if n_values > MAX_CLASSES:
        raise DemoError(
            f"the target {target!r} has {n_values:,} different labels; at most "
            f"{MAX_CLASSES} are supported"
        )
    if values.dtype.kind in "iuf":
        return values.to_numpy(), True
    return values.astype(str).to_numpy(dtype=str), True


def read_features(table: Any, n_training: int, notes: list[str]) -> Any:
    """Return the columns as numbers and categories; note which ones are left out."""
    kept = {}
    for name in dict.fromkeys(table.columns):
        column = table[name]
        if column.ndim > 1:
            raise DemoError(f"there are several columns {name!r}")
        obstacle = _obstacle(column, n_training)
        if obstacle:
            notes.append(f"column {name} left out: {obstacle}")
        elif column.dtype.kind in "iufb":
            kept[name] = column.astype(np.float64)
        else:
            kept[name] = column.astype("string").astype(object).astype("category")
    if not kept:
        raise DemoError("no column is left to predict from")
    frame = type(table)(kept)
    return frame.reset_index(drop=True)


def _obstacle(column: Any, n_training: int) -> str:
    """Return why a column cannot be used; "" if it can."""
    kind = column.dtype.kind
    if column.iloc[:n_training].isna().all():
        return "no value to train on"
    if kind in "mMc":
        return f"{column.dtype} is not a number"
    if kind == "i" and column.is_unique and column.is_monotonic_increasing:
        return "it only numbers the rows"
    if (
        kind not in "iufb"
        and (n_texts := column.astype("string").nunique()) > MAX_LEVELS
    ):
        return f"{n_texts:,} different texts"
    return ""


def window_edges(n_samples: int, times: NDArray[Any] | None) -> list[int]:
    """Return the edges of the windows that follow the first third of the rows.

    Rows with the same time stay together.
    """
    first = n_samples // 3
    n_windows = min(MAX_WINDOWS, (n_samples - first) // MIN_WINDOW_ROWS)
    edges = np.linspace(first, n_samples, n_windows + 1).astype(int)
    if times is not None:
        begins = np.searchsorted(times, times[edges[:-1]])
        if begins[0] == 0:
            begins[0] = np.searchsorted(times, times[0], side="right")
        edges = np.append(np.unique(begins[begins > 0]), n_samples)
        edges = np.unique(edges)
    if len(edges) < 2:
        raise DemoError("all rows have the same time: there are no windows")
    return [int(edge) for edge in edges]


def window_name(times: Any, start: int, stop: int) -> str:
    """Return the first and the last time of a window, or its row numbers."""
    if times is None:
        return f"{start + 1:,}-{stop:,}"
    first, last = _time_text(times.iloc[start]), _time_text(times.iloc[stop - 1])
    return first if first == last else f"{first} to {last}"


def _time_text(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}" if hasattr(moment, "year") else f"{moment:g}"
