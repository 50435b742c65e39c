"""The moves: every change of an order, with the event that it writes.

A move names its kind; `TRANSITIONS` says where a move of this kind may start, and where it leads.
Storage executes a move as one fenced statement.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from orderengine.domain.codec import document_of
from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import FailureReason
from orderengine.domain.events import JsonObject
from orderengine.domain.fields import FLAT, Part, Seen, Told
from orderengine.domain.fill import Fill, SignedTransaction
from orderengine.domain.order import MoveKind, NewOrder
from orderengine.domain.routing import LimitAmount, Route
from orderengine.domain.terms import TimeInForce

TRIGGERED = "triggered"
"""The cause of an order's start after it has waited."""


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
    cancel_too_late: Annotated[
        bool | None, Told("True if a cancel was requested and the swap landed nonetheless.")
    ] = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(_Told):
    """Start an order that waits: its condition holds."""

    kind: ClassVar[MoveKind] = MoveKind.TRIGGER
    cause: Annotated[str, Told("`triggered`: the condition of the order held.")] = TRIGGERED
    seen_price: Annotated[
        Decimal | None, Told("The price that started the order, in USDC for one whole token.")
    ] = None
    source: Annotated[str | None, Told("Where that price came from.")] = None
    priced_at: Annotated[datetime | None, Told("When that price was seen.")] = None
    daily: Annotated[DailyCharge | None, Told(seen=Seen.ENGINE)] = None


@dataclass(frozen=True, slots=True)
class Rest(_Told):
    """Let a limit order wait again, because it could not be filled at its price.

    `paid` says if its transaction landed with an error, which costs a fee.
    """

    reason: FailureReason
    detail: Annotated[str, Told("Why the order could not be filled, in words.")]
    paid: Annotated[bool, Told(seen=Seen.ENGINE)] = False
    kind: ClassVar[MoveKind] = MoveKind.REST


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend(_Told):
    """Give an order that waits new terms: these are all that can change, changed or not."""

    kind: ClassVar[MoveKind] = MoveKind.AMEND
    quantity: Annotated[Decimal | None, Told("Whole tokens of the base asset.")]
    quote_quantity: Annotated[Decimal | None, Told("The exact amount of USDC.")]
    slippage_tolerance_bps: Annotated[int | None, Told(name="slippageBps")]
    worst_price: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    min_liquidity: Annotated[Decimal | None, Told("The least USDC in the pool of a sniper.")]
    time_in_force: TimeInForce
    expires_at: datetime | None

    @classmethod
    def to(cls, terms: NewOrder) -> Self:
        """The move that gives an order these terms."""
        return cls(**{name: getattr(terms, name) for name in AMENDED})


AMENDED = tuple(each.name for each in fields(Amend))
"""The fields that an amendment may change."""


@dataclass(frozen=True, slots=True)
class NotFilled(_Told):
    """End an order that had one try, which found no price for it."""

    because: Annotated[FailureReason, Told("Why it could not be filled.")]
    detail: Annotated[str, Told("The same in words.")]
    reason: FailureReason = FailureReason.NOT_FILLED
    kind: ClassVar[MoveKind] = MoveKind.NOT_FILLED


@dataclass(frozen=True, slots=True)
class EndCanceled(_Told):
    """Cancel a submitted order at last: its transaction can land no more, or has failed."""

    detail: Annotated[str, Told("What became of the order's transaction, if it had one.")]
    kind: ClassVar[MoveKind] = MoveKind.END_CANCELED


@dataclass(frozen=True, slots=True)
class EndExpired(_Told):
    """Let a submitted order expire at last: its transaction can land no more, or has failed."""

    detail: Annotated[str, Told("What became of the order's transaction, if it had one.")]
    kind: ClassVar[MoveKind] = MoveKind.END_EXPIRED


@dataclass(frozen=True, slots=True)
class Cancel(_Told):
    """Cancel an order that has no transaction which may land."""

    kind: ClassVar[MoveKind] = MoveKind.CANCEL


@dataclass(frozen=True, slots=True)
class RequestCancel(_Told):
    """Ask to cancel an order whose transaction may still land."""

    cancel_requested: Annotated[bool, Told("True: the network decides how the order ends.")] = True
    kind: ClassVar[MoveKind] = MoveKind.REQUEST_CANCEL


@dataclass(frozen=True, slots=True)
class Expire(_Told):
    """End an order whose time has passed, and that has no transaction which may land."""

    kind: ClassVar[MoveKind] = MoveKind.EXPIRE


Move = (
    StartRouting
    | Build
    | Submit
    | Confirm
    | FailAttempt
    | Fail
    | Trigger
    | Rest
    | Amend
    | NotFilled
    | EndCanceled
    | EndExpired
)
"""The moves that name the version of their order, or the transaction that it had."""

AnyMove = Move | Cancel | RequestCancel | Expire
"""All moves, with those that storage makes of whatever order it finds."""
