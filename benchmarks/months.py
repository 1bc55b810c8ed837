"""Verdicts by month and by chunk, compared with the truth, on two data sets.

    python benchmarks/months.py [--quick]

Insurance: the simulated data of a talk, 36 months after training, 1,500 rows each. The
training of the driver, the braking distance and the power do not change, all other
columns drift, and so does the concept. "KS" is the number of months in which
`scipy.stats.ks_2samp` returns p < .05, as in the talk.

ACS employment in Massachusetts: a model of 2015, then chunks of 5,000 rows up to 2018.
People in group quarters (RELP 16 and 17) are spread evenly over the rows up to 2016;
those of 2017 and 2018 are grouped together at the turn of the years, where the model is
worse. A drop of accuracy is real if the 95 % interval of the chunk lies at least .01
below the cross-validated accuracy of 2015. Our verdict is compared with two other
rules: any column whose Jensen-Shannon distance is above mean + 3 sd of ten reference
chunks, as in NannyML ("JS"), and any column with p < .05 by the chi-square test, or by
the KS test for age, with Bonferroni's correction for the number of columns ("chi2").
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
from adult_chi2 import load_real
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from resilient_estimator import Assessment, ResilientEstimator

ALPHA = 0.05
N_CHUNK = 5000
MATERIAL = 0.01
EMPLOYMENT_HEAD = (
    "year       columns  worst      outputs  verdict              accuracy  change  "
    "real drop  JS   chi2"
)


def drifted(assessment: Assessment, part: str) -> list[str]:
    """Return the names of the entries of one part that drifted."""
    drift = assessment.drift
    return [drift.features[i] for i in drift.of(part) if drift.drifted[i]]


def yes(value: object) -> str:
    """Return a truth value as it is shown in the tables."""
    return "yes" if value else "-"


def ks_pvalue(reference: pd.Series, batch: pd.Series) -> float:
    """Return the p-value of the Kolmogorov-Smirnov test."""
    return float(stats.ks_2samp(reference, batch, method="asymp").pvalue)


def print_insurance() -> None:
    """Print the verdict on each month and how often each column was reported."""
    X, y, meta = load_real("insurance_talk", target="group")
    months = [month.index for _, month in X.groupby(meta["time"])]
    reference = X.loc[months[0]]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model = ResilientEstimator(pipeline).fit(reference, y[months[0]])
    accuracy = cross_val_score(pipeline, reference, y[months[0]]).mean()
    print(f"Insurance: accuracy in month 0, out of fold: {accuracy:.3f}")
    print("month  outputs  verdict              accuracy  columns drifted")
    reported: Counter[str] = Counter()
    significant: Counter[str] = Counter()
    for k, rows in enumerate(months[1:], start=1):
        batch = X.loc[rows]
        assessment = model.assess(batch, y[rows])
        print_month(k, assessment)
        reported.update(drifted(assessment, "features"))
        significant.update(c for c in X if ks_pvalue(reference[c], batch[c]) < ALPHA)
    print_columns(list(X), len(months) - 1, reported, significant)


def print_month(k: int, assessment: Assessment) -> None:
    """Print one line."""
    columns = drifted(assessment, "features")
    outputs = yes(drifted(assessment, "outputs"))
    verdict = assessment.drift.verdict
    accuracy = assessment.performance.value
    names = f"{len(columns)}: {', '.join(columns)}" if columns else "0"
    print(f"{k:>5}  {outputs:7}  {verdict:19}  {accuracy:8.3f}  {names}", flush=True)


def print_columns(
    names: list[str], n_months: int, reported: Counter[str], significant: Counter[str]
) -> None:
    """Print in how many months each column was reported."""
    print(f"\n{f'months of {n_months}':18} reported  KS p < .05")
    for name in names:
        print(f"{name:18} {reported[name]:8}  {significant[name]:10}")


def shares_like(reference: pd.Series) -> Callable[[pd.Series], NDArray[np.float64]]:
    """Return a function that computes the shares of a column's labels or bins."""
    if isinstance(reference.dtype, pd.CategoricalDtype):
        return lambda x: x.value_counts(normalize=True, sort=False).to_numpy()
    edges = np.histogram_bin_edges(reference, bins="doane")
    return lambda x: np.histogram(x, edges)[0] / len(x)


