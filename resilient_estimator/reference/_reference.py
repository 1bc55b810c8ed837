"""What `fit` remembers: the layout and the counts of the training rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from resilient_estimator._typing import Counts, Floats, Positions
from resilient_estimator.reference._bins import (
    MAX_CELLS,
    Bins,
    NumericBins,
    OpaqueBins,
    learn_bins,
)
from resilient_estimator.reference._layout import Flags, Layout, Profile, count_rows_of
from resilient_estimator.reference._normal_scores import (
    PairedColumns,
    choose_paired_columns,
)
from resilient_estimator.reference._variance_inflation import (
    autocorrelation_time,
    between_model_variance,
)
from resilient_estimator.tabular._table import Table, column_names, read_table


class Reference:
    """What `fit` remembers: the layout and the profile of the training rows.

    Parameters
    ----------
    layout : Layout
        The cells.
    profile : Profile
        Counts of the training rows.
    correlation_variance : ndarray of float of shape (n_paired, n_paired), default=None
        Variance of the Fisher-transformed correlation of the scores of two columns,
        times the number of rows; 1 for a jointly normal pair.
    autocorrelation_times : ndarray of float of shape (n_columns,), default=None
        Factor by which dependence between successive rows multiplies the variance of a
        mean, for each feature and output. None: rows are assumed to be independent.
    model_variance : ndarray of float of shape (n_outputs,), default=None
        Variance of each output's mean between models, in units of its variance between
        rows: how much the final model may differ from the models of the folds.
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
        correlation_variance: Floats | None = None,
        autocorrelation_times: Floats | None = None,
        model_variance: Floats | None = None,
        residuals: Reference | None = None,
    ) -> None:
        self.layout = layout
        self.profile = profile
        self.correlation_variance = correlation_variance
        self.autocorrelation_times = autocorrelation_times
        self.model_variance = model_variance
        self.residuals = residuals

    @classmethod
    def learn(
        cls,
        X: Any,
        *,
        outputs: Table | None = None,
        probes: Sequence[Table | None] = (),
        probe_folds: Positions | None = None,
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
            The reference rows. If this is not a table, the layout has no features.
        outputs : Table of shape (n_held_out, n_outputs), default=None
            Out-of-fold outputs of the cross-validated models.
        probes : list of Table of shape (n_probes, n_outputs), default=()
            Outputs of each of these models for the same rows.
        probe_folds : ndarray of int of shape (n_probes,), default=None
            For each of these rows, which model was not trained on it.
        flags : dict of str to ndarray of bool of shape (n_samples,), default=None
            Which rows a guard flags, for each reason.
        residuals : ndarray of shape (n_rows,) or (n_rows, n_targets), default=None
            Out-of-fold residuals of a regressor.
        pairs : bool, default=False
            Whether to sum products of the scores of pairs of numeric columns, of the
            first 64 that vary.
        time_ordered : bool, default=False
            Whether the rows are in the order of time and may depend on one another.
        max_cells : int, default=1024
            Largest number of bins or labels of a column.
        min_count : int, default=10
            Smallest number of rows for which the text of a label is stored.

        Returns
        -------
        reference : Reference
            The layout, and the counts of the rows.
        """
        table = read_table(X)
        layout, counts = _learn_layout(
            table, outputs, flags or {}, max_cells, min_count, pairs=pairs
        )
        if table is not None and layout.pairs.columns:
            variance = _count_pairs(layout, table, counts)
        else:
            variance = None
        n_samples = count_rows_of(outputs, flags) if table is None else table.shape[0]
        times = _autocorrelation_times(layout, table, outputs) if time_ordered else None
        if residuals is not None:
            nested = cls.learn(residuals.reshape(len(residuals), -1))
        else:
            nested = None
        return cls(
            layout,
            Profile(layout.layout_id, n_samples, counts),
            correlation_variance=variance,
            autocorrelation_times=times,
            model_variance=_model_variance(layout.outputs, probes, probe_folds),
            residuals=nested,
        )

    def robust_scales(self) -> Floats:
        """Return a robust standard deviation of each numeric column, from its counts.

        See `NumericBins.robust_scale`.

        Returns
        -------
        scales : ndarray of float of shape (n_numeric,)
            Zero for columns without values.
        """
        counts = self.profile.counts
        return np.array(
            [
                bins.robust_scale(counts[self.layout.cells_of(i)])
                for i, bins in enumerate(self.layout.columns)
                if isinstance(bins, NumericBins)
            ]
        )

    def to_json(self) -> str:
        """Return the reference as JSON."""
        parts = {
            "layout": self.layout.to_json(),
            "profile": self.profile.to_json(),
            "correlation_variance": _to_list(self.correlation_variance),
            "autocorrelation_times": _to_list(self.autocorrelation_times),
            "model_variance": _to_list(self.model_variance),
            "residuals": None if self.residuals is None else self.residuals.to_json(),
        }
        return json.dumps(parts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the reference from the JSON that `to_json` returned."""
        parts = json.loads(text)
        layout = Layout.from_json(parts["layout"])
        return cls(
            layout,
            Profile.from_json(parts["profile"]),
            correlation_variance=_to_array(parts["correlation_variance"]),
            autocorrelation_times=_to_array(parts["autocorrelation_times"]),
            model_variance=_to_array(parts["model_variance"]),
            residuals=cls.from_json(parts["residuals"]) if parts["residuals"] else None,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Reference)
            and self.layout == other.layout
            and self.profile == other.profile
            and _same(self.correlation_variance, other.correlation_variance)
            and _same(self.autocorrelation_times, other.autocorrelation_times)
            and _same(self.model_variance, other.model_variance)
            and self.residuals == other.residuals
        )

    def __hash__(self) -> int:
        return hash((self.layout, self.profile))

    def __repr__(self) -> str:
        return f"Reference({self.profile.n_samples} rows, {self.layout!r})"


