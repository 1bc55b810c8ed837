"""Cost of the nearest neighbours of `AdversarialGuard`.

    python benchmarks/neighbour_speed.py [--quick]

Time to look up ten neighbours in each of two classes, among reference rows of several
numbers and widths: in a batch of 1,000 rows and one row at a time, the best of three.
"peak" is the most memory that a look-up allocates, besides the reference.
"""

from __future__ import annotations

import argparse
import tracemalloc
from time import process_time

import numpy as np
from numpy.typing import NDArray

from resilient_estimator.adversarial._neighbours import ClassNeighbours

K = 10
N_ROWS = 1000
N_SINGLE = 20
SIZES = [(5_000, 10), (20_000, 10), (20_000, 30), (50_000, 30), (50_000, 60)]


def best_time(neighbours: ClassNeighbours, parts: list[NDArray[np.float64]]) -> float:
    """Return the best of three times to look up all parts, in ms per row."""
    times = []
    for _ in range(3):
        start = process_time()
        for part in parts:
            neighbours.look_up(part, K)
        times.append(process_time() - start)
    return 1000 * min(times) / sum(map(len, parts))


def peak_memory(neighbours: ClassNeighbours, rows: NDArray[np.float64]) -> float:
    """Return the megabytes that a look-up allocates at most."""
    tracemalloc.start()
    neighbours.look_up(rows, K)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def print_line(n_reference: int, n_dims: int) -> None:
    """Print the figures of one size."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(n_reference, n_dims))
    start = process_time()
    neighbours = ClassNeighbours(points, rng.integers(2, size=n_reference), 2)
    fitted = process_time() - start
    rows = rng.normal(size=(N_ROWS, n_dims))
    batch = best_time(neighbours, [rows])
    single = best_time(neighbours, [rows[i : i + 1] for i in range(N_SINGLE)])
    peak = peak_memory(neighbours, rows)
    line = f"{n_reference:>9,}  {n_dims:>4}  {fitted:>6.2f} s  {batch:>9.3f}"
    print(f"{line}  {single:>10.2f}  {peak:>6.1f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two sizes only")
    options = parser.parse_args()
    print("reference  dims  fitting   ms in batch  ms alone  peak MB")
    for size in SIZES[::3] if options.quick else SIZES:
        print_line(*size)


if __name__ == "__main__":
    main()
