"""Builds the answers of the API, in the shapes that `schemas.py` describes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from orderengine.api.validation.cursors import page_cursor_text
from orderengine.domain.codec import document_of
from orderengine.domain.documents import order_document
from orderengine.domain.fields import FLAT, Document, Part, Told
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.pricing import USDC_DECIMALS, to_tokens
from orderengine.domain.routing import LimitAmount, Route, RouteRequest
from orderengine.domain.side import Asset, Side
from orderengine.execution.intake.accept import Accepted
from orderengine.execution.queries.lists import Position


def order_path(order_id: UUID) -> str:
    """The path of an order."""
    return f"/api/orders/{order_id}"


def accepted_document(accepted: Accepted, request: NewOrder) -> Document:
    """An order as it was when accepted, with the links to follow it."""
    stored = replace(request, order_id=accepted.order_id)
    order = Order.accepted(stored, accepted.accepted_at)
    return placed_document(order)


def placed_document(order: Order) -> Document:
    """An order as it is now, with the links to follow it."""
    return {**order_document(order), **links_document(order.order_id)}


def links_document(order_id: UUID) -> Document:
    """The links to follow an order."""
    path = order_path(order_id)
    updates = f"/ws/orders?orderId={order_id}"
    return {"links": {"order": path, "events": f"{path}/events", "updates": updates}}


def page_document(orders: Iterable[Order], client_id: str, end: Position | None) -> Document:
    """One page of a client's orders; `end` is where it ends if another page may follow."""
    return {
        "orders": [order_document(order) for order in orders],
        "nextCursor": None if end is None else page_cursor_text(client_id, end),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """A request for quotes, and the route that an order would take."""

    symbol: str
    side: Side
    quantity: Annotated[Decimal | None, Told("Whole tokens of the base asset.")]
    quote_quantity: Annotated[Decimal | None, Told("The USDC to spend or to receive.")]
    slippage_tolerance_bps: Annotated[int, Told(name="slippageBps")]
    max_legs: int
    dex: ClassVar[Part] = Part(
        "route.venue", "The venue that an order would be routed to, or several, joined by `+`."
    )
    quoted_price: ClassVar[Part] = Part("route.price", "The price over all legs.")
    limit_amount: LimitAmount
    route: Annotated[Route, FLAT]


_quoted_document = document_of(Quoted)
instrument_document = document_of(Instrument)


def quotes_document(request: RouteRequest, route: Route) -> Document:
    """The request, the venues' quotes for it, and the route chosen from them."""
    amount, by_base = request.amount, request.exact is Asset.BASE
    quoted = Quoted(
        symbol=request.instrument.symbol,
        side=request.side,
        quantity=to_tokens(amount, request.instrument.decimals) if by_base else None,
        quote_quantity=None if by_base else to_tokens(amount, USDC_DECIMALS),
        slippage_tolerance_bps=request.slippage_tolerance_bps,
        max_legs=request.max_legs,
        limit_amount=route.limit_amount(request.slippage_tolerance_bps),
        route=route,
    )
    return _quoted_document(quoted)
