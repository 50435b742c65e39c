"""A PostgreSQL with a standby, behind an address that moves."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg2
import pytest
from sqlalchemy import Engine

from chaos.proxy import Proxy
from chaos.standby import StandbyPostgres, promote, tell, wait_for_standby
from orderengine.config.settings import sqlalchemy_url
from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.local.ports import LOOPBACK
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.postgres.database import Statement, create_database_engine, outages_as, run
from tests.folders import reachable_folder

WRITE = Statement("INSERT INTO written (number) VALUES (:number) RETURNING number")
READ = Statement("SELECT count(*) AS total FROM written")
POOL = 4
BACK_WITHIN_S = 5.0


@dataclass
class Pair:
    """A primary and its standby; the address leads to `reached`."""

    primary: EmbeddedPostgres
    standby: StandbyPostgres
    reached: EmbeddedPostgres
    address: Proxy

    def move_to(self, server: EmbeddedPostgres) -> None:
        """Lead new connections to this server; open ones stay as they are."""
        self.reached = server

    def url(self, *ports: int) -> str:
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in ports or (self.address.port,))
        user = f"orderengine:{self.primary.password}"
        return sqlalchemy_url(f"postgresql://{user}@{hosts}/orderengine")


@contextmanager
def a_pair() -> Iterator[Pair]:
    with ExitStack() as ends:
        folder = ends.enter_context(reachable_folder())
        primary = EmbeddedPostgres(folder / "one").start()  # only a durable one waits for a standby
        ends.callback(primary.remove)
        tell(primary, "CREATE TABLE written (number integer)")
        standby = StandbyPostgres(folder / "two", primary)
        ends.callback(standby.remove)
        standby.start()
        wait_for_standby(primary)
        dice = random.Random(1)
        made = Pair(primary, standby, primary, Proxy(lambda: made.reached.port, dice))
        ends.enter_context(made.address)
        yield made


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A pair that the test may break."""
    with a_pair() as made:
        yield made


@pytest.fixture(scope="module")
def lasting_pair() -> Iterator[Pair]:
    """A pair whose servers keep their roles; only the address moves."""
    with a_pair() as made:
        yield made


def engine_on(url: str, *, writes: bool = True) -> Engine:
    return create_database_engine(url, pool_size=POOL, application="tests", writes=writes)


def write(engine: Engine) -> None:
    with outages_as(StorageUnavailable, "PostgreSQL gave no answer"):
        run(engine, WRITE, {"number": 1})


def fill_pool(engine: Engine) -> None:
    """Open every connection of the pool at the same time, and give them back."""
    opened = []
    for _ in range(POOL):
        try:
            opened.append(engine.raw_connection())
        except psycopg2.OperationalError:
            return
    for each in opened:
        each.close()


def refused(engine: Engine) -> StorageUnavailable:
    with pytest.raises(StorageUnavailable) as caught:
        write(engine)
    return caught.value


def assert_writes_again(engine: Engine) -> None:
    """Assert that every connection of the pool writes again within five seconds."""
    deadline = time.monotonic() + BACK_WITHIN_S
    in_a_row = 0
    while in_a_row < 2 * POOL:
        assert time.monotonic() < deadline, "no writing within 5 s"
        try:
            write(engine)
        except StorageUnavailable:
            in_a_row = 0
        else:
            in_a_row += 1


def test_writing_goes_on_at_a_standby_that_was_promoted(pair: Pair) -> None:
    engine = engine_on(pair.url())
    fill_pool(engine)
    write(engine)
    pair.primary.kill()
    pair.move_to(pair.standby)
    while refused(engine).cause is not StorageCause.READ_ONLY:
        pass  # drops the dead connections to the primary
    promote(pair.standby)
    assert_writes_again(engine)
    rows = run(engine, READ, {})
    assert rows[0].total > 2 * POOL  # includes the rows from before the failover
    engine.dispose()


def test_a_standby_that_was_reached_by_mistake_is_left_again(lasting_pair: Pair) -> None:
    lasting_pair.move_to(lasting_pair.standby)
    engine = engine_on(lasting_pair.url())
    fill_pool(engine)
    refused(engine)
    lasting_pair.move_to(lasting_pair.primary)
    assert_writes_again(engine)
    engine.dispose()


def test_reading_goes_on_at_a_standby(lasting_pair: Pair) -> None:
    lasting_pair.move_to(lasting_pair.standby)
    reading = engine_on(lasting_pair.url(), writes=False)
    run(reading, READ, {})
    reading.dispose()


def test_of_a_list_of_hosts_the_one_is_found_that_takes_writes(pair: Pair) -> None:
    engine = engine_on(pair.url(pair.standby.port, pair.primary.port))
    write(engine)
    pair.primary.kill()
    promote(pair.standby)
    assert_writes_again(engine)
    engine.dispose()


def test_a_host_that_swallows_everything_does_not_hide_the_next_one(lasting_pair: Pair) -> None:
    lasting_pair.address.stall()
    engine = engine_on(lasting_pair.url(lasting_pair.address.port, lasting_pair.primary.port))
    assert_writes_again(engine)
    engine.dispose()
    lasting_pair.address.flow()


def test_a_frozen_primary_is_given_up_by_all_connections_at_once(pair: Pair) -> None:
    engine = engine_on(pair.url())
    fill_pool(engine)
    write(engine)
    pair.address.leave_behind()
    promote(pair.standby)
    pair.move_to(pair.standby)
    assert_writes_again(engine)
    engine.dispose()
