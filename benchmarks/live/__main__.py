"""Measure the live path: `python -m benchmarks.live [--quick] [--only PART] [--block-ms N]`."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmarks.live import questions, speed
from benchmarks.live.desk import QUICK, Size
from benchmarks.parts import measure_parts
from benchmarks.waiting.desk import Figure

PARTS: Mapping[str, Callable[[Size], list[Figure]]] = {
    "near": speed.near,
    "far": speed.far,
    "questions": questions.measure,
}


def main() -> int:
    """Measure and print; the exit status."""
    options = _parse()
    size = QUICK if options.quick else Size()
    if options.orders:
        size = replace(size, orders=options.orders)
    if options.long_orders:
        size = replace(size, long_orders=options.long_orders)
    if options.rounds:
        size = replace(size, rounds=options.rounds)
    if options.block_ms:
        size = replace(size, block_ms=tuple(options.block_ms))
    return measure_parts(PARTS, size, options.only)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few orders, one round each")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--orders", type=int, help=f"of a burst (default: {Size().orders})")
    parser.add_argument(
        "--long-orders", type=int, help=f"of a long burst (default: {Size().long_orders})"
    )
    parser.add_argument("--rounds", type=int, help=f"of bursts (default: {Size().rounds})")
    parser.add_argument(
        "--block-ms", type=int, action="append", help="the localnet's block time; repeatable"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
