"""The order and its state machine."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from orderengine.domain.codec import document_of
from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import FailureReason
from orderengine.domain.fields import FLAT, Part, Seen, Told
from orderengine.domain.fill import Fill, SignedTransaction
from orderengine.domain.routing import LimitAmount, Route
from orderengine.domain.side import Side
from orderengine.domain.terms import Amounts, OrderType, TimeInForce, TriggerOn, Waits


class OrderStatus(StrEnum):
    """The status of an order; the last four are terminal."""

    WAITING = "waiting"
    PENDING = "pending"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """True when no transition leads out."""
        return not TRANSITIONS[self]

    @property
    def is_idle(self) -> bool:
        """True if an open order may stay in this status for weeks: recovery leaves it alone."""
        return self is OrderStatus.WAITING


class MoveKind(StrEnum):
    """The kinds of moves; `domain.moves` has a class for each (ROUTE and REROUTE share one)."""

    ROUTE = "route"
    REROUTE = "reroute"
    BUILD = "build"
    SUBMIT = "submit"
    CONFIRM = "confirm"
    FAIL_ATTEMPT = "fail_attempt"
    FAIL = "fail"
    TRIGGER = "trigger"
    REST = "rest"
    AMEND = "amend"
    CANCEL = "cancel"
    REQUEST_CANCEL = "request_cancel"
    EXPIRE = "expire"
    NOT_FILLED = "not_filled"
    END_CANCELED = "end_canceled"
    END_EXPIRED = "end_expired"


_ENDED_FROM_OUTSIDE = {MoveKind.CANCEL: OrderStatus.CANCELED, MoveKind.EXPIRE: OrderStatus.EXPIRED}
"""What a client and the clock may do to an order that has no transaction which may land."""

TRANSITIONS: Mapping[OrderStatus, Mapping[MoveKind, OrderStatus]] = {
    OrderStatus.WAITING: {
        MoveKind.TRIGGER: OrderStatus.PENDING,
        MoveKind.AMEND: OrderStatus.WAITING,
        **_ENDED_FROM_OUTSIDE,
    },
    OrderStatus.PENDING: {
        MoveKind.ROUTE: OrderStatus.ROUTING,
        MoveKind.FAIL: OrderStatus.FAILED,
        **_ENDED_FROM_OUTSIDE,
    },
    OrderStatus.ROUTING: {
        MoveKind.BUILD: OrderStatus.BUILDING,
        MoveKind.REROUTE: OrderStatus.ROUTING,  # recovery: the same attempt, fresh quotes
        MoveKind.FAIL_ATTEMPT: OrderStatus.PENDING,  # another attempt is left
        MoveKind.REST: OrderStatus.WAITING,  # a limit order whose price left
        MoveKind.FAIL: OrderStatus.FAILED,
        MoveKind.NOT_FILLED: OrderStatus.EXPIRED,
        **_ENDED_FROM_OUTSIDE,
    },
    OrderStatus.BUILDING: {
        MoveKind.SUBMIT: OrderStatus.SUBMITTED,
        MoveKind.REROUTE: OrderStatus.ROUTING,  # nothing is signed yet, so new quotes are safe
        MoveKind.FAIL_ATTEMPT: OrderStatus.PENDING,
        MoveKind.REST: OrderStatus.WAITING,
        MoveKind.FAIL: OrderStatus.FAILED,
        MoveKind.NOT_FILLED: OrderStatus.EXPIRED,
        **_ENDED_FROM_OUTSIDE,
    },
    # Left only on the network's answer about the live signature, never by a time-out of ours.
    OrderStatus.SUBMITTED: {
        MoveKind.CONFIRM: OrderStatus.CONFIRMED,
        MoveKind.FAIL_ATTEMPT: OrderStatus.PENDING,
        MoveKind.REST: OrderStatus.WAITING,
        MoveKind.FAIL: OrderStatus.FAILED,
        MoveKind.NOT_FILLED: OrderStatus.EXPIRED,
        MoveKind.REQUEST_CANCEL: OrderStatus.SUBMITTED,
        MoveKind.END_CANCELED: OrderStatus.CANCELED,
        MoveKind.END_EXPIRED: OrderStatus.EXPIRED,
    },
    OrderStatus.CONFIRMED: {},
    OrderStatus.FAILED: {},
    OrderStatus.CANCELED: {},
    OrderStatus.EXPIRED: {},
}
"""The state machine: for each status, the moves that may start there, and where each one leads."""

SOURCES: Mapping[MoveKind, frozenset[OrderStatus]] = {
    kind: frozenset(status for status, moves in TRANSITIONS.items() if kind in moves)
    for kind in MoveKind
}
"""The statuses from which each kind of move may start."""

TARGETS: Mapping[MoveKind, OrderStatus] = {
    kind: target for moves in TRANSITIONS.values() for kind, target in moves.items()
}
"""The status to which each kind of move leads, from every source the same."""


def known_status(name: str) -> OrderStatus | None:
    """The status of this name; None for a status that only a later release knows."""
    try:
        return OrderStatus(name)
    except ValueError:
        return None


OPEN_STATUSES: tuple[OrderStatus, ...] = tuple(s for s in OrderStatus if not s.is_terminal)
TERMINAL_STATUSES: tuple[OrderStatus, ...] = tuple(s for s in OrderStatus if s.is_terminal)
IDLE_STATUSES: tuple[OrderStatus, ...] = tuple(s for s in OrderStatus if s.is_idle)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder(Amounts, Waits):
    """A client's order request, already validated against the instrument.

    It names one of two exact amounts: `quantity`, in whole tokens of the base asset, or
    `quote_quantity`, in USDC. `slippage_tolerance_bps` is in 0..10000, or None if a price alone
    bounds the swap. Prices are in USDC per token; `worst_price` and `limit_price` bind every
    attempt. `max_legs` is at least 1. `client_order_id` is the client's own id, unique among its
    orders; `request_id` identifies the request in the logs. `base_decimals` and `base_mint` are the
    instrument's when an order that waits came. `placed_on` is the network that it came for, if that
    was known. `daily` is what it takes of its client's day.
    """

    order_id: Annotated[UUID, Told(column="id")]
    client_id: Annotated[str, Told(seen=Seen.OPERATORS)]
    symbol: str
    side: Side
    quantity: Annotated[Decimal | None, Told("Whole tokens of the base asset.")] = None
    quote_quantity: Annotated[
        Decimal | None, Told("The USDC that a buy spends, or a sell receives, exactly.")
    ] = None
    slippage_tolerance_bps: Annotated[int | None, Told(name="slippageBps")]
    client_order_id: Annotated[str | None, Told("The client's own name for the order.")] = None
    worst_price: Annotated[
        Decimal | None,
        Told("The worst acceptable price of every attempt, in USDC for one whole token."),
    ] = None
    max_legs: Annotated[int, Told("The maximum number of venues for the order.")] = 1
    type: Annotated[OrderType, Told("What the order waits for, if for anything.")] = (
        OrderType.MARKET
    )
    limit_price: Annotated[
        Decimal | None,
        Told("The price of a limit order for its own size, in USDC, after fees and impact."),
    ] = None
    stop_price: Annotated[
        Decimal | None, Told("The reference price that starts a stop order, in USDC.")
    ] = None
    trigger: ClassVar[Part] = Part("pool_trigger", "What a sniper waits for.")
    trigger_on: Annotated[TriggerOn | None, Told(seen=Seen.OPERATORS)] = None
    min_liquidity: Annotated[Decimal | None, Told(seen=Seen.OPERATORS)] = None
    time_in_force: Annotated[
        TimeInForce, Told("`IOC`: one try; `GTC`: until canceled; `GTD`: until `expiresAt`.")
    ] = TimeInForce.IOC
    expires_at: Annotated[
        datetime | None,
        Told("From then on nothing is signed; a transaction sent before may still land."),
    ] = None
    base_decimals: Annotated[int | None, Told(seen=Seen.ENGINE)] = None
    base_mint: Annotated[str | None, Told(seen=Seen.ENGINE)] = None
    placed_on: Annotated[str | None, Told(seen=Seen.ENGINE)] = None
    daily: Annotated[DailyCharge | None, Told(seen=Seen.ENGINE, column=None)] = None
    request_id: Annotated[str | None, Told(seen=Seen.ENGINE)] = None

    @property
    def data(self) -> Mapping[str, Any]:
        """The data of the order's first event."""
        return _requested(self)


