"""Servers for the session, a migrated database, and the builders that most tests need."""

import gc
import os
import socket
import sys
from collections.abc import Generator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import alembic.command
import pytest
import redis
import structlog
from alembic.config import Config
from hypothesis import settings
from sqlalchemy import Engine, text

from orderengine.domain.instruments import Instruments, parse_instruments
from orderengine.domain.order import NewOrder
from orderengine.domain.side import Side
from orderengine.local import ports
from orderengine.postgres.database import create_database_engine
from tests.e2e.shared import name_of_shared
from tests.fakes import FakeClock, FakeOrders
from tests.servers import Servers, test_servers

ROOT = Path(__file__).parent.parent
FIRST = {"e2e": 0, "integration": 1}

# The same examples in each run, without a deadline for a busy machine; `pytest
# --hypothesis-profile explore` tries others.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("same")


def pytest_configure() -> None:
    """Give each test process its own range of free ports."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports._CANDIDATES = ports._CANDIDATES[worker::workers]
    # The default draws every local variable of a traceback, which takes seconds on a busy machine.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    # A thread of an earlier test must not write into the output of a command that a test runs.
    structlog.configure(
        processors=[*structlog.get_config()["processors"][:-1], plain],
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, all files that share a stack run in one process, like one file."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByStack(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = str(super()._split_scope(nodeid))
            return name_of_shared(path) or path

    return ByStack(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while the tests are collected, and never visit what is loaded by then.

    All of it stays to the end; the collector would visit it again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests of running stacks first: they mostly wait, and the others fill the gaps."""
    items.sort(key=lambda item: FIRST.get(item.path.parent.name, len(FIRST)))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with test_servers() as running:
        yield running


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    return servers.redis_url


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    return Config(str(ROOT / "alembic.ini"))


@pytest.fixture(scope="session")
def database_url(servers: Servers, alembic_config: Config) -> str:
    """A migrated database."""
    url = servers.database_url.replace("postgresql://", "postgresql+psycopg2://")
    migrate(url, alembic_config)
    return url


def migrate(url: str, alembic_config: Config) -> None:
    """Make the tables, as the release line does; `url` names SQLAlchemy's driver."""
    engine = create_database_engine(url, pool_size=1, application="tests-migrate")
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        alembic_config.attributes["connection"] = connection
        alembic.command.upgrade(alembic_config, "head")
        connection.commit()
        del alembic_config.attributes["connection"]
    engine.dispose()


@pytest.fixture(scope="session")
def session_database(database_url: str) -> Iterator[Engine]:
    # A race of fifty threads shares its connections: on a busy machine they wait for more than 1 s.
    engine = create_database_engine(
        database_url, pool_size=20, pool_timeout_s=60.0, application="tests"
    )
    yield engine
    engine.dispose()


# An empty table is left out: TRUNCATE makes a new file for it and for each of its indexes.
FILLED = text(
    "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND relname NOT IN ('alembic_version', 'sim_switch') AND pg_relation_size(oid) > 0"
)


@pytest.fixture
def database(session_database: Engine) -> Engine:
    """The migrated database, emptied for this test."""
    with session_database.connect() as connection:
        tables = connection.execute(FILLED).scalar_one()
        if tables:
            connection.execute(text(f"TRUNCATE {tables} CASCADE"))
    return session_database


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the session's Redis, which is emptied for this test."""
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fake_orders(clock: FakeClock) -> FakeOrders:
    return FakeOrders(clock)


@pytest.fixture(scope="session")
def instruments() -> Instruments:
    return parse_instruments((ROOT / "tests" / "data" / "instruments.csv").read_text("utf-8"))


@pytest.fixture
def new_order() -> NewOrder:
    return a_new_order()


def a_new_order(
    side: Side = Side.BUY, quantity: str = "10", slippage_tolerance_bps: int = 100
) -> NewOrder:
    """A new order of AAPL."""

    return NewOrder(
        order_id=uuid4(),
        client_id="local",
        symbol="AAPL",
        side=side,
        quantity=Decimal(quantity),
        slippage_tolerance_bps=slippage_tolerance_bps,
    )


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end of a socket and the client's."""
    server, client = socket.socketpair()
    client.settimeout(10)
    with server, client:
        yield server, client
