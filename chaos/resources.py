"""Threads, sockets, database connections and queues, which must return to their old level."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from chaos.process_tree import tree
from chaos.rig import WEB, Rig
from orderengine.api.updates.prefer_wait import ANSWERERS
from orderengine.bootstrap.web import WebPools
from orderengine.bootstrap.worker import MOST_QUESTIONS
from orderengine.config.settings import INSTRUMENTS
from orderengine.domain.instruments import parse_instruments
from orderengine.market.venues import VENUES
from orderengine.solana.rpc import CONNECTIONS as CONNECTIONS_TO_A_NODE
from orderengine.worker.pool import threads_for

# Pools that grow under load and stay: web's threads for HTTP, each with a connection to Redis; its
# loop, and the threads that help it; connections to PostgreSQL and to the broker.
HTTP_THREADS = 24
LOOP_THREADS = 2 + ANSWERERS
SPARE_THREADS = {True: HTTP_THREADS + LOOP_THREADS, False: 8}
# A worker with full pools: its threads, one for each venue and slot, or question of the price
# watcher, the loop, recovery, the watcher.
SLOTS = 10
QUESTIONS = len(list(parse_instruments(INSTRUMENTS.read_text("utf-8"))))
ASKING = len(VENUES) * (SLOTS + min(QUESTIONS, MOST_QUESTIONS))
THREADS_OF_A_FULL = {True: 0, False: threads_for(SLOTS) + ASKING + 3}
SPARE_SOCKETS = {True: HTTP_THREADS + LOOP_THREADS + 24, False: 24}
CONNECTIONS_OF_A_WEB = WebPools.of(1).size + WebPools.of(1).read_size
CONNECTIONS_OF_A_WORKER = 12
# Bursts fill the pools of a worker: those to PostgreSQL and to the broker, and one to Redis for
# each of its threads; the rest are the consumer's.
SOCKETS_OF_A_FULL = {True: 0, False: CONNECTIONS_OF_A_WORKER + 20 + 2 * SLOTS + 8}
# On a live network its pool for each node grows as well.
NODES = "SOLANA_RPC_URL"
SOCKETS_OF_A_NODE = {True: 0, False: CONNECTIONS_TO_A_NODE}

_CONNECTIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'orderengine-%'"
)


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources in use at one moment; threads and sockets by program.

    `nodes` is how many nodes of a live network the programs know.
    """

    threads: Mapping[str, int]
    sockets: Mapping[str, int]
    connections: int
    queued: int
    nodes: int = 0


def measure(rig: Rig) -> Resources:
    """Count now; programs that are not running are left out."""
    trees = {name: tree(rig.pid(name)) for name in (WEB, *rig.workers) if rig.is_running(name)}
    with rig.database.connect() as connection:
        connections = connection.execute(_CONNECTIONS).scalar_one()
    return Resources(
        threads={name: sum(map(_threads, pids)) for name, pids in trees.items()},
        sockets={name: sum(map(_sockets, pids)) for name, pids in trees.items()},
        connections=connections,
        queued=sum(rig.queued().values()),
        nodes=len(list(filter(None, rig.environ.get(NODES, "").split(",")))),
    )


def excess(before: Resources, after: Resources) -> Iterator[str]:
    """Resources in use beyond the level before and the growth of the pools."""
    for name, threads in after.threads.items():
        explained = before.threads.get(name, 0) + SPARE_THREADS[name == WEB]
        if threads > (most := max(explained, THREADS_OF_A_FULL[name == WEB])):
            yield f"{name} has {threads} threads, and {most} are explained"
    for name, sockets in after.sockets.items():
        explained = before.sockets.get(name, 0) + SPARE_SOCKETS[name == WEB]
        to_nodes = after.nodes * SOCKETS_OF_A_NODE[name == WEB]
        if sockets > (most := max(explained, SOCKETS_OF_A_FULL[name == WEB]) + to_nodes):
            yield f"{name} has {sockets} sockets, and {most} are explained"
    workers = len(after.threads) - 1
    if after.connections > (most := CONNECTIONS_OF_A_WEB + workers * CONNECTIONS_OF_A_WORKER):
        yield f"PostgreSQL has {after.connections} connections, and {most} are explained"
    if after.queued:
        yield f"{after.queued} messages are left in the queues"


def _threads(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    return 0


def _sockets(pid: int) -> int:
    found = 0
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found += str(descriptor.readlink()).startswith("socket:")
    return found
