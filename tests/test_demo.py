"""The demonstration runs on any table, and reports errors in one clear line."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import load_real

from resilient_estimator import __version__
from resilient_estimator.__main__ import main

WITHOUT_PANDAS = """
import sys
class NoPandas:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("pandas", "pyarrow"):
            raise ImportError(name)
sys.meta_path.insert(0, NoPandas())
from resilient_estimator.__main__ import main
print([main(line.split()) for line in sys.argv[1:]])
"""


def make_table(n_samples=600):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=n_samples).strftime("%d.%m.%Y"),
            "size": rng.normal(size=n_samples),
            "colour": rng.choice(["red", "blue", None], n_samples),
        }
    )
    table["price"] = 10 * table["size"] + rng.normal(size=n_samples)
    table["sold"] = np.where(table["price"] > 0, "yes", "no")
    return table


def run_on(tmp_path, table, *arguments):
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    return main(["demo", "--data", str(path), *arguments])


def run_process(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def whole_demo():
    return run_process("-m", "resilient_estimator", "demo")


def test_whole_demo_runs(whole_demo):
    """The demo succeeds, without a warning and without progress in a pipe."""
    assert (whole_demo.returncode, whole_demo.stderr) == (0, "")


def test_one_row_per_month(whole_demo):
    """Months 1 to 36 have one row each."""
    months = re.findall(r"^(\d+) +0\.\d\d", whole_demo.stdout, re.MULTILINE)
    assert months == [str(month) for month in range(1, 37)]


def test_the_summary_agrees_with_the_rows(whole_demo):
    """It quotes the accuracies of the first and the last month."""
    rows = re.findall(r"^\d+ +(0\.\d\d)", whole_demo.stdout, re.MULTILINE)
    text = " ".join(whole_demo.stdout.split())
    assert f"Accuracy fell from {rows[0]} in month 1 to {rows[-1]} in month 36" in text
    assert "Never drifted: training, braking_distance and power." in text
    assert "What to do: recalibrate at once and retrain on recent rows." in text


def test_few_months(capsys):
    """After one month, the summary does not mention recalibration."""
    assert main(["demo", "--months", "1"]) == 0
    text = capsys.readouterr().out
    assert "Accuracy was" in text
    assert "Recalibrating" not in text


def test_the_seed_determines_the_output(capsys):
    """The same seed gives the same output, another seed a different one."""
    texts = []
    for seed in ("1", "1", "2"):
        main(["demo", "--months", "1", "--seed", seed])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


def test_without_pandas():
    """The simulation needs core dependencies only; a table needs an extra."""
    lines = ("demo --months 2", "demo --data any.csv --target y")
    done = run_process("-c", WITHOUT_PANDAS, *lines)
    (error,) = done.stderr.splitlines()
    assert "pip install 'resilient-estimator[pandas]'" in error
    assert done.stdout.splitlines()[-1] == "[0, 2]"


def test_labels_are_classified(tmp_path, capsys):
    """Two labels mean classification, with costs, sorted by time."""
    assert run_on(tmp_path, make_table(), "--target", "sold", "--time", "day") == 0
    text = capsys.readouterr().out
    assert "classification of sold from 3 columns, sorted by day" in text
    assert "class 'yes'" in text
    assert (
        "2024-07-19 to" in text
    )  # row 200: days come first, although 01.02. is ambiguous


def test_numbers_are_regressed(tmp_path, capsys):
    """Many different numbers mean regression, without costs."""
    assert run_on(tmp_path, make_table(), "--target", "price") == 0
    text = capsys.readouterr().out
    assert "regression of price" in text
    assert "cost" not in text


def test_notes_name_what_is_left_out(tmp_path, capsys):
    """They list the rows and columns that cannot be used."""
    table = make_table().assign(number=range(600), empty=np.nan)
    table.loc[:9, "sold"] = None
    assert run_on(tmp_path, table, "--target", "sold") == 0
    text = capsys.readouterr().out
    assert "10 rows left out: no target in sold" in text
    assert "column number left out: it only numbers the rows" in text
    assert "column empty left out: no value to train on" in text
    assert "column day left out: 590 different texts" in text


def test_separators(tmp_path, capsys):
    """Semicolons are recognised as separators."""
    path = tmp_path / "table.csv"
    make_table().to_csv(path, sep=";", index=False)
    assert main(["demo", "--data", str(path), "--target", "sold"]) == 0
    assert "from 3 columns" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["elec2", "adult", "california_housing"])
def test_real_table(name, tmp_path, capsys):
    """The demo works on real tables."""
    X, y, _ = load_real(name)
    path = tmp_path / "table.parquet"
    X.assign(target=y).head(2000).to_parquet(path)
    assert main(["demo", "--data", str(path), "--target", "target"]) == 0
    assert "What to do:" in " ".join(capsys.readouterr().out.split())


BAD = {
    "no column 'nope'; its columns are: day, size": ["--target", "nope"],
    "no column 'when'": ["--target", "sold", "--time", "when"],
    "'colour' cannot be read as times": ["--target", "sold", "--time", "colour"],
    "are the same column": ["--target", "sold", "--time", "sold"],
    "has 600 different labels; at most 50": ["--target", "day"],
    "--data needs --target": [],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments(message, tmp_path, capsys):
    """Arguments that do not fit the table give one line and exit code 2."""
    assert run_on(tmp_path, make_table(), *BAD[message]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.head(100), "has 100 usable rows; at least 150 are needed"),
        (lambda t: t.assign(sold="yes"), "has only one value, yes"),
        (lambda t: t.sort_values("sold"), "have only one target, 'no'"),
        (lambda t: t[["sold"]], "no column is left to predict from"),
    ],
)
def test_bad_table(change, message, tmp_path, capsys):
    """A table that cannot be used for training is refused."""
    assert run_on(tmp_path, change(make_table()), "--target", "sold") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["absent.csv", "empty.csv", "text.parquet"])
def test_unreadable_file(name, tmp_path, capsys):
    """The error names a file that cannot be read."""
    for each in ("empty.csv", "text.parquet"):
        (tmp_path / each).touch()
    assert main(["demo", "--data", str(tmp_path / name), "--target", "y"]) == 2
    assert name in capsys.readouterr().err


def test_target_without_file(capsys):
    """A column without a file is refused."""
    assert main(["demo", "--target", "y"]) == 2
    assert "add --data" in capsys.readouterr().err


@pytest.mark.parametrize("months", ["0", "41", "x"])
def test_bad_months(months, capsys):
    """There are 40 months."""
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--months", months])
    assert "expected an integer from 1 to 40" in capsys.readouterr().err


def test_version(capsys):
    """The version is that of the package."""
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"resilient_estimator {__version__}\n"
