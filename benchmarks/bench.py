"""Shared by the sections: the observer of both servers, the load's process, the order count."""

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from secrets import token_hex
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit, urlunsplit

import redis
from sqlalchemy import Engine, text

from benchmarks import client
from benchmarks.checks import Lost, read_tally, require_none_lost
from benchmarks.stack import Servers, Stack
from harness.waiting import POLL_S, wait_until
from orderengine.config.settings import sqlalchemy_url
from orderengine.local.postgres_server import USER
from orderengine.postgres.database import create_database_engine
from orderengine.storage.statuses import IS_TERMINAL
from orderengine.storage.tables import order_events

CONNECTIONS = 4
PACED_CONNECTIONS = 32
WARM_UP = 60
FINISH_TIMEOUT_S = 120.0
OBSERVER = "observer"

Figures = dict[str, Any]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a measurement."""

    orders: int
    rounds: int
    paced_s: int
    followed: int
    idle_s: float


class Bench:
    """One set of servers; every order placed on them is counted and checked in the end.

    The observer has a role of its own, to tell its statements from the engine's.
    """

    def __init__(self, servers: Servers, size: Size) -> None:
        self.servers = servers
        self.size = size
        self.placed = 0
        self.observed_role = USER

    def __enter__(self) -> "Bench":
        with contextlib.ExitStack() as stack:
            url = _observed(self.servers.postgres.url)
            self.database = create_database_engine(url, pool_size=1, application=OBSERVER)
            stack.callback(self.database.dispose)
            self.redis = redis.Redis.from_url(self.servers.redis.url)
            stack.callback(self.redis.close)
            self.load = stack.enter_context(one_process())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(self, stack: Stack, count: int, rate_per_s: float | None = None) -> client.Posted:
        """Place orders from the load's process; see `client.post`."""
        connections = CONNECTIONS if rate_per_s is None else PACED_CONNECTIONS
        posted = call(self.load, client.post, stack.port, count, connections, rate_per_s)
        self.placed += count
        return posted

    def finish(self, stack: Stack) -> None:
        """Wait until no order is open; raises Lost if one stays open."""
        try:
            wait_until(
                lambda: self._is_finished(stack),
                FINISH_TIMEOUT_S,
                "orders are open",
                pause_s=POLL_S,
            )
        except TimeoutError as error:
            raise Lost(str(error)) from error

    def check(self) -> None:
        """Raise Lost unless every order placed so far was confirmed once, without a gap."""
        require_none_lost(read_tally(self.database), self.placed)

    def warm_up(self, stack: Stack) -> None:
        """Use every thread, connection and statement once."""
        self.post(stack, WARM_UP)
        self.finish(stack)

    def finished_at(self, order_ids: Sequence[str]) -> list[float]:
        """When each of these orders ended, in seconds since 1970."""
        statement = text(
            f"SELECT extract(epoch FROM occurred_at)::float8 FROM {order_events.name}"
            f" WHERE {IS_TERMINAL} AND order_id = ANY(CAST(:ids AS uuid[]))"
        )
        with self.database.connect() as connection:
            times = list(connection.execute(statement, {"ids": list(order_ids)}).scalars())
        if len(times) != len(order_ids):
            raise Lost(f"{len(times)} of {len(order_ids)} orders have come to an end")
        return times

    def _is_finished(self, stack: Stack) -> bool:
        stack.require_running()
        time.sleep(0.05)
        with self.database.connect() as connection:
            # Orders that wait for their price are not to end.
            is_open = text("SELECT EXISTS (SELECT FROM orders WHERE due_at < 'infinity')")
            return not connection.execute(is_open).scalar_one()


@contextlib.contextmanager
def one_process(
    prepare: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A process that stays alive, so that its connections are warm from the second call on."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=prepare, initargs=arguments) as pool:
        pool.submit(os.getpid).result()
        yield pool


def call(
    pool: ProcessPoolExecutor,
    function: Callable[Parameters, Result],
    *arguments: Parameters.args,
    **keywords: Parameters.kwargs,
) -> Result:
    """Call a function in that process."""
    return pool.submit(function, *arguments, **keywords).result()


def middle(values: Sequence[float]) -> Figures:
    """The median of the rounds, with their minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _observed(url: str) -> str:
    """Create the observer and the statistics; returns the observer's URL."""
    owner = create_database_engine(sqlalchemy_url(url), pool_size=1, application=OBSERVER)
    password = token_hex(16)
    with _closing(owner) as engine, engine.connect() as connection:
        connection.execute(text("CREATE EXTENSION pg_stat_statements"))
        connection.execute(text(f"CREATE ROLE {OBSERVER} SUPERUSER LOGIN PASSWORD '{password}'"))
    parts = urlsplit(url)
    netloc = f"{OBSERVER}:{password}@{parts.netloc.rpartition('@')[2]}"
    return sqlalchemy_url(urlunsplit(parts._replace(netloc=netloc)))


@contextlib.contextmanager
def _closing(engine: Engine) -> Iterator[Engine]:
    yield engine
    engine.dispose()
