"""The moves: every change of an order, with the event that it writes.

A move names its start statuses and its target; a test checks them against `TRANSITIONS`. Storage
executes a move as one fenced statement. `apply` is the same step in memory, a model to test the
store against.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from orderengine.domain.documents import decimal_text, fill_document, route_document
from orderengine.domain.errors import FailureReason
from orderengine.domain.events import JsonObject, Moved, OrderEvent
from orderengine.domain.order import (
    OPEN_STATUSES,
    FailedAttempt,
    Fill,
    Order,
    OrderStatus,
    SignedTransaction,
)
from orderengine.domain.routing import Route


class RoutingCause(StrEnum):
    """Why an order is routed, or routed again."""

    ORDER = "order"
    RETRY = "retry"
    RECOVERY = "recovery"
    QUOTE_EXPIRED = "quoteExpired"

    @property
    def is_recovery(self) -> bool:
        """True when routing starts over in the same attempt."""
        return self in {RoutingCause.RECOVERY, RoutingCause.QUOTE_EXPIRED}


@dataclass(frozen=True, slots=True)
class StartRouting:
    """Start collecting quotes; a recovery or an expired quote restarts in the same attempt."""

    cause: RoutingCause
    target: ClassVar[OrderStatus] = OrderStatus.ROUTING

    @property
    def sources(self) -> frozenset[OrderStatus]:
        """The statuses from which this move may start."""
        if self.cause in {RoutingCause.ORDER, RoutingCause.RETRY}:
            return frozenset({OrderStatus.PENDING})
        return frozenset({OrderStatus.ROUTING, OrderStatus.BUILDING})

    @property
    def is_recovery(self) -> bool:
        """True when the move restarts routing, and so counts towards the cap on recoveries."""
        return self.cause.is_recovery

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        return {"cause": self.cause.value}


@dataclass(frozen=True, slots=True)
class Build:
    """Store the route and the worst amount to settle the order at."""

    route: Route
    limit_amount: int
    sources: ClassVar[frozenset[OrderStatus]] = frozenset({OrderStatus.ROUTING})
    target: ClassVar[OrderStatus] = OrderStatus.BUILDING

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        return {
            "quotedPrice": decimal_text(self.route.price),
            "limitAmount": str(self.limit_amount),
            **route_document(self.route),
        }


@dataclass(frozen=True, slots=True)
class Submit:
    """Store the signed bytes before they are sent."""

    transaction: SignedTransaction
    sources: ClassVar[frozenset[OrderStatus]] = frozenset({OrderStatus.BUILDING})
    target: ClassVar[OrderStatus] = OrderStatus.SUBMITTED

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        return {
            "txHash": self.transaction.signature,
            "lastValidHeight": self.transaction.last_valid_height,
        }


@dataclass(frozen=True, slots=True)
class Confirm:
    """Record the network's execution of the live signature."""

    signature: str
    venue: str
    quoted_price: Decimal
    fill: Fill
    sources: ClassVar[frozenset[OrderStatus]] = frozenset({OrderStatus.SUBMITTED})
    target: ClassVar[OrderStatus] = OrderStatus.CONFIRMED

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        return {
            "dex": self.venue,
            "quotedPrice": decimal_text(self.quoted_price),
            "txHash": self.signature,
            **fill_document(self.fill),
        }


@dataclass(frozen=True, slots=True)
class FailAttempt:
    """End one attempt; the next one starts after `backoff_s` seconds."""

    reason: FailureReason
    detail: str
    backoff_s: float
    target: ClassVar[OrderStatus] = OrderStatus.PENDING
    sources: ClassVar[frozenset[OrderStatus]] = frozenset(
        {OrderStatus.ROUTING, OrderStatus.BUILDING, OrderStatus.SUBMITTED}
    )

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        delay_ms = round(self.backoff_s * 1000)
        return {"reason": self.reason.value, "detail": self.detail, "retryInMs": delay_ms}


@dataclass(frozen=True, slots=True)
class Fail:
    """End the order without a fill."""

    reason: FailureReason
    detail: str
    sources: ClassVar[frozenset[OrderStatus]] = OPEN_STATUSES
    target: ClassVar[OrderStatus] = OrderStatus.FAILED

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        return {"reason": self.reason.value, "detail": self.detail}


Move = StartRouting | Build | Submit | Confirm | FailAttempt | Fail


@dataclass(frozen=True, slots=True)
class RecoveryDelays:
    """The delays before recovery looks at an order, in seconds.

    `stage_s` is the longest that one stage may take. A new order may wait twice as long in a queue;
    recovery polls the network about a submitted order after three times as long.
    """

    stage_s: float = 5.0

    @property
    def intake_s(self) -> float:
        """The longest that a new order may wait for a worker."""
        return 2 * self.stage_s

    @property
    def submitted_s(self) -> float:
        """The longest that the network may take, and the longest delay between two polls."""
        return 3 * self.stage_s

    def after(self, move: Move) -> float | None:
        """The delay after this move; None for a terminal order."""
        match move:
            case Confirm() | Fail():
                return None
            case Submit():
                return self.submitted_s
            case FailAttempt(backoff_s=backoff_s):
                return backoff_s + self.stage_s
            case _:
                return self.stage_s

    def again(self, status: OrderStatus, redispatched: int) -> float:
        """The delay after the `redispatched`-th message of recovery for an order."""
        if status is OrderStatus.SUBMITTED:
            return self.submitted_s
        return min(self.submitted_s, self.stage_s * (1 << min(redispatched, 8)))


def is_expired(route: Route, now: datetime) -> bool:
    """True when a route has expired and may not be built."""
    return now >= route.expires_at


def apply(order: Order, move: Move, now: datetime) -> Moved | None:
    """Make a move in memory: returns the moved order with its event, or None if not allowed."""
    if order.status not in move.sources:
        return None
    if not _is_true_of(order, move, now):
        return None
    after = replace(
        _changed(order, move), status=move.target, version=order.version + 1, updated_at=now
    )
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
                recoveries=order.recoveries + move.is_recovery,
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
