"""Reproduce the chi-square statistics of alibi-detect's Adult example.

    python benchmarks/adult_chi2.py

The first 10,000 rows of Adult's training file are the reference, the next two times
10,000 the batches, with alibi's merged labels. "printed" is the result in the notebook
`cd_chi2ks_adult` of alibi-detect, "ours" that of ``FeatureDrift(test="chi2")`` before
any correction of the p-value for the number of columns. The statistics are the same;
p-values differ slightly if a label has so few rows that ours are simulated.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from resilient_estimator import FeatureDrift

N_ROWS = 10_000

COLUMNS = {
    "workclass": "Workclass",
    "education": "Education",
    "marital_status": "Marital status",
    "occupation": "Occupation",
    "relationship": "Relationship",
    "race": "Race",
    "sex": "Sex",
    "native_country": "Country",
}
PRINTED = (
    (8.487, 4.753, 3.160, 8.194, 0.485, 0.587, 0.217, 9.991),
    (5.800, 5.413, 1.167, 12.296, 6.520, 1.417, 0.008, 11.256),
)
PRINTED_PVALUES = (
    (0.387, 0.576, 0.368, 0.415, 0.993, 0.965, 0.641, 0.441),
    (0.670, 0.492, 0.761, 0.138, 0.259, 0.841, 0.928, 0.338),
)

# Labels that alibi merges; all others stay single, missing ones are "?".
MERGES: dict[str, dict[str, str]] = {
    "education": {
        "dropout": "Preschool 1st-4th 5th-6th 7th-8th 9th 10th 11th 12th",
        "high school": "HS-grad Some-college",
        "associate": "Assoc-acdm Assoc-voc",
    },
    "marital_status": {
        "married": "Married-civ-spouse Married-AF-spouse",
        "separated": "Separated Divorced Married-spouse-absent",
    },
    "occupation": {
        "blue collar": "Craft-repair Farming-fishing Handlers-cleaners "
        "Machine-op-inspct Transport-moving",
        "service": "Other-service Priv-house-serv",
        "other": "Protective-serv Tech-support",
    },
    "native_country": {
        "commonwealth": "Canada England India Ireland Scotland",
        "China": "China Hong Taiwan",
        "south-east Asia": "Cambodia Laos Philippines Thailand Vietnam",
        "south America": "Columbia Ecuador El-Salvador Peru",
        "Latin America": "Dominican-Republic Guatemala Haiti Honduras Jamaica Mexico "
        "Nicaragua Outlying-US(Guam-USVI-etc) Puerto-Rico Trinadad&Tobago",
        "Europe 1": "France Germany Holand-Netherlands Italy",
        "Europe 2": "Greece Hungary Poland Portugal South",
        "other": "Cuba Iran Japan",
    },
}


def load_real(name: str, **options: str) -> Any:
    """Return (X, y, meta) of a real data set."""
    named = os.environ.get("RESILIENT_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared/data"
    for folder in [Path(named), Path(named).parent] if named else [beside]:
        if (folder / "load.py").exists():
            sys.path.insert(0, str(folder))
            loader = import_module("load")
            loader.DATA = folder / "files"
            return loader.load(name, **options)
    sys.exit("The folder with the real data sets is absent; name it in RESILIENT_DATA.")


def merge(column: pd.Series) -> pd.Series:
    """Merge the labels of one column as alibi does."""
    groups = MERGES.get(str(column.name), {})
    group_of = {label: g for g, labels in groups.items() for label in labels.split()}
    labels = column.astype(object).fillna("?")
    return labels.map(lambda label: group_of.get(label, label))


def read_adult() -> pd.DataFrame:
    """Return the labels of the training file in the order of the file."""
    X, _, meta = load_real("adult")
    return X.loc[meta["split"] == "train", list(COLUMNS)].apply(merge)


def print_batch(
    reference: pd.DataFrame,
    batch: pd.DataFrame,
    printed: tuple[float, ...],
    pvalues: tuple[float, ...],
) -> None:
    """Print the expected and our results, column by column."""
    detector = FeatureDrift(test="chi2").fit(reference)
    drift = detector.compare(batch)
    raw = detector.find(detector.reference_.layout.profile(batch))[0].pvalues
    heads = ("printed", "ours", "difference", "p printed", "p ours")
    print(f"{'':14}" + "".join(f"{head:>12}" for head in heads))
    for i, name in enumerate(COLUMNS.values()):
        ours = drift.statistics[i]
        numbers = (printed[i], ours, ours - printed[i], pvalues[i], raw[i])
        print(f"{name:14}" + "".join(f"{number:z12.3f}" for number in numbers))
    print(f"{drift}\n")


def main() -> None:
    """Print one table per batch."""
    X = read_adult()
    reference = X[:N_ROWS]
    for k, printed in enumerate(zip(PRINTED, PRINTED_PVALUES, strict=True), start=1):
        print(f"Batch {k}: rows {k * N_ROWS:,} to {(k + 1) * N_ROWS:,}")
        print_batch(reference, X[k * N_ROWS : (k + 1) * N_ROWS], *printed)


if __name__ == "__main__":
    main()
