"""One real answer for each error code; the documentation shows it, and a test provokes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orderengine.api.answers.problems import ErrorCode, problem
from orderengine.api.description.changed_orders import (
    AMENDED_EXAMPLE,
    EXPIRED_EXAMPLE,
    STARTED_EXAMPLE,
)
from orderengine.domain.errors import Violation
from orderengine.domain.fields import Document


@dataclass(frozen=True, slots=True)
class Example:
    """An error answer: its status, its text, the rules that it names, and its order."""

    status: int
    detail: str
    broken: tuple[Violation, ...] = ()
    order: Document | None = None


_SIDE = Violation("side", "one_of", "must be one of: buy, sell")
_TWICE = Violation("quantity", "duplicate", "must be given once only")
_TYPE = Violation("Content-Type", "media_type", "must be application/json")
_WORTH = Violation(
    "quantity",
    "max_notional",
    "must be worth at most 50000000 USDC, but 600 BTC at 97200 are worth 58320000.00",
)
_CLOSED = Violation("symbol", "not_open", "AAPL does not trade before 2026-11-24T23:42:10.000000Z")
_REACHED = Violation(
    "stopPrice", "would_trigger", "would start the order at once: AAPL is at 229.40"
)
_SIZE = Violation("body", "max_bytes", "must not be longer than 8192 bytes")

EXAMPLES: Mapping[ErrorCode, Example] = {
    ErrorCode.BAD_REQUEST: Example(
        400, "this service is for local use only, and Host names another machine"
    ),
    ErrorCode.INVALID_JSON: Example(400, "quantity must be given once only", (_TWICE,)),
    ErrorCode.VALIDATION_FAILED: Example(400, "side must be one of: buy, sell", (_SIDE,)),
    ErrorCode.UNAUTHORIZED: Example(
        401, "send a valid key as Authorization: Bearer oe_..., or for a socket a valid ticket"
    ),
    ErrorCode.FORBIDDEN: Example(403, "this needs a key of the client local, the operator"),
    ErrorCode.ORIGIN_NOT_ALLOWED: Example(403, "this Origin may not open sockets"),
    ErrorCode.NOT_FOUND: Example(404, "nothing is served at this path"),
    ErrorCode.ORDER_NOT_FOUND: Example(404, "there is no order with this id"),
    ErrorCode.EVENTS_PRUNED: Example(
        410,
        "the order ended long ago and its events were pruned; GET /api/orders/{id} has its result",
    ),
    ErrorCode.METHOD_NOT_ALLOWED: Example(405, "this path does not support this method"),
    ErrorCode.REQUEST_TIMEOUT: Example(
        408, "the head and the body of a request must each arrive within 10 seconds"
    ),
    ErrorCode.IDEMPOTENCY_CONFLICT: Example(
        409, "the first request with this Idempotency-Key is still being stored; retry shortly"
    ),
    ErrorCode.CLIENT_ORDER_ID_TAKEN: Example(
        409, "order b09f26f7-04bd-4c6a-9634-de855a0a4962 already has this clientOrderId"
    ),
    ErrorCode.NOT_OPEN: Example(409, f"symbol {_CLOSED.message}", (_CLOSED,)),
    ErrorCode.WOULD_TRIGGER: Example(409, f"stopPrice {_REACHED.message}", (_REACHED,)),
    ErrorCode.TOO_LATE: Example(
        409, "the order is expired, so it can not be canceled any more", order=EXPIRED_EXAMPLE
    ),
    ErrorCode.NOT_WAITING: Example(
        409, "the order is pending, and only one that waits can be amended", order=STARTED_EXAMPLE
    ),
    ErrorCode.PRECONDITION_FAILED: Example(
        412, "the order is at version 2 by now", order=AMENDED_EXAMPLE
    ),
    ErrorCode.BODY_TOO_LARGE: Example(413, "body must not be longer than 8192 bytes", (_SIZE,)),
    ErrorCode.URI_TOO_LONG: Example(414, "the request line must not be longer than 4094 bytes"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Example(
        415, "Content-Type must be application/json", (_TYPE,)
    ),
    ErrorCode.EXPECTATION_FAILED: Example(417, "the only supported expectation is 100-continue"),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: Example(
        422, "this Idempotency-Key was used for another request; a new order needs a new key"
    ),
    ErrorCode.INSUFFICIENT_LIQUIDITY: Example(
        422, "the venues let you buy at most 250.60512959 BTC"
    ),
    ErrorCode.DAILY_LIMIT: Example(
        403,
        "orders of this client have taken 2294.00 of 4000 USDC of this day (UTC), and this one is"
        " worth 2294.00",
    ),
    ErrorCode.NOTIONAL_LIMIT: Example(422, f"quantity {_WORTH.message}", (_WORTH,)),
    ErrorCode.UPGRADE_REQUIRED: Example(
        426, "this path serves WebSocket connections only, version 13"
    ),
    ErrorCode.PRECONDITION_REQUIRED: Example(
        428, "send If-Match with the order's version, as its ETag has it"
    ),
    ErrorCode.RATE_LIMITED: Example(429, "at most 50 requests a second; retry shortly"),
    ErrorCode.TOO_MANY_OPEN_ORDERS: Example(
        429, "1000 orders of this client are open, the most allowed; retry when one has ended"
    ),
    ErrorCode.TOO_MANY_WAITING_ORDERS: Example(
        429, "5000 orders of this client wait, the most allowed; cancel one, or retry later"
    ),
    ErrorCode.TOO_MANY_CLIENT_SOCKETS: Example(
        429, "a client may have 50 sockets per process; close one, or connect again later"
    ),
    ErrorCode.HEADERS_TOO_LARGE: Example(
        431, "at most 64 headers or trailers of 8190 bytes each, 32768 bytes in all"
    ),
    ErrorCode.INTERNAL_ERROR: Example(500, "the request failed inside the service"),
    ErrorCode.UNSUPPORTED_TRANSFER_CODING: Example(
        501, "the only supported transfer coding is chunked"
    ),
    ErrorCode.HTTP_VERSION_NOT_SUPPORTED: Example(505, "the version must be HTTP/1.1 or HTTP/1.0"),
    ErrorCode.NO_QUOTE: Example(503, "raydium: raydium gave no answer in time"),
    ErrorCode.NOT_READY: Example(503, "PostgreSQL gives no answer"),
    ErrorCode.LISTS_BUSY: Example(
        503, "this process reads as many lists as it can at once; retry shortly"
    ),
    ErrorCode.ORDERS_DISABLED: Example(
        503, "the operator has disabled new orders; accepted orders continue"
    ),
    ErrorCode.QUEUE_FULL: Example(503, "10000 orders are waiting for a worker; retry shortly"),
    ErrorCode.STORAGE_UNAVAILABLE: Example(503, "the order store did not answer; retry shortly"),
    ErrorCode.TOO_MANY_SOCKETS: Example(
        503, "this process serves at most 5000 sockets; connect again shortly"
    ),
}


def problem_example(code: ErrorCode) -> dict[str, Any]:
    """The whole answer with this code."""
    shown = EXAMPLES[code]
    document: dict[str, Any] = problem(
        shown.status, code, shown.detail, shown.broken, order=shown.order
    ).get_json()
    return document
