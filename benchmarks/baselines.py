"""The two baselines for the rounds: started once, warmed up, each in processes of its own."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from typing import Self

from sqlalchemy import text

from benchmarks import naive_load, plain_loop
from benchmarks.bench import CONNECTIONS, WARM_UP, Bench, call, one_process
from benchmarks.checks import Lost
from benchmarks.stack import Stack
from harness.processes import Processes, base_environ
from harness.waiting import POLL_S, wait_until

CHAIN_TIMEOUT_S = 120.0
POOLS = ("prefork", "threads")
"""Celery's default, and the pool that suits work which waits for servers."""


class NaiveChain(Processes):
    """Baseline (b) with one kind of pool, on a Redis database and tables of its own."""

    def __init__(self, bench: Bench, pool: str) -> None:
        super().__init__(bench.servers.folder)
        self.name = f"chain, {pool}"
        self._bench = bench
        self._pool = pool
        self._program = f"chain-{pool}"
        self._feeder = contextlib.ExitStack()
        broker = bench.servers.redis_url(1 + POOLS.index(pool))
        self._environ = {
            **base_environ(bench.servers.folder),
            "NAIVE_BROKER_URL": broker,
            "NAIVE_REDIS_URL": broker,
            "NAIVE_DATABASE_URL": bench.servers.postgres.url.replace("://", "+psycopg2://"),
        }

    def __enter__(self) -> Self:
        self._load = self._feeder.enter_context(one_process(naive_load.prepare, self._environ))
        call(self._load, naive_load.create_tables)
        command = ["celery", "-A", "benchmarks.naive_chain", "worker", "--pool", self._pool]
        self.start(self._program, [*command, "--concurrency", "10"], self._environ)
        self.orders_per_s(WARM_UP)
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> list[str]:
        """End the worker and the process that feeds it."""
        late = super().stop(number)
        self._feeder.close()
        return late

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes whose CPU counts for its orders, besides the servers'."""
        worker, feeder = self.pid(self._program), call(self._load, os.getpid)
        return {f"{self._program} worker": worker, f"{self._program} feeder": feeder}

    def orders_per_s(self, count: int) -> float:
        """Run orders through the chain; from the first one placed to the last one confirmed."""
        with self._bench.database.connect() as connection:
            connection.execute(naive_load.EMPTY)
        started = call(self._load, naive_load.place, count, CONNECTIONS)
        try:
            wait_until(
                self._is_finished,
                CHAIN_TIMEOUT_S,
                "orders of baseline (b) are open",
                pause_s=POLL_S,
            )
        except TimeoutError as error:
            raise Lost(str(error)) from error
        with self._bench.database.connect() as connection:
            row = connection.execute(naive_load.TALLY).one()
        if (row.orders, row.confirmed, row.complete) != (count, count, count):
            raise Lost(f"baseline (b) was given {count} orders and has {row._asdict()}")
        return float(count / (row.last_at - started))

    def _is_finished(self) -> bool:
        self.require_running()
        time.sleep(0.05)
        with self._bench.database.connect() as connection:
            is_open = "SELECT EXISTS (SELECT FROM naive.orders WHERE status <> 'confirmed')"
            return not connection.execute(text(is_open)).scalar_one()


class PlainLoop:
    """Baseline (a) in a process of its own; its orders are checked with the engine's."""

    name = "loop"

    def __init__(self, bench: Bench, stack: Stack) -> None:
        self._bench = bench
        self._environ = stack.environ
        self._processes = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._process = self._processes.enter_context(one_process())
        self.orders_per_s(WARM_UP)
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes whose CPU counts for its orders, besides the servers'."""
        return {self.name: call(self._process, os.getpid)}

    def orders_per_s(self, count: int) -> float:
        """Execute orders one after another."""
        rate = call(self._process, plain_loop.run, self._environ, count)
        self._bench.placed += count
        return rate
