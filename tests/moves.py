"""The moves in memory: a second account of what storage does, to test the store against."""

from dataclasses import replace
from datetime import datetime

from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.moves import Build, Confirm, Fail, FailAttempt, Move, StartRouting, Submit
from orderengine.domain.order import TRANSITIONS, FailedAttempt, Order
from orderengine.domain.routing import Route


def is_expired(route: Route, now: datetime) -> bool:
    """True when a route has expired and may not be built."""
    return now >= route.expires_at


def apply(order: Order, move: Move, now: datetime) -> Moved | None:
    """Make a move in memory: returns the moved order with its event, or None if not allowed."""
    target = TRANSITIONS[order.status].get(move.kind)
    if target is None or not _is_true_of(order, move, now):
        return None
    after = replace(_changed(order, move), status=target, version=order.version + 1, updated_at=now)
    event = OrderEvent(
        order_id=after.order_id,
        seq=after.version,
        status=after.status,
        attempt=after.attempt,
        occurred_at=now,
        data=move.data,
    )
    return Moved(after, event)


def _is_true_of(order: Order, move: Move, now: datetime) -> bool:
    match move:
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


def _changed(order: Order, move: Move) -> Order:
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
        case FailAttempt() | Fail():
            failed = FailedAttempt(order.attempt, move.reason, move.detail)
            after = replace(order, failed_attempts=(*order.failed_attempts, failed))
            if isinstance(move, Fail):
                return after
            return replace(after, attempt=order.attempt + 1, recoveries=0)
