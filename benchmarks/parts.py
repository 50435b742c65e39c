"""Measures the parts of a benchmark one after the other, and prints their figures."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from benchmarks.accounting import Neighbors
from benchmarks.checks import Lost
from benchmarks.client import Refused
from benchmarks.waiting.desk import Figure
from orderengine.local.errors import LocalError

S = TypeVar("S")


def measure_parts(
    parts: Mapping[str, Callable[[S], list[Figure]]], size: S, only: str | None
) -> int:
    """Measure all parts, or only one, and print; the exit status.

    It is 1, without the figures of that part and of the later ones, if an order was lost.
    """
    for name in [only] if only else parts:
        neighbors, load_before, began = Neighbors(), os.getloadavg()[0], time.monotonic()
        try:
            figures = parts[name](size)
        except (Lost, Refused, LocalError) as error:
            print(f"{name}: no figures: {error}", file=sys.stderr)
            return 1
        took_s, others = time.monotonic() - began, neighbors.share()
        print(f"{name}: {took_s:.0f} s, {os.cpu_count()} cores,", end=" ")
        print(f"load {load_before:.1f} before, CPU used by others {others:.0%}")
        print("\n".join(f"  {figure.line()}" for figure in figures), flush=True)
    return 0
