"""What `fit` remembers: the layout together with the counts of the training rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Counts, Floats
from resilient_estimator.reference._bins import (
    MAX_CELLS,
    Bins,
    NumericBins,
    OpaqueBins,
    learn_bins,
)
from resilient_estimator.reference._effective_sample_size import (
    correlation_time,
    model_noise,
)
from resilient_estimator.reference._layout import Flags, Layout, Profile, rows_of
from resilient_estimator.reference._normal_scores import PairScores, choose_pairs
from resilient_estimator.tabular._table import Table, column_names, read_table


class Reference:
    """What `fit` remembers: the layout and the profile of the training rows.

    Parameters
    ----------
    layout : Layout
        The cells.
    profile : Profile
        Counts of the training rows.
    pair_noise : ndarray of float of shape (n_paired, n_paired), default=None
        Variance of the root of the number of rows times the Fisher-transformed
        correlation of the scores of two columns; 1 if they are jointly normal.
    correlation_times : ndarray of float of shape (n_columns,), default=None
        By what dependence between successive rows multiplies the variance of a mean,
        for each feature and output. None: rows are taken to be independent.
    model_noise : ndarray of float of shape (n_outputs,), default=None
        Variance of each output between models, in units of its variance between rows:
        by how much the final model may differ from those of the folds.
    residuals : Reference, default=None
        Counts of a regressor's out-of-fold residuals, true minus predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.reference import Reference
    >>> reference = Reference.learn(np.arange(100.0).reshape(-1, 1))
    >>> reference.profile.n_samples
    100
    >>> Reference.from_json(reference.to_json()) == reference
    True
    """

    def __init__(
        self,
        layout: Layout,
        profile: Profile,
        *,
        pair_noise: Floats | None = None,
        correlation_times: Floats | None = None,
        model_noise: Floats | None = None,
        residuals: Reference | None = None,
    ) -> None:
        self.layout = layout
        self.profile = profile
        self.pair_noise = pair_noise
        self.correlation_times = correlation_times
        self.model_noise = model_noise
        self.residuals = residuals

    @classmethod
    def learn(
        cls,
        X: Any,
        *,
        outputs: Table | None = None,
        probes: Sequence[Table | None] = (),
        probe_folds: NDArray[np.intp] | None = None,
        flags: Flags | None = None,
        residuals: Floats | None = None,
        pairs: bool = False,
        time_ordered: bool = False,
        max_cells: int = MAX_CELLS,
        min_count: int = 10,
    ) -> Self:
        """Choose the cells from reference rows, and count the rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The reference. What is not a table gives a layout without columns.
        outputs : Table, default=None
            What models that did not learn from them say about the rows.
        probes : list of Table, default=()
            What each of these models says about the same rows.
        probe_folds : ndarray of int of shape (n_probes,), default=None
            Which of the models did not learn from each of these rows.
        flags : dict of str to ndarray of bool of shape (n_samples,), default=None
            Which of the rows a guard flags.
        residuals : ndarray of shape (n_rows,) or (n_rows, n_targets), default=None
            Out-of-fold residuals of a regressor.
        pairs : bool, default=False
            Whether to count products of the scores of pairs of numeric columns, of the
            first 64 that vary.
        time_ordered : bool, default=False
            Whether the rows stand in the order of time, and may depend on one another.
        max_cells : int, default=1024
            Most bins or labels of one column.
        min_count : int, default=10
            Fewest rows for which a label is stored as text.
        """
        table = read_table(X)
        features = _learn_columns(table, max_cells, min_count)
        said = _learn_columns(outputs, max_cells, min_count)
        layout = Layout(
            [cells for cells, _ in features],
            named=table is not None and table.names is not None,
            outputs=[cells for cells, _ in said],
            flags=list(flags or ()),
            pairs=_choose_pairs(features) if pairs else None,
        )
        learnt = np.concatenate([[], *(counts for _, counts in (*features, *said))])
        counts = np.zeros(layout.offsets[-1] + layout.pairs.n_products, dtype=np.int64)
        counts[: len(learnt)] = learnt
        layout.count_flags(flags or {}, counts)
        pair_noise = times = nested = None
        if table is not None and layout.pairs.columns:
            pair_noise = _learn_pairs(layout, table, counts)
        if time_ordered:
            times = np.append(
                _times(table, layout.columns), _times(outputs, layout.outputs)
            )
        if residuals is not None:
            nested = cls.learn(residuals.reshape(len(residuals), -1))
        n_samples = rows_of(outputs, flags) if table is None else table.shape[0]
        return cls(
            layout,
            Profile(layout.layout_id, n_samples, counts),
            pair_noise=pair_noise,
            correlation_times=times,
            model_noise=_model_noise(layout.outputs, probes, probe_folds),
            residuals=nested,
        )

    def to_json(self) -> str:
        """Return the reference as JSON."""
        parts = {
            "layout": self.layout.to_json(),
            "profile": self.profile.to_json(),
            "pair_noise": _to_list(self.pair_noise),
            "correlation_times": _to_list(self.correlation_times),
            "model_noise": _to_list(self.model_noise),
            "residuals": None if self.residuals is None else self.residuals.to_json(),
        }
        return json.dumps(parts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the reference that `to_json` wrote."""
        parts = json.loads(text)
        layout = Layout.from_json(parts["layout"])
        return cls(
            layout,
            Profile.from_json(parts["profile"]),
            pair_noise=_to_array(parts["pair_noise"]),
            correlation_times=_to_array(parts["correlation_times"]),
            model_noise=_to_array(parts["model_noise"]),
            residuals=cls.from_json(parts["residuals"]) if parts["residuals"] else None,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Reference)
            and self.layout == other.layout
            and self.profile == other.profile
            and _same(self.pair_noise, other.pair_noise)
            and _same(self.correlation_times, other.correlation_times)
            and _same(self.model_noise, other.model_noise)
            and self.residuals == other.residuals
        )

    def __hash__(self) -> int:
        return hash((self.layout, self.profile))

    def __repr__(self) -> str:
        return f"Reference({self.profile.n_samples} rows, {self.layout!r})"


