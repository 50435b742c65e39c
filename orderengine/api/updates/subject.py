"""The subject of a stream: one order from an event on, or all orders of a client."""

from dataclasses import dataclass
from uuid import UUID

from flask import request

from orderengine.api.answers.problems import ErrorCode, Refused, events_pruned
from orderengine.api.gate.access import current_caller
from orderengine.api.validation.inputs import read_query, validation_error
from orderengine.api.validation.schemas import UpdatesQuerySchema
from orderengine.domain.access import Caller
from orderengine.domain.errors import Violation
from orderengine.execution.ports import Orders
from orderengine.execution.queries.latest_steps import ClientSnapshot
from orderengine.stream.hub import Hub
from orderengine.stream.replay import Cursor


@dataclass(frozen=True, slots=True)
class OrderStreamRequest:
    """One order; `is_over` when there is nothing left to send."""

    caller: Caller
    order_id: UUID
    after: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class ClientStreamRequest:
    """All orders of the caller: those that `first` found, and those accepted after it."""

    caller: Caller
    first: ClientSnapshot
    cursor: Cursor | None


def read_stream_request(orders: Orders, hub: Hub) -> OrderStreamRequest | ClientStreamRequest:
    """The subject that this handshake's query names; raises Refused and StorageUnavailable."""
    query = read_query(UpdatesQuerySchema(), request)
    order_id, after, cursor = query.get("order_id"), query.get("after"), query.get("cursor")
    if order_id is None:
        if after is not None:
            message = "needs an orderId; to resume all orders, use `cursor`"
            raise validation_error([Violation("after", "combination", message)])
        return all_orders(hub, cursor)
    if cursor is not None:
        message = "is for all orders; to resume one order, use `after`"
        raise validation_error([Violation("cursor", "combination", message)])
    return one_order(orders, order_id, after or 0)


def one_order(orders: Orders, order_id: UUID, after: int) -> OrderStreamRequest:
    """One order of the caller; raises Refused if it can not be followed."""
    caller = current_caller()
    order = orders.get(order_id)
    if order is None or order.client_id != caller.client_id:
        raise Refused(404, ErrorCode.ORDER_NOT_FOUND, f"there is no order {order_id}")
    if after > order.version and not order.status.is_terminal:
        message = f"must not be higher than {order.version}, the latest seq"
        raise validation_error([Violation("after", "range", message)])
    is_over = order.status.is_terminal and after >= order.version
    if order.status.is_terminal and not is_over and not orders.events(order_id, after):
        raise events_pruned()
    return OrderStreamRequest(caller, order_id, after, is_over)


def all_orders(hub: Hub, cursor: Cursor | None) -> ClientStreamRequest:
    """All orders of the caller; raises Refused for a cursor that can not be resumed."""
    caller = current_caller()
    first = hub.snapshot(caller.client_id, cursor)
    if cursor is not None and cursor.at > first.taken_at:
        raise validation_error([Violation("cursor", "range", "must not be in the future")])
    if cursor is not None and len(first.orders) > hub.orders_limit:
        message = (
            f"is too old: it leads to more than {hub.orders_limit} orders; "
            "connect without it, and read ended orders from /api/orders"
        )
        raise validation_error([Violation("cursor", "range", message)])
    return ClientStreamRequest(caller, first, cursor)
