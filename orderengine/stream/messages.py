"""Forms and names of everything stored in or sent through Redis; no other module knows them.

An event has one wire form: a publisher sends, a stream replays from PostgreSQL and a client's
socket gets the same text, byte for byte. The published text also has `clientId`, as its last
member, which only the hub reads.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from orderengine.domain import documents
from orderengine.domain.documents import event_document, order_from, order_record
from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.json_text import json_text, json_value
from orderengine.domain.order import Order
from orderengine.domain.texts import time_from, time_text
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
    return documents.event_from(document), document.get("clientId")


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
    return documents.event_from(json_value(text))


def cached_text(order: Order) -> str:
    """The cached form of an order: its version, a space, and a JSON object without signed bytes.

    The publisher's script compares versions without parsing JSON: it needs the version in decimal
    digits at the start, and the space after it.
    """
    return f"{order.version} {_text(order_record(order))}"


def cached_order(text: bytes) -> Order:
    """Read `cached_text`'s form; raises one of `UNREADABLE` for anything else.

    A transaction comes back with an empty `payload`, and the order without `request_id`: only the
    row has the signed bytes and that id.
    """
    return order_from(json_value(text.partition(b" ")[2]))


def _text(document: Mapping[str, Any]) -> str:
    return json_text(document)
