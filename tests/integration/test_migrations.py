"""The migrations: up, down to empty, up again, and no difference from the tables in the code."""

from collections.abc import Iterator
from uuid import uuid4

import alembic.command
import pytest
from alembic.config import Config
from sqlalchemy import Connection, NullPool, create_engine, text

from orderengine.storage.probe import SCHEMA_REVISION
from tests.servers import Servers


@pytest.fixture
def connection(servers: Servers) -> Iterator[Connection]:
    """A connection whose schema search path leads to a schema of its own, empty."""
    url = servers.database_url.replace("postgresql://", "postgresql+psycopg2://")
    schema = f"migrations_{uuid4().hex}"
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as opened:
        opened.execute(text(f"CREATE SCHEMA {schema}"))
        opened.execute(text(f"SET search_path TO {schema}"))
        opened.commit()
        yield opened
        opened.rollback()
        opened.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        opened.commit()


@pytest.fixture
def config(alembic_config: Config, connection: Connection) -> Iterator[Config]:
    alembic_config.attributes["connection"] = connection
    yield alembic_config
    alembic_config.attributes.pop("connection", None)


def tables(connection: Connection) -> set[str]:
    found = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    )
    return set(found.scalars())


def test_up_check_down_and_up_again(config: Config, connection: Connection) -> None:
    alembic.command.upgrade(config, "head")
    up = tables(connection)
    assert {"orders", "order_events", "transactions", "settlements"} <= up
    alembic.command.check(config)
    alembic.command.downgrade(config, "base")
    assert tables(connection) == {"alembic_version"}
    alembic.command.upgrade(config, "head")
    assert tables(connection) == up


def test_the_probe_knows_the_newest_revision(config: Config, connection: Connection) -> None:
    alembic.command.upgrade(config, "head")
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert found == SCHEMA_REVISION
