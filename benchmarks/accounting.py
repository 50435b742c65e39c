"""The cost of an order: CPU by process tree, statements and commands by the servers' counters.

PostgreSQL: `pg_stat_statements` of the engine's role; the observer has a role of its own. A setting
that is sent with its statement (`SET LOCAL`) is no statement: four of them took 6 µs of the server.
Redis: `INFO commandstats`, which also counts the commands that a script calls.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis
from sqlalchemy import Engine, text

_PROC = Path("/proc")
_STATEMENTS = text(
    """
SELECT s.query, sum(s.calls)::bigint AS calls
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
WHERE r.rolname = :role AND s.query NOT LIKE 'SET LOCAL %' GROUP BY s.query"""
)


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """A line of /proc/PID/stat; `ticks` include those of reaped children."""

    pid: int
    parent: int
    ticks: int


def parse_stat(line: str) -> ProcessTimes:
    """Read /proc/PID/stat; the name in it may contain spaces and parentheses."""
    head, _, tail = line.rpartition(")")
    fields = tail.split()
    return ProcessTimes(
        pid=int(head.split(" ", 1)[0]),
        parent=int(fields[1]),
        ticks=sum(map(int, fields[11:15])),
    )


def tree_ticks(root: int, processes: Iterable[ProcessTimes]) -> int:
    """The ticks of a process and all its descendants."""
    known = list(processes)
    tree = {root}
    while grown := {each.pid for each in known if each.parent in tree} - tree:
        tree |= grown
    return sum(each.ticks for each in known if each.pid in tree)


def read_processes() -> list[ProcessTimes]:
    """All processes of the system; empty on systems without /proc."""
    found = []
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            found.append(parse_stat(entry.read_text()))
        except (OSError, ValueError, IndexError):
            continue  # the process ended meanwhile
    return found


def parse_busy(line: str) -> int:
    """The busy ticks of all cores, from the first line of /proc/stat.

    Counts user, nice, system, irq, softirq and steal; not idle and iowait. Guests are in user.
    """
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    return user + nice + system + irq + softirq + steal


class Neighbors:
    """The use of the machine by others, the first suspect for a surprising figure."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()
        self._began = self._others_ticks()

    def share(self) -> float:
        """The share of all cores' time used by processes that do not descend from this one."""
        elapsed_ticks = (time.monotonic() - self._began_at) * os.sysconf("SC_CLK_TCK")
        used = self._others_ticks() - self._began
        return max(used, 0) / (elapsed_ticks * (os.cpu_count() or 1))

    def _others_ticks(self) -> int:
        try:
            busy = parse_busy((_PROC / "stat").read_text().splitlines()[0])
        except OSError:
            return 0
        return busy - tree_ticks(os.getpid(), read_processes())


def per_order(
    before: Mapping[str, float],
    after: Mapping[str, float],
    idle_per_s: Mapping[str, float],
    seconds: float,
    orders: float,
) -> dict[str, float]:
    """Each counter's growth per order, without its growth while idle."""
    grown = {key: after[key] - before.get(key, 0) for key in after}
    net = {key: value - idle_per_s.get(key, 0) * seconds for key, value in grown.items()}
    return {key: value / orders for key, value in net.items() if value > 0}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU in ms by process, calls by statement, calls by command; per order or per second."""

    cpu_ms: Mapping[str, float]
    statements: Mapping[str, float]
    commands: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counters at one moment."""

    taken_at: float
    totals: Cost

    def rates_since(self, before: Self) -> Cost:
        """The growth per second."""
        nothing = Cost({}, {}, {})
        return self.cost_since(before, nothing, self.taken_at - before.taken_at)

    def cost_since(self, before: Self, idle_per_s: Cost, orders: float) -> Cost:
        """The growth per order, beyond the growth while idle."""
        seconds = self.taken_at - before.taken_at
        old, new, idle = before.totals, self.totals, idle_per_s
        return Cost(
            per_order(old.cpu_ms, new.cpu_ms, idle.cpu_ms, seconds, orders),
            per_order(old.statements, new.statements, idle.statements, seconds, orders),
            per_order(old.commands, new.commands, idle.commands, seconds, orders),
        )


class Accountant:
    """Reads the counters; `roots` are the roots of the measured process trees, by name."""

    def __init__(
        self, database: Engine, client: redis.Redis, role: str, roots: Mapping[str, int]
    ) -> None:
        self._database = database
        self._client = client
        self._role = role
        self.roots = dict(roots)

    def snapshot(self) -> Snapshot:
        """All counters now."""
        totals = Cost(self._cpu_ms(), self._statements(), self._commands())
        return Snapshot(time.monotonic(), totals)

    def _cpu_ms(self) -> dict[str, float]:
        processes = read_processes()
        ms_per_tick = 1000 / os.sysconf("SC_CLK_TCK")
        return {
            name: tree_ticks(root, processes) * ms_per_tick for name, root in self.roots.items()
        }

    def _statements(self) -> dict[str, float]:
        with self._database.connect() as connection:
            rows = connection.execute(_STATEMENTS, {"role": self._role}).all()
        counted: Counter[str] = Counter()
        for row in rows:
            counted[" ".join(row.query.split())] += row.calls
        return dict(counted)

    def _commands(self) -> dict[str, float]:
        stats: Any = self._client.info("commandstats")
        return {
            name.removeprefix("cmdstat_"): values["calls"]
            for name, values in stats.items()
            if name != "cmdstat_info"
        }
