"""The answer to each error that leaves a view."""

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from orderengine.api.answers.problems import (
    RETRY_AFTER_S,
    ErrorCode,
    Refused,
    http_problem,
    problem,
)
from orderengine.domain.errors import (
    AttemptFailed,
    ClientOrderIdTaken,
    DailyLimitReached,
    FailureReason,
    IdempotencyConflict,
    IdempotencyKeyReused,
    MarketNotOpen,
    NotionalExceeded,
    OrderDenied,
    OrderUnfillable,
    OrderUnreadable,
    StopWouldTrigger,
    StorageCause,
    StorageUnavailable,
    VenueUnavailable,
)
from orderengine.postgres.outages import WORDS

log = structlog.get_logger(__name__)


def register_error_handlers(app: Flask) -> None:
    """Answer every exception that leaves a view of this application with a problem."""
    app.register_error_handler(HTTPException, http_problem)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(OrderDenied, _denied)
    app.register_error_handler(NotionalExceeded, _notional_exceeded)
    app.register_error_handler(MarketNotOpen, _not_open)
    app.register_error_handler(StopWouldTrigger, _would_trigger)
    app.register_error_handler(IdempotencyConflict, _key_conflict)
    app.register_error_handler(IdempotencyKeyReused, _key_reused)
    app.register_error_handler(ClientOrderIdTaken, _name_taken)
    app.register_error_handler(DailyLimitReached, _day_is_spent)
    app.register_error_handler(StorageUnavailable, _storage_unavailable)
    app.register_error_handler(VenueUnavailable, _no_quote)
    app.register_error_handler(AttemptFailed, _no_quote)
    app.register_error_handler(OrderUnfillable, _unfillable)
    app.register_error_handler(Exception, _internal_error)


def answer_to(
    error: Refused | OrderDenied | ClientOrderIdTaken,
) -> Response:
    """The answer to a refused order."""
    match error:
        case Refused():
            return _refused(error)
        case NotionalExceeded():
            return _notional_exceeded(error)
        case MarketNotOpen():
            return _not_open(error)
        case StopWouldTrigger():
            return _would_trigger(error)
        case OrderDenied():
            return _denied(error)
        case ClientOrderIdTaken():
            return _name_taken(error)


def _refused(error: Refused) -> Response:
    return problem(error.status, error.code, error.detail, error.errors, error.headers, error.order)


def _denied(error: OrderDenied) -> Response:
    found = error.violation
    detail = f"{found.field} {found.message}"
    return problem(400, ErrorCode.VALIDATION_FAILED, detail, [found])


def _notional_exceeded(error: NotionalExceeded) -> Response:
    found = error.violation
    return problem(422, ErrorCode.NOTIONAL_LIMIT, f"{found.field} {found.message}", [found])


def _not_open(error: MarketNotOpen) -> Response:
    found = error.violation
    return problem(409, ErrorCode.NOT_OPEN, f"{found.field} {found.message}", [found])


def _would_trigger(error: StopWouldTrigger) -> Response:
    found = error.violation
    return problem(409, ErrorCode.WOULD_TRIGGER, f"{found.field} {found.message}", [found])


def _key_conflict(_: IdempotencyConflict) -> Response:
    detail = "the first request with this Idempotency-Key is still being stored; retry shortly"
    return _retry_later(ErrorCode.IDEMPOTENCY_CONFLICT, detail, status=409)


def _key_reused(_: IdempotencyKeyReused) -> Response:
    detail = "this Idempotency-Key was used for another request; a new order needs a new key"
    return problem(422, ErrorCode.IDEMPOTENCY_KEY_REUSED, detail)


def _day_is_spent(error: DailyLimitReached) -> Response:
    return problem(403, ErrorCode.DAILY_LIMIT, str(error))


def _name_taken(error: ClientOrderIdTaken) -> Response:
    answer = problem(409, ErrorCode.CLIENT_ORDER_ID_TAKEN, str(error))
    answer.headers["Location"] = f"/api/orders/{error.order_id}"
    return answer


def _storage_unavailable(error: StorageUnavailable) -> Response:
    log.warning("storage_unavailable", endpoint=request.endpoint, error=str(error))
    if error.cause is not StorageCause.NO_ANSWER:
        detail = f"{WORDS[error.cause]}; retry shortly"
        return _retry_later(ErrorCode.STORAGE_UNAVAILABLE, detail)
    detail = (
        "the order was written by another release of this service; retry shortly"
        if isinstance(error, OrderUnreadable)
        else "the order store did not answer; retry shortly"
    )
    return _retry_later(ErrorCode.STORAGE_UNAVAILABLE, detail)


def _no_quote(error: VenueUnavailable | AttemptFailed) -> Response:
    detail = error.detail if isinstance(error, AttemptFailed) else str(error)
    return _retry_later(ErrorCode.NO_QUOTE, detail)


def _unfillable(error: OrderUnfillable) -> Response:
    if error.reason is FailureReason.NOT_OPEN:
        return problem(409, ErrorCode.NOT_OPEN, error.detail)
    return problem(422, ErrorCode.INSUFFICIENT_LIQUIDITY, error.detail)


def _internal_error(error: Exception) -> Response:
    log.error("unhandled_error", endpoint=request.endpoint, exc_info=error)
    return problem(500, ErrorCode.INTERNAL_ERROR, "the request failed inside the service")


def _retry_later(code: ErrorCode, detail: str, status: int = 503) -> Response:
    return problem(status, code, detail, headers={"Retry-After": str(RETRY_AFTER_S)})
