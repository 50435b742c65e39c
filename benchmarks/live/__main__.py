"""Measure the live path: `python -m benchmarks.live [--quick] [--only PART] [--block-ms N]`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmarks.accounting import Neighbors
from benchmarks.checks import Lost
from benchmarks.client import Refused
from benchmarks.live import questions, speed
from benchmarks.live.desk import QUICK, Size
from benchmarks.waiting.desk import Figure
from orderengine.local.errors import LocalError

PARTS: Mapping[str, Callable[[Size], list[Figure]]] = {
    "near": speed.near,
    "far": speed.far,
    "questions": questions.measure,
}


def main() -> int:
    """Measure and print; 1, without the figures of that part, if an order was lost."""
    options = _parse()
    size = QUICK if options.quick else Size()
    if options.orders:
        size = replace(size, orders=options.orders)
    if options.rounds:
        size = replace(size, rounds=options.rounds)
    if options.block_ms:
        size = replace(size, block_ms=tuple(options.block_ms))
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few orders, one round each")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--orders", type=int, help=f"of a burst (default: {Size().orders})")
    parser.add_argument("--rounds", type=int, help=f"of bursts (default: {Size().rounds})")
    parser.add_argument(
        "--block-ms", type=int, action="append", help="the localnet's block time; repeatable"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
