"""The order and its state machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from orderengine.domain.errors import FailureReason
from orderengine.domain.routing import Route
from orderengine.domain.side import Side


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


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A client's order request, already validated against the instrument.

    `quantity` is in whole tokens of the base asset, `slippage_tolerance_bps` in 0..10000.
    `worst_price` (USDC per token) binds every attempt; `max_legs` is at least 1.
    `client_order_id` is the client's own id, unique among its orders; `request_id` identifies the
    request in the logs.
    """

    order_id: UUID
    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    slippage_tolerance_bps: int
    worst_price: Decimal | None = None
    max_legs: int = 1
    client_order_id: str | None = None
    request_id: str | None = None

    @property
    def data(self) -> Mapping[str, str | int]:
        """The data of the order's first event."""
        bound = {} if self.worst_price is None else {"worstPrice": f"{self.worst_price:f}"}
        named = {} if self.client_order_id is None else {"clientOrderId": self.client_order_id}
        return {
            "symbol": self.symbol,
            "side": self.side.value,
            "quantity": f"{self.quantity:f}",
            "slippageBps": self.slippage_tolerance_bps,
            "maxLegs": self.max_legs,
            **bound,
            **named,
        }


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed swap: `payload` can land once, and only up to block `last_valid_height`."""

    signature: str
    payload: bytes
    last_valid_height: int


@dataclass(frozen=True, slots=True)
class FillLeg:
    """One executed swap: amounts in base units, the fee in USDC."""

    venue: str
    pool: str
    base_amount: int
    quote_amount: int
    fee: Decimal
    market_impact_bps: Decimal


@dataclass(frozen=True, slots=True)
class Fill:
    """The executed swap over all `legs`: amounts in base units, prices and fee in USDC.

    `slippage_bps` is signed (positive = worse than quoted); `market_impact_bps` is how far the
    swap itself moved its price away from the mid price.
    """

    base_amount: int
    quote_amount: int
    executed_price: Decimal
    fee: Decimal
    market_impact_bps: Decimal
    slippage_bps: Decimal
    landed_at: datetime
    legs: tuple[FillLeg, ...]


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """Why one attempt of an order failed."""

    attempt: int
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class Order:
    """A stored order: `version` is its fencing token and counts its events from 1.

    `route`, `limit_amount` (base units of USDC: the most a buy pays, the least a sell gets) and
    `transaction` are the latest ones. Routing clears them; a failed attempt keeps them until then.
    """

    order_id: UUID
    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    slippage_tolerance_bps: int
    status: OrderStatus
    version: int
    attempt: int
    recoveries: int
    created_at: datetime
    updated_at: datetime
    worst_price: Decimal | None = None
    max_legs: int = 1
    client_order_id: str | None = None
    request_id: str | None = None
    route: Route | None = None
    limit_amount: int | None = None
    transaction: SignedTransaction | None = None
    fill: Fill | None = None
    failed_attempts: tuple[FailedAttempt, ...] = ()

    @property
    def failure(self) -> FailedAttempt | None:
        """Why the order failed; None if it did not."""
        return self.failed_attempts[-1] if self.status is OrderStatus.FAILED else None
