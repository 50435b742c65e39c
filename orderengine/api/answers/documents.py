"""Builds the answers of the API, in the shapes that `schemas.py` describes."""

from collections.abc import Iterable
from uuid import UUID

from orderengine.api.validation.cursors import page_cursor_text
from orderengine.domain.documents import (
    Document,
    decimal_text,
    failed_attempt_document,
    fill_document,
    route_document,
    time_text,
)
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.domain.pricing import to_tokens
from orderengine.domain.routing import Route, RouteRequest
from orderengine.execution.intake.accept import Accepted
from orderengine.execution.queries.lists import Position


def order_path(order_id: UUID) -> str:
    """The path of an order."""
    return f"/api/orders/{order_id}"


def accepted_document(accepted: Accepted, request: NewOrder) -> Document:
    """An order as it was when accepted, with the links to follow it."""
    at = time_text(accepted.accepted_at)
    return {
        "orderId": str(accepted.order_id),
        **request.data,
        "status": OrderStatus.PENDING.value,
        "attempt": 1,
        "version": 1,
        "createdAt": at,
        "updatedAt": at,
        "failedAttempts": [],
        **links_document(accepted.order_id),
    }


def links_document(order_id: UUID) -> Document:
    """The links to follow an order."""
    path = order_path(order_id)
    updates = f"/ws/orders?orderId={order_id}"
    return {"links": {"order": path, "events": f"{path}/events", "updates": updates}}


def order_document(order: Order) -> Document:
    """An order with its fields so far; one that is not known yet is absent, never null."""
    document: Document = {
        "orderId": str(order.order_id),
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": decimal_text(order.quantity),
        "slippageBps": order.slippage_tolerance_bps,
        "maxLegs": order.max_legs,
        "status": order.status.value,
        "attempt": order.attempt,
        "version": order.version,
        "createdAt": time_text(order.created_at),
        "updatedAt": time_text(order.updated_at),
        "failedAttempts": [failed_attempt_document(failed) for failed in order.failed_attempts],
    }
    if order.client_order_id is not None:
        document["clientOrderId"] = order.client_order_id
    if order.worst_price is not None:
        document["worstPrice"] = decimal_text(order.worst_price)
    if order.route is not None:
        quoted = {"quotedPrice": decimal_text(order.route.price)}
        document |= quoted | route_document(order.route)
    if order.limit_amount is not None:
        document["limitAmount"] = str(order.limit_amount)
    if order.transaction is not None:
        document["txHash"] = order.transaction.signature
    if order.fill is not None:
        document |= fill_document(order.fill)
    if order.failure is not None:
        document |= {"reason": order.failure.reason.value, "detail": order.failure.detail}
    return document


def page_document(orders: Iterable[Order], client_id: str, end: Position | None) -> Document:
    """One page of a client's orders; `end` is where it ends if another page may follow."""
    return {
        "orders": [order_document(order) for order in orders],
        "nextCursor": None if end is None else page_cursor_text(client_id, end),
    }


def quotes_document(request: RouteRequest, route: Route) -> Document:
    """The request, the venues' quotes for it, and the route chosen from them."""
    return {
        "symbol": request.instrument.symbol,
        "side": request.side.value,
        "quantity": decimal_text(to_tokens(request.base_amount, request.instrument.decimals)),
        "slippageBps": request.slippage_tolerance_bps,
        "maxLegs": request.max_legs,
        "quotedPrice": decimal_text(route.price),
        "limitAmount": str(route.limit_amount(request.slippage_tolerance_bps)),
        **route_document(route),
    }


def instrument_document(instrument: Instrument) -> Document:
    """An instrument with the rules for a quantity of it."""
    return {
        "symbol": instrument.symbol,
        "name": instrument.name,
        "decimals": instrument.decimals,
        "quantityStep": decimal_text(instrument.quantity_step),
        "minQuantity": decimal_text(instrument.min_quantity),
        "maxQuantity": decimal_text(instrument.max_quantity),
    }
