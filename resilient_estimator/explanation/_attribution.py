"""Reasons for single predictions: signed contributions of the columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._typing import Floats
from resilient_estimator._validation import parameter_error
from resilient_estimator.exceptions import needs_extra
from resilient_estimator.explanation._marginals import (
    Marginal,
    as_table,
    label_objects,
    learn_marginals,
    learnt_from,
)
from resilient_estimator.explanation._oracle import (
    check_counts,
    class_scores,
    known_classes,
    one_answer_each,
)
from resilient_estimator.explanation._shapley import (
    choose_coalitions,
    shapley_values,
)
from resilient_estimator.explanation._wording import cells, in_words
from resilient_estimator.reference import Reference
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._rows import take_rows
from resilient_estimator.tabular._table import column_names, count_rows

ROUNDING = 1e-12  # of what is explained: less is no reason


@dataclass(frozen=True, eq=False)
class Explanation:
    """Which columns moved predictions away from the usual one, and how far.

    Attributes
    ----------
    features : list of str
        Columns.
    contributions : ndarray of float of shape (n_samples, n_features)
        Share of each column in ``outputs - base``; they add up to it.
    base : ndarray of float of shape (n_samples,)
        Mean output for the background.
    outputs : ndarray of float of shape (n_samples,)
        Probability of the class in question, or what `decision_function` says, or
        whether it is the answer; the prediction of a regressor.
    targets : ndarray of shape (n_samples,) or None
        The class in question for each row; None for a regressor.
    cells : ndarray of object of shape (n_samples, n_features)
        What the rows hold.
    usual : list of object
        Median or most frequent label of each column in the reference.
    n_reasons : int
        How many reasons are put in words.
    """

    features: list[str]
    contributions: Floats
    base: Floats
    outputs: Floats
    targets: NDArray[Any] | None
    cells: NDArray[Any]
    usual: list[Any]
    n_reasons: int

    @property
    def reasons(self) -> list[list[str]]:
        """For each row the columns that contributed most, in words."""
        order = np.argsort(-np.abs(self.contributions), axis=1, kind="stable")
        top = order[:, : self.n_reasons]
        least = ROUNDING * (np.abs(self.outputs) + np.abs(self.base))
        felt = np.abs(self.contributions) > least[:, np.newaxis]
        return [
            [self._reason(i, j) for j in columns if felt[i, j]]
            for i, columns in enumerate(top.tolist())
        ]

    def _reason(self, i: int, j: int) -> str:
        usual, moved = in_words(self.usual[j]), self.contributions[i, j]
        cell = in_words(self.cells[i, j])
        beside = " (usual)" if cell == usual else f" (usual {usual})"
        where = ""
        if self.targets is not None:
            way = "towards" if moved > 0 else "away from"
            where = f" {way} {self.targets[i]!s}"
        return f"{self.features[j]} {cell}{beside}: {_signed(moved)}{where}"

    def to_frame(self) -> Any:
        """Return the contributions as a table.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_samples, n_features)
        """
        try:
            import pandas as pd  # noqa: PLC0415
        except ImportError as error:
            raise ImportError(needs_extra("pandas", "pandas", "to_frame")) from error
        return pd.DataFrame(self.contributions, columns=self.features)

    def __repr__(self) -> str:
        lines = [f"Explanation of {len(self.outputs)} predictions"]
        for i, reasons in enumerate(self.reasons[:3]):
            what = "output" if self.targets is None else f"{self.targets[i]!s}"
            lines.append(
                f"row {i}: {what} {self.outputs[i]:.3g} instead of {self.base[i]:.3g}"
            )
            lines += [f"  {reason}" for reason in reasons]
        return "\n  ".join(lines)


def explain(
    model: Any,
    X: Any,
    reference: Any = None,
    *,
    target: Any = None,
    n_background: int = 100,
    n_reasons: int = 3,
    random_state: int = 0,
) -> Explanation:
    """Give reasons for predictions: signed contributions of the columns.

    Contributions are Shapley values of the game in which columns outside a coalition
    hold the cells of a background row (interventional: columns are switched one by one,
    whatever depends on them). With few columns all coalitions are asked about, up to
    10,000 questions per row. Otherwise each background row is met in a random order of
    the columns and in the reverse of it. Either way contributions and base add up to
    the output. The background and the orders are the same for all rows, so a row's
    reasons do not depend on the others.

    The background of a `ResilientEstimator` needs no rows: each column is drawn from
    its own quantiles or label frequencies, so its columns are independent and hold no
    missing cell.

    Parameters
    ----------
    model : ResilientEstimator, classifier or regressor
        Fitted, with one output.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows to explain.
    reference : array-like, sparse matrix, data frame or Reference, default=None
        What is usual. None: what a ResilientEstimator remembers of its training.
    target : object, default=None
        Class whose score is explained. None: each row's answer.
    n_background : int, default=100
        How many background rows are drawn, and the least number of orders. More is
        slower and more precise; the error falls with its root.
    n_reasons : int, default=3
        How many reasons per row are put in words.
    random_state : int, default=0
        Seed of background and orders.

    Returns
    -------
    Explanation
        Contributions, base and reasons.

    Raises
    ------
    TypeError
        If the model has several outputs.
    ValueError
        If the target is no class of the model, or one is given for a regressor, or
        there is no reference.

    References
    ----------
    E. Strumbelj, I. Kononenko, "An efficient explanation of individual classifications
    using game theory", JMLR 11 (2010); orders and their reverse: R. Mitchell, J.
    Cooper, E. Frank, G. Holmes, "Sampling permutations for Shapley value estimation",
    JMLR 23 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from resilient_estimator.explanation import explain
    >>> X = np.random.default_rng(0).normal(10, 2, size=(200, 2))
    >>> model = LinearRegression().fit(X, 3 * X[:, 0] - X[:, 1])
    >>> explain(model, np.array([[14.0, 10.0]]), X).reasons[0][0]
    'x0 14 (usual 9.73): +12.3'
    """
    check_counts("explain", n_background=n_background, n_reasons=n_reasons)
    table = as_table(X)
    output = _output(model, X, target)
    source = learnt_from(model, None, reference)
    if source is None:
        expected = "given, unless the model is a ResilientEstimator"
        raise parameter_error("explain", "reference", expected, reference)
    rng = np.random.default_rng(random_state)
    marginals = learn_marginals(source, X, range(table.shape[1]))
    background = _background(source, X, marginals, n_background, rng)
    n_rows = len(next(iter(background.values()), [0]))
    coalitions = choose_coalitions(table.shape[1], n_rows, n_background, rng)
    contributions, base, outputs = shapley_values(output.ask, X, background, coalitions)
    return Explanation(
        features=column_names(table),
        contributions=contributions,
        base=base,
        outputs=outputs,
        targets=output.targets,
        cells=cells(X, list(range(table.shape[1]))),
        usual=[_usual(X, j, each) for j, each in enumerate(marginals)],
        n_reasons=n_reasons,
    )


class _Output(NamedTuple):
    """What of the model's answer is explained."""

    model: Any
    targets: NDArray[Any] | None
    columns: NDArray[np.intp] | None

    def ask(self, X: Any, rows: NDArray[np.intp]) -> Floats:
        """Return the output for tweaked copies of some rows."""
        if self.targets is None:
            return one_answer_each("explain", self.model, X).astype(np.float64)
        scores = None if self.columns is None else class_scores(self.model, X)
        if scores is None or self.columns is None:
            answers = one_answer_each("explain", self.model, X)
            return np.asarray(answers == self.targets[rows], dtype=np.float64)
        return np.asarray(scores[np.arange(len(scores)), self.columns[rows]])


