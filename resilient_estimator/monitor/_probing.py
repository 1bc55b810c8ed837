"""Tell who feels his way along a model's boundary from who asks ordinary questions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from math import ceil, inf, log, sqrt
from threading import RLock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import is_count, is_number
from resilient_estimator.monitor._nearness import (
    SMALLEST,
    learn_nearness,
    nearness,
    nearness_pvalues,
)
from resilient_estimator.monitor._queries import (
    NO_ANSWER,
    NOBODY,
    Queries,
    fingerprints,
    first_seen,
    group_by_source,
    read_answers,
    source_key,
)
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._rows import count_rows, take_rows

LEAST = {"window": SMALLEST, "shared_window": SMALLEST, "n_neighbors": 1}
LEAST |= {"max_sources": 1, "max_dims": 1}
STATUS = ("in_alarm", "evidence", "n_queries", "n_repeats", "n_flips")
MAX_ROWS = 50_000  # of the reference in which streams are drawn
CLOSE = 0.01  # p-value of a near-duplicate whose answer is compared


class ProbingDetector(BaseEstimator):
    """Raise an alarm about a source whose queries keep close to one another.

    Whoever searches for the boundary of a model, or for the tweak that changes its
    answer, asks about many rows that are nearly the same. So the queries of each source
    are remembered, and each new one is compared with them: ``a``, the mean distance to
    the nearest earlier ones, has the p-value ``(1 + #{r <= a}) / (1 + n)`` among the
    same distances ``r`` in `n` random streams of training rows that are at least as
    long. The evidence against the source grows by a bet on small p-values,
    ``R = (1 + keep * R) * bet * p ** (bet - 1)``, and at `limit` there is an alarm.

    With ``keep=1`` this is the procedure of Shiryaev and Roberts with the bets of Vovk,
    Nouretdinov and Gammerman (2003): if p-values were independent, a false alarm would
    come after at least `limit` queries on average. They share a memory, and some users
    ask as often, so a little is forgotten at each query: chance no longer piles up.

    Slowly changing values, such as a meter's, look like probing: do not watch a feed of
    them. Threads may share a detector; each process has its own.

    Parameters
    ----------
    window : int, default=512
        When so many queries of a source are remembered, the oldest eighth is forgotten.
    shared_window : int, default=4096
        The same for queries without a source, which are all taken for one. This is
        weak: one who probes among a crowd is rarely noticed.
    n_neighbors : int, default=3
        Number of nearest earlier queries. One near-duplicate alone says nothing.
    bet : float, default=0.9
        How boldly small p-values are bet on, in (0, 1): bolder towards 0.
    keep : float, default=0.98
        Share of the evidence that is left at the next query, in (0, 1]. Who sends about
        twenty ordinary queries or more for each probing one may escape.
    limit : float, default=1e5
        Evidence that raises an alarm.
    max_sources : int, default=10_000
        Most sources that are remembered; who was silent for longest is forgotten. Each
        takes ``window * (4 * n_dims + 16)`` bytes, all of them up to 1.4 GB by default.
    max_dims : int, default=64
        Most dimensions of the space of distances; principal axes beyond. None: all.
    random_state : int, default=0
        Which streams are drawn.

    Attributes
    ----------
    space_ : Embedding
        Scales of the columns. No training rows are kept, but embedded queries are.
    axes_ : ndarray of shape (n_coordinates, n_dims) or None
        Principal axes, where there are too many coordinates.
    lengths_ : ndarray of int
        Lengths of memories for which distances are known; longer ones are not kept.
    distances_ : list of ndarray of float
        Increasing distances in streams of training rows, for each length.
    sources_ : dict of str to dict
        What is known of each source, last seen last.

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

    def __init__(
        self,
        *,
        window: int = 512,
        shared_window: int = 4096,
        n_neighbors: int = 3,
        bet: float = 0.9,
        keep: float = 0.98,
        limit: float = 1e5,
        max_sources: int = 10_000,
        max_dims: int | None = 64,
        random_state: int = 0,
    ) -> None:
        self.window = window
        self.shared_window = shared_window
        self.n_neighbors = n_neighbors
        self.bet = bet
        self.keep = keep
        self.limit = limit
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
        self._check_parameters()
        self.space_ = Embedding.learn(X, max_dims=self.max_dims)
        # Products with the axes are rounded differently in other batches, by which a
        # repeated row could not be told; so the space itself does not project.
        self.axes_, self.space_.axes = self.space_.axes, None
        rng = np.random.default_rng(self.random_state)
        if count_rows(X) > MAX_ROWS:
            X = take_rows(X, rng.choice(count_rows(X), MAX_ROWS, replace=False))
        self.lengths_, self.distances_ = learn_nearness(
            *self._embed(X),
            longest=max(self.window, self.shared_window),
            n_neighbors=self.n_neighbors,
            rng=rng,
        )
        self.sources_: dict[str, dict[str, Any]] = {}
        self._lock = RLock()
        return self

    def observe(self, X: Any, source: Any = None, *, answers: Any = None) -> Bunch:
        """Look at queries and remember them.

        The outcome is the same whether queries come one by one or many at once, unless
        more than `max_sources` sources take part.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Queries, in order.
        source : str, int or array-like of shape (n_samples,), default=None
            Who asks: a user, a key, an address, one for all queries or one each. None
            or missing: unknown.
        answers : array-like of shape (n_samples,), default=None
            Labels that the model answered. With them, boundary flips are counted.

        Returns
        -------
        seen : Bunch of ndarrays of shape (n_samples,)
            ``alarm``, whether the source is under alarm after this query: from the time
            its evidence has reached `limit` until it is below the root of `limit`.
            ``evidence``, in [0, `limit`]. ``pvalue``, of the distance to the nearest
            earlier queries. ``repeat``, whether exactly this query is remembered: no
            evidence, since clients try again. ``flip``, whether it is a near-duplicate
            (p-value up to .01) of one that was answered otherwise: no evidence either.

        Raises
        ------
        ValueError
            If `X` is not a table, or `source` or `answers` are of another length.
        """
        check_is_fitted(self)
        n_samples = count_rows(X)
        groups = group_by_source(source, n_samples)
        queries = Queries(*self._embed(X), read_answers(answers, n_samples))
        seen = _blank(n_samples)
        with self._lock:
            for name, places in groups:
                part = self._follow(name, queries.take(places))
                for key, values in part.items():
                    seen[key][places] = values
        return seen

    def status(self, source: Any = None) -> Bunch:
        """Return what is known of a source.

        Parameters
        ----------
        source : str or int, default=None
            Who asks.

        Returns
        -------
        status : Bunch
            ``in_alarm``, ``evidence``, ``n_queries``, ``n_repeats``, ``n_flips`` and
            ``n_remembered``; as of a newcomer if the source is not remembered.
        """
        check_is_fitted(self)
        state = self.sources_.get(source_key(source)) or self._newcomer(source)
        return Bunch(**{k: state[k] for k in STATUS}, n_remembered=len(state["rows"]))

    def forget(self, source: Any = None) -> None:
        """Forget a source, its queries and its alarm; no matter if it is unknown.

        Parameters
        ----------
        source : str or int, default=None
            Who asks.
        """
        check_is_fitted(self)
        with self._lock:
            self.sources_.pop(source_key(source), None)

    @property
    def alarms_(self) -> list[Any]:
        """Sources under alarm, last seen last."""
        check_is_fitted(self)
        with self._lock:
            return [s["source"] for s in self.sources_.values() if s["in_alarm"]]

    @property
    def what_if_allowance(self) -> float:
        """About how many near-duplicates in a row a source may send without alarm.

        The least of `n + 1` p-values multiplies evidence by
        ``e = bet * (n + 1) ** (1 - bet)``. From ``r = bet / (1 - keep * bet)``, where
        ordinary queries leave it, it grows to `limit` in
        ``log((limit + h) / (r + h)) / log(keep * e)`` steps with
        ``h = e / (keep * e - 1)``. Infinite if training has too few distinct rows.
        """
        check_is_fitted(self)
        most = self.bet * (len(self.distances_[0]) + 1) ** (1 - self.bet)
        growth = self.keep * most
        if growth <= 1:
            return inf
        h, rest = most / (growth - 1), self.bet / (1 - self.keep * self.bet)
        return ceil(log((self.limit + h) / (rest + h)) / log(growth)) - 1.0

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lock = RLock()

    def _check_parameters(self) -> None:
        for name, least in LEAST.items():
            if name != "max_dims" or self.max_dims is not None:
                expected = f"an int of at least {least}"
                self._check(name, expected, partial(is_count, least=least))
        self._check("bet", "a float in the range (0, 1)", lambda x: 0 < x < 1)
        self._check("keep", "a float in the range (0, 1]", lambda x: 0 < x <= 1)
        self._check("limit", "a finite float above 1", lambda x: 1 < x < inf)
        shortest = min(self.window, self.shared_window)
        self._check("n_neighbors", "less than the windows", lambda x: x < shortest)

    def _check(self, name: str, expected: str, fits: Callable[[float], bool]) -> None:
        value = getattr(self, name)
        if not is_number(value) or not fits(value):
            raise parameter_error(self, name, expected, value)

    def _embed(self, X: Any) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
        """Return coordinates, and fingerprints by which an equal row is told."""
        coordinates = self.space_.embed(X)
        prints = fingerprints(coordinates)
        if self.axes_ is not None:
            coordinates = coordinates @ self.axes_
        return coordinates.astype(np.float32), prints

    def _newcomer(self, source: Any) -> dict[str, Any]:
        n_dims = self.space_.n_dims if self.axes_ is None else self.axes_.shape[1]
        return Queries.none(n_dims)._asdict() | {
            "source": source.item() if isinstance(source, np.generic) else source,
            "evidence": 0.0,
            "in_alarm": False,
            "n_queries": 0,
            "n_repeats": 0,
            "n_flips": 0,
        }

    def _follow(self, source: Any, queries: Queries) -> Bunch:
        """Take the queries of one source in lots before which memory is not full."""
        key = source_key(source)
        state = self.sources_.pop(key, None) or self._newcomer(source)
        self.sources_[key] = state
        longest = self.shared_window if key == NOBODY else self.window
        window = min(longest, int(self.lengths_[-1]))
        lot = -(-window // 8)
        parts: list[Bunch] = []
        while len(queries.rows):
            fresh = first_seen(queries.prints[:lot], state["prints"])
            room = window - len(state["prints"])
            fresh = fresh[: np.searchsorted(np.cumsum(fresh), room) + 1]
            n = len(fresh)  # up to the last that fits
            parts.append(self._judge(state, queries.take(slice(n)), fresh))
            if len(state["prints"]) == window:
                state |= Queries.remembered(state).take(slice(lot, None))._asdict()
            queries = queries.take(slice(n, None))
        while len(self.sources_) > self.max_sources:
            del self.sources_[next(iter(self.sources_))]
        return Bunch(**{k: np.concatenate([p[k] for p in parts]) for k in parts[0]})

    def _judge(self, state: dict[str, Any], queries: Queries, fresh: Mask) -> Bunch:
        """Compare a lot of queries with earlier ones, and add it to what is known."""
        new = queries.take(np.flatnonzero(fresh))
        n_earlier = len(state["rows"]) + np.arange(len(new.rows))
        state |= Queries.remembered(state).followed_by(new)._asdict()
        distances = cdist(new.rows, state["rows"])
        distances[np.arange(len(state["rows"])) >= n_earlier[:, np.newaxis]] = inf
        near = nearness(distances, self.n_neighbors)
        pvalues = nearness_pvalues(near, n_earlier, self.lengths_, self.distances_)
        seen = _blank(len(fresh))
        seen.repeat[:] = ~fresh
        seen.pvalue[fresh] = pvalues
        if len(pvalues):
            other = state["answers"][distances.argmin(axis=1)]
            known = (new.answers != NO_ANSWER) & (other != NO_ANSWER)
            seen.flip[fresh] = known & (new.answers != other) & (pvalues <= CLOSE)
        seen.evidence[:], seen.alarm[:] = self._weigh(state, pvalues, fresh)
        state["n_queries"] += len(fresh)
        state["n_repeats"] += int(seen.repeat.sum())
        state["n_flips"] += int(seen.flip.sum())
        state["evidence"] = float(seen.evidence[-1])
        state["in_alarm"] = bool(seen.alarm[-1])
        return seen

    def _weigh(
        self, state: dict[str, Any], pvalues: Floats, fresh: Mask
    ) -> tuple[Floats, Mask]:
        """Return the evidence after each query, and whether there is an alarm."""
        bets = self.bet * pvalues ** (self.bet - 1)
        bet_on = lambda evidence, e: min((1 + self.keep * evidence) * e, self.limit)
        path = accumulate(bets.tolist(), bet_on, initial=state["evidence"])
        evidence = np.array(list(path))[np.append(0, np.cumsum(fresh))]
        starts = evidence >= self.limit
        ends = evidence < sqrt(self.limit)
        starts[0], ends[0] = state["in_alarm"], not state["in_alarm"]
        return evidence[1:], (_last(starts) > _last(ends))[1:]


def _blank(n_samples: int) -> Bunch:
    return Bunch(
        alarm=np.zeros(n_samples, dtype=bool),
        evidence=np.zeros(n_samples),
        pvalue=np.ones(n_samples),
        repeat=np.zeros(n_samples, dtype=bool),
        flip=np.zeros(n_samples, dtype=bool),
    )


def _last(events: Mask) -> NDArray[np.intp]:
    """Return where the last event up to each place was, -1 before the first."""
    return np.maximum.accumulate(np.where(events, np.arange(len(events)), -1))
