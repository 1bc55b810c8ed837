"""Feature attribution: signed contributions of the columns to single predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resilient_estimator._results import NoTruthValue, import_pandas
from resilient_estimator._typing import Floats, Positions
from resilient_estimator._validation import (
    COUNT,
    MODEL,
    check_argument,
    parameter_error,
)
from resilient_estimator.explanation._black_box import (
    class_scores,
    known_classes,
    pick_scores,
    predict_single_output,
)
from resilient_estimator.explanation._marginal_distributions import (
    Marginal,
    find_reference,
    read_marginals,
)
from resilient_estimator.explanation._shapley import (
    choose_coalitions,
    shapley_values,
)
from resilient_estimator.explanation._value_format import (
    as_table,
    cell_values,
    format_value,
    label_objects,
)
from resilient_estimator.reference import Reference
from resilient_estimator.tabular._embedding import numbers
from resilient_estimator.tabular._rows import count_rows, take_rows
from resilient_estimator.tabular._table import column_names

ROUNDING = 1e-12  # relative to the outputs; smaller contributions are not reported
N_SHOWN = 3  # rows


@dataclass(frozen=True, eq=False)
class Explanation(NoTruthValue):
    """Which columns moved predictions away from the average one, and how far.

    Attributes
    ----------
    features : list of str
        Names of the columns.
    contributions : ndarray of float of shape (n_samples, n_features)
        Contribution of each column; they add up to ``outputs - base``.
    base : ndarray of float of shape (n_samples,)
        Mean output on the background.
    outputs : ndarray of float of shape (n_samples,)
        The explained output: the probability of the target class, or its decision
        value, or 1 if the prediction is the target and 0 otherwise. The prediction of a
        regressor.
    targets : ndarray of shape (n_samples,) or None
        The target class of each row; None for a regressor.
    feature_values : ndarray of object of shape (n_samples, n_features)
        The explained rows; None for missing cells.
    typical_values : list of object
        Median or most frequent label of each column in the reference.
    n_reasons : int
        Number of reasons per row.
    """

    features: list[str]
    contributions: Floats
    base: Floats
    outputs: Floats
    targets: NDArray[Any] | None
    feature_values: NDArray[Any]
    typical_values: list[Any]
    n_reasons: int

    @property
    def reasons(self) -> list[list[str]]:
        """For each row, the columns with the largest contributions, in plain words."""
        size = np.abs(self.contributions)
        largest = np.argsort(-size, axis=1, kind="stable")[:, : self.n_reasons]
        threshold = ROUNDING * (np.abs(self.outputs) + np.abs(self.base))
        reported = size > threshold[:, np.newaxis]
        return [
            [self._reason(i, j) for j in columns if reported[i, j]]
            for i, columns in enumerate(largest.tolist())
        ]

    def _reason(self, i: int, j: int) -> str:
        value = format_value(self.feature_values[i, j])
        typical = format_value(self.typical_values[j])
        note = "typical" if value == typical else f"typical: {typical}"
        contribution = self.contributions[i, j]
        effect = _signed(contribution)
        if self.targets is not None:
            direction = "towards" if contribution > 0 else "away from"
            effect = f"{effect} {direction} {self.targets[i]!s}"
        return f"{self.features[j]} {value} ({note}): {effect}"

    def to_frame(self) -> Any:
        """Return the contributions as a table.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_samples, n_features)

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas("Explanation.to_frame")
        return pandas.DataFrame(self.contributions, columns=self.features)

    def __repr__(self) -> str:
        lines = [f"Explanation of {len(self.outputs)} predictions"]
        for i, reasons in enumerate(self.reasons[:N_SHOWN]):
            name = "output" if self.targets is None else str(self.targets[i])
            lines.append(
                f"row {i}: {name} {self.outputs[i]:.3g} (average {self.base[i]:.3g})"
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
    """Explain predictions by signed contributions of the columns (Shapley values).

    In the underlying game, columns outside a coalition take the values of a background
    row. This is interventional: a column is replaced without changing those that depend
    on it. With few columns all coalitions are evaluated, up to 10,000 evaluations per
    row. Otherwise each background row is combined with a random permutation of the
    columns and its reverse. In both cases, base and contributions add up to the output
    exactly. Background and permutations are the same for all rows, so the explanation
    of a row does not depend on the others.

    A ResilientEstimator needs no background rows: each column is drawn from its
    quantiles or label frequencies. Such a background has independent columns and no
    missing cells.

    Parameters
    ----------
    model : ResilientEstimator, classifier or regressor
        Fitted, with one output.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows to explain.
    reference : array-like, sparse matrix, data frame or Reference, default=None
        Rows that represent typical cases. None: what a ResilientEstimator remembers of
        its training data.
    target : object, default=None
        Class whose score is explained. None: the predicted class of each row.
    n_background : int, default=100
        Number of background rows to draw, and minimum number of permutations. More is
        slower and more precise; the error decreases with its square root.
    n_reasons : int, default=3
        Number of reasons per row.
    random_state : int, default=0
        Controls the background and the permutations.

    Returns
    -------
    explanation : Explanation
        Contributions, base and reasons.

    Raises
    ------
    TypeError
        If the model has several outputs.
    ValueError
        If the target is not a class of the model, or given for a regressor, or there is
        no reference.

    References
    ----------
    E. Strumbelj, I. Kononenko, "An efficient explanation of individual classifications
    using game theory", JMLR 11 (2010). Antithetic permutations: R. Mitchell, J. Cooper,
    E. Frank, G. Holmes, "Sampling permutations for Shapley value estimation", JMLR 23
    (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from resilient_estimator.explanation import explain
    >>> X = np.random.default_rng(0).normal(10, 2, size=(200, 2))
    >>> model = LinearRegression().fit(X, 3 * X[:, 0] - X[:, 1])
    >>> explain(model, np.array([[14.0, 10.0]]), X).reasons[0][0]
    'x0 14 (typical: 9.73): +12.3'
    """
    for name, value in {"n_background": n_background, "n_reasons": n_reasons}.items():
        check_argument("explain", name, value, COUNT)
    table = as_table(X)
    n_features = table.shape[1]
    output = _choose_output(model, X, target)
    source = find_reference(model, None, reference)
    if source is None:
        expected = "given, unless the model is a ResilientEstimator"
        raise parameter_error("explain", "reference", expected, reference)
    rng = np.random.default_rng(random_state)
    marginals = read_marginals(source, X, range(n_features))
    background = _background(source, X, marginals, n_background, rng)
    n_rows = len(next(iter(background.values()), [0]))
    coalitions = choose_coalitions(n_features, n_rows, n_background, rng)
    contributions, base, outputs = shapley_values(
        output.evaluate, X, background, coalitions
    )
    return Explanation(
        features=column_names(table),
        contributions=contributions,
        base=base,
        outputs=outputs,
        targets=output.targets,
        feature_values=cell_values(X, range(n_features)),
        typical_values=[_typical(X, j, each) for j, each in enumerate(marginals)],
        n_reasons=n_reasons,
    )


class _Output(NamedTuple):
    """The output of a model that is explained; a regressor has no classes."""

    model: Any
    classes: NDArray[Any] | None
    targets: NDArray[Any] | None

    def evaluate(self, X: Any, rows: Positions) -> Floats:
        """Return the output for modified copies of some rows."""
        if self.classes is None or self.targets is None:
            predictions = predict_single_output("explain", self.model, X)
            return predictions.astype(np.float64)
        targets = self.targets[rows]
        scores = class_scores(self.model, X)
        if scores is None:
            predictions = predict_single_output("explain", self.model, X)
            return np.asarray(predictions == targets, dtype=np.float64)
        return pick_scores(scores, self.classes, targets)


def _choose_output(model: Any, X: Any, target: Any) -> _Output:
    check_argument("explain", "model", model, MODEL)
    predictions = predict_single_output("explain", model, X)
    classes = known_classes(model)
    if classes is None and predictions.dtype.kind not in "biuf":
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
    targets = predictions if target is None else np.full(len(predictions), target)
    return _Output(model, classes, targets)


def _background(
    source: Any,
    X: Any,
    marginals: list[Marginal],
    n_background: int,
    rng: np.random.Generator,
) -> dict[int, NDArray[Any]]:
    """Return the values of the background rows by column, without opaque columns."""
    positions = [j for j, each in enumerate(marginals) if each.kind != "opaque"]
    if isinstance(source, Reference):
        return {j: _draw(X, j, marginals[j], n_background, rng) for j in positions}
    n_rows = count_rows(source)
    if not n_rows:
        raise ValueError("The reference of explain needs at least one row.")
    chosen = np.arange(n_rows)
    if n_rows > n_background:
        chosen = np.sort(rng.choice(n_rows, n_background, replace=False))
    return _read_columns(take_rows(source, chosen), X, marginals, positions)


def _draw(
    X: Any, position: int, marginal: Marginal, n: int, rng: np.random.Generator
) -> NDArray[Any]:
    """Draw a stratified sample from a column: one value per n-quantile, shuffled."""
    values = marginal.quantiles((rng.permutation(n) + 0.5) / n)
    if marginal.kind == "numeric":
        return values
    known = label_objects(X, position)
    return np.array([known.get(text, text) for text in values], dtype=object)


def _read_columns(
    rows: Any, X: Any, marginals: list[Marginal], positions: list[int]
) -> dict[int, NDArray[Any]]:
    """Return columns of rows in the order of X, missing labels imputed."""
    names, table = as_table(X).names, as_table(rows)
    columns = {}
    for j in positions:
        by_name = names is not None and table.names is not None
        own = table.names.index(names[j]) if by_name else j  # type: ignore[union-attr,index]
        if marginals[j].kind == "numeric":
            columns[j] = numbers(table, own)
        else:
            labels = cell_values(rows, [own])[:, 0]
            missing = np.array([label is None for label in labels.tolist()], dtype=bool)
            labels[missing] = _typical(rows, own, marginals[j])
            columns[j] = labels
    return columns


def _typical(X: Any, position: int, marginal: Marginal) -> Any:
    """Return the typical value of a column as an object."""
    if marginal.kind == "opaque":
        return None
    if marginal.kind == "numeric":
        return float(marginal.typical)
    return label_objects(X, position).get(marginal.typical, marginal.typical)


def _signed(contribution: float) -> str:
    in_decimals = 0.01 <= abs(contribution) < 10
    return f"{contribution:+.2f}" if in_decimals else f"{contribution:+,.3g}"
