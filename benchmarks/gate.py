"""Size and power of the gate for a new version.

    python benchmarks/gate.py [--draws 100000] [--quick]

Predictions of two versions are drawn as four counts: both right, only the old, only the
new, both wrong (for two classes, so churn equals the discordance). "size" is how often
a version exactly on the limit passes, nominally .05; no worse version passes more
often. "power" is how often a version passes that is as good as the old one.

Accuracy: Tango's bound with a margin of 2 points, compared with Wald's bound. Churn:
Clopper and Pearson's bound with a limit of 5 %; it is exact, so its size is below .05
because of the discreteness of the binomial. Both: the whole gate, on the limit of one
part and well within the other, and well within both. Regressors: Fieller's bound for
the ratio of mean absolute errors, 2 % margin.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from resilient_estimator.statistics._intervals import (
    clopper_pearson_upper,
    ratio_bounds,
    tango_statistic,
)

ALPHA = 0.05
MARGIN = 0.02
MAX_CHURN = 0.05
SIZES = (200, 500, 2000)
DISCORDANCES = (0.03, 0.05, 0.10, 0.20)


def flips(
    rng: np.random.Generator, n: int, discordance: float, difference: float, draws: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw how many rows only the new, and only the old version gets right."""
    gained, lost = (discordance + difference) / 2, (discordance - difference) / 2
    counts = rng.multinomial(n, [gained, lost, 1 - discordance], size=draws)
    return counts[:, 0], counts[:, 1]


def keeps_accuracy(
    gained: NDArray[np.int64], lost: NDArray[np.int64], n: int
) -> NDArray[np.bool_]:
    """Return whether Tango's bound is above minus the margin."""
    z = tango_statistic(gained, lost, n, -MARGIN)
    return np.asarray(z > stats.norm.isf(ALPHA))


def keeps_accuracy_wald(
    gained: NDArray[np.int64], lost: NDArray[np.int64], n: int
) -> NDArray[np.bool_]:
    """Return whether Wald's bound is above minus the margin."""
    difference = (gained - lost) / n
    error = np.sqrt(((gained + lost) / n - difference**2) / n)
    return np.asarray(difference - stats.norm.isf(ALPHA) * error > -MARGIN)


def churns_little(
    gained: NDArray[np.int64], lost: NDArray[np.int64], n: int
) -> NDArray[np.bool_]:
    """Return whether Clopper and Pearson's bound is below the limit."""
    bounds = clopper_pearson_upper(np.arange(n + 1), n, alpha=ALPHA)
    return np.asarray((bounds < MAX_CHURN)[gained + lost])


def share(passed: NDArray[np.bool_]) -> str:
    """Return the share of the draws that pass, with its Monte-Carlo error."""
    p = passed.mean()
    return f"{p:.4f} ± {np.sqrt(p * (1 - p) / len(passed)):.4f}"


def print_accuracy(rng: np.random.Generator, draws: int) -> None:
    """Print size and power of the bound for accuracy."""
    print("Accuracy, margin 2 points")
    print(f"{'n':>6} discordance  {'size':17}{'size (Wald)':17}power")
    for n in SIZES:
        for discordance in DISCORDANCES:
            null = flips(rng, n, discordance, -MARGIN, draws)
            same = flips(rng, n, discordance, 0.0, draws)
            sizes = (
                share(keeps_accuracy(*null, n)),
                share(keeps_accuracy_wald(*null, n)),
            )
            power = share(keeps_accuracy(*same, n))
            print(f"{n:>6} {discordance:11.2f}  {sizes[0]:17}{sizes[1]:17}{power}")


def print_churn(rng: np.random.Generator, draws: int) -> None:
    """Print size and power of the bound for churn."""
    print(f"\nChurn, limit 5 %\n{'n':>6}  {'size':17}{'power, 3 %':17}power, 4 %")
    for n in SIZES:
        cells = [
            share(churns_little(*flips(rng, n, churn, 0.0, draws), n))
            for churn in (MAX_CHURN, 0.03, 0.04)
        ]
        print(f"{n:>6}  {cells[0]:17}{cells[1]:17}{cells[2]}")


def print_gate(rng: np.random.Generator, draws: int) -> None:
    """Print how often the whole gate is passed."""
    worlds = {
        "churn 5 %, accuracy kept": (0.05, 0.0),
        "churn 3 %, accuracy -2 points": (0.03, -0.02),
        "churn 5 %, accuracy -2 points": (0.05, -0.02),
        "churn 3 %, accuracy kept": (0.03, 0.0),
        "churn 3 %, accuracy +.5 points": (0.03, 0.005),
    }
    print(f"\n{'Both':32}" + "".join(f"{f'n = {n}':17}" for n in SIZES))
    for world, (discordance, difference) in worlds.items():
        cells = []
        for n in SIZES:
            drawn = flips(rng, n, discordance, difference, draws)
            cells.append(share(keeps_accuracy(*drawn, n) & churns_little(*drawn, n)))
        print(f"{world:32}" + "".join(f"{cell:17}" for cell in cells))


def print_regressors(rng: np.random.Generator, draws: int) -> None:
    """Print size and power of the bound for errors, which have a correlation of .9."""
    print(f"\nErrors of regressors, margin 2 %\n{'n':>6}  {'size':17}power")
    for n in SIZES:
        cells = []
        for worse in (1 + MARGIN, 1.0):
            passed = np.empty(draws, dtype=bool)
            for i in range(draws):
                both = rng.normal(size=n)
                old, new = np.abs(both + 0.3 * rng.normal(size=(2, n)))
                passed[i] = ratio_bounds(worse * new, old, alpha=ALPHA)[1] < 1 + MARGIN
            cells.append(share(passed))
        print(f"{n:>6}  {cells[0]:17}{cells[1]}", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="20,000 draws")
    options = parser.parse_args()
    draws = 20_000 if options.quick else options.draws
    rng = np.random.default_rng(0)
    print(f"{draws:,} draws, nominal size {ALPHA}\n")
    print_accuracy(rng, draws)
    print_churn(rng, draws)
    print_gate(rng, draws)
    print_regressors(rng, draws // 5)


if __name__ == "__main__":
    main()
