"""Groups of orders on PostgreSQL: locks, races, and rows that cannot be read."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from harness.waiting import wait_until
from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.moves import RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order
from orderengine.execution.ports import PlannedMove
from orderengine.storage.orders import SqlOrders
from tests.builders import TRANSACTION, a_build, a_failed_attempt
from tests.conftest import a_new_order
from tests.statements import sent_statements

START = StartRouting(RoutingCause.ORDER)
ROUNDS = 100


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


def accepted(orders: SqlOrders, count: int) -> list[Order]:
    return [orders.accept(a_new_order()).order for _ in range(count)]


@contextmanager
def locked(database: Engine, order_id: UUID) -> Iterator[None]:
    """Hold the lock of an order's row."""
    with database.connect().execution_options(isolation_level="READ COMMITTED") as holder:
        statement = text("SELECT 1 FROM orders WHERE id = :id FOR NO KEY UPDATE")
        holder.execute(statement, {"id": order_id})
        yield
        holder.rollback()


def test_moves_in_opposite_orders_never_deadlock(orders: SqlOrders) -> None:
    """Each round moves ten orders twice: by two groups, in opposite orders of their rows."""
    for _ in range(ROUNDS):
        group = [PlannedMove(order.order_id, 1, START) for order in accepted(orders, 10)]
        barrier = threading.Barrier(2)

        def race(
            planned: Sequence[PlannedMove], barrier: threading.Barrier = barrier
        ) -> list[bool]:
            barrier.wait()
            return [moved is not None for moved in orders.move_all(planned)]

        with ThreadPoolExecutor(2) as pool:
            there, back = pool.map(race, (group, group[::-1]))
        assert all(one != other for one, other in zip(there, back[::-1], strict=True))


def test_claims_and_moves_of_the_same_orders_never_deadlock(orders: SqlOrders) -> None:
    for _ in range(ROUNDS):
        group = accepted(orders, 6)
        barrier = threading.Barrier(4)

        def claim(
            number: int, group: Sequence[Order] = group, barrier: threading.Barrier = barrier
        ) -> list[UUID]:
            barrier.wait()
            if number == 0:
                planned = [PlannedMove(order.order_id, 1, START) for order in group[::-1]]
                moved = [each for each in orders.move_all(planned) if each is not None]
            else:
                moved = orders.claim_pending(group[number].order_id, 1, 5)
            return [each.order.order_id for each in moved]

        with ThreadPoolExecutor(4) as pool:
            taken = [order_id for claimed in pool.map(claim, range(4)) for order_id in claimed]
        assert len(taken) == len(set(taken))
        rest = orders.claim_pending(uuid4(), 1, 10)
        assert {*taken, *(each.order.order_id for each in rest)} == {
            order.order_id for order in group
        }


def test_a_claim_skips_locked_orders(orders: SqlOrders, database: Engine) -> None:
    first, second, third = (order.order_id for order in accepted(orders, 3))
    with locked(database, first):
        claimed = orders.claim_pending(third, 1, 5)
    assert [each.order.order_id for each in claimed] == [third, second]


def test_a_claim_waits_for_its_own_order(orders: SqlOrders, database: Engine) -> None:
    order_id = accepted(orders, 1)[0].order_id
    with ThreadPoolExecutor(1) as pool:
        with locked(database, order_id):
            claim = pool.submit(orders.claim_pending, order_id, 1, 5)
            with pytest.raises(TimeoutError):
                claim.result(0.3)
        assert [each.order.order_id for each in claim.result(5)] == [order_id]


