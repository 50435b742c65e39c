"""Invariants of orders that are canceled, amended, or expire; each yields its violations. Pure."""

from collections.abc import Iterator

from chaos.changes import UNKNOWN, Change
from chaos.evidence import Evidence, Finding
from orderengine.domain.order import OrderStatus

HANG_S = 10.0
CANCELED, REQUESTED, TOO_LATE, MOVED = 200, 202, 409, 412
_ANSWERS = {
    True: (*UNKNOWN, CANCELED, REQUESTED, TOO_LATE),
    False: (*UNKNOWN, CANCELED, TOO_LATE, MOVED),
}


def changes_are_answered(evidence: Evidence) -> Iterator[Finding]:
    """A cancel or an amendment is answered in time, and as the order's state demands."""
    for change in evidence.changes:
        verb = "DELETE" if change.is_cancel else "PATCH"
        if change.status not in _ANSWERS[change.is_cancel]:
            yield change.order_id, f"{verb} was answered with {change.status}"
        if change.latency_s > HANG_S:
            yield change.order_id, f"{verb} took {change.latency_s:.1f} s ({change.status})"


def a_cancel_keeps_its_word(evidence: Evidence) -> Iterator[Finding]:
    """What was answered as canceled stays so; a request is decided; an end that was told stays."""
    for change in evidence.changes:
        order = evidence.orders.get(change.order_id)
        if not change.is_cancel or change.status in UNKNOWN or order is None:
            continue
        is_late = order.status == OrderStatus.CONFIRMED and order.is_told_late
        if order.status not in _allowed(change) and not (change.status == REQUESTED and is_late):
            yield change.order_id, f"is {order.status} after a cancel answered {change.status}"


def _allowed(change: Change) -> tuple[str | None, ...]:
    return (change.told,) if change.status == TOO_LATE else (OrderStatus.CANCELED,)


def requests_are_decided(evidence: Evidence) -> Iterator[Finding]:
    """An order to be canceled ends canceled, or confirmed and told so; no other one is told so."""
    for order in evidence.orders.values():
        is_late = order.is_to_be_canceled and order.status == OrderStatus.CONFIRMED
        if is_late != order.is_told_late:
            yield order.order_id, f"is {order.status}, its cancel told late: {order.is_told_late}"
        if order.is_to_be_canceled and not is_late and order.status != OrderStatus.CANCELED:
            yield order.order_id, f"was to be canceled and is {order.status}"
        if order.status == OrderStatus.CANCELED and not order.is_to_be_canceled:
            yield order.order_id, "is canceled, and nobody asked for it"


def an_amendment_is_one_event(evidence: Evidence) -> Iterator[Finding]:
    """An amendment that was answered has an event at the version of its answer."""
    taken: dict[tuple[str, int | None], int] = {}
    for change in evidence.changes:
        if change.is_cancel or change.status != CANCELED:
            continue
        key = change.order_id, change.version
        taken[key] = taken.get(key, 0) + 1
        seen = {each.seq: each.status for each in evidence.events.get(change.order_id, ())}
        if seen.get(change.version or 0) != OrderStatus.WAITING or taken[key] > 1:
            yield change.order_id, f"was amended to version {change.version}, and has {seen}"


def no_fill_is_beyond_its_limit(evidence: Evidence) -> Iterator[Finding]:
    """No limit order is filled at a price worse than its limit."""
    for order in evidence.orders.values():
        if order.is_beyond_limit:
            yield order.order_id, "was filled beyond its limit"


def time_is_kept(evidence: Evidence) -> Iterator[Finding]:
    """Nothing is signed after an order's time, and nothing expires before it."""
    for order in evidence.orders.values():
        if order.expires_at is None:
            continue
        if order.signed_at is not None and order.signed_at >= order.expires_at:
            yield order.order_id, f"was signed {order.signed_at - order.expires_at:.3f} s late"
        is_expired = order.status == OrderStatus.EXPIRED and order.failure_reason is None
        if is_expired and (order.ended_at or 0.0) < order.expires_at:
            yield order.order_id, "expired before its time"


OF_CHANGES = (
    changes_are_answered,
    a_cancel_keeps_its_word,
    requests_are_decided,
    an_amendment_is_one_event,
    no_fill_is_beyond_its_limit,
    time_is_kept,
)
