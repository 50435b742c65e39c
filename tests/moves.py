"""The moves in memory: a second account of what storage does, to test the store against."""

from dataclasses import replace
from datetime import datetime

from orderengine.domain.events import JsonObject, Moved, OrderEvent
from orderengine.domain.moves import (
    AMENDED,
    Amend,
    AnyMove,
    Build,
    Cancel,
    Confirm,
    EndCanceled,
    EndExpired,
    Expire,
    Fail,
    FailAttempt,
    NotFilled,
    RequestCancel,
    Rest,
    StartRouting,
    Submit,
    Trigger,
)
from orderengine.domain.order import TRANSITIONS, FailedAttempt, Order
from orderengine.domain.routing import Route


def is_expired(route: Route, now: datetime) -> bool:
    """True when a route has expired and may not be built."""
    return now >= route.expires_at


def apply(order: Order, move: AnyMove, now: datetime) -> Moved | None:
    """Make a move in memory: returns the moved order with its event, or None if not allowed."""
    target = TRANSITIONS[order.status].get(move.kind)
    if target is None or not _is_true_of(order, move, now):
        return None
    changed = _changed(order, move, now)
    after = replace(changed, status=target, version=order.version + 1, updated_at=now)
    if not isinstance(move, Cancel | RequestCancel | Expire):
        after = replace(after, held_because=None)
    event = OrderEvent(
        order_id=after.order_id,
        seq=after.version,
        status=after.status,
        attempt=after.attempt,
        occurred_at=now,
        data=_data(order, move),
    )
    return Moved(after, event)


def _data(order: Order, move: AnyMove) -> JsonObject:
    if isinstance(move, Confirm) and order.cancel_requested_at is not None:
        return replace(move, cancel_too_late=True).data
    return move.data


def _has_passed(order: Order, now: datetime) -> bool:
    return order.expires_at is not None and now >= order.expires_at


def _is_true_of(order: Order, move: AnyMove, now: datetime) -> bool:
    has_passed, is_asked = _has_passed(order, now), order.cancel_requested_at is not None
    match move:
        case Submit() | Trigger() | Amend():
            return not has_passed
        case FailAttempt() | Fail() | NotFilled() | Rest():
            return not has_passed and not is_asked
        case EndCanceled():
            return is_asked
        case EndExpired() | Expire():
            return has_passed and not is_asked
        case RequestCancel():
            return not is_asked
        case Build(route=route):
            return not is_expired(route, now)
        case Confirm(signature=signature, quoted_price=quoted_price):
            live, route_now = order.transaction, order.route
            return (
                live is not None
                and route_now is not None
                and (live.signature, route_now.price) == (signature, quoted_price)
            )
        case _:
            return True


def _changed(order: Order, move: AnyMove, now: datetime) -> Order:
    match move:
        case StartRouting():
            return replace(
                order,
                recoveries=order.recoveries + move.restarts_attempt,
                route=None,
                limit_amount=None,
                transaction=None,
            )
        case Build(route=route, limit_amount=limit):
            return replace(order, route=route, limit_amount=limit)
        case Submit(transaction=transaction):
            return replace(order, transaction=transaction)
        case Confirm(fill=fill):
            return replace(order, fill=fill)
        case FailAttempt() | Fail() | NotFilled():
            failed = FailedAttempt(order.attempt, move.reason, move.detail)
            after = replace(order, failed_attempts=(*order.failed_attempts, failed))
            if not isinstance(move, FailAttempt):
                return after
            return replace(after, attempt=order.attempt + 1, recoveries=0)
        case _:
            return _changed_while_waiting(order, move, now)


def _changed_while_waiting(order: Order, move: AnyMove, now: datetime) -> Order:
    match move:
        case Rest(paid=paid):
            return replace(
                order,
                attempt=order.attempt + 1,
                recoveries=0,
                failed_attempts=(),
                times_rested=order.times_rested + 1,
                paid_rests=order.paid_rests + paid,
            )
        case Trigger():
            return replace(order, recoveries=0, first_attempt=order.attempt)
        case Amend():
            terms = {name: getattr(move, name) for name in AMENDED}
            return replace(
                order, **terms, times_rested=0, route=None, limit_amount=None, transaction=None
            )
        case Cancel() | RequestCancel():
            return replace(order, cancel_requested_at=now)
        case _:
            return order
