"""Connections to a PostgreSQL that is read-only for a while, phase by phase."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from orderengine.config.settings import sqlalchemy_url
from orderengine.domain.errors import NetworkUnavailable, StorageCause, StorageUnavailable
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.postgres.database import (
    Statement,
    create_database_engine,
    health_of,
    outages_as,
    run,
)
from tests.conftest import ROOT
from tests.folders import reachable_folder

WRITE = Statement("INSERT INTO written (number) VALUES (:number) RETURNING number")
READ = Statement("SELECT count(*) AS total FROM written")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with reachable_folder() as folder:
        postgres = EmbeddedPostgres(folder / "postgres", durable=False)
        with postgres:
            as_owner(postgres, "CREATE TABLE written (number integer)")
            yield postgres
        postgres.remove()


def as_owner(server: EmbeddedPostgres, *statements: str) -> None:
    engine = create_engine(
        sqlalchemy_url(server.url), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        for statement in statements:
            connection.execute(text(statement))


PHASES = {
    # Applies to every session at once.
    "server": (
        ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"),
        ("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"),
    ),
    # A session keeps the setting that it was opened with.
    "database": (
        ("ALTER DATABASE orderengine SET default_transaction_read_only = on",),
        ("ALTER DATABASE orderengine RESET default_transaction_read_only",),
    ),
}


@pytest.fixture
def engine(server: EmbeddedPostgres) -> Iterator[Engine]:
    made = create_database_engine(sqlalchemy_url(server.url), pool_size=3, application="tests")
    yield made
    made.dispose()
    for _, ends in PHASES.values():
        as_owner(server, *ends)


def write(engine: Engine) -> None:
    with outages_as(StorageUnavailable, "PostgreSQL gave no answer"):
        run(engine, WRITE, {"number": 1})


def fill_pool(engine: Engine) -> None:
    """Open every connection of the pool at the same time, and give them back."""
    for opened in [engine.raw_connection() for _ in range(3)]:
        opened.close()


def until_refused(engine: Engine) -> StorageUnavailable:
    """Write until it is refused: reloaded settings reach the sessions a moment later."""
    while True:
        try:
            write(engine)
        except StorageUnavailable as error:
            return error


def until_written(engine: Engine) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            write(engine)
        except StorageUnavailable:
            assert time.monotonic() < deadline
        else:
            return


@pytest.mark.parametrize("kind", PHASES)
def test_a_phase_without_writes_leaves_no_session_that_is_read_only(
    server: EmbeddedPostgres, engine: Engine, kind: str
) -> None:
    begins, ends = PHASES[kind]
    as_owner(server, *begins)
    assert until_refused(engine).cause is StorageCause.READ_ONLY
    as_owner(server, *ends)
    until_written(engine)
    fill_pool(engine)
    for _ in range(6):
        write(engine)


def test_connections_that_write_are_not_opened_to_a_server_that_is_read_only(
    server: EmbeddedPostgres, engine: Engine
) -> None:
    as_owner(server, *PHASES["database"][0])
    with (
        pytest.raises(StorageUnavailable, match="read-only"),
        outages_as(StorageUnavailable, "PostgreSQL gave no answer"),
    ):
        run(engine, READ, {})


def test_one_refusal_puts_all_older_connections_in_doubt(
    server: EmbeddedPostgres, engine: Engine
) -> None:
    fill_pool(engine)
    as_owner(server, *PHASES["server"][0])
    until_refused(engine)
    as_owner(server, *PHASES["server"][1])
    until_written(engine)
    assert health_of(engine).doubts == 1
    fill_pool(engine)
    fill_pool(engine)
    assert health_of(engine).doubts == 1


def test_connections_that_only_read_go_to_a_server_that_is_read_only(
    server: EmbeddedPostgres, engine: Engine
) -> None:
    as_owner(server, *PHASES["database"][0])
    reading = create_database_engine(
        sqlalchemy_url(server.url), pool_size=1, application="tests-read", writes=False
    )
    run(reading, READ, {})
    with pytest.raises(StorageUnavailable, match="read-only") as refused:
        write(reading)
    assert refused.value.cause is StorageCause.READ_ONLY
    reading.dispose()


def test_the_simulated_network_gives_no_answer_while_its_server_is_read_only(
    server: EmbeddedPostgres, engine: Engine
) -> None:
    as_owner(server, *PHASES["database"][0])
    with (
        pytest.raises(NetworkUnavailable, match="read-only"),
        outages_as(NetworkUnavailable, "the network gives no answer"),
    ):
        run(engine, WRITE, {"number": 1})


def test_migrations_say_in_one_line_that_the_server_is_read_only(
    server: EmbeddedPostgres, engine: Engine
) -> None:
    as_owner(server, *PHASES["database"][0])
    ran = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        env={**os.environ, "DATABASE_URL": server.url, "DATABASE_URL_UNPOOLED": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "PostgreSQL is read-only" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
