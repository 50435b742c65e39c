"""Forms and names of everything stored in or sent through Redis; no other module knows them.

An event has one wire form: a publisher sends, a stream replays from PostgreSQL and a client's
socket gets the same text, byte for byte. The published text also has `clientId`, as its last
member, which only the hub reads.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from orderengine.domain.documents import (
    decimal_text,
    event_document,
    failed_attempt_document,
    failed_attempt_from,
    fill_document,
    fill_from,
    route_document,
    route_from,
    time_from,
    time_text,
)
from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.json_text import json_text, json_value
from orderengine.domain.order import Order, OrderStatus, SignedTransaction
from orderengine.domain.side import Side
from orderengine.stream.replay import Cursor, Sent

EVENTS_CHANNEL = "orderengine:events"
HEARTBEAT_KEY = "orderengine:worker:heartbeat"
ECHO_CHANNEL = "orderengine:echo"
COUNTS_KEY = "orderengine:counts"

TERMINAL_TTL = timedelta(minutes=1)
"""A terminal state never changes, but its key takes memory that the broker needs."""
OPEN_TTL = timedelta(seconds=2)
"""An open order leaves the cache soon, which bounds how long a lost write stays unnoticed."""

UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""Raised when reading a text that another release or program has written."""


def order_key(order_id: UUID) -> str:
    """The key of an order's latest state."""
    return f"orderengine:order:{order_id}"


def rate_key(name: str) -> str:
    """The key that counts the requests of this second."""
    return f"orderengine:rate:{name}"


def cache_ttl(order: Order) -> timedelta:
    """How long the latest state of an order may be served from the cache."""
    return TERMINAL_TTL if order.status.is_terminal else OPEN_TTL


def event_text(event: OrderEvent) -> str:
    """The wire form of an event: one JSON object."""
    return _text(event_document(event))


def published_text(moved: Moved) -> str:
    """The published form of a step: its event, and the order's client as the last member.

    A release that does not know the last member reads only the event.
    """
    return f'{event_text(moved.event)[:-1]},"clientId":{json_text(moved.order.client_id)}}}'


def published_from(text: str | bytes) -> tuple[OrderEvent, str | None]:
    """The event, and its client, or None from an older release; raises like `event_from`."""
    document = json_value(text)
    return _event_from(document), document.get("clientId")


def cursor_message(cursor: Cursor) -> str:
    """The wire form of a message with a cursor: one JSON object."""
    return _text(
        {"cursor": stream_cursor_text(cursor)} | ({"replay": True} if cursor.is_replay else {})
    )


def stream_cursor_text(cursor: Cursor) -> str:
    """The cursor as a client sends it back; needs no quoting in a URL."""
    if cursor.sent is None:
        return time_text(cursor.at)
    return "~".join([time_text(cursor.at), time_text(cursor.sent.before), str(cursor.sent.horizon)])


def cursor_from(text: str) -> Cursor:
    """Read `stream_cursor_text`'s form; raises ValueError for anything else."""
    at, *sent = text.split("~")
    if not sent:
        return Cursor(time_from(at))
    before, horizon = sent
    return Cursor(time_from(at), Sent(time_from(before), int(horizon)))


def event_from(text: str | bytes) -> OrderEvent:
    """Read `event_text`'s form; raises one of `UNREADABLE` for anything else."""
    return _event_from(json_value(text))


def _event_from(document: Mapping[str, Any]) -> OrderEvent:
    return OrderEvent(
        order_id=UUID(document["orderId"]),
        seq=int(document["seq"]),
        status=OrderStatus(document["status"]),
        attempt=int(document["attempt"]),
        occurred_at=time_from(document["at"]),
        data=document["data"],
    )


def cached_text(order: Order) -> str:
    """The cached form of an order: its version, a space, and a JSON object without signed bytes.

    The publisher's script compares versions without parsing JSON: it needs the version in decimal
    digits at the start, and the space after it.
    """
    signed = order.transaction
    document = _text(
        {
            "orderId": str(order.order_id),
            "clientId": order.client_id,
            "symbol": order.symbol,
            "side": order.side.value,
            "quantity": decimal_text(order.quantity),
            "slippageBps": order.slippage_tolerance_bps,
            "worstPrice": None if order.worst_price is None else decimal_text(order.worst_price),
            "maxLegs": order.max_legs,
            "clientOrderId": order.client_order_id,
            "status": order.status.value,
            "version": order.version,
            "attempt": order.attempt,
            "recoveries": order.recoveries,
            "createdAt": time_text(order.created_at),
            "updatedAt": time_text(order.updated_at),
            "route": None if order.route is None else route_document(order.route),
            "limitAmount": None if order.limit_amount is None else str(order.limit_amount),
            "txHash": None if signed is None else signed.signature,
            "lastValidHeight": None if signed is None else signed.last_valid_height,
            "fill": None if order.fill is None else fill_document(order.fill),
            "failedAttempts": [failed_attempt_document(each) for each in order.failed_attempts],
        }
    )
    return f"{order.version} {document}"


def cached_order(text: bytes) -> Order:
    """Read `cached_text`'s form; raises one of `UNREADABLE` for anything else.

    A transaction comes back with an empty `payload`, and the order without `request_id`: only the
    row has the signed bytes and that id.
    """
    document: dict[str, Any] = json_value(text.partition(b" ")[2])
    return Order(
        order_id=UUID(document["orderId"]),
        client_id=document["clientId"],
        symbol=document["symbol"],
        side=Side(document["side"]),
        quantity=Decimal(document["quantity"]),
        slippage_tolerance_bps=int(document["slippageBps"]),
        status=OrderStatus(document["status"]),
        version=int(document["version"]),
        attempt=int(document["attempt"]),
        recoveries=int(document["recoveries"]),
        created_at=time_from(document["createdAt"]),
        updated_at=time_from(document["updatedAt"]),
        worst_price=None if document["worstPrice"] is None else Decimal(document["worstPrice"]),
        max_legs=int(document["maxLegs"]),
        client_order_id=document["clientOrderId"],
        route=None if document["route"] is None else route_from(document["route"]),
        limit_amount=None if document["limitAmount"] is None else int(document["limitAmount"]),
        transaction=_transaction_from(document),
        fill=None if document["fill"] is None else fill_from(document["fill"]),
        failed_attempts=tuple(failed_attempt_from(each) for each in document["failedAttempts"]),
    )


def _transaction_from(document: Mapping[str, Any]) -> SignedTransaction | None:
    if document["txHash"] is None:
        return None
    return SignedTransaction(
        signature=document["txHash"],
        payload=b"",
        last_valid_height=int(document["lastValidHeight"]),
    )


def _text(document: Mapping[str, Any]) -> str:
    return json_text(document)