def _output(model: Any, X: Any, target: Any) -> _Output:
    if not hasattr(model, "predict") or isinstance(model, type):
        raise parameter_error("explain", "model", "a fitted model", model)
    answers = one_answer_each("explain", model, X)
    classes = known_classes(model)
    if classes is None and answers.dtype.kind not in "biuf":
        expected = "a regressor, or a classifier that has classes_"
        raise parameter_error("explain", "model", expected, model)
    if classes is None:
        if target is not None:
            expected = "None for a regressor, which has no classes"
            raise parameter_error("explain", "target", expected, target)
        return _Output(model, None, None)
    if target is not None and target not in classes.tolist():
        expected = f"None or one of the classes {classes.tolist()!r}"
        raise parameter_error("explain", "target", expected, target)
    targets = answers if target is None else np.full(len(answers), target)
    columns = (classes[np.newaxis] == targets[:, np.newaxis]).argmax(axis=1)
    return _Output(model, targets, columns)


def _background(
    source: Any,
    X: Any,
    marginals: list[Marginal],
    n_background: int,
    rng: np.random.Generator,
) -> dict[int, NDArray[Any]]:
    """Return the cells of background rows, by the columns that have any."""
    places = [j for j, each in enumerate(marginals) if each.kind != "opaque"]
    if isinstance(source, Reference):
        return {j: _draw(X, j, marginals[j], n_background, rng) for j in places}
    n_rows = count_rows(source)
    if not n_rows:
        raise ValueError("The reference of explain needs at least one row.")
    chosen = np.arange(n_rows)
    if n_rows > n_background:
        chosen = np.sort(rng.choice(n_rows, n_background, replace=False))
    return _columns_of(take_rows(source, chosen), X, marginals, places)


def _draw(
    X: Any, place: int, marginal: Marginal, n: int, rng: np.random.Generator
) -> NDArray[Any]:
    """Draw one value from each n-th part of a column, in random order."""
    values = marginal.quantiles((rng.permutation(n) + 0.5) / n)
    if marginal.kind == "numeric":
        return values
    known = label_objects(X, place)
    return np.array([known.get(text, text) for text in values], dtype=object)


def _columns_of(
    rows: Any, X: Any, marginals: list[Marginal], places: list[int]
) -> dict[int, NDArray[Any]]:
    """Return the columns of rows in the order of X; a missing label is a usual one."""
    names, table = as_table(X).names, as_table(rows)
    by_name = names is not None and table.names is not None
    columns = {}
    for j in places:
        place = table.names.index(names[j]) if by_name else j  # type: ignore[union-attr,index]
        if marginals[j].kind == "numeric":
            columns[j] = numbers(table, place)
        else:
            labels = cells(rows, [place])[:, 0]
            missing = np.array([label is None for label in labels.tolist()], dtype=bool)
            labels[missing] = _usual(rows, place, marginals[j])
            columns[j] = labels
    return columns


def _usual(X: Any, place: int, marginal: Marginal) -> Any:
    if marginal.kind == "opaque":
        return None
    if marginal.kind == "numeric":
        return float(marginal.usual)
    return label_objects(X, place).get(marginal.usual, marginal.usual)


def _signed(moved: float) -> str:
    return f"{moved:+.2f}" if 0.01 <= abs(moved) < 10 else f"{moved:+,.3g}"
