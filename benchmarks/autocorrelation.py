"""False alarms if successive rows depend on one another: AR(1) columns.

    python benchmarks/autocorrelation.py [--reps 400] [--quick] [--jobs 2]

A reference of 20,000 rows in the order of time, a batch of 500 successive rows of the
same process, one column: share of clean batches with p < .05 and share reported as
drifted, by `FeatureDrift` for independent rows and with ``time_ordered=True``, and by
`scipy.stats.ks_2samp`; and how often a shift by one standard deviation is reported.
"""

from __future__ import annotations

import argparse

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import signal, stats

from resilient_estimator import FeatureDrift

N_REFERENCE, N_BATCH = 20_000, 500
BURN_IN = 1000
PHIS = (0.0, 0.3, 0.6, 0.9)
ALPHA = 0.05


def autoregressive(phi: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a stationary AR(1) series with unit variance, as one column."""
    noise = rng.normal(size=n + BURN_IN) * np.sqrt(1 - phi**2)
    return signal.lfilter([1], [1, -phi], noise)[BURN_IN:, None]


def alarms(phi: float, seed: int) -> list[bool]:
    """Return the alarms of one draw, in the order of the table's columns."""
    rng = np.random.default_rng([seed, round(10 * phi)])
    reference = autoregressive(phi, N_REFERENCE, rng)
    batch = autoregressive(phi, N_BATCH, rng)
    result = [stats.ks_2samp(reference[:, 0], batch[:, 0]).pvalue < ALPHA]
    for time_ordered in (False, True):
        detector = FeatureDrift(alpha=ALPHA, time_ordered=time_ordered)
        drift = detector.fit(reference).compare(batch)
        result += [drift.pvalue < ALPHA, drift.detected]
    return [*result, detector.compare(batch + 1).detected]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="forty repetitions")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    reps = 40 if options.quick else options.reps
    error = np.sqrt(ALPHA * (1 - ALPHA) / reps)
    print(f"{reps} repetitions, standard error at .05: {error:.3f}")
    print(
        f"{'':>4}  {'KS':>8}{'independent':>20}{'time_ordered':>20}{'moved 1 sd':>12}"
    )
    print(f"{'phi':>4}  {'p < .05':>8}" + f"{'p < .05':>10}{'drifted':>10}" * 2)
    for phi in PHIS:
        runs = Parallel(n_jobs=options.jobs)(
            delayed(alarms)(phi, seed) for seed in range(reps)
        )
        ks, *ours, found = np.mean(runs, axis=0)
        cells = "".join(f"{share:10.3f}" for share in ours)
        print(f"{phi:>4}  {ks:8.3f}{cells}{found:12.3f}", flush=True)


if __name__ == "__main__":
    main()