def _learn_layout(
    table: Table | None,
    outputs: Table | None,
    flags: Flags,
    max_cells: int,
    min_count: int,
    *,
    pairs: bool,
) -> tuple[Layout, Counts]:
    """Choose the layout, and count all but the products of pairs."""
    features = _bin_columns(table, max_cells, min_count)
    output_columns = _bin_columns(outputs, max_cells, min_count)
    layout = Layout(
        [bins for bins, _ in features],
        named=table is not None and table.names is not None,
        outputs=[bins for bins, _ in output_columns],
        flags=list(flags),
        pairs=_choose_pairs(features) if pairs else None,
    )
    counts = np.zeros(layout.n_counts, dtype=np.int64)
    for column, (_, own) in enumerate((*features, *output_columns)):
        counts[layout.cells_of(column)] = own
    layout.count_flags(flags, counts)
    return layout, counts


def _bin_columns(
    table: Table | None, max_cells: int, min_count: int
) -> list[tuple[Bins, Counts]]:
    if table is None:
        return []
    return [
        learn_bins(name, table, index, max_cells, min_count)
        for index, name in enumerate(column_names(table))
    ]


def _choose_pairs(columns: list[tuple[Bins, Counts]]) -> PairedColumns:
    numeric = [
        i for i, (bins, _) in enumerate(columns) if isinstance(bins, NumericBins)
    ]
    return choose_paired_columns(numeric, [columns[i][1] for i in numeric])


def _count_pairs(layout: Layout, table: Table, counts: Counts) -> Floats:
    """Count the products of the reference's pairs, and return `correlation_variance`.

    ``sqrt(n) (r - rho)`` has the variance of ``x y - rho (x^2 + y^2) / 2`` for any
    standardised `x` and `y`; dividing it by ``(1 - rho^2)^2`` gives that of ``atanh
    r``. If `x` and `y` are jointly normal, it is 1 (Fisher 1921).
    """
    n, places = table.shape[0], list(range(table.shape[1]))
    chunks = list(layout.counter.scores(table, places))
    products = np.sum([z.T @ z for z in chunks], axis=0, dtype=float)
    counts[layout.offsets[-1] :] = layout.pairs.flatten(products).astype(np.int64)
    mean = np.sum([z.sum(axis=0, dtype=float) for z in chunks], axis=0) / n
    covariance = products / n - np.outer(mean, mean)
    scale = np.sqrt(np.diag(covariance))
    third, fourth = np.zeros_like(covariance), np.zeros_like(covariance)
    for z in chunks:
        x = (z - mean) / scale
        third += (x * x * x).T @ x / n
        fourth += (x * x).T @ (x * x) / n
    rho = covariance / np.outer(scale, scale)
    own = np.diag(fourth)
    variance = fourth - rho * (third + third.T)
    variance += rho**2 / 4 * (own[:, None] + 2 * fourth + own[None, :])
    return np.asarray(variance / np.maximum(1 - rho**2, 1e-9) ** 2)


def _autocorrelation_times(
    layout: Layout, table: Table | None, outputs: Table | None
) -> Floats:
    """Return the time of each feature and output; 1 where there is no order to see."""
    columns = [(table, i, bins) for i, bins in enumerate(layout.columns)]
    columns += [(outputs, i, bins) for i, bins in enumerate(layout.outputs)]
    times = [
        1.0
        if source is None or isinstance(bins, OpaqueBins)
        else autocorrelation_time(bins.locate(source, i), ordered=_is_ordered(bins))
        for source, i, bins in columns
    ]
    return np.array(times)


def _model_variance(
    outputs: Sequence[Bins], probes: Sequence[Table | None], folds: Positions | None
) -> Floats | None:
    """Return the variance of each output between models, if all models have outputs."""
    tables = [probe for probe in probes if probe is not None]
    if folds is None or not outputs or len(tables) < len(probes) or not tables:
        return None
    variance = [
        0.0
        if isinstance(bins, OpaqueBins)
        else between_model_variance(
            np.array([bins.locate(table, i) for table in tables]),
            folds,
            ordered=_is_ordered(bins),
            n_outputs=len(outputs),
        )
        for i, bins in enumerate(outputs)
    ]
    return np.array(variance)


def _is_ordered(bins: Bins) -> bool:
    return isinstance(bins, NumericBins)


def _to_list(array: Floats | None) -> list[Any] | None:
    return None if array is None else array.tolist()


def _to_array(values: list[Any] | None) -> Floats | None:
    return None if values is None else np.array(values, dtype=np.float64)


def _same(a: Floats | None, b: Floats | None) -> bool:
    return a is b if a is None or b is None else np.array_equal(a, b)
