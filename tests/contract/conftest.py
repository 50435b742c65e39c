"""Shared by several contracts: every implementation of `Orders`, with its clock."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.moves import Move
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.side import Side
from orderengine.execution.ports import Orders
from orderengine.storage.orders import SqlOrders
from tests.conftest import a_new_order
from tests.fakes import FakeClock, FakeOrders


class Store:
    """One implementation, whose clock a test can read and advance."""

    def __init__(
        self, orders: Orders, now: Callable[[], datetime], pass_time: Callable[[float], None]
    ) -> None:
        self.orders = orders
        self.now = now
        self.pass_time = pass_time

    def walk(
        self,
        *moves: Move,
        side: Side = Side.BUY,
        symbol: str = "AAPL",
        new: NewOrder | None = None,
    ) -> Order:
        """Accept an order and make the moves, each of which must succeed."""
        order = self.orders.accept(new or replace(a_new_order(side), symbol=symbol)).order
        for move in moves:
            moved = self.orders.move(order.order_id, order.version, move)
            assert moved is not None, move
            order = moved.order
        return order


def _fake_store() -> Store:
    clock = FakeClock()
    return Store(FakeOrders(clock), clock.now, clock.advance)


def _sql_store(database: Engine) -> Store:
    def pass_time(seconds: float) -> None:
        with database.connect() as connection:
            connection.execute(
                text(
                    "UPDATE orders SET due_at = due_at - make_interval(secs => :s),"
                    " expires_at = expires_at - make_interval(secs => :s)"
                ),
                {"s": seconds},
            )

    return Store(SqlOrders(database), lambda: datetime.now(UTC), pass_time)


@pytest.fixture(params=["fake", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "fake":
        return _fake_store()
    return _sql_store(request.getfixturevalue("database"))
