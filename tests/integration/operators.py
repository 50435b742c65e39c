"""The surroundings in which an operator's command finds the servers of the tests."""

from dataclasses import replace

from sqlalchemy import Engine, text

from orderengine.cli.common import Surroundings
from orderengine.domain.moves import Submit
from orderengine.storage.orders import SqlOrders
from tests.builders import TRANSACTION, a_build, a_confirm
from tests.steps import CONFIRMED, Walk


def run(database: Engine, statement: str) -> None:
    with database.connect() as connection:
        connection.execute(text(statement))


def surroundings_of(database: Engine, database_url: str, redis_url: str) -> Surroundings:
    """The settings of these servers, on a migrated database."""
    run(database, "INSERT INTO step_totals_mark (id, counted_until) VALUES (1, '-infinity')")
    environ = {"DATABASE_URL": database_url.replace("+psycopg2", ""), "REDIS_URL": redis_url}
    return Surroundings(environ=environ)


def confirmed(orders: SqlOrders, signature: str = "sig") -> Walk:
    """An order that was just confirmed, by a transaction with this signature."""
    walk = Walk(orders)
    now = walk.order.created_at
    signed = replace(TRANSACTION, signature=signature)
    landed = replace(a_confirm(now), signature=signature)
    walk.steps(CONFIRMED[0], a_build(now), Submit(signed), landed)
    return walk
