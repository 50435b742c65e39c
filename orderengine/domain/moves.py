"""The moves: every change of an order, with the event that it writes.

A move names its kind; `TRANSITIONS` says where a move of this kind may start, and where it leads.
Storage executes a move as one fenced statement.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from orderengine.domain.codec import document_of
from orderengine.domain.errors import FailureReason
from orderengine.domain.events import JsonObject
from orderengine.domain.fields import FLAT, Part, Seen, Told
from orderengine.domain.order import Fill, MoveKind, OrderStatus, SignedTransaction
from orderengine.domain.routing import LimitAmount, Route


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


class _Told:
    """A move whose members are the data of its event."""

    __slots__ = ()

    @property
    def data(self) -> JsonObject:
        """The event's data."""
        return document_of(type(self))(self)


@dataclass(frozen=True, slots=True)
class StartRouting(_Told):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(_Told):
    """Store the route and the worst amount to settle the order at."""

    kind: ClassVar[MoveKind] = MoveKind.BUILD
    dex: ClassVar[Part] = Part("route.venue", "The venue, or several, joined by `+`.")
    quoted_price: ClassVar[Part] = Part("route.price", "The price over all legs.")
    limit_amount: LimitAmount
    route: Annotated[Route, FLAT]


@dataclass(frozen=True, slots=True)
class Submit(_Told):
    """Store the signed bytes before they are sent."""

    transaction: Annotated[SignedTransaction, FLAT]
    kind: ClassVar[MoveKind] = MoveKind.SUBMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm(_Told):
    """Record the network's execution of the live signature."""

    kind: ClassVar[MoveKind] = MoveKind.CONFIRM
    venue: Annotated[str, Told("The venue, or several, joined by `+`.", name="dex")]
    quoted_price: Annotated[Decimal, Told("The price over all legs when it was routed.")]
    signature: Annotated[str, Told("The transaction's signature.", name="txHash")]
    fill: Annotated[Fill, FLAT]


@dataclass(frozen=True, slots=True)
class FailAttempt(_Told):
    """End one attempt; the next one starts after `backoff_s` seconds."""

    reason: FailureReason
    detail: Annotated[str, Told("Why the attempt failed, in words.")]
    backoff_s: Annotated[float, Told(seen=Seen.ENGINE)]
    retry_in_ms: ClassVar[Part] = Part("backoff_ms", "Milliseconds until the next attempt begins.")
    kind: ClassVar[MoveKind] = MoveKind.FAIL_ATTEMPT

    @property
    def backoff_ms(self) -> int:
        """The delay of the next attempt in milliseconds."""
        return round(self.backoff_s * 1000)


@dataclass(frozen=True, slots=True)
class Fail(_Told):
    """End the order without a fill."""

    reason: FailureReason
    detail: Annotated[str, Told("Why the order failed, in words.")]
    kind: ClassVar[MoveKind] = MoveKind.FAIL


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
