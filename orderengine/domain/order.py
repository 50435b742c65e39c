"""The order and its state machine."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from orderengine.domain.codec import document_of
from orderengine.domain.errors import FailureReason
from orderengine.domain.fields import FLAT, BaseUnits, BpsAsPercent, Part, Seen, Told
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.routing import LimitAmount, Route
from orderengine.domain.side import Asset, Side


class OrderStatus(StrEnum):
    """The status of an order; the last two are terminal."""

    PENDING = "pending"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """True when no transition leads out."""
        return not TRANSITIONS[self]


class MoveKind(StrEnum):
    """The kinds of moves; `domain.moves` has a class for each (ROUTE and REROUTE share one)."""

    ROUTE = "route"
    REROUTE = "reroute"
    BUILD = "build"
    SUBMIT = "submit"
    CONFIRM = "confirm"
    FAIL_ATTEMPT = "fail_attempt"
    FAIL = "fail"


TRANSITIONS: Mapping[OrderStatus, Mapping[MoveKind, OrderStatus]] = {
    OrderStatus.PENDING: {
        MoveKind.ROUTE: OrderStatus.ROUTING,
        MoveKind.FAIL: OrderStatus.FAILED,
    },
    OrderStatus.ROUTING: {
        MoveKind.BUILD: OrderStatus.BUILDING,
        MoveKind.REROUTE: OrderStatus.ROUTING,  # recovery: the same attempt, fresh quotes
        MoveKind.FAIL_ATTEMPT: OrderStatus.PENDING,  # another attempt is left
        MoveKind.FAIL: OrderStatus.FAILED,
    },
    OrderStatus.BUILDING: {
        MoveKind.SUBMIT: OrderStatus.SUBMITTED,
        MoveKind.REROUTE: OrderStatus.ROUTING,  # nothing is signed yet, so new quotes are safe
        MoveKind.FAIL_ATTEMPT: OrderStatus.PENDING,
        MoveKind.FAIL: OrderStatus.FAILED,
    },
    # Left only on the network's answer about the live signature, never by a time-out of ours.
    OrderStatus.SUBMITTED: {
        MoveKind.CONFIRM: OrderStatus.CONFIRMED,
        MoveKind.FAIL_ATTEMPT: OrderStatus.PENDING,
        MoveKind.FAIL: OrderStatus.FAILED,
    },
    OrderStatus.CONFIRMED: {},
    OrderStatus.FAILED: {},
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A client's order request, already validated against the instrument.

    It names one of two exact amounts: `quantity`, in whole tokens of the base asset, or
    `quote_quantity`, in USDC. It has `slippage_tolerance_bps` in 0..10000.
    `worst_price` (USDC per token) binds every attempt; `max_legs` is at least 1.
    `client_order_id` is the client's own id, unique among its orders; `request_id` identifies the
    request in the logs.
    """

    order_id: Annotated[UUID, Told(column="id")]
    client_id: Annotated[str, Told(seen=Seen.OPERATORS)]
    symbol: str
    side: Side
    quantity: Annotated[Decimal | None, Told("Whole tokens of the base asset.")] = None
    quote_quantity: Annotated[
        Decimal | None, Told("The USDC that a buy spends, or a sell receives, exactly.")
    ] = None
    slippage_tolerance_bps: Annotated[int, Told(name="slippageBps")]
    client_order_id: Annotated[str | None, Told("The client's own name for the order.")] = None
    worst_price: Annotated[
        Decimal | None,
        Told("The worst acceptable price of every attempt, in USDC for one whole token."),
    ] = None
    max_legs: Annotated[int, Told("The maximum number of venues for the order.")] = 1
    request_id: Annotated[str | None, Told(seen=Seen.ENGINE)] = None

    @property
    def exact(self) -> Asset:
        """The asset whose amount the order names."""
        return Asset.BASE if self.quote_quantity is None else Asset.QUOTE

    def exact_units(self, base_decimals: int) -> int:
        """The amount that the order names, in base units, rounded down.

        Raises ValueError for an order that names none.
        """
        if self.quote_quantity is not None:
            return int(self.quote_quantity.scaleb(USDC_DECIMALS))
        if self.quantity is None:
            raise ValueError(f"order {self.order_id} names no amount")
        return int(self.quantity.scaleb(base_decimals))

    @property
    def logged_amount(self) -> dict[str, str]:
        """The amount that the order names, as the field of a log line."""
        if self.quote_quantity is not None:
            return {"quote_quantity": f"{self.quote_quantity:f}"}
        return {"quantity": f"{self.quantity:f}"}

    @property
    def data(self) -> Mapping[str, Any]:
        """The data of the order's first event."""
        return _requested(self)


_requested = document_of(NewOrder, without="orderId")  # each event has it beside its data


def _no_payload(_: Mapping[str, Any]) -> bytes:
    """The payload in a document: only the row has the signed bytes."""
    return b""


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed swap: `payload` can land once, and only up to block `last_valid_height`."""

    signature: Annotated[str, Told("The transaction's signature.", name="txHash")]
    payload: Annotated[bytes, Told(seen=Seen.ENGINE, read=_no_payload)]
    last_valid_height: Annotated[
        int, Told("The last block height at which the transaction can land.")
    ]


@dataclass(frozen=True, slots=True)
class FillLeg:
    """One executed swap: amounts in base units, the fee in USDC."""

    venue: Annotated[str, Told("The venue.", name="dex")]
    pool: Annotated[str, Told("The venue's pool.")]
    base_amount: Annotated[BaseUnits, Told("The executed amount of the base asset")]
    quote_amount: Annotated[BaseUnits, Told("The executed amount of USDC")]
    fee: Annotated[Decimal, Told("USDC.")]
    market_impact_bps: Annotated[
        Decimal, Told("How far the swap itself moved this pool's price, in bps.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """The executed swap over all `legs`: amounts in base units, prices and fee in USDC.

    `slippage_bps` is signed (positive = worse than quoted); `market_impact_bps` is how far the
    swap itself moved its price away from the mid price.
    """

    executed_price: Annotated[Decimal, Told("USDC for one whole token, fees and impact included.")]
    slippage_bps: Annotated[
        BpsAsPercent, Told("Against the quoted price; positive is worse.", name="slippagePct")
    ]
    market_impact_bps: Annotated[Decimal, Told("How far the swap itself moved the price, in bps.")]
    fee: Annotated[Decimal, Told("USDC.")]
    base_amount: Annotated[BaseUnits, Told("The executed amount of the base asset")]
    quote_amount: Annotated[BaseUnits, Told("The executed amount of USDC")]
    landed_at: Annotated[datetime, Told("When the network executed the swap.")]
    legs: Annotated[tuple[FillLeg, ...], Told(name="executedLegs")]


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """Why one attempt of an order failed."""

    attempt: int
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(NewOrder):
    """A stored order: `version` is its fencing token and counts its events from 1.

    `route`, `limit_amount` (see `LimitAmount`) and `transaction` are the latest ones. Routing
    clears them; a failed attempt keeps them until then.
    """

    status: OrderStatus
    attempt: int
    version: Annotated[int, Told("The `seq` of the order's latest event.")]
    recoveries: Annotated[int, Told(seen=Seen.OPERATORS)]
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
            status=OrderStatus.PENDING,
            attempt=1,
            version=1,
            recoveries=0,
            created_at=at,
            updated_at=at,
        )

    @property
    def failure(self) -> FailedAttempt | None:
        """Why the order failed; None if it did not."""
        return self.failed_attempts[-1] if self.status is OrderStatus.FAILED else None


_ASKED = tuple(each.name for each in fields(NewOrder))
