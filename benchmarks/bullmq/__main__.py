"""The engine beside BullMQ: `python -m benchmarks.bullmq [--orders N] [--rounds N] [--workers N]`.

BullMQ and its drivers are installed from npm, as locked, into a temporary folder. Its pipeline has
the four hops of an order: each updates the order's row and adds an event in one statement,
publishes, and queues the next hop. It gets its orders without HTTP, asks for no quotes, signs
nothing and has no ledger. Each of its four workers has as many slots as the engine's whole worker,
unless `--hop-slots` says otherwise.
Both sides use the same PostgreSQL and Redis, in alternating rounds. Two rounds before them are not
counted: Node.js compiles its code meanwhile.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from benchmarks.accounting import Neighbors
from benchmarks.bench import Bench, Size
from benchmarks.bullmq.pipeline import Pipeline, install
from benchmarks.bullmq.rounds import ALONE, HTTP, PIPELINE, Rates, table, turn
from benchmarks.burst import SETTLE_S, EngineBurst
from benchmarks.checks import Lost
from benchmarks.client import Refused
from benchmarks.stack import NO_DELAYS, Servers, Stack, TwoWorkers, temporary_folder
from orderengine.local.errors import LocalError

SLOTS = 10
UNCOUNTED = 2
NO_FIGURES = (Lost, Refused, LocalError, RuntimeError, subprocess.TimeoutExpired)
KINDS: Mapping[int, type[Stack]] = {1: Stack, 2: TwoWorkers}


def main() -> int:
    """Measure and print; 1, without figures, if an order was lost or nothing could be installed."""
    options = _parse()
    neighbors, load_before = Neighbors(), os.getloadavg()[0]
    try:
        rates = _measure(options.orders, options.rounds, options.workers, options.hop_slots)
    except NO_FIGURES as error:
        print(f"no figures: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        return 1
    print(f"{options.orders} orders, {options.rounds} rounds in turn, {SLOTS} slots", end=" ")
    print(f"in {options.workers} process(es), {os.cpu_count()} cores,", end=" ")
    print(f"{options.hop_slots or SLOTS // options.workers} jobs for each worker of a hop,")
    print(f"load {load_before:.1f} before, others' share {neighbors.share():.0%};", end=" ")
    print("medians of the rounds, their spread, and each round\n")
    print("\n".join(table(rates)))
    return 0


def _measure(orders: int, rounds: int, workers: int, hop_slots: int | None) -> Rates:
    size = Size(orders=orders, rounds=rounds, paced_s=0, followed=0, idle_s=0.0)
    slots = SLOTS // workers
    settings = {**NO_DELAYS, "ORDER_CONCURRENCY": str(slots)}
    with contextlib.ExitStack() as programs:
        folder = programs.enter_context(temporary_folder())
        code = install(folder)
        servers = programs.enter_context(Servers(folder))
        bench = programs.enter_context(Bench(servers, size))
        stack = programs.enter_context(KINDS[workers](servers, **settings))
        bench.warm_up(stack)
        pipeline = programs.enter_context(Pipeline(bench, code, hop_slots or slots, workers))
        engine = EngineBurst(bench, stack)
        ways = {
            ALONE: engine.orders_per_s_worker_alone,
            HTTP: engine.orders_per_s,
            PIPELINE: pipeline.orders_per_s,
        }
        rates = _run(ways, orders, rounds)
        bench.check()
        return rates


def _run(ways: Mapping[str, Callable[[int], float]], orders: int, rounds: int) -> Rates:
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(UNCOUNTED + rounds):
        for name in turn(list(ways), number):
            time.sleep(SETTLE_S)
            rates[name].append(ways[name](orders))
        print(f"round {number - UNCOUNTED + 1}: {_told(rates)}", file=sys.stderr, flush=True)
    return {name: values[UNCOUNTED:] for name, values in rates.items()}


def _told(rates: Rates) -> str:
    return ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in rates.items())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bullmq", description=__doc__)
    parser.add_argument("--orders", type=int, default=400, help="of each round (default: 400)")
    parser.add_argument("--rounds", type=int, default=7, help="of each side (default: 7)")
    parser.add_argument("--hop-slots", type=int, help="of BullMQ's worker of each hop")
    parser.add_argument("--workers", type=int, choices=KINDS, default=1, help="processes a side")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
