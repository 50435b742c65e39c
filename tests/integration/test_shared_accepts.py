"""Orders that concurrent requests store by one statement."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from harness.waiting import wait_until
from orderengine.domain.daily import DailyCharge
from orderengine.domain.events import Moved
from orderengine.domain.order import NewOrder
from orderengine.domain.side import Side
from orderengine.execution.intake.together import Together
from orderengine.storage.shared import SharingOrders
from tests.builders import a_limit
from tests.conftest import a_new_order

PATIENCE_S = 10.0
HELD_BACK = text("LOCK TABLE order_events IN EXCLUSIVE MODE")


@pytest.fixture
def orders(database: Engine) -> SharingOrders:
    return SharingOrders(database, patience_s=PATIENCE_S)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(12) as threads:
        yield threads


def test_orders_that_come_while_one_is_stored_are_stored_together(
    orders: SharingOrders, database: Engine, threads: ThreadPoolExecutor
) -> None:
    wanted = [
        a_new_order(),
        replace(a_new_order(Side.SELL, "0.123456789"), client_id="a", request_id="r-1"),
        replace(a_limit(), client_id="b", slippage_tolerance_bps=7, max_legs=3),
        replace(a_new_order(), quantity=None, quote_quantity=Decimal("12.5")),
    ]
    moved = _stored_while_held_back(orders, database, threads, wanted)
    for order, found in zip(wanted, moved, strict=True):
        assert found.order == orders.get(order.order_id)
        assert [found.event] == orders.events(order.order_id)
        assert replace(order, order_id=found.order.order_id) == order
    times = [found.order.created_at for found in moved]
    assert len(set(times)) == 2  # of two transactions
    assert times[1:] == [times[1]] * 3


def test_one_order_that_breaks_the_statement_fails_alone(
    orders: SharingOrders, database: Engine, threads: ThreadPoolExecutor
) -> None:
    stored = orders.accept(a_new_order())
    twice = replace(a_new_order(), order_id=stored.order.order_id)
    wanted = [a_new_order(), a_new_order(), twice, a_new_order()]
    with pytest.raises(IntegrityError, match="pk_orders"):
        _stored_while_held_back(orders, database, threads, wanted)
    assert all(orders.get(order.order_id) for order in wanted)


def test_an_order_that_may_wait_for_another_transaction_shares_nothing(
    orders: SharingOrders,
) -> None:
    def refuse(_: object) -> Moved:
        raise AssertionError

    orders.sharing = Together(refuse, refuse)  # type: ignore[arg-type]
    charge = DailyCharge.of(Decimal(1), None, Decimal(1), 1000)
    for order in (
        replace(a_new_order(), client_order_id="mine"),
        replace(a_new_order(), daily=charge),
    ):
        assert orders.accept(order).order.order_id == order.order_id
    assert orders.accept_once(a_new_order(), "k-1") is not None
    with pytest.raises(AssertionError):
        orders.accept(a_new_order())


def _stored_while_held_back(
    orders: SharingOrders,
    database: Engine,
    threads: ThreadPoolExecutor,
    wanted: Sequence[NewOrder],
) -> list[Moved]:
    """Store orders, all but the first while the statement of the first is held back."""

    def is_led() -> bool:
        with database.connect() as connection:
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return bool(connection.execute(text(waits)).scalar_one())

    def has(callers: int) -> bool:
        return orders.sharing.waiting == callers

    holder = database.connect().execution_options(isolation_level="READ COMMITTED")
    with holder, holder.begin():
        holder.execute(HELD_BACK)
        calls = [threads.submit(orders.accept, wanted[0])]
        wait_until(is_led)
        for waiting, order in enumerate(wanted[1:], start=1):
            calls.append(threads.submit(orders.accept, order))
            wait_until(partial(has, waiting))
    return [call.result() for call in calls]
