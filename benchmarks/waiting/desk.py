"""Shared by the parts: a running stack on servers of its own, and what a part has found."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, create_engine, text

from benchmarks.bench import FINISH_TIMEOUT_S, Bench
from benchmarks.bench import Size as BenchSize
from benchmarks.checks import Lost
from benchmarks.stack import Servers, Stack, temporary_folder
from benchmarks.waiting.rows import times_of
from harness.statements import unbounded
from harness.waiting import wait_until
from orderengine.config.settings import INSTRUMENTS, sqlalchemy_url
from orderengine.domain.instruments import Instrument, parse_instruments

POLL_S = 0.02
_NO_ROUNDS = BenchSize(orders=0, rounds=0, paced_s=0, followed=0, idle_s=0.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How much each part does."""

    waiting: int = 200_000
    canceled: int = 2_500
    burst: int = 300
    pairs: int = 7
    crossed: int = 100
    crossings: int = 8
    drained: int = 5_000
    markets: int = 15
    snipers: int = 200
    races: int = 5
    unfit: int = 1_000
    minutes: float = 10.0


QUICK = Size(
    waiting=4_000,
    canceled=50,
    burst=40,
    pairs=1,
    crossed=20,
    crossings=1,
    drained=100,
    markets=2,
    snipers=30,
    races=1,
    unfit=50,
    minutes=0.05,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, with the limit that it is to keep, if it has one."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    def line(self) -> str:
        """The figure as a line of text."""
        limit, kept = "", True
        if self.at_most is not None:
            limit, kept = f"at most {self.at_most:g}", self.value <= self.at_most
        if self.at_least is not None:
            limit, kept = f"at least {self.at_least:g}", self.value >= self.at_least
        told = f"({limit}{'' if kept else ': NOT KEPT'})" if limit else ""
        return f"{self.name:<62} {self.value:>10.3f} {self.unit:<9} {told}".rstrip()


class Desk:
    """A running stack; `database` has no time limit for a statement, and tells of its rows."""

    def __init__(self, bench: Bench, stack: Stack, database: Engine) -> None:
        self.bench = bench
        self.stack = stack
        self.database = database

    def wait_for(self, order_ids: Sequence[str], status: str) -> dict[str, float]:
        """When each of these orders came to a status; raises Lost if one does not."""
        found: dict[str, float] = {}

        def all_have() -> bool:
            self.stack.require_running()
            found.update(times_of(self.database, order_ids, status))
            return len(found) == len(set(order_ids))

        try:
            wait_until(all_have, FINISH_TIMEOUT_S, f"not all are {status}", pause_s=POLL_S)
        except TimeoutError as error:
            raise Lost(f"{len(found)} of {len(order_ids)} orders are {status}") from error
        return found

    def scalar(self, statement: str, **values: object) -> float:
        """The number that a statement returns."""
        with self.database.connect() as connection:
            return float(connection.execute(text(statement), values).scalar_one())


@contextlib.contextmanager
def a_desk(**settings: str) -> Iterator[Desk]:
    """A stack with these settings, warmed up."""
    with (
        unbounded(),
        temporary_folder() as folder,
        Servers(folder) as servers,
        Bench(servers, _NO_ROUNDS) as bench,
        Stack(servers, **settings) as stack,
    ):
        bench.warm_up(stack)
        url = sqlalchemy_url(servers.postgres.url)
        database = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
        try:
            yield Desk(bench, stack, database)
        finally:
            database.dispose()


def listed() -> Mapping[str, Instrument]:
    """The shipped instruments that always trade."""
    found = parse_instruments(INSTRUMENTS.read_text("utf-8"))
    return {each.symbol: each for each in found if not each.launched}


def settle() -> None:
    """Let what has just ended be done with."""
    time.sleep(0.3)
