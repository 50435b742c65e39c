"""Orders that wait, are canceled or expire, on PostgreSQL: what only real concurrency shows."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from harness.waiting import wait_until
from orderengine.domain.moves import Amend, Move, Submit
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.terms import TimeInForce
from orderengine.execution.ports import PlannedMove
from orderengine.storage.orders import SqlOrders
from tests.builders import A_TRIGGER, TRANSACTION, a_failed_attempt
from tests.integration.operators import run
from tests.integration.waiting_rows import a_built, a_waiting, status

NOBODY = UUID(int=0)
TURNS = 60
WAITS_FOR_A_LOCK = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock'"
)


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


def later() -> dict[str, Any]:
    at = datetime.now(UTC) + timedelta(hours=1)
    return {"time_in_force": TimeInForce.GTD, "expires_at": at}


def let_expire(connection: Connection, *orders: Order) -> None:
    """Bring the end of these orders to this moment."""
    connection.execute(
        text("UPDATE orders SET expires_at = clock_timestamp() WHERE id = ANY(:ids)"),
        {"ids": [order.order_id for order in orders]},
    )


@contextmanager
def locked(database: Engine, order: Order) -> Iterator[Connection]:
    """A transaction that has written the row, as every statement does, and commits at the end."""
    with database.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        connection.execute(
            text("UPDATE orders SET updated_at = now() WHERE id = :id"), {"id": order.order_id}
        )
        yield connection
        connection.commit()


def until_it_waits(database: Engine) -> None:
    def waits() -> bool:
        with database.connect() as connection:
            return bool(connection.execute(WAITS_FOR_A_LOCK).scalar_one())

    wait_until(waits)


def until_passed(database: Engine) -> None:
    """Wait until the time of every order has passed."""
    left = text("SELECT count(*) FROM orders WHERE expires_at > clock_timestamp()")

    def has_passed() -> bool:
        with database.connect() as connection:
            return not connection.execute(left).scalar_one()

    wait_until(has_passed)


@pytest.mark.parametrize("late", ["trigger", "amend", "submit"])
def test_a_statement_that_waited_for_the_row_looks_at_the_clock_anew(
    database: Engine, orders: SqlOrders, late: str
) -> None:
    order = a_built(orders, **later()) if late == "submit" else a_waiting(orders, **later())
    moves: dict[str, Move] = {
        "trigger": A_TRIGGER,
        "amend": Amend.to(order),
        "submit": Submit(TRANSACTION),
    }
    with ThreadPoolExecutor(1) as threads:
        with locked(database, order) as connection:
            moved = threads.submit(orders.move, order.order_id, order.version, moves[late])
            until_it_waits(database)
            let_expire(connection, order)
        assert moved.result() is None
    assert [each.order.order_id for each in orders.expire_due(10)] == [order.order_id]


@pytest.mark.parametrize(
    "held",
    [
        "SELECT FROM orders WHERE id = :id FOR UPDATE",
        "UPDATE orders SET updated_at = now() WHERE id = :id",
    ],
)
def test_no_submission_passes_the_expiry_behind_a_lock_that_changed_nothing(
    database: Engine, orders: SqlOrders, held: str
) -> None:
    """PostgreSQL looks at the condition again only if the row has changed meanwhile."""
    order = a_built(orders, **later())
    with ThreadPoolExecutor(1) as threads:
        run(database, "UPDATE orders SET expires_at = clock_timestamp() + interval '0.6 s'")
        with database.connect().execution_options(isolation_level="READ COMMITTED") as connection:
            connection.execute(text(held), {"id": order.order_id})
            moved = threads.submit(orders.move, order.order_id, order.version, Submit(TRANSACTION))
            until_it_waits(database)
            until_passed(database)
            connection.rollback()
        # On a slow machine the statement begins after the expiry, and finds no order.
        with suppress(IntegrityError):
            assert moved.result() is None
    assert [each.order.order_id for each in orders.expire_due(10)] == [order.order_id]


def forge_a_transaction(database: Engine, order: Order) -> None:
    """Damage the row: PostgreSQL refuses to let such an order expire, or to cancel it."""
    run(
        database,
        "INSERT INTO transactions (signature, order_id, attempt, payload, last_valid_height, state)"  # noqa: S608
        f" VALUES ('forged', '{order.order_id}', 1, '', 1, 'live')",
    )


@pytest.mark.parametrize("symbol", [None, "AAPL"])
def test_an_order_that_a_constraint_refuses_to_cancel_stays_alone(
    database: Engine, orders: SqlOrders, symbol: str | None
) -> None:
    found = sorted((a_built(orders) for _ in range(5)), key=lambda each: each.order_id)
    damaged = found.pop(1)
    forge_a_transaction(database, damaged)
    with capture_logs() as lines:
        first = orders.cancel_all("local", symbol, NOBODY, 3)
        assert (len(first.moved), first.refused, first.too_late) == (2, 1, 0)
        assert first.last == found[1].order_id
        rest = orders.cancel_all("local", symbol, first.last, 3)
    assert (len(rest.moved), rest.refused, rest.last) == (2, 0, None)
    assert [line["order_id"] for line in lines] == [str(damaged.order_id)]
    assert {status(orders, each) for each in found} == {"canceled"}
    assert status(orders, damaged) == "building"
    again = orders.cancel_all("local", symbol, NOBODY, 3)
    assert (len(again.moved), again.refused, again.requested_before) == (0, 1, 0)


def test_an_order_that_a_constraint_refuses_to_end_does_not_keep_others_from_expiring(
    database: Engine, orders: SqlOrders
) -> None:
    damaged, *others = (a_built(orders, **later()) for _ in range(4))
    forge_a_transaction(database, damaged)
    with database.connect() as connection:
        let_expire(connection, damaged, *others)
    with capture_logs() as lines:
        expired = orders.expire_due(10)
    assert {each.order.order_id for each in expired} == {each.order_id for each in others}
    assert [line["order_id"] for line in lines] == [str(damaged.order_id)]
    assert status(orders, damaged) == "building"


def test_an_attempt_that_fails_after_the_time_has_passed_starts_no_other(
    database: Engine, orders: SqlOrders
) -> None:
    order = a_built(orders, **later())
    with database.connect() as connection:
        let_expire(connection, order)
    assert orders.move(order.order_id, order.version, a_failed_attempt()) is None
    orders.expire_due(10)
    assert status(orders, order) == "expired"


def test_a_cancel_that_waited_for_a_submission_asks_the_network(
    database: Engine, orders: SqlOrders
) -> None:
    """Between two statements for the two outcomes the order could be in neither state."""
    order = a_built(orders)
    with ThreadPoolExecutor(1) as threads:
        with locked(database, order) as connection:
            canceled = threads.submit(orders.cancel, "local", order.order_id)
            until_it_waits(database)
            connection.execute(
                text(
                    "UPDATE orders SET status = 'submitted', version = version + 1,"
                    " tx_hash = 'sig' WHERE id = :id"
                ),
                {"id": order.order_id},
            )
            connection.execute(
                text(
                    "INSERT INTO order_events (order_id, seq, status, attempt, data)"
                    " SELECT id, version, status, attempt, '{}' FROM orders WHERE id = :id"
                ),
                {"id": order.order_id},
            )
        moved = canceled.result()
    assert moved is not None
    assert moved.order.status is OrderStatus.SUBMITTED
    assert moved.event.data == {"cancelRequested": True}


def test_the_sweep_leaves_locked_orders_for_the_next_one(
    database: Engine, orders: SqlOrders
) -> None:
    held, free = a_waiting(orders, **later()), a_waiting(orders, **later())
    with database.connect() as connection:
        let_expire(connection, held, free)
    with locked(database, held):
        assert [each.order.order_id for each in orders.expire_due(10)] == [free.order_id]
    assert [each.order.order_id for each in orders.expire_due(10)] == [held.order_id]


def test_cancels_of_all_and_group_moves_never_deadlock(database: Engine, orders: SqlOrders) -> None:
    """Each locks its rows in the order of their ids; PostgreSQL would end one of them otherwise."""
    found = [a_waiting(orders) for _ in range(TURNS)]

    def trigger(turn: int) -> int:
        chosen = found[turn % 7 :: 3]
        if turn % 2:
            chosen = chosen[::-1]
        moves = [PlannedMove(each.order_id, 1, A_TRIGGER) for each in chosen]
        return sum(each is not None for each in orders.move_all(moves))

    def cancel(turn: int) -> int:
        return len(orders.cancel_all("local", "AAPL" if turn % 2 else None, NOBODY, TURNS).moved)

    with ThreadPoolExecutor(8) as threads:
        done: list[Future[int]] = []
        for turn in range(24):
            done.append(threads.submit(trigger, turn))
            done.append(threads.submit(cancel, turn))
        moved = sum(each.result() for each in done)
    assert moved >= TURNS
    assert {status(orders, each) for each in found} == {"canceled"}


def test_one_of_many_cancels_at_once_cancels(orders: SqlOrders) -> None:
    order = a_waiting(orders)
    with ThreadPoolExecutor(8) as threads:
        moved = list(threads.map(lambda _: orders.cancel("local", order.order_id), range(8)))
    assert sum(each is not None for each in moved) == 1
    assert len(orders.events(order.order_id)) == 2
