"""Every error answer of the API: RFC 9457 problem documents with a stable code."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from flask import Response, json
from werkzeug.exceptions import HTTPException

from orderengine.domain.errors import Violation
from orderengine.domain.fields import Document

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 1


class ErrorCode(StrEnum):
    """Stable codes of errors, for programs; part of the public interface."""

    BAD_REQUEST = "BAD_REQUEST"
    INVALID_JSON = "INVALID_JSON"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    ORIGIN_NOT_ALLOWED = "ORIGIN_NOT_ALLOWED"
    DAILY_LIMIT = "DAILY_LIMIT"
    NOT_FOUND = "NOT_FOUND"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    EVENTS_PRUNED = "EVENTS_PRUNED"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    CLIENT_ORDER_ID_TAKEN = "CLIENT_ORDER_ID_TAKEN"
    NOT_OPEN = "NOT_OPEN"
    WOULD_TRIGGER = "WOULD_TRIGGER"
    TOO_LATE = "TOO_LATE"
    NOT_WAITING = "NOT_WAITING"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    URI_TOO_LONG = "URI_TOO_LONG"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    EXPECTATION_FAILED = "EXPECTATION_FAILED"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    NOTIONAL_LIMIT = "NOTIONAL_LIMIT"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    PRECONDITION_REQUIRED = "PRECONDITION_REQUIRED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_OPEN_ORDERS = "TOO_MANY_OPEN_ORDERS"
    TOO_MANY_WAITING_ORDERS = "TOO_MANY_WAITING_ORDERS"
    TOO_MANY_CLIENT_SOCKETS = "TOO_MANY_CLIENT_SOCKETS"
    UPGRADE_REQUIRED = "UPGRADE_REQUIRED"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    UNSUPPORTED_TRANSFER_CODING = "UNSUPPORTED_TRANSFER_CODING"
    HTTP_VERSION_NOT_SUPPORTED = "HTTP_VERSION_NOT_SUPPORTED"
    NO_QUOTE = "NO_QUOTE"
    NOT_READY = "NOT_READY"
    LISTS_BUSY = "LISTS_BUSY"
    ORDERS_DISABLED = "ORDERS_DISABLED"
    QUEUE_FULL = "QUEUE_FULL"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    TOO_MANY_SOCKETS = "TOO_MANY_SOCKETS"


TITLES: Mapping[ErrorCode, str] = {
    ErrorCode.BAD_REQUEST: "Bad request",
    ErrorCode.INVALID_JSON: "The body is not valid JSON",
    ErrorCode.VALIDATION_FAILED: "The request breaks a rule",
    ErrorCode.UNAUTHORIZED: "A key is needed",
    ErrorCode.FORBIDDEN: "Forbidden for this client",
    ErrorCode.ORIGIN_NOT_ALLOWED: "Origin not allowed",
    ErrorCode.DAILY_LIMIT: "The day's limit is reached",
    ErrorCode.NOT_FOUND: "Not found",
    ErrorCode.ORDER_NOT_FOUND: "Order not found",
    ErrorCode.EVENTS_PRUNED: "The order's events were pruned",
    ErrorCode.METHOD_NOT_ALLOWED: "Method not allowed",
    ErrorCode.REQUEST_TIMEOUT: "The request took too long to arrive",
    ErrorCode.CLIENT_ORDER_ID_TAKEN: "The client has an order with this clientOrderId",
    ErrorCode.NOT_OPEN: "The instrument does not trade yet",
    ErrorCode.WOULD_TRIGGER: "The price of the stop is reached already",
    ErrorCode.TOO_LATE: "The order has ended",
    ErrorCode.NOT_WAITING: "The order does not wait",
    ErrorCode.PRECONDITION_FAILED: "The order has moved",
    ErrorCode.BODY_TOO_LARGE: "The body is too large",
    ErrorCode.URI_TOO_LONG: "The request line is too long",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "Unsupported media type",
    ErrorCode.EXPECTATION_FAILED: "Expectation failed",
    ErrorCode.INSUFFICIENT_LIQUIDITY: "Insufficient liquidity",
    ErrorCode.NOTIONAL_LIMIT: "The order exceeds the value limit",
    ErrorCode.IDEMPOTENCY_CONFLICT: "The first request with this key is still in progress",
    ErrorCode.IDEMPOTENCY_KEY_REUSED: "The key was used for another request",
    ErrorCode.PRECONDITION_REQUIRED: "A version is needed",
    ErrorCode.RATE_LIMITED: "Too many requests",
    ErrorCode.TOO_MANY_OPEN_ORDERS: "Too many open orders",
    ErrorCode.TOO_MANY_WAITING_ORDERS: "Too many waiting orders",
    ErrorCode.TOO_MANY_CLIENT_SOCKETS: "Too many open sockets of this client",
    ErrorCode.UPGRADE_REQUIRED: "Upgrade required",
    ErrorCode.HEADERS_TOO_LARGE: "The headers are too large",
    ErrorCode.INTERNAL_ERROR: "Internal error",
    ErrorCode.UNSUPPORTED_TRANSFER_CODING: "Unsupported transfer coding",
    ErrorCode.HTTP_VERSION_NOT_SUPPORTED: "HTTP version not supported",
    ErrorCode.NO_QUOTE: "No venue gave a quote",
    ErrorCode.NOT_READY: "Not ready",
    ErrorCode.LISTS_BUSY: "Too many lists at once",
    ErrorCode.ORDERS_DISABLED: "New orders are disabled",
    ErrorCode.QUEUE_FULL: "Too many orders are waiting for a worker",
    ErrorCode.STORAGE_UNAVAILABLE: "The order store does not answer",
    ErrorCode.TOO_MANY_SOCKETS: "Too many open sockets",
}

_HTTP_ERRORS: Mapping[int, tuple[ErrorCode, str]] = {
    404: (ErrorCode.NOT_FOUND, "nothing is served at this path"),
    405: (ErrorCode.METHOD_NOT_ALLOWED, "this path does not support this method"),
    413: (ErrorCode.BODY_TOO_LARGE, "the body is larger than this service accepts"),
    415: (ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json"),
    426: (ErrorCode.UPGRADE_REQUIRED, "this path serves WebSocket connections only"),
}


class Refused(Exception):
    """The request is refused; holds the arguments of `problem`."""

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        detail: str,
        errors: Iterable[Violation] = (),
        headers: Mapping[str, str] | None = None,
        order: Document | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers
        self.order = order


def events_pruned() -> Refused:
    """The refusal (410) to send events that were pruned."""
    detail = (
        "the order ended long ago and its events were pruned; GET /api/orders/{id} has its result"
    )
    return Refused(410, ErrorCode.EVENTS_PRUNED, detail)


def problem(
    status: int,
    code: ErrorCode,
    detail: str,
    errors: Iterable[Violation] = (),
    headers: Mapping[str, str] | None = None,
    order: Document | None = None,
) -> Response:
    """An error answer as `application/problem+json`.

    `errors` names each broken rule with its field; `headers` are added to the answer. `order` is
    the order as it is now, if the request came too late for it.
    """
    document: dict[str, object] = {
        "type": f"urn:orderengine:problem:{code.lower().replace('_', '-')}",
        "title": TITLES[code],
        "status": status,
        "code": code.value,
        "detail": detail,
    }
    broken = [{"field": e.field, "rule": e.rule, "message": e.message} for e in errors]
    if broken:
        document["errors"] = broken
    if order is not None:
        document["order"] = order
    text = json.dumps(document, separators=(",", ":"))
    answer = Response(text, status=status, content_type=PROBLEM_JSON)
    answer.headers.update(headers or {})
    return answer


def http_problem(error: HTTPException) -> Response:
    """The answer to an error that Flask or one of its extensions raised.

    It keeps the error's headers, such as `Allow`, but not its text, which may repeat the request.
    """
    status = error.code or 500
    fallback = (
        (ErrorCode.BAD_REQUEST, "the request can not be served")
        if status < 500
        else (ErrorCode.INTERNAL_ERROR, "the request could not be served")
    )
    code, detail = _HTTP_ERRORS.get(status, fallback)
    kept = {name: text for name, text in error.get_headers() if name.lower() != "content-type"}
    return problem(status, code, detail, headers=kept)
