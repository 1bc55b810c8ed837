"""Detect decision-boundary probing: queries of one source that are nearly the same."""

from __future__ import annotations

from math import inf
from numbers import Integral, Real
from threading import RLock
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Counts, Floats, Mask
from resilient_estimator._validation import (
    COUNT,
    OPEN_PROPORTION,
    SEED,
    Constraints,
    Interval,
    check_parameters,
    parameter_error,
)
from resilient_estimator.monitor._neighbour_distances import (
    SHORTEST,
    distance_pvalues,
    learn_distances,
    neighbour_distances,
)
from resilient_estimator.monitor._queries import (
    ANONYMOUS,
    NO_PREDICTION,
    Queries,
    first_seen,
    group_by_source,
    hash_coordinates,
    hash_predictions,
    source_key,
)
from resilient_estimator.monitor._shiryaev_roberts import ShiryaevRoberts
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._rows import count_rows, take_rows

STATUS = ("in_alarm", "evidence", "n_queries", "n_repeats", "n_flips")
MAX_ROWS = 50_000  # of the reference in which streams are drawn
CLOSE = 0.01  # p-value of a near-duplicate whose prediction is compared


class ProbingDetector(BaseEstimator):
    """Detect decision-boundary probing: a source whose queries stay near one another.

    An attacker who searches for the decision boundary, or for the change that flips a
    prediction, sends many queries that are nearly the same. So the queries of each
    source are remembered, and each new one is compared with them: ``a``, its mean
    distance to the nearest earlier ones, has the p-value ``(1 + #{r <= a}) / (1 + n)``
    among `n` such distances ``r`` in random streams of training rows that are at least
    as long. The evidence against the source is updated by a bet on small p-values,
    ``R = (1 + forgetting_factor * R) * epsilon * p ** (epsilon - 1)``. There is an
    alarm when it reaches `threshold`.

    With ``forgetting_factor=1`` this is the Shiryaev-Roberts procedure with the power
    bets of Vovk, Nouretdinov and Gammerman (2003): if p-values were independent, a
    false alarm would come after at least `threshold` queries on average. But they share
    a memory, and some users send as many queries, so a little evidence is forgotten at
    each query: chance does not accumulate.

    Slowly changing values, such as a meter's, look like probing: do not watch a feed of
    them. Threads may share a detector; each process has its own.

    Parameters
    ----------
    window : int, default=512
        Number of queries of a source at which the oldest eighth is forgotten.
    shared_window : int, default=4096
        The same for all queries without a source, which count as one. This is weak: one
        attacker among many users is rarely detected.
    n_neighbors : int, default=3
        Number of nearest earlier queries. One near-duplicate alone is no evidence.
    epsilon : float, default=0.9
        Exponent of the bets on small p-values, in (0, 1): bolder towards 0.
    forgetting_factor : float, default=0.98
        Share of the evidence that is kept at the next query, in (0, 1]. A source with
        about twenty ordinary queries or more for each probing one may escape.
    threshold : float, default=1e5
        Evidence that raises an alarm.
    max_sources : int, default=10_000
        Most sources that are remembered; the one silent for longest is forgotten. Each
        takes ``window * (4 * n_dims + 16)`` bytes, all of them up to 1.4 GB by default.
    max_dims : int or None, default=64
        Most dimensions of the embedding; beyond, principal axes are used. None: all.
    random_state : int, default=0
        Seed of the random streams.

    Attributes
    ----------
    embedding_ : Embedding
        Scales of the columns. No training rows are kept, but embedded queries are.
    axes_ : ndarray of shape (n_coordinates, n_dims) or None
        Principal axes, if there are too many coordinates.
    memory_lengths_ : ndarray of int of shape (n_lengths,)
        Lengths of memories for which distances are known; longer ones are not kept.
    reference_distances_ : list of ndarray of float
        Increasing distances in streams of training rows, for each length.
    sources_ : dict of str to dict
        State of each source, ordered by the last query.

    Examples
    --------
    >>> import numpy as np
    >>> from resilient_estimator.monitor import ProbingDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = ProbingDetector().fit(rng.normal(size=(2000, 5)))
    >>> bool(detector.observe(rng.normal(size=(200, 5)), source="ann").alarm.any())
    False
    >>> steps = rng.normal(size=5) + 0.01 * rng.normal(size=(200, 5))
    >>> int(detector.observe(steps, source="bob").alarm.argmax())
    18
    >>> detector.alarms_
    ['bob']
    """

    _constraints: ClassVar[Constraints] = {
        "window": [Interval(Integral, SHORTEST, inf)],
        "shared_window": [Interval(Integral, SHORTEST, inf)],
        "n_neighbors": [COUNT],
        "epsilon": [OPEN_PROPORTION],
        "forgetting_factor": [Interval(Real, 0, 1, closed="right")],
        "threshold": [Interval(Real, 1, inf, closed="neither")],
        "max_sources": [COUNT],
        "max_dims": [COUNT, None],
        "random_state": [SEED],
    }

    def __init__(
        self,
        *,
        window: int = 512,
        shared_window: int = 4096,
        n_neighbors: int = 3,
        epsilon: float = 0.9,
        forgetting_factor: float = 0.98,
        threshold: float = 1e5,
        max_sources: int = 10_000,
        max_dims: int | None = 64,
        random_state: int = 0,
    ) -> None:
        self.window = window
        self.shared_window = shared_window
        self.n_neighbors = n_neighbors
        self.epsilon = epsilon
        self.forgetting_factor = forgetting_factor
        self.threshold = threshold
        self.max_sources = max_sources
        self.max_dims = max_dims
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Learn how far apart ordinary queries are, and forget all sources.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : ignored
            For the scikit-learn API.

        Returns
        -------
        self : ProbingDetector
            The fitted detector.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or `X` is not a table.
        """
        check_parameters(self)
        if self.n_neighbors >= min(self.window, self.shared_window):
            expected = "less than 'window' and 'shared_window'"
            raise parameter_error(self, "n_neighbors", expected, self.n_neighbors)
        self.embedding_ = Embedding.learn(X, max_dims=self.max_dims)
        # Products with the axes are rounded differently in other batches, so that equal
        # rows would have other hashes: the embedding itself does not project.
        self.axes_, self.embedding_.axes = self.embedding_.axes, None
        rng = np.random.default_rng(self.random_state)
        if count_rows(X) > MAX_ROWS:
            X = take_rows(X, rng.choice(count_rows(X), MAX_ROWS, replace=False))
        self.memory_lengths_, self.reference_distances_ = learn_distances(
            *self._embed(X),
            longest=max(self.window, self.shared_window),
            n_neighbors=self.n_neighbors,
            rng=rng,
        )
        self.sources_: dict[str, dict[str, Any]] = {}
        self._lock = RLock()
        return self

    def observe(self, X: Any, source: Any = None, *, predictions: Any = None) -> Bunch:
        """Score queries and remember them.

        The result is the same whether queries come one by one or in batches, unless
        more than `max_sources` sources take part.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Queries, in order.
        source : str, int or array-like of shape (n_samples,), default=None
            A user, a key or an address: one for all queries, or one for each. None or
            missing: unknown.
        predictions : array-like of shape (n_samples,), default=None
            Labels that the model predicted. With them, flips are counted.

        Returns
        -------
        outcome : Bunch of ndarrays of shape (n_samples,)
            ``alarm``, whether the source is under alarm after this query: from the time
            its evidence reaches `threshold` until it is below the root of `threshold`.
            ``evidence``, in [0, `threshold`]. ``pvalue``, of the distance to the
            nearest earlier queries. ``repeat``, whether exactly this query is
            remembered: no evidence, since clients retry. ``flip``, whether it is a
            near-duplicate (p-value up to .01) of a query with another prediction: no
            evidence either.

        Raises
        ------
        ValueError
            If `X` is not a table, or `source` or `predictions` has another length.
        """
        check_is_fitted(self)
        n_samples = count_rows(X)
        groups = group_by_source(source, n_samples)
        queries = Queries(*self._embed(X), hash_predictions(predictions, n_samples))
        outcome = _blank_outcome(n_samples)
        with self._lock:
            for name, places in groups:
                part = self._observe_source(name, queries.take(places))
                for key, values in part.items():
                    outcome[key][places] = values
        return outcome

    def status(self, source: Any = None) -> Bunch:
        """Return what is known of a source.

        Parameters
        ----------
        source : str or int, default=None
            The source; None: all queries without one.

        Returns
        -------
        status : Bunch
            ``in_alarm``, ``evidence``, ``n_queries``, ``n_repeats``, ``n_flips`` and
            ``n_remembered``; those of a new source if it is unknown.
        """
        check_is_fitted(self)
        state = self.sources_.get(source_key(source)) or self._new_state(source)
        return Bunch(**{k: state[k] for k in STATUS}, n_remembered=len(state["rows"]))

    def forget(self, source: Any = None) -> None:
        """Forget a source, its queries and its alarm; unknown ones are ignored.

        Parameters
        ----------
        source : str or int, default=None
            The source; None: all queries without one.
        """
        check_is_fitted(self)
        with self._lock:
            self.sources_.pop(source_key(source), None)

    @property
    def alarms_(self) -> list[Any]:
        """Sources under alarm, ordered by the last query."""
        check_is_fitted(self)
        with self._lock:
            return [s["source"] for s in self.sources_.values() if s["in_alarm"]]

    @property
    def detection_delay_(self) -> float:
        """About how many near-duplicates in a row a source may send without an alarm.

        The least of `n + 1` p-values multiplies evidence by
        ``e = epsilon * (n + 1) ** (1 - epsilon)``. Ordinary queries leave it at about
        ``r = epsilon / (1 - forgetting_factor * epsilon)``, from where it grows to
        `threshold` in ``log((threshold + h) / (r + h)) / log(forgetting_factor * e)``
        steps with ``h = e / (forgetting_factor * e - 1)``. Infinite if training has too
        few distinct rows.
        """
        check_is_fitted(self)
        return self._evidence().delay(len(self.reference_distances_[0]))

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lock = RLock()

    def _evidence(self) -> ShiryaevRoberts:
        return ShiryaevRoberts(self.epsilon, self.forgetting_factor, self.threshold)

    def _embed(self, X: Any) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
        """Return coordinates, and hashes by which equal rows are recognised."""
        coordinates = self.embedding_.embed(X)
        hashes = hash_coordinates(coordinates)
        if self.axes_ is not None:
            coordinates = coordinates @ self.axes_
        return coordinates.astype(np.float32), hashes

    def _new_state(self, source: Any) -> dict[str, Any]:
        n_dims = self.embedding_.n_dims if self.axes_ is None else self.axes_.shape[1]
        return Queries.none(n_dims)._asdict() | {
            "source": source.item() if isinstance(source, np.generic) else source,
            "evidence": 0.0,
            "in_alarm": False,
            "n_queries": 0,
            "n_repeats": 0,
            "n_flips": 0,
        }

    def _observe_source(self, source: Any, queries: Queries) -> Bunch:
        """Observe the queries of one source, in batches that fit into its memory."""
        key = source_key(source)
        state = self.sources_.pop(key, None) or self._new_state(source)
        self.sources_[key] = state
        longest = self.shared_window if key == ANONYMOUS else self.window
        window = min(longest, int(self.memory_lengths_[-1]))
        eighth = -(-window // 8)
        parts: list[Bunch] = []
        while len(queries.rows):
            fresh = first_seen(queries.hashes[:eighth], state["hashes"])
            room = window - len(state["hashes"])
            fresh = fresh[: np.searchsorted(np.cumsum(fresh), room) + 1]
            n = len(fresh)  # up to the last that fits
            parts.append(self._observe_batch(state, queries.take(slice(n)), fresh))
            if len(state["hashes"]) == window:
                state |= Queries.remembered(state).take(slice(eighth, None))._asdict()
            queries = queries.take(slice(n, None))
        while len(self.sources_) > self.max_sources:
            del self.sources_[next(iter(self.sources_))]
        return Bunch(**{k: np.concatenate([p[k] for p in parts]) for k in parts[0]})

    def _observe_batch(
        self, state: dict[str, Any], queries: Queries, fresh: Mask
    ) -> Bunch:
        """Compare queries with earlier ones, and add them to the state."""
        outcome = _blank_outcome(len(fresh))
        new = queries.take(np.flatnonzero(fresh))
        pvalues, nearest = self._compare(state, new)
        outcome.repeat[:] = ~fresh
        outcome.pvalue[fresh] = pvalues
        known = (new.predictions != NO_PREDICTION) & (nearest != NO_PREDICTION)
        differs = known & (new.predictions != nearest)
        outcome.flip[fresh] = differs & (pvalues <= CLOSE)
        evidence, alarm = self._evidence().accumulate(
            pvalues, fresh, state["evidence"], in_alarm=state["in_alarm"]
        )
        outcome.evidence[:], outcome.alarm[:] = evidence, alarm
        state["n_queries"] += len(fresh)
        state["n_repeats"] += int(outcome.repeat.sum())
        state["n_flips"] += int(outcome.flip.sum())
        state["evidence"] = float(evidence[-1])
        state["in_alarm"] = bool(alarm[-1])
        return outcome

    def _compare(self, state: dict[str, Any], new: Queries) -> tuple[Floats, Counts]:
        """Remember new queries; return their p-values and the nearest's predictions."""
        n_earlier = len(state["rows"]) + np.arange(len(new.rows))
        state |= Queries.remembered(state).followed_by(new)._asdict()
        distances = cdist(new.rows, state["rows"])
        distances[np.arange(len(state["rows"])) >= n_earlier[:, np.newaxis]] = inf
        pvalues = distance_pvalues(
            neighbour_distances(distances, self.n_neighbors),
            n_earlier,
            self.memory_lengths_,
            self.reference_distances_,
        )
        return pvalues, state["predictions"][distances.argmin(axis=1)]


def _blank_outcome(n_samples: int) -> Bunch:
    """Return the outcome of repeated queries without any evidence."""
    return Bunch(
        alarm=np.zeros(n_samples, dtype=bool),
        evidence=np.zeros(n_samples),
        pvalue=np.ones(n_samples),
        repeat=np.zeros(n_samples, dtype=bool),
        flip=np.zeros(n_samples, dtype=bool),
    )
