"""Cancels and amends orders, and asks again when an answer gets lost: a repeat is safe."""

import http.client
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, urlencode

from orderengine.cli.limits import Answer
from orderengine.cli.placing import ASK_AGAIN_FOR_S, Repeated
from orderengine.cli.service import CannotGoOn, Service, refused

TOO_LATE = "TOO_LATE"
REPEAT = "; it may have taken effect: repeat the command, which is safe"
CHANGED = frozenset({http.client.OK, http.client.ACCEPTED})

Document = Mapping[str, Any]


class Refused(CannotGoOn):
    """The order has moved on, so that it was not changed; the message says where it is."""


def order_path(order_id: str) -> str:
    """The path of an order, whatever is given as its id."""
    return f"/api/orders/{quote(order_id, safe='')}"


def named_path(name: str) -> str:
    """The path by which a client's own name for an order is canceled."""
    return f"/api/orders/by-client-id?{urlencode({'clientOrderId': name})}"


def all_path(symbol: str | None) -> str:
    """The path of all open orders of a client, or of those of a symbol."""
    query = {"all": "true"} if symbol is None else {"symbol": symbol}
    return f"/api/orders?{urlencode(query)}"


def cancel(
    service: Service,
    path: str,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Document:
    """Cancel the order, or the orders, of a path; returns the order as it is now, or the counts.

    Asks again for 30 seconds while no answer comes, or the service is busy. Raises Refused for an
    order that has ended otherwise, OutcomeUnknown if no answer said anything, CannotGoOn.
    """
    answer = _asked(service, lambda: service.cancel(path), clock, pause)
    if answer.status in CHANGED:
        return answer.document
    order = answer.document.get("order")
    if answer.document.get("code") == TOO_LATE and isinstance(order, dict):
        raise Refused(f"too late: order {order.get('orderId')} is {order.get('status')}")
    raise refused(answer)


def amend(
    service: Service,
    order_id: str,
    changes: Document,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Document:
    """Give an order that waits new terms, unless it moves meanwhile; returns the order.

    Raises Refused if it has moved since it was read, and the errors of `cancel`.
    """
    path = order_path(order_id)
    version = service.read(path).headers.get("etag", "")
    asked = 0

    def send() -> Answer:
        nonlocal asked
        asked += 1
        return service.amend(path, changes, version)

    answer = _asked(service, send, clock, pause)
    if answer.status in CHANGED:
        return answer.document
    order = answer.document.get("order")
    if isinstance(order, dict):
        if asked > 1 and _has(order, changes):  # by a request whose answer was lost
            return order
        if answer.status == http.client.PRECONDITION_FAILED:
            raise Refused(_moved(order_id, order))
    raise refused(answer)


def _moved(order_id: str, order: Document) -> str:
    return (
        f"order {order_id} was not amended: it has moved since it was read, and is now"
        f" {order.get('status')} at version {order.get('version')}; show it, and amend it again"
    )


def _asked(
    service: Service,
    send: Callable[[], Answer],
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> Answer:
    """The answer that says what has become of a change."""

    def is_told(answer: Answer) -> bool:
        return answer.status in CHANGED or "order" in answer.document

    return Repeated(clock, pause, ASK_AGAIN_FOR_S, REPEAT).until_told(service, send, is_told)


def _has(order: Document, changes: Document) -> bool:
    """Whether an order has these terms, however they are written."""
    return all(_is_same(order.get(name), value) for name, value in changes.items())


def _is_same(stored: object, given: object) -> bool:
    try:
        return Decimal(str(stored)) == Decimal(str(given))
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(str(stored)) == datetime.fromisoformat(str(given))
    except (ValueError, TypeError):  # TypeError: only one of them has an offset
        return False
