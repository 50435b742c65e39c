"""Measure the orders that wait: `python -m benchmarks.waiting [--quick] [--only PART]`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmarks.accounting import Neighbors
from benchmarks.checks import Lost
from benchmarks.client import Refused
from benchmarks.waiting import crossing, crowd, drain, snipers, unfit
from benchmarks.waiting.desk import QUICK, Figure, Size
from orderengine.local.errors import LocalError

PARTS: Mapping[str, Callable[[Size], list[Figure]]] = {
    "crowd": crowd.measure,
    "crossing": crossing.measure,
    "drain": drain.measure,
    "snipers": snipers.measure,
    "unfit": unfit.measure,
}


def main() -> int:
    """Measure and print; 1, without the figures of that part, if an order was lost."""
    options = _parse()
    size = QUICK if options.quick else Size()
    if options.minutes:
        size = replace(size, minutes=options.minutes)
    for name in [options.only] if options.only else PARTS:
        neighbors, load_before, began = Neighbors(), os.getloadavg()[0], time.monotonic()
        try:
            figures = PARTS[name](size)
        except (Lost, Refused, LocalError) as error:
            print(f"{name}: no figures: {error}", file=sys.stderr)
            return 1
        took_s, others = time.monotonic() - began, neighbors.share()
        print(f"{name}: {took_s:.0f} s, {os.cpu_count()} cores,", end=" ")
        print(f"load {load_before:.1f} before, CPU used by others {others:.0%}")
        print("\n".join(f"  {figure.line()}" for figure in figures), flush=True)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few orders, one round each")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--minutes", type=float, help="of `unfit` (default: 10)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