_requested = document_of(NewOrder, without="orderId")  # each event has it beside its data


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """Why one attempt of an order failed."""

    attempt: int
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(NewOrder):
    """A stored order: `version` is its fencing token and counts its events from 1.

    `first_attempt` is the attempt from which its budget counts: that of its latest start.
    `times_rested` counts the returns to `waiting`, `paid_rests` those after a landed revert.

    `route`, `limit_amount` (see `LimitAmount`) and `transaction` are the latest ones. Routing
    clears them; a failed attempt keeps them until then.
    """

    status: OrderStatus
    attempt: int
    version: Annotated[int, Told("The `seq` of the order's latest event.")]
    recoveries: Annotated[int, Told(seen=Seen.OPERATORS)]
    first_attempt: Annotated[int, Told(seen=Seen.OPERATORS)] = 1
    times_rested: Annotated[int, Told(seen=Seen.OPERATORS, column="rests")] = 0
    paid_rests: Annotated[int, Told(seen=Seen.OPERATORS)] = 0
    cancel_requested_at: Annotated[datetime | None, Told("When its client asked to cancel it.")] = (
        None
    )
    held_because: Annotated[
        FailureReason | None, Told("Why an order goes on waiting, if not for its condition.")
    ] = None
    created_at: Annotated[datetime, Told("When the order was accepted.")]
    updated_at: Annotated[datetime, Told("When its status last changed.")]
    dex: ClassVar[Part] = Part(
        "route.venue",
        "The venue that the order was routed to; several, joined by `+`, if it was split.",
    )
    quoted_price: ClassVar[Part] = Part(
        "route.price", "The price over all legs when it was routed."
    )
    limit_amount: LimitAmount | None = None
    route: Annotated[Route | None, FLAT] = None
    tx_hash: ClassVar[Part] = Part(
        "transaction.signature", "The signature of the latest transaction."
    )
    transaction: Annotated[SignedTransaction | None, Told(seen=Seen.OPERATORS, column=None)] = None
    fill: Annotated[Fill | None, FLAT] = None
    reason: ClassVar[Part] = Part("failure.reason")
    detail: ClassVar[Part] = Part("failure.detail", "Why the order failed, in words.")
    failed_attempts: tuple[FailedAttempt, ...] = ()

    @classmethod
    def accepted(cls, request: NewOrder, at: datetime) -> "Order":
        """The order of a request when it is accepted."""
        asked: dict[str, Any] = {name: getattr(request, name) for name in _ASKED}
        return cls(
            **asked,
            status=OrderStatus.WAITING if request.waits else OrderStatus.PENDING,
            attempt=1,
            version=1,
            recoveries=0,
            created_at=at,
            updated_at=at,
        )

    @property
    def failure(self) -> FailedAttempt | None:
        """Why the order ended without a fill; None if it did not, or if it was told to."""
        if self.status is OrderStatus.FAILED:
            return self.failed_attempts[-1]
        if self.status is not OrderStatus.EXPIRED or not self.failed_attempts:
            return None
        latest = self.failed_attempts[-1]
        return latest if latest.reason is FailureReason.NOT_FILLED else None


_ASKED = tuple(each.name for each in fields(NewOrder) if each.name != "daily")
