"""Orders of a store at each status, and what ends them."""

from datetime import timedelta
from typing import Any

from orderengine.domain.events import Moved
from orderengine.domain.moves import (
    Move,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import Order
from orderengine.domain.terms import TimeInForce
from orderengine.execution.ports import PlannedMove
from tests.builders import (
    A_TRIGGER,
    TRANSACTION,
    a_build,
    a_limit,
)
from tests.contract.conftest import Store

START = StartRouting(RoutingCause.ORDER)
SIGNATURE = TRANSACTION.signature
DEAD = "the transaction is dead"
NOT_SIGNED = ("waiting", "pending", "routing", "building")


def way_to(store: Store, status: str) -> list[Move]:
    way: list[Move] = [A_TRIGGER, START, a_build(store.now()), Submit(TRANSACTION)]
    return way[: [*NOT_SIGNED, "submitted"].index(status)]


def at(store: Store, status: str, **terms: Any) -> Order:
    """A limit order in this status."""
    order = store.walk(*way_to(store, status), new=a_limit(**terms))
    assert order.status.value == status
    return order


def until(store: Store, seconds: float = 60.0) -> dict[str, Any]:
    """The terms of an order that ends after so long."""
    expires_at = store.now() + timedelta(seconds=seconds)
    return {"time_in_force": TimeInForce.GTD, "expires_at": expires_at}


def cancel(store: Store, order: Order) -> Moved | None:
    return store.orders.cancel(order.client_id, order.order_id)


def statuses(store: Store, order: Order) -> list[str]:
    events = store.orders.events(order.order_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.status.value for event in events]


def told(store: Store, move: Move, order: Order) -> Moved | None:
    """Make a move on the network's word about the order's transaction, whatever its version."""
    (moved,) = store.orders.move_all([PlannedMove(order.order_id, 0, move, SIGNATURE)])
    return moved