def _learn_columns(
    table: Table | None, max_cells: int, min_count: int
) -> list[tuple[Bins, Counts]]:
    if table is None:
        return []
    return [
        learn_bins(name, table, index, max_cells, min_count)
        for index, name in enumerate(column_names(table))
    ]


def _choose_pairs(learnt: list[tuple[Bins, Counts]]) -> PairScores:
    numeric = [
        i for i, (cells, _) in enumerate(learnt) if isinstance(cells, NumericBins)
    ]
    return choose_pairs(numeric, [learnt[i][1] for i in numeric])


def _learn_pairs(layout: Layout, table: Table, counts: Counts) -> Floats:
    """Count the products of the reference's pairs, and return their noise.

    ``sqrt(n) (r - rho)`` has the variance of ``x y - rho (x^2 + y^2) / 2`` for any
    standardised `x` and `y`; ``atanh r`` that divided by ``(1 - rho^2)^2``. If `x` and
    `y` are jointly normal, this is 1 (Fisher 1921).
    """
    places = list(range(table.shape[1]))
    chunks = list(layout.histogram.scores(table, places))
    products = np.sum([z.T @ z for z in chunks], axis=0, dtype=float)
    counts[layout.offsets[-1] :] = layout.pairs.upper(products).astype(np.int64)
    mean = np.sum([z.sum(axis=0, dtype=float) for z in chunks], axis=0) / table.shape[0]
    covariance = products / table.shape[0] - np.outer(mean, mean)
    scale = np.sqrt(np.diag(covariance))
    third, fourth = np.zeros_like(covariance), np.zeros_like(covariance)
    for z in chunks:
        x = (z - mean) / scale
        third += (x * x * x).T @ x / table.shape[0]
        fourth += (x * x).T @ (x * x) / table.shape[0]
    rho = covariance / np.outer(scale, scale)
    own = np.diag(fourth)
    variance = fourth - rho * (third + third.T)
    variance += rho**2 / 4 * (own[:, None] + 2 * fourth + own[None, :])
    return np.asarray(variance / np.maximum(1 - rho**2, 1e-9) ** 2)


def _times(table: Table | None, columns: Sequence[Bins]) -> list[float]:
    """Return the correlation time of each column; 1 where there is no order to see."""
    return [
        1.0
        if table is None or isinstance(cells, OpaqueBins)
        else correlation_time(cells.locate(table, i), ordered=_is_ordered(cells))
        for i, cells in enumerate(columns)
    ]


def _model_noise(
    columns: Sequence[Bins],
    probes: Sequence[Table | None],
    folds: NDArray[np.intp] | None,
) -> Floats | None:
    tables = [probe for probe in probes if probe is not None]
    if folds is None or not columns or len(tables) < len(probes) or not tables:
        return None
    noise = [
        0.0
        if isinstance(cells, OpaqueBins)
        else model_noise(
            np.array([cells.locate(table, i) for table in tables]),
            folds,
            ordered=_is_ordered(cells),
            n_outputs=len(columns),
        )
        for i, cells in enumerate(columns)
    ]
    return np.array(noise)


def _is_ordered(cells: Bins) -> bool:
    return isinstance(cells, NumericBins)


def _to_list(array: Floats | None) -> list[Any] | None:
    return None if array is None else array.tolist()


def _to_array(values: list[Any] | None) -> Floats | None:
    return None if values is None else np.array(values, dtype=np.float64)


def _same(a: Floats | None, b: Floats | None) -> bool:
    return a is b if a is None or b is None else np.array_equal(a, b)
