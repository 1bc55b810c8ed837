"""How far the Cauchy combination exceeds its level if p-values are correlated.

    python benchmarks/cauchy_size.py [--draws 200000] [--quick]

For `d` equally correlated normal variables with two-sided p-values clipped at .95: the
largest ratio of the size to the level over correlations of .1 to .7, next to
``1 + ln(d) / 10``, the factor by which the package multiplies the combined p-value.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import special

LEVELS = np.array([0.1, 0.05, 0.02, 0.01, 0.005])
CORRELATIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
NUMBERS = (2, 5, 10, 30, 100, 400)
BLOCK = 10_000


def largest_ratio(d: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the largest size / level over all correlations, for each level."""
    largest = np.zeros(len(LEVELS))
    for rho in CORRELATIONS:
        n_below = np.zeros(len(LEVELS))
        for _ in range(n_draws // BLOCK):
            own = np.sqrt(1 - rho) * rng.normal(size=(BLOCK, d))
            z = np.sqrt(rho) * rng.normal(size=(BLOCK, 1)) + own
            p = np.minimum(2 * special.ndtr(-np.abs(z)), 0.95)
            combined = 0.5 - np.arctan(np.tan((0.5 - p) * np.pi).mean(axis=1)) / np.pi
            n_below += (combined[:, None] < LEVELS).sum(axis=0)
        ratio = n_below / (n_draws // BLOCK * BLOCK) / LEVELS
        largest = np.maximum(largest, ratio)
    return largest


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="20,000 draws")
    options = parser.parse_args()
    n_draws = 20_000 if options.quick else options.draws
    rng = np.random.default_rng(0)
    print(
        f"{'d':>4} " + "".join(f"{level:>8}" for level in LEVELS) + "   1 + ln(d) / 10"
    )
    for d in NUMBERS:
        cells = "".join(f"{ratio:8.3f}" for ratio in largest_ratio(d, n_draws, rng))
        print(f"{d:>4} {cells}   {1 + np.log(d) / 10:8.3f}", flush=True)


if __name__ == "__main__":
    main()
