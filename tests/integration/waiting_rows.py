"""Orders that wait, and orders that are built, on PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.domain.order import Order
from orderengine.storage.orders import SqlOrders
from tests.builders import A_TRIGGER, a_build, a_limit

START = StartRouting(RoutingCause.ORDER)


def a_waiting(orders: SqlOrders, **terms: Any) -> Order:
    return orders.accept(a_limit(**terms)).order


def a_built(orders: SqlOrders, **terms: Any) -> Order:
    order = a_waiting(orders, **terms)
    for move in (A_TRIGGER, START, a_build(datetime.now(UTC))):
        moved = orders.move(order.order_id, order.version, move)
        assert moved is not None
        order = moved.order
    return order


def status(orders: SqlOrders, order: Order) -> str:
    found = orders.get(order.order_id)
    assert found is not None
    return found.status.value