def shannon_rule(X: pd.DataFrame) -> Callable[[pd.DataFrame], bool]:
    """Return the rule of mean + 3 sd, estimated from ten chunks of the reference."""
    shares = {name: shares_like(X[name]) for name in X}
    whole = {name: shares[name](X[name]) for name in X}

    def distances(batch: pd.DataFrame) -> NDArray[np.float64]:
        pairs = ((whole[c], shares[c](batch[c])) for c in X)
        return np.array([jensenshannon(*pair, base=2) for pair in pairs])

    chunks = [X[i * N_CHUNK : (i + 1) * N_CHUNK] for i in range(10)]
    clean = np.array([distances(chunk) for chunk in chunks])
    limit = clean.mean(axis=0) + 3 * clean.std(axis=0)
    return lambda batch: bool((distances(batch) > limit).any())


def chi_square_rule(X: pd.DataFrame) -> Callable[[pd.DataFrame], bool]:
    """Return the rule of p-values below .05 after Bonferroni's correction."""

    def pvalue(reference: pd.Series, batch: pd.Series) -> float:
        if not isinstance(reference.dtype, pd.CategoricalDtype):
            return ks_pvalue(reference, batch)
        table = np.array([x.value_counts(sort=False) for x in (reference, batch)])
        return float(stats.chi2_contingency(table[:, table.any(axis=0)]).pvalue)

    return lambda batch: min(pvalue(X[c], batch[c]) for c in X) < ALPHA / X.shape[1]


def print_employment(step: int) -> None:
    """Print the verdict on each chunk, and how each rule relates to real drops."""
    X, y, meta = load_real("acs_employment_ma")
    n = meta["n_ref"]
    trees = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    )
    model = ResilientEstimator(trees).fit(X[:n], y[:n])
    accuracy = cross_val_score(trees, X[:n], y[:n]).mean()
    rules = shannon_rule(X[:n]), chi_square_rule(X[:n])
    print(f"\nACS employment: accuracy in 2015, out of fold: {accuracy:.3f}")
    print(EMPLOYMENT_HEAD)
    chunks = []
    for start in range(n, len(X) - N_CHUNK + 1, step * N_CHUNK):
        rows = slice(start, start + N_CHUNK)
        years = "/".join(map(str, meta["time"][rows].unique()))
        alarms = [rule(X[rows]) for rule in rules]
        chunks.append(
            print_chunk(years, model.assess(X[rows], y[rows]), alarms, accuracy)
        )
    print_signals(pd.DataFrame(chunks))


def print_chunk(
    years: str, assessment: Assessment, alarms: list[bool], accuracy: float
) -> dict[str, bool]:
    """Print one line; return all alarms and whether accuracy really dropped."""
    drift, realised = assessment.drift, assessment.performance
    columns = drifted(assessment, "features")
    outputs = drifted(assessment, "outputs")
    dropped = realised.upper <= accuracy - MATERIAL
    worst = f"{drift.worst} {drift.severity:.2f}"
    change = realised.value - accuracy
    line = f"{years:9}  {len(columns):7}  {worst:9}  {yes(outputs):7}  "
    line += (
        f"{drift.verdict:19}  {realised.value:8.3f}  {change:+6.3f}  {yes(dropped):9}"
    )
    print(f"{line}  {yes(alarms[0]):3}  {yes(alarms[1])}", flush=True)
    return {
        "columns drifted": bool(columns),
        "outputs drifted": bool(outputs),
        "JS: above mean + 3 sd": alarms[0],
        "chi2: p < .05, Bonferroni": alarms[1],
        "real drop": dropped,
    }


def print_signals(chunks: pd.DataFrame) -> None:
    """Print how often each rule raises an alarm, with and without a real drop."""
    dropped = chunks.pop("real drop")
    print(f"\n{'alarms in':25}  real drop  no real drop")
    for rule, alarms in chunks.items():
        cells = [f"{alarms[x].sum()} of {x.sum()}" for x in (dropped, ~dropped)]
        print(f"{rule:25}  {cells[0]:>9}  {cells[1]:>12}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every third chunk")
    options = parser.parse_args()
    print_insurance()
    print_employment(3 if options.quick else 1)


if __name__ == "__main__":
    main()
