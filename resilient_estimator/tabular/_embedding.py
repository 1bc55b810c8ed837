"""Embed rows of mixed types as vectors of numbers that have distances."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from resilient_estimator._typing import Floats
from resilient_estimator.tabular._column import MISSING
from resilient_estimator.tabular._table import Table, column_names, read_table

FARTHEST = 1e3  # standard deviations; larger distances are cut to this
ROOT_HALF = float(np.sqrt(0.5))  # two labels are one apart
MIN_COUNT = 10
MAX_LABELS = 64
MIN_PIXELS = 20
PIXEL_TOLERANCE = 0.1  # of the range of all columns


class Embedding:
    """Embed rows of mixed types so that Euclidean distance means unlikeness.

    Numbers are centred and divided by their standard deviation, or all by one scale
    where the columns are pixels of a picture: scaling each pixel by itself would blow
    up those that are nearly always empty. Labels are one-hot, two of them one apart;
    labels that are rare in training, unseen or missing share one coordinate. Missing
    and unreadable numbers lie in the middle, infinite ones far away.

    Parameters
    ----------
    names : list of str
        Columns.
    named : bool
        Whether they are names of the container's own.
    numeric : list of bool
        Which of them are numbers.
    centers, scales : ndarray of float of shape (n_features,)
        Of the numbers.
    labels : list of list of str
        Texts of each label column that have a coordinate.
    axes : ndarray of float of shape (n_coordinates, n_dims) or None
        Principal axes onto which rows are projected, if there are too many coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.tabular._embedding import Embedding
    >>> X = np.random.default_rng(0).normal(5, 2, size=(200, 3))
    >>> Embedding.learn(X).embed(X).std(axis=0).round(3)
    array([1., 1., 1.])
    """

    def __init__(
        self,
        names: list[str],
        *,
        named: bool,
        numeric: list[bool],
        centers: Floats,
        scales: Floats,
        labels: list[list[str]],
        axes: Floats | None = None,
    ) -> None:
        self.names = names
        self.named = named
        self.numeric = numeric
        self.centers = centers
        self.scales = scales
        self.labels = labels
        self.axes = axes

    @classmethod
    def learn(
        cls,
        X: Any,
        *,
        scaling: str = "auto",
        max_dims: int | None = None,
        min_count: int = MIN_COUNT,
    ) -> Self:
        """Choose coordinates from reference rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The reference.
        scaling : {"auto", "columns", "common"}, default="auto"
            Whether each number has a scale of its own. "auto": a common one where all
            columns are numbers and look like pixels (see `are_pixels`).
        max_dims : int, default=None
            Most dimensions; principal axes beyond.
        min_count : int, default=10
            Fewest rows for which a label has a coordinate.

        Raises
        ------
        ValueError
            If `X` is not a table.
        """
        table = read_table(X)
        if table is None:
            raise ValueError(f"Expected a table of rows. Got {type(X).__name__}.")
        n_features = table.shape[1]
        numeric = [table.kind(i) == "numeric" for i in range(n_features)]
        spans = [_span(table, i) if numeric[i] else _Span() for i in range(n_features)]
        by_column = np.array(spans).reshape(-1, len(_Span._fields))
        centers, *ranges = np.ascontiguousarray(by_column.T)
        if scaling == "auto" and not all(numeric):
            scaling = "columns"
        space = cls(
            column_names(table),
            named=table.names is not None,
            numeric=numeric,
            centers=centers,
            scales=column_scales(*ranges, scaling=scaling),
            labels=[
                [] if numeric[i] else _frequent(table, i, min_count)
                for i in range(n_features)
            ],
        )
        if max_dims is not None and space.n_dims > max_dims:
            space.axes = _principal_axes(space.embed(table), max_dims)
        return space

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        if self.axes is not None:
            return int(self.axes.shape[1])
        return sum(
            1 if numeric else len(texts) + 1
            for numeric, texts in zip(self.numeric, self.labels, strict=True)
        )

    @property
    def is_picture(self) -> bool:
        """Whether rows are pictures: twenty numbers or more, all on one scale."""
        enough = all(self.numeric) and len(self.numeric) >= MIN_PIXELS
        return enough and bool(np.ptp(self.scales) == 0)

    def embed(self, X: Any) -> Floats:
        """Return the coordinates of rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows. Columns that they lack lie in the middle.

        Returns
        -------
        ndarray of float of shape (n_samples, n_dims)
            Finite coordinates.
        """
        table = read_table(X)
        if table is None:
            raise ValueError(f"Expected a table of rows. Got {type(X).__name__}.")
        coordinates = self._coordinates(table)
        return coordinates if self.axes is None else np.asarray(coordinates @ self.axes)

    def _coordinates(self, table: Table) -> Floats:
        places = table.positions(self.names, named=self.named)
        plain = table.matrix is not None and not table.is_sparse
        if plain and all(self.numeric) and places == list(range(table.shape[1])):
            block = table.matrix.astype(np.float64)
            return self._standard(block, self.centers, self.scales)
        parts = [self._column(table, place, i) for i, place in enumerate(places)]
        return np.concatenate(parts, axis=1)

    def _column(self, table: Table, place: int | None, i: int) -> Floats:
        n_samples = table.shape[0]
        if not self.numeric[i]:
            return _one_hot(table, place, self.labels[i])
        if place is None:
            return np.zeros((n_samples, 1))
        values = numbers(table, place)
        return self._standard(values, self.centers[i], self.scales[i])[:, np.newaxis]

    @staticmethod
    def _standard(values: Floats, center: Any, scale: Any) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            z = (values - center) / scale
        z[np.isnan(z)] = 0.0
        return np.asarray(np.clip(z, -FARTHEST, FARTHEST))


class _Span(NamedTuple):
    """What is needed of a number to give it a scale."""

    center: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0


def numbers(table: Table, index: int) -> Floats:
    """Return a column as numbers, zeros of a sparse matrix included."""
    return table.dense(index) if table.is_sparse else table.numbers(index).values


def _span(table: Table, index: int) -> _Span:
    values = numbers(table, index)
    values = values[np.isfinite(values)]
    if not len(values):
        return _Span()
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = float(values.mean()), float(values.std())
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(center + scale):
        return _Span(float(np.median(values)), 1.0, low, high)
    tiny = 1e-12 * max(abs(low), abs(high))  # a constant whose mean was rounded
    return _Span(center, scale if scale > tiny else 0.0, low, high)


def are_pixels(lower: Floats, upper: Floats) -> bool:
    """Return whether columns look like the pixels of a picture.

    There are at least twenty of them, and most span the range of all: their least and
    their greatest value are within a tenth of that range from its ends.

    Parameters
    ----------
    lower, upper : ndarray of float of shape (n_columns,)
        Least and greatest value of each column that varies.
    """
    if len(lower) < MIN_PIXELS:
        return False
    least, greatest = lower.min(), upper.max()
    tolerance = PIXEL_TOLERANCE * greatest - PIXEL_TOLERANCE * least  # no overflow
    spans_all = (lower <= least + tolerance) & (upper >= greatest - tolerance)
    return bool(spans_all.mean() > 0.5)


def column_scales(
    deviations: Floats, lower: Floats, upper: Floats, *, scaling: str = "auto"
) -> Floats:
    """Return the unit of each column.

    Parameters
    ----------
    deviations : ndarray of float of shape (n_features,)
        Standard deviation of each column, 0 where it is constant.
    lower, upper : ndarray of float of shape (n_features,)
        Least and greatest value of each column.
    scaling : {"auto", "columns", "common"}, default="auto"
        Whether each column has a unit of its own: its standard deviation, or 1 where
        that is 0. "auto": a common one, the root mean square of the deviations, for
        pixels.
    """
    varies = deviations > 0
    common = scaling == "common" or (
        scaling == "auto" and are_pixels(lower[varies], upper[varies])
    )
    if common and varies.any():
        root_mean_square = np.sqrt(np.mean(deviations[varies] ** 2))
        return np.full(len(deviations), root_mean_square)
    return np.where(varies, deviations, 1.0)


def _frequent(table: Table, index: int, min_count: int) -> list[str]:
    codes, texts = table.labels(index)
    counts = np.bincount(codes[codes != MISSING], minlength=len(texts))
    order = np.argsort(-counts, kind="stable")[:MAX_LABELS]
    return [texts[i] for i in order if counts[i] >= min_count]


def _one_hot(table: Table, place: int | None, known: list[str]) -> Floats:
    hot = np.zeros((table.shape[0], len(known) + 1))
    if place is None:
        return hot
    codes, texts = table.labels(place)
    index = {text: i for i, text in enumerate(known)}
    other = len(known)
    coordinate = np.array([*(index.get(text, other) for text in texts), other])
    hot[np.arange(len(hot)), coordinate[codes]] = ROOT_HALF
    return hot


def _principal_axes(embedded: Floats, n_axes: int) -> Floats:
    """Return the axes of most variance about the mean, which need not be removed."""
    covariance = np.cov(embedded, rowvar=False)
    _, vectors = np.linalg.eigh(covariance)
    return np.ascontiguousarray(vectors[:, ::-1][:, :n_axes])
