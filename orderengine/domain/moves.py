"""The moves: every change of an order, with the event that it writes.

A move names its kind; `TRANSITIONS` says where a move of this kind may start, and where it leads.
Storage executes a move as one fenced statement.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from orderengine.domain.documents import decimal_text, fill_document, route_document
from orderengine.domain.errors import FailureReason
from orderengine.domain.events import JsonObject
from orderengine.domain.order import Fill, MoveKind, OrderStatus, SignedTransaction
from orderengine.domain.routing import Route


class RoutingCause(StrEnum):
    """Why an order is routed, or routed again."""

    ORDER = "order"
    RETRY = "retry"
    RECOVERY = "recovery"
    QUOTE_EXPIRED = "quoteExpired"

    @property
    def restarts_attempt(self) -> bool:
        """True when routing starts over in the same attempt."""
        return self in {RoutingCause.RECOVERY, RoutingCause.QUOTE_EXPIRED}


@dataclass(frozen=True, slots=True)
class StartRouting:
    """Start collecting quotes; a recovery or an expired quote restarts in the same attempt."""

    cause: RoutingCause

    @property
    def kind(self) -> MoveKind:
        """The kind of this move: a restart begins in other statuses than a first routing."""
        return MoveKind.REROUTE if self.restarts_attempt else MoveKind.ROUTE

    @property
    def restarts_attempt(self) -> bool:
        """True when routing starts over in the same attempt, which counts as a recovery."""
        return self.cause.restarts_attempt

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        return {"cause": self.cause.value}


@dataclass(frozen=True, slots=True)
class Build:
    """Store the route and the worst amount to settle the order at."""

    route: Route
    limit_amount: int
    kind: ClassVar[MoveKind] = MoveKind.BUILD

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
    kind: ClassVar[MoveKind] = MoveKind.SUBMIT

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
    kind: ClassVar[MoveKind] = MoveKind.CONFIRM

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
    kind: ClassVar[MoveKind] = MoveKind.FAIL_ATTEMPT

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
    kind: ClassVar[MoveKind] = MoveKind.FAIL

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
        """The delay from acceptance until recovery looks at the order."""
        return 2 * self.stage_s

    @property
    def submitted_s(self) -> float:
        """The delay from submission until recovery's first poll, and between its polls."""
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

    def after_claim(self, status: OrderStatus, claims_before: int) -> float:
        """The delay after recovery has claimed an order that it claimed `claims_before` times.

        Claims count from the order's last move. The statement `CLAIM_DUE` in `storage/sql.py`
        computes the same; the contract tests of the store hold it to these figures.
        """
        if status is OrderStatus.SUBMITTED:
            return self.submitted_s
        return min(self.submitted_s, self.stage_s * (1 << min(claims_before, 8)))
