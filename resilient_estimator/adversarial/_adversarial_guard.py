"""Flag rows that were changed to make the model err."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from resilient_estimator._typing import Floats, Mask, Positions
from resilient_estimator._validation import (
    COUNT,
    N_JOBS,
    OPEN_PROPORTION,
    SEED,
    Constraints,
    Interval,
    Options,
    Satisfies,
    check_argument,
    check_parameters,
)
from resilient_estimator.adversarial._model_predictions import (
    HeldOut,
    Predictions,
    check_held_out,
    check_model,
    check_target,
    invalid_columns,
    predict_held_out,
    predict_rows,
)
from resilient_estimator.adversarial._neighbours import stratified_sample
from resilient_estimator.adversarial._nonconformity import (
    COMPONENTS,
    ClassifierScorer,
    NonconformityScorer,
    RegressorScorer,
)
from resilient_estimator.statistics._conformal_pvalues import ConformalSum
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._table import Table, read_table

LOGGER = logging.getLogger("resilient_estimator")


K_PICTURES = 5
K_TABLES = 10
MIN_REFERENCE = 100
CORRECTIONS = ("nearest_class", "forest")


def _are_components(value: Any) -> bool:
    """Whether a value lists some of the components."""
    is_list = isinstance(value, (list, tuple)) and len(value) > 0
    return is_list and all(name in COMPONENTS for name in value)


class AdversarialGuard(BaseEstimator):
    """Flag rows that were changed to make the model err.

    An attacker moves a row just far enough for the model's prediction to change. Most
    training rows nearby then still have the old label, and a model of another kind
    still predicts it. Up to three scores measure how atypical a prediction is:

    - trust: are `n_neighbors` rows of the predicted class as near as those of another
      class (after Jiang et al., 2018)? For a regressor: is the prediction close to the
      targets of the neighbours?
    - forest: does a random forest agree?
    - distance: are there training rows nearby at all?

    Each has a p-value by its rank among the training rows, whose scores are those of
    unseen rows: without themselves as neighbours, from models that were not trained on
    them. The p-values are summed (Fisher) and ranked once more, so that a row like
    those of training is flagged with probability of about `alpha`, whatever the model.

    **It keeps training rows** (`n_reference_rows_` of them), as there are no neighbours
    without them: they can be read from the pickle. So it is not among the default
    guards.

    It stops an attacker who does not know it. One who does gets through by moving rows
    farther (see the example "attack_and_defence").

    Parameters
    ----------
    model : estimator or None, default=None
        Classifier or regressor to be guarded, for a guard used alone: a clone of it is
        fitted. One wrapped in `sklearn.frozen.FrozenEstimator` is used as it is; rows
        given to `fit` must not be those that it was trained on. As the `guard` of a
        `ResilientEstimator`, leave it out: it gets the estimator fitted there.
    alpha : float, default=0.05
        Share of harmless rows that may be flagged. No row is flagged if `alpha` is
        below one divided by the number of training rows.
    components : "auto" or list of {"trust", "forest", "distance"}, default="auto"
        Which scores to compute. "auto": "trust" for pictures (twenty columns or more,
        on one scale), else all.
    n_neighbors : "auto" or int, default="auto"
        Neighbours per class. "auto": 5 for pictures, else 10.
    scaling : {"auto", "columns", "common"}, default="auto"
        Whether each column has a scale of its own, or all have one, as pixels have.
    max_reference : int, default=20000
        Most training rows to keep: a sample in which each class has its share.
    cv : int, splitter or iterable, default=5
        How rows are split for held-out predictions. An int is a number of folds:
        stratified for classifiers, blocks for regressors.
    n_jobs : int or None, default=None
        Number of folds fitted in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed of the sample and of the forest.

    Attributes
    ----------
    model_ : estimator
        The guarded model; `inspect` calls its `predict`.
    components_ : list of str
        Which scores are computed.
    n_reference_rows_ : int
        Number of training rows that are kept.
    training_flags_ : ndarray of bool of shape (n_samples,)
        What `inspect_training` returns.
    classes_ : ndarray of shape (n_classes,)
        Labels of the rows that are kept, of classifiers.

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

    takes_table: ClassVar[bool] = True
    _constraints: ClassVar[Constraints] = {
        "alpha": [OPEN_PROPORTION],
        "components": [
            Options("auto"),
            Satisfies(_are_components, f"a list of some of {list(COMPONENTS)!r}"),
        ],
        "n_neighbors": [Options("auto"), COUNT],
        "scaling": [Options("auto", "columns", "common")],
        "max_reference": [Interval(Integral, MIN_REFERENCE, np.inf)],
        "n_jobs": [N_JOBS],
        "random_state": [
            SEED,
            Satisfies(
                lambda value: isinstance(value, np.random.RandomState),
                "a RandomState instance",
            ),
            None,
        ],
    }

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
        """Fit a clone of `model`, and calibrate the scores of its predictions.

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
            If there is no `model`, or it is neither a classifier nor a regressor.
        """
        check_model(self, self.model)
        return self.fit_model(clone(self.model).fit(X, y), X, y)

    def fit_model(self, model: Any, X: Any, y: Any, out_of_fold: Any = None) -> Self:
        """Calibrate the scores of a fitted model's predictions; it is kept, not copied.

        Parameters
        ----------
        model : estimator
            Fitted classifier or regressor.
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows that it was trained on; for a `FrozenEstimator`, other rows.
        y : array-like of shape (n_samples,)
            Their targets.
        out_of_fold : object, default=None
            Held-out predictions, if there are some already. `rows`, an increasing
            ndarray of int of shape (n_held_out,), are the rows that have one, not
            necessarily all; `predictions`, an ndarray of shape (n_held_out,), is what
            `predict` of models that were not trained on them returned. Other rows take
            no part in the calibration and are not flagged by `inspect_training`. None:
            clones of `model` are fitted to the folds of `cv`, and all rows have one.

        Returns
        -------
        self : AdversarialGuard
            The fitted guard.

        Raises
        ------
        ValueError
            If a parameter is out of range, or `y` or `out_of_fold` does not fit the
            rows.
        """
        check_model(self, model)
        check_parameters(self)
        target = check_target(X, y)
        embedding = Embedding.learn(X, scaling=self.scaling)
        if out_of_fold is None:
            out_of_fold = predict_held_out(model, X, y, cv=self.cv, n_jobs=self.n_jobs)
        held_out = check_held_out(out_of_fold, len(target))
        random_state = check_random_state(self.random_state).randint(2**31 - 1)
        reference = stratified_sample(
            target if is_classifier(model) else np.zeros(len(target)),
            int(self.max_reference),
            min_per_class=2 * K_TABLES,
            rng=np.random.default_rng(random_state),
        )
        self.model_, self.embedding_ = model, embedding
        table = cast("Table", read_table(X))
        self.may_be_invalid_ = invalid_columns(table, embedding.numeric)
        coordinates = embedding.embed(X)
        self._fit_scorer(coordinates[reference], target[reference], int(random_state))
        self._calibrate(coordinates, held_out, reference)
        LOGGER.info("AdversarialGuard keeps %d training rows", self.n_reference_rows_)
        return self

    def _fit_scorer(
        self, coordinates: Floats, target: NDArray[Any], random_state: int
    ) -> None:
        """Remember the reference rows, and fit a forest to them."""
        picture = self.embedding_.is_picture
        names = COMPONENTS[:1] if picture else COMPONENTS
        self.components_ = list(names if self.components == "auto" else self.components)
        k = K_PICTURES if picture else K_TABLES
        kind = ClassifierScorer if is_classifier(self.model_) else RegressorScorer
        self.scorer_: NonconformityScorer = kind(
            coordinates,
            target,
            k=k if self.n_neighbors == "auto" else int(self.n_neighbors),
            has_forest="forest" in self.components_,
            random_state=random_state,
        )
        if isinstance(self.scorer_, ClassifierScorer):
            self.classes_ = self.scorer_.classes
        self.n_reference_rows_ = len(target)

    def _calibrate(
        self, coordinates: Floats, held_out: HeldOut, reference: Positions
    ) -> None:
        """Rank the scores of held-out predictions for reference rows, and flag rows."""
        rows, predictions = held_out
        kept = np.isin(rows, reference)
        if not kept.any():
            raise ValueError(
                "AdversarialGuard needs held-out predictions for some of the "
                f"{len(reference)} training rows that it keeps."
            )
        places = np.searchsorted(reference, rows[kept])
        scores = self.scorer_.calibrate(
            coordinates[reference], predictions[kept], places
        )
        self.calibration_ = ConformalSum({n: scores[n] for n in self.components_})
        pvalues = np.empty(len(rows))
        pvalues[kept] = self.calibration_.pvalues(scores)
        if not kept.all():
            others = ~kept
            scores = self.scorer_.scores(coordinates[rows[others]], predictions[others])
            pvalues[others] = self.calibration_.pvalues(scores)
        self.training_flags_ = np.zeros(len(coordinates), dtype=bool)
        self.training_flags_[rows] = pvalues <= self.alpha

    def inspect(self, X: Any) -> Mapping[str, Mask]:
        """Return which rows look adversarial.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect. Those that the model cannot read are not flagged.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask, called "adversarial".
        """
        return {"adversarial": self.score_pvalues(X) <= self.alpha}

    def inspect_training(self, X: Any = None) -> Mapping[str, Mask]:  # noqa: ARG002
        """Return the flags of the rows given to `fit`, as if they were new.

        `inspect` would find each row among its own neighbours, and the model was
        trained on its target. Compare the share of flagged new rows with this one.

        Parameters
        ----------
        X : ignored
            The rows given to `fit`.

        Returns
        -------
        flags : dict of str to ndarray of bool of shape (n_samples,)
            One mask, called "adversarial". False for rows without a held-out
            prediction.
        """
        check_is_fitted(self)
        return {"adversarial": self.training_flags_.copy()}

    def score_pvalues(self, X: Any) -> Floats:
        """Return how well the model's predictions conform to training.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect.

        Returns
        -------
        pvalues : ndarray of float of shape (n_samples,)
            Share of training rows that are at least as strange: small under attack. NaN
            where the model cannot read the row.
        """
        return self._pvalues(self._predict(X))["pvalue"]

    def explain_rows(self, X: Any) -> dict[str, NDArray[Any]]:
        """Return the p-value of each score.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to inspect.

        Returns
        -------
        table : dict of str to ndarray of shape (n_samples,)
            "pvalue": the p-value of all scores; one for each of `components_`;
            "nearest": the class whose rows are nearest, or their mean target.
        """
        predictions = self._predict(X)
        nearest = self.scorer_.predict_by_neighbours(predictions.coordinates)
        return self._pvalues(predictions) | {"nearest": nearest}

    def correct(self, X: Any, *, by: str = "nearest_class") -> NDArray[Any]:
        """Return the model's predictions, replaced where rows look adversarial.

        The replacement is a guess: nearly always right on pictures, often on tables.
        Where a wrong prediction costs more than none, leave the row to a fallback or a
        person.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows to predict for.
        by : {"nearest_class", "forest"}, default="nearest_class"
            What replaces the predictions for rows that are flagged, or that the model
            cannot read: the nearest class (of a regressor: the mean of the neighbours),
            or the prediction of the forest.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.

        Raises
        ------
        ValueError
            If `by` is unknown, or the forest is not among the components.
        """
        predictions = self._predict(X)
        known = CORRECTIONS[: 2 if "forest" in self.components_ else 1]
        check_argument("correct", "by", by, Options(*known))
        if not predictions.is_table:
            return np.asarray(self.model_.predict(X))  # it raises
        scorer, coordinates = self.scorer_, predictions.coordinates
        if by == "forest":
            corrected = np.array(scorer.predict_by_forest(coordinates))
        else:
            corrected = np.array(scorer.predict_by_neighbours(coordinates))
        kept = self._pvalues(predictions)["pvalue"][predictions.rows] > self.alpha
        if kept.any():
            corrected = corrected.astype(np.result_type(corrected, predictions.values))
        corrected[predictions.rows[kept]] = predictions.values[kept]
        return corrected

    def _predict(self, X: Any) -> Predictions:
        check_is_fitted(self)
        return predict_rows(self.model_, X, self.embedding_, self.may_be_invalid_)

    def _pvalues(self, predictions: Predictions) -> dict[str, Floats]:
        """Return the p-value of all scores, and of each; NaN without a prediction."""
        coordinates, values, rows, _ = predictions
        names = ["pvalue", *self.components_]
        table = {name: np.full(len(coordinates), np.nan) for name in names}
        if len(rows):
            scores = self.scorer_.scores(coordinates[rows], values)
            found = {"pvalue": self.calibration_.pvalues(scores)}
            for name, pvalues in (found | self.calibration_.parts(scores)).items():
                table[name][rows] = pvalues
        return table
