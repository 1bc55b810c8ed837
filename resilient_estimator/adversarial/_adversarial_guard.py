"""Flag rows that were changed so that the model errs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Floats, Mask
from resilient_estimator._validation import parameter_error
from resilient_estimator.adversarial._neighbours import proportional_sample
from resilient_estimator.adversarial._readable_rows import (
    Asked,
    ask_out_of_fold,
    ask_readable,
    check_model,
    columns_with_holes,
    one_target,
)
from resilient_estimator.adversarial._witnesses import (
    NAMES,
    ClassWitnesses,
    NumberWitnesses,
    Witnesses,
    is_picture,
)
from resilient_estimator.exceptions import is_count, is_number
from resilient_estimator.statistics._conformal_pvalues import ConformalSum
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._table import Table, read_table

LOGGER = logging.getLogger("resilient_estimator")


K_PICTURES = 5
K_TABLES = 10
LEAST_REFERENCE = 100
SCALINGS = ("auto", "columns", "common")
CORRECTIONS = ("nearest_class", "witness")


class AdversarialGuard(BaseEstimator):
    """Flag rows that were changed so that the model errs.

    An attacker moves a row just so far that the model's answer changes. Most training
    rows nearby then still have the old answer, and so has a model of another kind. Up
    to three witnesses are asked about each answer of the model:

    - trust: are `n_neighbors` rows of the class answered as near as those of another
      class (after Jiang et al., 2018)? For a regressor: is the answer that of the
      neighbours?
    - witness: does a random forest agree?
    - distance: are there training rows nearby at all?

    Each has a p-value among the training rows, which answer for themselves in a fair
    way: without their own neighbourhood, by models that did not learn from them. The
    p-values are summed (Fisher) and ranked once more, so that a row which is like those
    of training is flagged with a chance of about `alpha`, whatever the model.

    **It keeps training rows** (`keeps_rows_` of them), as neighbours cannot be found
    without: they can be read from the pickle. So it is not among the default guards.

    It stops the attacker who does not know it. One who does gets through by moving rows
    farther (see the example "attack_and_defence").

    Parameters
    ----------
    model : estimator or None, default=None
        Classifier or regressor to be guarded, for a guard used alone: a clone of it is
        fitted. One wrapped in `sklearn.frozen.FrozenEstimator` is asked as it is; rows
        given to `fit` must not be those that it learnt from. As the `guard` of a
        `ResilientEstimator`, leave it out: it gets the estimator fitted there.
    alpha : float, default=0.05
        Share of harmless rows that may be flagged; below one per training row, none is.
    components : "auto" or list of {"trust", "witness", "distance"}, default="auto"
        Whom to ask. "auto": "trust" for pictures (twenty columns or more, on one
        scale), else all.
    n_neighbors : "auto" or int, default="auto"
        Neighbours per class. "auto": 5 for pictures, else 10.
    scaling : {"auto", "columns", "common"}, default="auto"
        Whether each column has a scale of its own, or all have one, as pixels have.
    max_reference : int, default=20000
        Most training rows to keep: a sample in which each class has its share.
    cv : int, splitter or iterable, default=5
        How rows are split, so that models answer rows that they did not learn from. An
        int is a number of folds: stratified for classifiers, blocks for regressors.
    n_jobs : int or None, default=None
        How many folds are fitted at a time.
    random_state : int, RandomState instance or None, default=0
        Seed of the sample and of the forest.

    Attributes
    ----------
    model_ : estimator
        The guarded model; `inspect` asks it, too.
    components_ : list of str
        Which witnesses are asked.
    keeps_rows_ : int
        How many training rows are kept.
    training_flags_ : ndarray of bool of shape (n_samples,)
        What `inspect_training` returns.
    classes_ : ndarray of shape (n_classes,)
        Labels of the rows kept, of classifiers.

    References
    ----------
    H. Jiang et al., "To trust or not to trust a classifier", NeurIPS (2018).
    N. Carlini, D. Wagner, "Adversarial examples are not easily detected", AISec (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from resilient_estimator.adversarial import AdversarialGuard
    >>> X, y = load_iris(return_X_y=True)
    >>> guard = AdversarialGuard(LogisticRegression(max_iter=1000)).fit(X, y)
    >>> row = X[:1].copy()  # a setosa
    >>> row[0, 2] += 2.0
    >>> guard.model_.predict(row)
    array([1])
    >>> guard.inspect(row)["adversarial"]
    array([ True])
    >>> guard.correct(row)
    array([0])
    """

    def __init__(
        self,
        model: Any = None,
        *,
        alpha: float = 0.05,
        components: str | Sequence[str] = "auto",
        n_neighbors: str | int = "auto",
        scaling: str = "auto",
        max_reference: int = 20_000,
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.model = model
        self.alpha = alpha
        self.components = components
        self.n_neighbors = n_neighbors
        self.scaling = scaling
        self.max_reference = max_reference
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of `model`, and learn what its answers are like.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Targets.

        Returns
        -------
        self : AdversarialGuard
            The fitted guard.

        Raises
        ------
        TypeError
            If there is no `model`, or it is neither classifier nor regressor.
        """
        check_model(self, self.model)
        return self.fit_model(clone(self.model).fit(X, y), X, y)

    def fit_model(self, model: Any, X: Any, y: Any, out_of_fold: Any = None) -> Self:
        """Learn what the answers of a fitted model are like; it is kept, not copied.

        Parameters
        ----------
        model : estimator
            Fitted classifier or regressor.
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows that it learnt from; of a `FrozenEstimator`, others.
        y : array-like of shape (n_samples,)
            Their targets.
        out_of_fold : array-like of shape (n_samples,), default=None
            What models say about these rows that did not learn from them. None: clones
            of `model` are fitted to find out, as `cv` says.

        Returns
        -------
        self : AdversarialGuard
            The fitted guard.

        Raises
        ------
        ValueError
            If a parameter is out of range, or `y` or `out_of_fold` does not suit.
        """
        check_model(self, model)
        self._check_parameters()
        target = one_target(X, y)
        space = Embedding.learn(X, scaling=self.scaling)
        if out_of_fold is None:
            out_of_fold = ask_out_of_fold(model, X, y, cv=self.cv, n_jobs=self.n_jobs)
        said = one_target(X, out_of_fold)
        if said.dtype.kind == "f" and not np.isfinite(said).all():
            raise ValueError("AdversarialGuard needs finite answers out of fold.")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rng = np.random.default_rng(seed)
        strata = target if is_classifier(model) else np.zeros(len(target))
        most, least = int(self.max_reference), 2 * K_TABLES
        rows = proportional_sample(strata, most, least=least, rng=rng)
        self.model_, self.space_ = model, space
        self.holes_ = columns_with_holes(cast("Table", read_table(X)))
        self._learn(space.embed(X), target, said, rows, seed)
        LOGGER.info("AdversarialGuard keeps %d training rows", self.keeps_rows_)
        return self

    def _learn(
        self,
        coordinates: Floats,
        target: NDArray[Any],
        said: NDArray[Any],
        rows: NDArray[np.intp],
        seed: int,
    ) -> None:
        """Make witnesses of the reference rows, and rank their scores."""
        picture = is_picture(self.space_)
        names = NAMES[:1] if picture else NAMES
        self.components_ = list(names if self.components == "auto" else self.components)
        k = K_PICTURES if picture else K_TABLES
        kind = ClassWitnesses if is_classifier(self.model_) else NumberWitnesses
        self.witnesses_: Witnesses = kind(
            coordinates[rows],
            target[rows],
            k=k if self.n_neighbors == "auto" else int(self.n_neighbors),
            has_forest="witness" in self.components_,
            seed=seed,
        )
        if isinstance(self.witnesses_, ClassWitnesses):
            self.classes_ = self.witnesses_.classes
        scores = self.witnesses_.calibrate(coordinates[rows], said[rows])
        self.ranks_ = ConformalSum({name: scores[name] for name in self.components_})
        self.keeps_rows_ = len(rows)
        p = np.empty(len(target))
        p[rows] = self.ranks_.pvalues(scores)
        others = np.setdiff1d(np.arange(len(target)), rows)
        if len(others):
            scores = self.witnesses_.scores(coordinates[others], said[others])
            p[others] = self.ranks_.pvalues(scores)
        self.training_flags_ = p <= self.alpha

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which answers of the model look forced.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to look at. Those that the model cannot read are not flagged.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask, called "adversarial".
        """
        return {"adversarial": self.p_values(X) <= self.alpha}

    def inspect_training(self, X: Any = None) -> Mapping[str, Mask]:  # noqa: ARG002
        """Return the flags of the rows given to `fit`, as if they had been new.

        `inspect` would find each row among its own neighbours, and its target learnt by
        the model: this is the rate to compare that of new rows with.

        Parameters
        ----------
        X : ignored
            The rows given to `fit`.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            As from `inspect`.
        """
        check_is_fitted(self)
        return {"adversarial": self.training_flags_.copy()}

    def p_values(self, X: Any) -> Floats:
        """Return how usual the model's answers are.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to look at.

        Returns
        -------
        p : ndarray of float of shape (n_samples,)
            Share of training rows that are at least as strange: small under attack. NaN
            where the model cannot read the row.
        """
        return self._judge(self._ask(X))["p"]

    def explain_rows(self, X: Any) -> dict[str, NDArray[Any]]:
        """Return what each witness says.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to look at.

        Returns
        -------
        table : dict of str to ndarray of shape (n_samples,)
            "p": the p-value of all witnesses; one for each of `components_`; "nearest":
            the class whose rows are nearest, or their mean target.
        """
        asked = self._ask(X)
        nearest = self.witnesses_.nearest(asked.coordinates)
        return self._judge(asked) | {"nearest": nearest}

    def correct(self, X: Any, *, by: str = "nearest_class") -> NDArray[Any]:
        """Return the model's answers, and others where they look forced.

        The other answer is a guess: nearly always right on pictures, often on tables.
        Where a wrong answer costs more than none, let a fallback or a person answer.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to answer.
        by : {"nearest_class", "witness"}, default="nearest_class"
            Who answers rows that are flagged, or that the model cannot read: the
            nearest class (of a regressor: the mean of the neighbours), or the forest.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Answers.

        Raises
        ------
        ValueError
            If `by` is unknown, or the forest is not among the witnesses.
        """
        asked = self._ask(X)
        known = CORRECTIONS[: 2 if "witness" in self.components_ else 1]
        if by not in known:
            expected = " or ".join(map(repr, known))
            raise parameter_error("correct", "by", expected, by)
        if not asked.is_table:
            return np.asarray(self.model_.predict(X))  # it complains
        second = by == "witness"
        answer = self.witnesses_.second if second else self.witnesses_.nearest
        answers = np.array(answer(asked.coordinates))
        kept = self._judge(asked)["p"][asked.rows] > self.alpha
        if kept.any():
            answers = answers.astype(np.result_type(answers, asked.said))
        answers[asked.rows[kept]] = asked.said[kept]
        return answers

    def _ask(self, X: Any) -> Asked:
        check_is_fitted(self)
        return ask_readable(self.model_, X, self.space_, self.holes_)

    def _judge(self, asked: Asked) -> dict[str, Floats]:
        """Return the p-value of all witnesses, and of each; NaN without an answer."""
        n_samples = len(asked.coordinates)
        table = {name: np.full(n_samples, np.nan) for name in ["p", *self.components_]}
        if len(asked.rows):
            scores = self.witnesses_.scores(asked.coordinates[asked.rows], asked.said)
            found = {"p": self.ranks_.pvalues(scores)} | self.ranks_.parts(scores)
            for name, values in found.items():
                table[name][asked.rows] = values
        return table

    def _check_parameters(self) -> None:
        """Raise a ValueError about a parameter out of range."""
        known = _is_auto(self.components) or (
            isinstance(self.components, (list, tuple))
            and len(self.components) > 0
            and all(name in NAMES for name in self.components)
        )
        rules = {
            "alpha": (
                is_number(self.alpha) and 0 < self.alpha < 1,
                "a float in the range (0, 1)",
            ),
            "components": (known, f"'auto' or some of {list(NAMES)!r}"),
            "n_neighbors": (
                _is_auto(self.n_neighbors) or is_count(self.n_neighbors, 1),
                "'auto' or an int of at least 1",
            ),
            "scaling": (self.scaling in SCALINGS, f"one of {list(SCALINGS)!r}"),
            "max_reference": (
                is_count(self.max_reference, LEAST_REFERENCE),
                f"an int of at least {LEAST_REFERENCE}",
            ),
        }
        for name, (fine, expected) in rules.items():
            if not fine:
                got = getattr(self, name)
                raise parameter_error(self, name, expected, got)


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"
