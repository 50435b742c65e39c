"""The system under test: the Procfile's processes and durable servers, with proxies between."""

import contextlib
import http.client
import json
import random
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Self

import redis
from sqlalchemy import Engine, text

from benchmarks.stack import Servers, Stack
from chaos.changes import Change
from chaos.evidence import Backlog, Outage, QueueSample
from chaos.localnet import Localnet
from chaos.process_tree import EXIT_LIMIT_S, kill_tree
from chaos.proxy import Proxy, through
from harness.processes import START_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.config.settings import sqlalchemy_url
from orderengine.domain.order import OrderStatus
from orderengine.local.ports import LOOPBACK
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.postgres.database import create_database_engine

OBSERVER = "chaos"
WORKER_IS_READY = " ready."
DEADLOCK = "deadlock detected"
WEB = "web"
WORKER = "worker"

MAX_SOCKETS = 40
QUEUES = ("settle", "intake")


class Rig(Stack):
    """Web, workers, PostgreSQL, Redis and the two proxies; each may be down at times.

    Programs are named `web`, `worker`, and `worker-2` and so on for further workers. A `direct` rig
    has no proxies between: the load shares their interpreter, and would measure them as well.
    """

    def __init__(
        self,
        servers: Servers,
        rng: random.Random,
        settings: Mapping[str, str],
        workers: int,
        *,
        direct: bool = False,
        localnet: Localnet | None = None,
    ) -> None:
        self.servers = servers
        self._localnet = localnet
        self.rng = rng
        # Separate generators: threads sharing one would draw in an unrepeatable order.
        dice = [random.Random(rng.random()) for _ in range(2)]
        self.to_postgres = Proxy(lambda: servers.postgres.port, dice[0])
        self.to_redis = Proxy(lambda: servers.redis.port, dice[1])
        self.outages: list[Outage] = []
        self.queue_samples: list[QueueSample] = []
        self.backlogs: list[Backlog] = []
        self.changes: list[Change] = []
        self.healed_at: list[float] = []
        self.complaints: list[str] = []
        self.figures: dict[str, int] = {}
        self._may_end: set[str] = set()
        self._ended: list[str] = []
        self.workers = [WORKER, *(f"{WORKER}-{number}" for number in range(2, workers + 1))]
        super().__init__(
            servers,
            DATABASE_URL=through(servers.postgres.url, None if direct else self.to_postgres),
            REDIS_URL=through(servers.redis.url, None if direct else self.to_redis),
            WS_MAX_SOCKETS=str(MAX_SOCKETS),
            **settings,
            **({} if localnet is None else localnet.environ),
        )

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.to_postgres)
            stack.enter_context(self.to_redis)
            self.database = _observing(self.servers.postgres)
            stack.callback(self._stop_observing)
            self.redis = redis.Redis.from_url(self.servers.redis.url)
            stack.callback(self.redis.close)
            super().__enter__()
            stack.callback(self.stop)
            for name in self.workers[1:]:
                self.launch(name)
            for name in self.workers[1:]:
                self.wait_ready_again(name, readies=0)
            self.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self.send(name, signal.SIGCONT)
        self._stack.close()

    @property
    def localnet(self) -> Localnet:
        """The node of a fault on the localnet."""
        if self._localnet is None:
            raise ValueError("this rig settles on the simulated network")
        return self._localnet

    def launch(self, name: str, **environ: str) -> None:
        """Start a program; its output is appended to the log of its predecessors."""
        self._note_end(name)
        self._may_end.discard(name)
        if "FAIL_POINT" in environ:
            self._may_end.add(name)
        command = self.lines[WEB if name == WEB else WORKER]
        self.start(name, command, {**self.environ, **environ})

    def send(self, name: str, number: signal.Signals) -> None:
        """Signal a program and all its descendants, if it still runs."""
        self._note_end(name)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._may_end.add(name)
        if self.is_running(name):
            with contextlib.suppress(ProcessLookupError):
                self.signal(name, number)

    def ended_by_themselves(self) -> list[str]:
        """Programs that ended unsignalled and were not armed to die, and how."""
        for name in self._running:
            self._note_end(name)
        return list(self._ended)

    def _note_end(self, name: str) -> None:
        process = self._running.get(name)
        code = process and process.poll()
        if code is not None and name not in self._may_end:
            self._may_end.add(name)
            self._ended.append(f"{name} ended by itself with {code}")

    def wait_end(self, name: str, limit_s: float = EXIT_LIMIT_S) -> int | None:
        """The return code of a program that is ending; None if it does not end in time."""
        try:
            return self._running[name].wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self, name: str) -> None:
        """SIGKILL a program and all its descendants, and wait until it is gone."""
        self.send(name, signal.SIGKILL)
        self.wait_end(name)

    def restart(self, name: str, **environ: str) -> None:
        """Kill a program if it runs, start it again and wait until it works."""
        self.kill(name)
        readies = self.count_in_log(name, WORKER_IS_READY)
        self.launch(name, **environ)
        if name == WEB:
            wait_until(lambda: self.answers("/livez"), START_TIMEOUT_S, f"{name} is not ready")
        else:
            self.wait_ready_again(name, readies)

    def wait_ready_again(self, name: str, readies: int) -> None:
        """Wait until a worker has logged once more that it is ready."""
        wait_until(
            lambda: self.count_in_log(name, WORKER_IS_READY) > readies,
            START_TIMEOUT_S,
            f"{name} is not ready",
        )

    def wait_ready(self, limit_s: float = START_TIMEOUT_S) -> None:
        """Wait until `/readyz` reports nothing missing."""
        wait_until(self._misses_nothing, limit_s, "the stack is not ready")

    def answers(self, path: str) -> bool:
        """Whether the API answers with 200."""
        return self._get(path) is not None

    def count_in_log(self, name: str, words: str) -> int:
        """How often a program's log contains these words, over all its restarts."""
        return self.logs(name).count(words)

    def kill_postgres(self) -> None:
        """SIGKILL PostgreSQL with all its backends, as a power cut does."""
        kill_tree(self.servers.postgres.pid)
        process = self.servers.postgres.process
        if process:
            process.wait()

    def deadlocks(self) -> list[str]:
        """The lines about deadlocks in the log of PostgreSQL."""
        log = self.servers.postgres.data_dir / "server.log"
        lines = log.read_text("utf-8", "replace").splitlines()
        return [line for line in lines if DEADLOCK in line]

    def move_postgres(self, server: EmbeddedPostgres) -> None:
        """Move the address to another server; open connections stay as they are."""
        self.servers.postgres = server
        self.database.dispose()
        self.database = _observing(server)

    def _stop_observing(self) -> None:
        self.database.dispose()

    def restart_redis(self, *, empty: bool) -> None:
        """SIGKILL Redis and start it again on the same port, with or without its data."""
        self.servers.redis.kill()
        if empty:
            shutil.rmtree(self.servers.redis.data_dir / "appendonlydir", ignore_errors=True)
        self.servers.redis.start()

    @contextlib.contextmanager
    def outage(self, server: str) -> Iterator[None]:
        """Record that a server is away during this block; recovery counts from its end."""
        began_at = time.monotonic()
        yield
        self.outages.append(Outage(server, began_at, time.monotonic()))
        self.healed()

    def healed(self) -> None:
        """Record that everything is back; recovery counts from here."""
        self.healed_at.append(time.time())

    def pause(self, low_s: float, high_s: float | None = None) -> None:
        """Wait for a while, in the broken or in the healed state."""
        time.sleep(low_s if high_s is None else self.rng.uniform(low_s, high_s))

    def queued(self) -> dict[str, int]:
        """The number of waiting messages by queue."""
        return {name: int(self.redis.llen(name)) for name in QUEUES}

    def signal_redis(self, number: signal.Signals) -> None:
        """Signal the Redis server."""
        if self.servers.redis.process:
            self.servers.redis.process.send_signal(number)

    def switch_network(self, *, up: bool) -> None:
        """Turn the settlement network on or off for every process."""
        self.scalar(
            "INSERT INTO sim_switch (id, network_up) VALUES (1, :up)"
            " ON CONFLICT (id) DO UPDATE SET network_up = :up RETURNING network_up",
            up=up,
        )

    def submitted(self) -> set[str]:
        """The orders that wait for the network's answer."""
        waiting = text("SELECT id::text FROM orders WHERE status = :status")
        with self.database.connect() as connection:
            rows = connection.execute(waiting, {"status": OrderStatus.SUBMITTED.value})
            return set(rows.scalars())

    def ended_since(self, moment: float) -> int:
        """How many orders accepted after a moment have ended."""
        counted = self.scalar(
            "SELECT count(*) FROM orders WHERE created_at > to_timestamp(:at) AND due_at IS NULL",
            at=moment,
        )
        return int(str(counted))

    def has_open_orders(self) -> bool:
        """Whether any order has not ended; waits a moment, so that polls are not a load."""
        time.sleep(0.1)
        return bool(self.scalar("SELECT EXISTS (SELECT FROM orders WHERE due_at IS NOT NULL)"))

    def scalar(self, statement: str, **values: object) -> object:
        """One value from PostgreSQL, read directly."""
        with self.database.connect() as connection:
            return connection.execute(text(statement), values).scalar_one()

    def _misses_nothing(self) -> bool:
        found = self._get("/readyz")
        return isinstance(found, dict) and found["status"] == "ok"

    def _get(self, path: str) -> object:
        url = f"http://{LOOPBACK}:{self.port}{path}"
        # HTTPException: the process died during its answer.
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            urllib.request.urlopen(url, timeout=5) as answer,
        ):
            document: object = json.loads(answer.read())
            return document
        return None


def _observing(server: EmbeddedPostgres) -> Engine:
    """A connection that bypasses the proxies and phases without writes; it only reads."""
    url = sqlalchemy_url(server.url)
    return create_database_engine(url, pool_size=2, application=OBSERVER, writes=False)
