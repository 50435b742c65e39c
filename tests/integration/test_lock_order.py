"""Statements for many orders lock them in the order of their ids, however PostgreSQL finds them.

The tables were full when PostgreSQL looked at them last, and are empty when it plans: then any
index looks as cheap as that of the ids.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from harness.waiting import wait_until
from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import FailureReason
from orderengine.domain.order import Order
from orderengine.execution.ports import PlannedMove
from orderengine.postgres.database import create_database_engine
from orderengine.storage.orders import SqlOrders
from tests.builders import A_FAIL
from tests.conftest import a_new_order
from tests.integration.test_waiting_races import WAITS_FOR_A_LOCK
from tests.integration.waiting_rows import status

CLIENT = "local"
NOBODY = UUID(int=0)
ENOUGH = 60


@pytest.fixture
def emptied(database: Engine) -> Iterator[Engine]:
    """One connection, whose statements are planned for empty tables that once had orders."""
    orders = SqlOrders(database)
    for _ in range(ENOUGH):
        orders.accept(a_new_order())
    with database.connect() as connection:
        connection.execute(text("ANALYZE orders"))
        connection.execute(text("TRUNCATE orders CASCADE"))
    url = database.url.render_as_string(hide_password=False)
    engine = create_database_engine(url, pool_size=1, application="test", pool_timeout_s=30)
    yield engine
    engine.dispose()


@pytest.fixture
def planned(emptied: Engine) -> SqlOrders:
    """The store on that connection, with its statements planned."""
    orders = SqlOrders(emptied)
    orders.move_all([PlannedMove(uuid4(), 1, A_FAIL) for _ in range(2)])
    orders.hold([uuid4(), uuid4()], FailureReason.UNKNOWN_SYMBOL)
    orders.cancel_all(CLIENT, None, NOBODY, 500)
    return orders


@contextmanager
def held(database: Engine, order: Order) -> Iterator[Connection]:
    """A transaction that has locked the row, and changes nothing."""
    with database.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        connection.execute(
            text("SELECT FROM orders WHERE id = :id FOR UPDATE"), {"id": order.order_id}
        )
        yield connection
        connection.rollback()


def until_waiting(database: Engine, count: int) -> None:
    def are_waiting() -> bool:
        with database.connect() as connection:
            return int(connection.execute(WAITS_FOR_A_LOCK).scalar_one()) == count

    wait_until(are_waiting)


def is_free(database: Engine, order: Order) -> bool:
    statement = text("SELECT FROM orders WHERE id = :id FOR UPDATE NOWAIT")
    try:
        with database.connect() as connection:
            connection.execute(statement, {"id": order.order_id})
    except DBAPIError:
        return False
    return True


def pair(database: Engine, **columns: object) -> list[Order]:
    """Two orders in the order of their ids; the later one comes first in the client's list."""
    orders = SqlOrders(database)
    daily = DailyCharge(Decimal(1), 100)
    found = [
        orders.accept(replace(a_new_order(), order_id=order_id, daily=daily)).order
        for order_id in sorted((uuid4(), uuid4()))
    ]
    for name, value in columns.items():
        with database.connect() as connection:
            connection.execute(text(f"UPDATE orders SET {name} = :value"), {"value": value})  # noqa: S608
    return found


Work = Callable[[SqlOrders, list[Order]], None]


def failing(orders: SqlOrders, found: list[Order]) -> None:
    orders.move_all([PlannedMove(each.order_id, each.version, A_FAIL) for each in found])


def holding(orders: SqlOrders, found: list[Order]) -> None:
    orders.hold([each.order_id for each in found[::-1]], FailureReason.UNKNOWN_SYMBOL)


def canceling(orders: SqlOrders, _: list[Order]) -> None:
    orders.cancel_all(CLIENT, None, NOBODY, 500)


@pytest.mark.parametrize("work", [failing, holding, canceling])
def test_a_statement_that_waits_for_its_first_order_has_locked_no_later_one(
    database: Engine, planned: SqlOrders, work: Work
) -> None:
    columns = {"status": "submitted"} if work is holding else {}
    first, last = found = pair(database, **columns)
    with ThreadPoolExecutor(1) as threads:
        with held(database, first):
            done = threads.submit(work, planned, found)
            until_waiting(database, 1)
            assert is_free(database, last)
        done.result()


def test_a_cancel_of_all_and_a_group_that_fails_never_wait_for_each_other(
    database: Engine, planned: SqlOrders
) -> None:
    """The cancel waits for the first order; the group would hold the last one, and wait behind."""
    first, last = found = pair(database)
    with ThreadPoolExecutor(2) as threads:
        with held(database, first):
            canceled = threads.submit(canceling, SqlOrders(database), found)
            until_waiting(database, 1)
            failed = threads.submit(failing, planned, found)
            until_waiting(database, 2)
        canceled.result()
        failed.result()
    assert {status(planned, each) for each in found} <= {"canceled", "failed"}
    assert status(planned, last) == status(planned, first)
    with database.connect() as connection:
        assert connection.execute(text("SELECT sum(charged) FROM daily_notionals")).scalar() == 0
