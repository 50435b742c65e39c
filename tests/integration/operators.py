"""Where an operator's command finds the servers of the tests."""

from sqlalchemy import Engine, text

from orderengine.cli.common import Surroundings


def run(database: Engine, statement: str) -> None:
    with database.connect() as connection:
        connection.execute(text(statement))


def surroundings_of(database: Engine, database_url: str, redis_url: str) -> Surroundings:
    """The settings of these servers, on a database as the migrations leave it."""
    run(database, "INSERT INTO step_totals_mark (id, counted_until) VALUES (1, '-infinity')")
    environ = {"DATABASE_URL": database_url.replace("+psycopg2", ""), "REDIS_URL": redis_url}
    return Surroundings(environ=environ)
