"""Measures throughput and latency against two baselines, on servers of its own."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from benchmarks import burst, delays, latency, report
from benchmarks.accounting import Neighbors
from benchmarks.bench import Bench, Figures, Size
from benchmarks.checks import Lost
from benchmarks.client import Refused
from benchmarks.stack import NO_DELAYS, Servers, Stack, TwoWorkers, temporary_folder
from orderengine.local.errors import LocalError

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Formation:
    """The programs of a section, and their settings besides the defaults."""

    settings: Mapping[str, str]
    kind: type[Stack] = Stack


DEFAULTS = Formation({})
BURST = Formation(NO_DELAYS)
TWO_WORKERS = Formation(NO_DELAYS | {"ORDER_CONCURRENCY": "5"}, TwoWorkers)
"""The same number of slots in two processes: each runs one Python thread at a time."""

Section = Callable[[Bench, Stack], Figures]

SECTIONS: Mapping[str, tuple[Formation, Section]] = {
    "burst": (BURST, burst.measure),
    "paced": (BURST, latency.measure_posts),
    "two": (TWO_WORKERS, burst.measure),
    "stream": (DEFAULTS, latency.measure_streams),
    "delays": (DEFAULTS, delays.measure),
}
"""Each section and its formation, in an order that shares running stacks."""

FULL = Size(orders=400, rounds=5, paced_s=10, followed=100, idle_s=5.0)
QUICK = Size(orders=100, rounds=2, paced_s=4, followed=40, idle_s=2.0)


def main() -> int:
    """Measure, print, write; 1, without figures, if an order was lost."""
    options = _parse()
    size = QUICK if options.quick else FULL
    if options.orders:
        size = replace(size, orders=options.orders)
    started = time.monotonic()
    try:
        document = _measure(size, [options.only] if options.only else SECTIONS)
    except (Lost, Refused, LocalError) as error:
        print(f"no figures: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        return 1
    report.write_json(options.output, document)
    print(report.line(document) if options.json else report.table(document["figures"]))
    took_s = time.monotonic() - started
    print(f"\n{took_s:.0f} s; written to {options.output}", file=sys.stderr)
    return 0


def _measure(size: Size, sections: Iterable[str]) -> Figures:
    figures: Figures = {}
    with temporary_folder() as folder, Servers(folder) as servers, Bench(servers, size) as bench:
        for formation, names in groupby(sections, key=lambda name: SECTIONS[name][0]):
            with formation.kind(servers, **formation.settings) as stack:
                bench.warm_up(stack)
                for name in names:
                    print(f"measuring: {name}", file=sys.stderr, flush=True)
                    figures[name] = _measured(SECTIONS[name][1], bench, stack, formation)
        return {**report.describe(bench), "size": asdict(size), "figures": figures}


def _measured(section: Section, bench: Bench, stack: Stack, formation: Formation) -> Figures:
    neighbors = Neighbors()
    figures = section(bench, stack)
    described = {"settings": dict(formation.settings), "workers": len(stack.worker_names)}
    return {**described, **figures, "others_cpu_share": neighbors.share()}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with one line, as the commands do."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def _parse() -> argparse.Namespace:
    parser = _Parser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--orders", type=int, help=f"the orders of a burst (default: {FULL.orders})"
    )
    parser.add_argument("--quick", action="store_true", help="fewer orders and rounds")
    parser.add_argument("--only", choices=SECTIONS, help="run one section alone")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the file for the results")
    parser.add_argument(
        "--json", action="store_true", help="also print the results as JSON, in one line"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
