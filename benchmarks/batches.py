"""Accepted orders/s, in batches and one by one: `python -m benchmarks.batches [--rounds N]`.

One web process takes both in turn, from the same number of connections. No worker runs: it would
compete for the machine, and is not measured.
"""

import argparse
import os
import statistics
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks import client
from benchmarks.accounting import Neighbors, read_processes, tree_ticks
from benchmarks.bench import CONNECTIONS, call, one_process
from benchmarks.stack import Servers, temporary_folder
from harness.processes import Processes, base_environ
from harness.stack import procfile_lines
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK, free_port

START_TIMEOUT_S = 30.0
BATCH = 100
WEB = "web"


@dataclass
class Way:
    """One way to place orders, and the results of its rounds."""

    name: str
    place: Callable[[int], float]
    """Place this many orders; returns the seconds that it took."""
    count: int
    per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def main() -> int:
    """Measure and print."""
    options = _parse()
    neighbors, load_before = Neighbors(), os.getloadavg()[0]
    with _web() as (port, pid), one_process() as load:

        def singly(count: int) -> float:
            posted = call(load, client.post, port, count, CONNECTIONS)
            return posted.last_answered_at - posted.first_sent_at

        def in_batches(count: int) -> float:
            return call(load, client.post_batches, port, count // BATCH, BATCH, CONNECTIONS)

        ways = (
            Way("one by one", singly, options.orders),
            Way(f"in batches of {BATCH}", in_batches, options.orders * 5),
        )
        for way in ways:
            way.place(way.count)  # every thread, connection and statement once
        for _ in range(options.rounds):
            for way in ways:
                _run(way, pid)
    ratios = [many / one for one, many in zip(ways[0].per_s, ways[1].per_s, strict=True)]
    print(f"{CONNECTIONS} connections, {options.rounds} rounds in turn, {os.cpu_count()} cores,")
    print(f"load {load_before:.1f} before, others' share {neighbors.share():.0%};", end=" ")
    print("medians of the rounds, and each round\n")
    for way in ways:
        print(way.name, _told("orders/s", way.per_s, 0), _told("CPU ms an order", way.cpu_ms, 2))
    print("ratio", _told("batches / one by one", ratios, 2))
    return 0


def _run(way: Way, pid: int) -> None:
    before = _cpu_ms(pid)
    took_s = way.place(way.count)
    way.per_s.append(way.count / took_s)
    way.cpu_ms.append((_cpu_ms(pid) - before) / way.count)


@contextmanager
def _web() -> Iterator[tuple[int, int]]:
    """A listening web process on servers of its own: its port and process id."""
    lines = procfile_lines()
    with temporary_folder() as folder, Servers(folder) as servers, Processes(folder) as programs:
        port = free_port()
        environ = {
            **base_environ(folder),
            "DATABASE_URL": servers.postgres.url,
            "REDIS_URL": servers.redis_url(0),
            "HOST": LOOPBACK,
            "PORT": str(port),
            "AUTH": "off",
            "MAX_QUEUED_ORDERS": "0",
        }
        programs.run("release", lines["release"], environ)
        programs.start(WEB, lines[WEB], environ)

        def listens() -> bool:
            programs.require_running()
            with suppress(OSError), urllib.request.urlopen(f"http://{LOOPBACK}:{port}/livez"):
                return True
            return False

        wait_until(listens, START_TIMEOUT_S, "the web process does not listen")
        yield port, programs.pid(WEB)


def _cpu_ms(pid: int) -> float:
    return tree_ticks(pid, read_processes()) * 1000 / os.sysconf("SC_CLK_TCK")


def _told(name: str, rounds: list[float], digits: int) -> str:
    each = ", ".join(f"{value:.{digits}f}" for value in rounds)
    return f"| {name}: {statistics.median(rounds):.{digits}f} ({each})"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description=__doc__)
    parser.add_argument("--orders", type=int, default=1000, help="one by one, in each round")
    parser.add_argument("--rounds", type=int, default=5, help="of both ways (default: 5)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
