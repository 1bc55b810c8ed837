"""Run ``python -m resilient_estimator demo``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from resilient_estimator._demo._insurance import insurance_stream
from resilient_estimator._demo._render import demo_lines
from resilient_estimator._demo._user_table import table_stream
from resilient_estimator._demo._walk_forward import DemoError, Stream
from resilient_estimator._version import __version__
from resilient_estimator.datasets import LAST_MONTH

DEMO = """\
Train a model, then walk it forward through the time after its training, window by
window: how good it still is, which columns drifted, how many rows the fallback
answered, and what recalibrating the decision threshold on fresh labels would have
saved.

Without options, the rows come from a simulated car insurance that slowly changes. With
--data and --target they come from your own table, whose first third is for training."""

EXAMPLES = """\
examples:
  python -m resilient_estimator demo
  python -m resilient_estimator demo --data sales.csv --target churned --time date"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command-line interface, and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; None means those of the process.

    Returns
    -------
    code : int
        0 on success, 2 if the input cannot be used.
    """
    options = _parser().parse_args(argv)
    try:
        for line in demo_lines(_stream(options), _progress):
            print(line, flush=True)
    except DemoError as error:
        _progress("")
        print(f"resilient_estimator demo: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _stream(options: argparse.Namespace) -> Stream:
    if options.data is None:
        if options.target is not None or options.time is not None:
            raise DemoError("--target and --time name columns of a file: add --data")
        return insurance_stream(options.months, options.seed)
    if options.target is None:
        raise DemoError("--data needs --target, the column to predict")
    return table_stream(options.data, options.target, options.time)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m resilient_estimator",
        description="Wrap a scikit-learn model with a memory of its training data.",
    )
    version = f"resilient_estimator {__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    _add_demo(commands)
    return parser


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="walk a model forward through the time after its training",
        description=DEMO,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    simulated = demo.add_argument_group("simulated car insurance")
    text = f"number of months, 1 to {LAST_MONTH} (default: 36)"
    simulated.add_argument("--months", type=_months, default=36, metavar="N", help=text)
    text = "random seed of the customers (default: 0)"
    simulated.add_argument("--seed", type=_seed, default=0, metavar="N", help=text)
    table = demo.add_argument_group("your own table (needs pandas)")
    text = "CSV or Parquet file with one row per case"
    table.add_argument("--data", metavar="FILE", help=text)
    text = "column to predict; more than 20 different numbers mean regression"
    table.add_argument("--target", metavar="COLUMN", help=text)
    text = "column to sort by, not used for prediction (default: order of the file)"
    table.add_argument("--time", metavar="COLUMN", help=text)


def _months(text: str) -> int:
    return _integer(text, 1, LAST_MONTH)


def _seed(text: str) -> int:
    return _integer(text, 0, 2**32 - 1)


def _integer(text: str, smallest: int, largest: int) -> int:
    if not text.isdecimal() or not smallest <= int(text) <= largest:
        message = f"expected an integer from {smallest} to {largest}, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _progress(text: str) -> None:
    """Show the current step on a terminal; "" clears it."""
    if sys.stderr.isatty():
        print(f"\r{text:<40}\r{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