def test_a_recovery_meanwhile_does_not_stop_a_group(orders: SqlOrders, database: Engine) -> None:
    """It writes the row without a new version: the group waits for it, and then moves the row."""
    group = [PlannedMove(order.order_id, 1, START) for order in accepted(orders, 3)]
    bump = text("UPDATE orders SET redispatched = redispatched + 1 WHERE id = :id")
    with (
        ThreadPoolExecutor(1) as pool,
        database.connect().execution_options(isolation_level="READ COMMITTED") as recovery,
    ):
        recovery.execute(bump, {"id": group[1].order_id})
        moving = pool.submit(orders.move_all, group)
        with pytest.raises(TimeoutError):
            moving.result(0.3)
        recovery.commit()
        assert None not in moving.result(5)


def test_a_group_is_one_statement(orders: SqlOrders, database: Engine) -> None:
    group = accepted(orders, 5)
    orders.move_all([PlannedMove(order.order_id, 1, START) for order in group])
    new = accepted(orders, 5)
    with sent_statements(database) as statements:
        orders.move_all([PlannedMove(order.order_id, 2, a_failed_attempt()) for order in group])
        orders.claim_pending(new[0].order_id, 1, 4)
    assert len(statements) == 2


def test_one_row_that_breaks_a_rule_stops_its_group_and_changes_nothing(
    orders: SqlOrders, database: Engine
) -> None:
    group = accepted(orders, 3)
    orders.move_all([PlannedMove(order.order_id, 1, START) for order in group])
    build = a_build(group[0].created_at)
    bad = replace(build, limit_amount=2_323_000_001)
    planned = [PlannedMove(order.order_id, 2, build) for order in group]
    planned[1] = replace(planned[1], move=bad)
    with pytest.raises(IntegrityError, match="limit_amount"):
        orders.move_all(planned)
    assert {order.version for order in map(orders.get, ids(group)) if order} == {2}


def ids(orders: Sequence[Order]) -> list[UUID]:
    return [order.order_id for order in orders]


def test_one_row_that_reads_badly_hides_no_other(orders: SqlOrders, database: Engine) -> None:
    group = accepted(orders, 4)
    damage = text(
        """UPDATE orders SET failed_attempts = '[{"attempt": 1, "reason": "LATER"}]'"""
        " WHERE id = :id"
    )
    with database.connect() as connection:
        connection.execute(damage, {"id": group[1].order_id})
    claimed = orders.claim_pending(group[0].order_id, 1, 2)
    assert [each.order.order_id for each in claimed] == [group[0].order_id, group[2].order_id]
    moved = orders.move_all(
        [PlannedMove(order_id, 2, a_failed_attempt()) for order_id in ids(group)[:3]]
    )
    assert [each is None for each in moved] == [False, True, False]
    assert [event.seq for event in orders.events(group[1].order_id)] == [1, 2, 3]


def test_no_two_live_transactions_come_out_of_groups(orders: SqlOrders) -> None:
    group = accepted(orders, 2)
    orders.move_all([PlannedMove(order.order_id, 1, START) for order in group])
    build = a_build(group[0].created_at)
    orders.move_all([PlannedMove(order.order_id, 2, build) for order in group])
    same = [PlannedMove(order.order_id, 3, Submit(TRANSACTION)) for order in group]
    with pytest.raises(IntegrityError, match="pk_transactions"):
        orders.move_all(same)
    signed = [Submit(replace(TRANSACTION, signature=str(number))) for number in range(2)]
    planned = [
        PlannedMove(order.order_id, 3, move) for order, move in zip(group, signed, strict=True)
    ]
    assert None not in orders.move_all(planned)
    assert orders.move_all(planned) == [None, None]


def test_a_group_whose_answer_is_lost_is_moved_as_a_whole(
    orders: SqlOrders, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = accepted(orders, 2)
    with locked(database, group[0].order_id):
        monkeypatch.setattr("orderengine.postgres.sessions.STATEMENT_TIMEOUT_S", 0.3)
        with pytest.raises(StorageUnavailable):
            orders.move_all([PlannedMove(order.order_id, 1, START) for order in group])
        monkeypatch.undo()
    wait_until(lambda: {order.version for order in map(orders.get, ids(group)) if order} == {2})
