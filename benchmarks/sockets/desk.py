"""The stack, the crowd and the mover of a run, and what all parts measure with them."""

import os
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import client
from benchmarks.accounting import read_processes, tree_ticks
from benchmarks.bench import PACED_CONNECTIONS
from benchmarks.figures import percentile
from benchmarks.sockets.crowd import RemoteCrowd, Report
from benchmarks.sockets.mover import Mover
from benchmarks.stack import Servers, Stack
from harness.waiting import wait_until

EVENTS_PER_S = 100
POSTS_PER_S = 50
OPEN_TIMEOUT_S = 120.0
REST_S = 2.0


class WebStack(Stack):
    """The web line alone: the mover takes the worker's place."""

    starts = ("web",)

    def is_ready(self) -> bool:
        """Whether it listens; `/readyz` would ask for a worker."""
        with urllib.request.urlopen(f"{self.url}/livez", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)


class Faulty(Exception):
    """A socket missed something, or was closed."""


@dataclass
class Load:
    """What a stretch of events and POSTs has shown, in milliseconds."""

    late_ms: list[float] = field(default_factory=list)
    posts_ms: list[float] = field(default_factory=list)
    cpu_share: float = 0.0
    """Of a core, by the web processes."""

    def late(self, percent: float) -> float:
        """A percentile of the time from a commit to the message on a socket."""
        return percentile(self.late_ms, percent)

    def post(self, percent: float) -> float:
        """A percentile of the answers to POST."""
        return percentile(self.posts_ms, percent)


class Desk:
    """Opens sockets, lets orders move, and measures the web process."""

    def __init__(self, servers: Servers, stack: Stack, load: ProcessPoolExecutor) -> None:
        self.stack = stack
        self.mover = Mover(servers.postgres.url, servers.redis_url(0))
        self.crowd = RemoteCrowd(stack.port)
        self._load = load

    def close(self) -> None:
        """End the crowd and the mover."""
        self.crowd.close()
        self.mover.close()

    def open(self, orders: Sequence[str], each: int = 1) -> float:
        """Open so many sockets on each order; returns the seconds until all have caught up."""
        began = time.monotonic()
        self.crowd.call("open", [(order_id, 0) for order_id in orders] * each)
        self.settle(len(orders) * each)
        return time.monotonic() - began

    def settle(self, count: int) -> Report:
        """Wait until so many sockets are open and caught up; raises Faulty if one missed a step."""
        whole = Report()

        def has_settled() -> bool:
            report = self.report()
            whole.arrived.extend(report.arrived)
            whole.behind, whole.open = report.behind, report.open
            return whole.open == count and not whole.behind

        wait_until(has_settled, OPEN_TIMEOUT_S, f"{count} sockets are to catch up", pause_s=0.1)
        return whole

    def report(self) -> Report:
        """What the crowd has seen since the last report; raises Faulty for a missed step."""
        report: Report = self.crowd.call("report", self.mover.latest)
        if report.faults:
            raise Faulty(str(dict(report.faults)))
        return report

    def leave(self) -> None:
        """Close all sockets, and wait until the process has noticed."""
        self.crowd.call("close")
        name = "orderengine_open_sockets"
        wait_until(lambda: self.told(name) == 0, OPEN_TIMEOUT_S, "sockets stay open")

    def told(self, name: str) -> float:
        """A figure of `/metrics`."""
        with urllib.request.urlopen(f"{self.stack.url}/metrics", timeout=30) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    def posting(self, seconds: float) -> "Future[client.Posted]":
        """Place orders at a fixed rate meanwhile."""
        count = round(POSTS_PER_S * seconds)
        return self._load.submit(
            client.post, self.stack.port, count, PACED_CONNECTIONS, float(POSTS_PER_S)
        )

    def load(self, orders: Sequence[str], seconds: float) -> Load:
        """Let these orders move and others be placed."""
        before = self._ticks()
        posting = self.posting(seconds)
        self.mover.run(orders, EVENTS_PER_S, seconds)
        cpu_share = self._share(before, seconds)
        posted = posting.result()
        time.sleep(REST_S)
        arrived = self.report().arrived
        return Load(self.mover.late_ms(arrived), posted.latencies_ms, cpu_share)

    def memory_kb(self) -> float:
        """The memory of all web processes, of a shared page each has its part."""
        return sum(_pss_kb(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        """The web processes, without their master."""
        return [child.pid for child in psutil.Process(self.stack.pid("web")).children()]

    def cpu_share(self, seconds: float) -> float:
        """The share of a core that all web processes use meanwhile."""
        before = self._ticks()
        time.sleep(seconds)
        return self._share(before, seconds)

    def _share(self, before: int, seconds: float) -> float:
        return (self._ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds

    def _ticks(self) -> int:
        return tree_ticks(self.stack.pid("web"), read_processes())


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
