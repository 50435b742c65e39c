"""Measure one checkout for `benchmarks.pairs`, which runs this file with that checkout's modules.

It uses only what the benchmarks of earlier commits have as well. Its arguments are settings of the
stack: NAME=VALUE.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accounting import Accountant, Cost, read_processes
from benchmarks.bench import Bench, Size
from benchmarks.figures import percentile, steady_rate
from benchmarks.stack import NO_DELAYS, Servers, Stack, TwoWorkers, temporary_folder

BURST = 300
ROUNDS = 3
POST_RATE_PER_S = 200
PACED_S = 8
STEADY = 400
LONE = 40
SETTLE_S = 0.3
IDLE_S = 3.0
TWO_OF_FIVE = {"ORDER_CONCURRENCY": "5"}


def main() -> None:
    """Print the figures as one line of JSON."""
    settings = dict(argument.split("=", 1) for argument in sys.argv[1:])
    size = Size(orders=BURST, rounds=ROUNDS, paced_s=PACED_S, followed=0, idle_s=IDLE_S)
    with temporary_folder() as folder, Servers(folder) as servers, Bench(servers, size) as bench:
        with Stack(servers, **NO_DELAYS, **settings) as stack:
            bench.warm_up(stack)
            figures = {**_burst(bench, stack), **_paced(bench, stack), **_lone(bench, stack)}
        with Stack(servers, **settings) as stack:
            bench.warm_up(stack)
            figures |= _steady(bench, stack)
        with TwoWorkers(servers, **{**NO_DELAYS, **settings, **TWO_OF_FIVE}) as stack:
            bench.warm_up(stack)
            figures |= _two_workers(bench, stack)
        bench.check()
    json.dump(figures, sys.stdout)


def _burst(bench: Bench, stack: Stack) -> dict[str, float]:
    costs, rates = _bursts(bench, stack)
    return {
        "CPU of an order in all processes, ms": _cpu_ms(costs),
        "statements of an order": statistics.median(
            sum(cost.statements.values()) for cost in costs
        ),
        "burst, orders/s": statistics.median(rates),
        "memory of web and worker, MB": _memory_mb(stack.pid("web"), stack.pid("worker")),
    }


def _two_workers(bench: Bench, stack: Stack) -> dict[str, float]:
    costs, rates = _bursts(bench, stack, "worker 2")
    return {
        "two workers of five: CPU of an order, ms": _cpu_ms(costs),
        "two workers of five: burst, orders/s": statistics.median(rates),
    }


def _cpu_ms(costs: Sequence[Cost]) -> float:
    return statistics.median(sum(cost.cpu_ms.values()) for cost in costs)


def _bursts(bench: Bench, stack: Stack, *others: str) -> tuple[list[Cost], list[float]]:
    """The cost of an order, and the orders a second, of each burst; `others` run beside."""
    roots = {
        "web": stack.pid("web"),
        "worker": stack.pid("worker"),
        "postgres": bench.servers.postgres.pid or 0,
        "redis": bench.servers.redis.pid or 0,
        **{name: stack.pid(name) for name in others},
    }
    accountant = Accountant(bench.database, bench.redis, bench.observed_role, roots)
    time.sleep(SETTLE_S)
    began = accountant.snapshot()
    time.sleep(IDLE_S)
    idle = accountant.snapshot().rates_since(began)
    costs: list[Cost] = []
    rates: list[float] = []
    for _ in range(ROUNDS):
        before = accountant.snapshot()
        posted = bench.post(stack, BURST)
        bench.finish(stack)
        rates.append(BURST / (max(bench.finished_at(posted.order_ids)) - posted.first_sent_at))
        time.sleep(SETTLE_S)
        costs.append(accountant.snapshot().cost_since(before, idle, BURST))
    return costs, rates


def _memory_mb(*roots: int) -> float:
    """The memory of processes and their children; of a shared page each has its part."""
    processes = read_processes()
    pids = set(roots)
    while found := {each.pid for each in processes if each.parent in pids} - pids:
        pids |= found
    kb = 0
    for pid in pids:
        (line,) = (
            each
            for each in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            if each.startswith("Pss:")
        )
        kb += int(line.split()[1])
    return kb / 1024


def _paced(bench: Bench, stack: Stack) -> dict[str, float]:
    posted = bench.post(stack, POST_RATE_PER_S * PACED_S, POST_RATE_PER_S)
    bench.finish(stack)
    return {
        f"POST at {POST_RATE_PER_S}/s, p{p} in ms": percentile(posted.latencies_ms, p)
        for p in (50, 99)
    }


def _lone(bench: Bench, stack: Stack) -> dict[str, float]:
    """One order at a time, without delays: from its POST to its end."""
    took_ms = []
    for _ in range(LONE):
        posted = bench.post(stack, 1)
        bench.finish(stack)
        (ended_at,) = bench.finished_at(posted.order_ids)
        took_ms.append((ended_at - posted.first_sent_at) * 1000)
    return {f"lone order, p{p} in ms": percentile(took_ms, p) for p in (50, 95)}


def _steady(bench: Bench, stack: Stack) -> dict[str, float]:
    posted = bench.post(stack, STEADY)
    bench.finish(stack)
    return {
        "default delays, steady orders/min": steady_rate(bench.finished_at(posted.order_ids)) * 60
    }


if __name__ == "__main__":
    main()
