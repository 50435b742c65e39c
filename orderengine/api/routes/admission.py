"""Checks whether a new order is accepted, after the gate has counted the rates."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from orderengine.api.answers.problems import RETRY_AFTER_S, ErrorCode, Refused
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.lifetime import require_lifetime
from orderengine.execution.intake.notional import require_notional, require_open
from orderengine.execution.intake.stops import require_distance
from orderengine.execution.operations.counters import CounterName

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts


def looked_at(ports: "WebPorts", order: NewOrder, key: str | None) -> NewOrder:
    """Check an order against clock and market; returns it with its instrument's data to store.

    Raises OrderDenied, unless the order was accepted before under its key, and StorageUnavailable.
    """
    instrument = ports.instruments.get(order.symbol)
    require_open(ports.orders, ports.notional.prices, instrument, order, key)
    require_distance(ports.orders, ports.notional.prices, instrument, order, key)
    require_lifetime(ports.orders, ports.clock, order, key)
    require_notional(ports.orders, ports.notional, instrument, order, key)
    order = replace(order, placed_on=ports.placed_on())
    if order.waits:
        return replace(order, base_decimals=instrument.decimals, base_mint=instrument.mint)
    return ports.daily.charged(instrument, order)


def refusal_for(
    ports: "WebPorts", order: NewOrder, besides: int = 0, charged: Decimal = Decimal(0)
) -> Refused | None:
    """The refusal of one more order of a client; None if it may be placed.

    `besides` are orders that the same request places before it, and that wait as it does, or start
    at once as it does; `charged` is what they take of the client's day. Raises StorageUnavailable.
    """
    if ports.limits.orders_disabled:
        detail = "the operator has disabled new orders; accepted orders continue"
        return Refused(503, ErrorCode.ORDERS_DISABLED, detail, headers=_LATER)
    judge = _waiting_refusal if order.waits else _refusal
    return judge(ports, order, besides) or _daily_refusal(ports, order, charged)


def _daily_refusal(ports: "WebPorts", order: NewOrder, charged: Decimal) -> Refused | None:
    detail = ports.daily.excess(order, charged)
    return None if detail is None else Refused(403, ErrorCode.DAILY_LIMIT, detail)


_LATER = {"Retry-After": str(RETRY_AFTER_S)}


def _waiting_refusal(ports: "WebPorts", order: NewOrder, besides: int) -> Refused | None:
    if ports.waiting_orders.allows(order.client_id, besides):
        return None
    limit = ports.waiting_orders.limit
    detail = f"{limit} orders of this client wait, the most allowed; cancel one, or retry later"
    return Refused(429, ErrorCode.TOO_MANY_WAITING_ORDERS, detail, headers=_LATER)


def _refusal(ports: "WebPorts", order: NewOrder, besides: int) -> Refused | None:
    if not ports.open_orders.allows(order.client_id, besides):
        limit = ports.open_orders.limit
        detail = (
            f"{limit} orders of this client are open, the most allowed; retry when one has ended"
        )
        return Refused(429, ErrorCode.TOO_MANY_OPEN_ORDERS, detail, headers=_LATER)
    if not ports.queue_limit.has_room(besides):
        detail = f"{ports.queue_limit.limit} orders are waiting for a worker; retry shortly"
        return Refused(503, ErrorCode.QUEUE_FULL, detail, headers=_LATER)
    return None


def count_accepted(ports: "WebPorts", client_id: str, orders: Sequence[NewOrder]) -> None:
    """Report accepted orders of a client to the metrics and the limits."""
    waiting = sum(order.waits for order in orders)
    started = len(orders) - waiting
    ports.metrics.count(CounterName.ACCEPTED, by=len(orders))
    if waiting:
        ports.waiting_orders.accepted(client_id, waiting)
    if started:
        ports.open_orders.accepted(client_id, started)
        ports.queue_limit.accepted(started)
