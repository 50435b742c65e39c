"""The cost of keys and limits per POST: `python -m benchmarks.access [--seconds N] [--rounds N]`.

Two web processes on the same servers, one with keys and one without, take orders in turn at the
same rate. No worker runs: it would compete with both for the machine, and is not measured. The
limits are counted as always, but set too high to be reached.
"""

import argparse
import os
import statistics
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks import client
from benchmarks.accounting import Neighbors, read_processes, tree_ticks
from benchmarks.bench import PACED_CONNECTIONS, WARM_UP, call, one_process
from benchmarks.figures import percentile
from benchmarks.stack import Servers, temporary_folder
from harness.processes import Processes, base_environ
from harness.stack import procfile_lines
from harness.waiting import wait_until
from orderengine.bootstrap.operator import build_keys
from orderengine.config.settings import sqlalchemy_url
from orderengine.execution.intake.keys import create_key
from orderengine.local.ports import LOOPBACK, free_port

RATE_PER_S = 200
START_TIMEOUT_S = 30.0
UNREACHED = {
    "RATE_PER_KEY": "100000",
    "RATE_PER_ADDRESS": "100000",
    "MAX_OPEN_ORDERS": "1000000",
}


@dataclass
class Web:
    """A web process, the key that it requires, and the results of its rounds."""

    name: str
    port: int
    pid: int
    key: str
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def main() -> int:
    """Measure and print."""
    options = _parse()
    neighbors, load_before = Neighbors(), os.getloadavg()[0]
    with _webs() as webs, one_process() as load:
        for _ in range(options.rounds):
            for web in webs:
                call(load, client.post, web.port, WARM_UP, PACED_CONNECTIONS, RATE_PER_S, web.key)
                before = _cpu_ms(web)
                count = RATE_PER_S * options.seconds
                arguments = (web.port, count, PACED_CONNECTIONS, RATE_PER_S, web.key)
                posted = call(load, client.post, *arguments)
                web.cpu_ms.append((_cpu_ms(web) - before) / count)
                web.p50_ms.append(percentile(posted.latencies_ms, 50))
                web.p99_ms.append(percentile(posted.latencies_ms, 99))
    print(f"{RATE_PER_S} POST/s for {options.seconds} s, {options.rounds} rounds in turn,")
    print(f"{os.cpu_count()} cores, load {load_before:.1f} before, others' share", end=" ")
    print(f"{neighbors.share():.0%}; medians of the rounds, and each round\n")
    for web in webs:
        print(web.name, _told("p50 ms", web.p50_ms), _told("p99 ms", web.p99_ms), end=" ")
        print(_told("CPU ms a request", web.cpu_ms))
    return 0


@contextmanager
def _webs() -> Iterator[list[Web]]:
    """Both processes, listening, on servers of their own."""
    lines = procfile_lines()
    with temporary_folder() as folder, Servers(folder) as servers, Processes(folder) as programs:
        environ = {
            **base_environ(folder),
            "DATABASE_URL": servers.postgres.url,
            "REDIS_URL": servers.redis_url(0),
            "HOST": LOOPBACK,
        }
        programs.run("release", lines["release"], environ)
        key = create_key(build_keys(sqlalchemy_url(servers.postgres.url)), "bench")[1]
        kinds: tuple[tuple[str, str, Mapping[str, str]], ...] = (
            ("AUTH=off", "", {"AUTH": "off"}),
            ("AUTH=required", key, {"AUTH": "required", **UNREACHED}),
        )
        webs = []
        for name, used, settings in kinds:
            port = free_port()
            programs.start(name, lines["web"], {**environ, **settings, "PORT": str(port)})
            webs.append(Web(name, port, programs.pid(name), used))
        for web in webs:
            _wait_for(web, programs)
        yield webs


def _wait_for(web: Web, programs: Processes) -> None:
    def listens() -> bool:
        programs.require_running()
        with suppress(OSError), urllib.request.urlopen(f"http://{LOOPBACK}:{web.port}/livez"):
            return True
        return False

    wait_until(listens, START_TIMEOUT_S, f"{web.name} does not listen")


def _cpu_ms(web: Web) -> float:
    return tree_ticks(web.pid, read_processes()) * 1000 / os.sysconf("SC_CLK_TCK")


def _told(name: str, rounds: list[float]) -> str:
    each = ", ".join(f"{value:.2f}" for value in rounds)
    return f"| {name}: {statistics.median(rounds):.2f} ({each})"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.access", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="of each round (default: 10)")
    parser.add_argument("--rounds", type=int, default=3, help="of each process (default: 3)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
