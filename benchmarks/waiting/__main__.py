"""Measure the orders that wait: `python -m benchmarks.waiting [--quick] [--only PART]`."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmarks.parts import measure_parts
from benchmarks.waiting import crossing, crowd, drain, snipers, unfit
from benchmarks.waiting.desk import QUICK, Figure, Size

PARTS: Mapping[str, Callable[[Size], list[Figure]]] = {
    "crowd": crowd.measure,
    "crossing": crossing.measure,
    "drain": drain.measure,
    "snipers": snipers.measure,
    "unfit": unfit.measure,
}


def main() -> int:
    """Measure and print; the exit status."""
    options = _parse()
    size = QUICK if options.quick else Size()
    if options.minutes:
        size = replace(size, minutes=options.minutes)
    return measure_parts(PARTS, size, options.only)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few orders, one round each")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--minutes", type=float, help="of `unfit` (default: 10)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
