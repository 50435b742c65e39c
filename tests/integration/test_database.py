"""Statements are planned once for each connection, also behind a pooler."""

from collections.abc import Iterator

import pytest
from psycopg2.errors import QueryCanceled
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from orderengine.postgres.database import Statement, create_database_engine, run

TWICE = Statement("SELECT CAST(:number AS integer) * 2 AS twice, :name AS name, :number AS again")
PLANS = text("SELECT name, generic_plans + custom_plans AS used FROM pg_prepared_statements")


@pytest.fixture
def one_connection(database_url: str) -> Iterator[Engine]:
    engine = create_database_engine(database_url, pool_size=1, application="tests")
    yield engine
    engine.dispose()


def twice(engine: Engine) -> int:
    (row,) = run(engine, TWICE, {"number": 21, "name": "x"})
    assert (row.name, row.again) == ("x", 21)
    return int(row.twice)


def plans(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.name: row.used for row in connection.execute(PLANS)}


def test_a_statement_is_prepared_once_a_connection(one_connection: Engine) -> None:
    assert [twice(one_connection) for _ in range(3)] == [42, 42, 42]
    assert plans(one_connection) == {TWICE.name: 3}


def test_a_pooler_that_gives_another_server_costs_only_the_preparing(
    one_connection: Engine,
) -> None:
    assert twice(one_connection) == 42
    with one_connection.connect() as connection:
        connection.execute(text("DEALLOCATE ALL"))  # as on a server that never saw this client
    assert [twice(one_connection), twice(one_connection)] == [42, 42]
    assert plans(one_connection) == {}


def test_what_another_client_prepared_on_a_shared_server_is_used(one_connection: Engine) -> None:
    with one_connection.connect() as connection:
        connection.exec_driver_sql(TWICE.prepare)
    assert twice(one_connection) == 42
    assert plans(one_connection) == {TWICE.name: 1}


def test_a_wrong_statement_is_no_outage(one_connection: Engine) -> None:
    with pytest.raises(ProgrammingError, match="nowhere"):
        run(one_connection, Statement("SELECT * FROM nowhere"), {})


def test_the_name_tells_statements_apart() -> None:
    assert Statement("SELECT :a").name == Statement("SELECT :a").name
    assert Statement("SELECT :a").name != Statement("SELECT :b").name
    with pytest.raises(ValueError, match="percent"):
        Statement("SELECT 7 % 2")


def test_settings_of_a_statement_end_with_it_and_time_it_out_in_the_server(
    database: Engine,
) -> None:
    told = Statement("SELECT current_setting('statement_timeout') AS limit_told")
    limited = Statement(told.sql + ", 1 AS limited", {"statement_timeout": 70})
    asleep = Statement("SELECT pg_sleep(:s)", {"statement_timeout": 50})
    assert [run(database, each, {})[0].limit_told for each in (limited, told)] == ["70ms", "0"]
    with pytest.raises(OperationalError) as ended:
        run(database, asleep, {"s": 60})
    assert isinstance(ended.value.orig, QueryCanceled)
    assert run(database, told, {})[0].limit_told == "0"
