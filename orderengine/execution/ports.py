"""What the use cases need from outside, as protocols; adapters and `tests/fakes.py` give it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol
from uuid import UUID

from orderengine.domain.errors import StorageFault
from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.idempotency import AcceptedBefore
from orderengine.domain.instruments import Instrument
from orderengine.domain.moves import Fail, Move, RoutingCause
from orderengine.domain.order import FillLeg, NewOrder, Order, SignedTransaction
from orderengine.domain.pricing import BPS_PLACES
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.handover import Submitted
from orderengine.execution.lists import OrderLists
from orderengine.execution.unreadable import Unreadable, UnreadableEvent


class Orders(OrderLists, Protocol):
    """The store of orders and their events: the truth.

    Every method raises StorageUnavailable when there is no answer; a write may then have happened.
    A row of another release that can not be read holds up no other one; who asks for that very
    order gets OrderUnreadable.
    """

    def accept(self, order: NewOrder) -> Moved:
        """Store a new order at version 1, `pending`, with its first event.

        Raises ClientOrderIdTaken if its client has an order of this name; nothing is stored then.
        """

    def accept_once(self, order: NewOrder, key: str) -> Moved | None:
        """Store a new order under the client's key; None, and nothing stored, if it is taken.

        So it is if the client has an order of this name, whose key is another one or none.

        Raises IdempotencyConflict while another request is storing that key.
        """

    def accepted_before(self, client_id: str, key: str) -> AcceptedBefore | None:
        """What was accepted under a client's key, or None."""

    def named(self, client_id: str, client_order_id: str) -> Order | None:
        """The client's order of this name, or None."""

    def forget_keys(self, age_s: float, limit: int) -> int:
        """Drop up to `limit` keys that are older than `age_s` seconds; returns how many."""

    def move(self, order_id: UUID, version: int, move: Move) -> Moved | None:
        """Carry out one move if the order still is at `version` and may make it; else None."""

    def give_up(self, order_id: UUID, version: int, failure: Fail) -> bool:
        """Fail an order without reading it; False if it is not at `version`, or over."""

    def count_recovery(self, order_id: UUID, version: int) -> bool:
        """Count a recovery of a pending order ahead of its move; False if it has moved."""

    def get(self, order_id: UUID) -> Order | None:
        """The order as it is now, or None."""

    def events(self, order_id: UUID, after: int = 0) -> list[OrderEvent]:
        """The order's events with `seq` beyond `after`, in order, up to one that can not be read.

        Raises OrderUnreadable if that is the first event.
        """

    def events_after(self, seen: Mapping[UUID, int]) -> Sequence[OrderEvent | UnreadableEvent]:
        """The events of many orders, each beyond the `seq` seen so far, in order per order."""

    def count_open(self, client_id: str, limit: int) -> int:
        """How many orders of a client have not ended; counting stops at `limit`."""

    def claim_due(self, limit: int) -> Sequence[Order | Unreadable]:
        """Take orders whose time for recovery has come, and put off their next time.

        Those whose time came first are taken; the oldest of them is told first.
        """


@dataclass(frozen=True, slots=True)
class SwapLeg:
    """The part of a swap that one pool trades: exactly `base_amount`, in base units.

    `base_decimals` are those of the amount; None stands for `Instrument.unstated_decimals`.
    """

    venue: str
    pool: str
    base_amount: int
    base_decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap to sign: all of its legs or none, together at `limit_amount` of USDC or better."""

    order_id: UUID
    attempt: int
    symbol: str
    side: Side
    legs: tuple[SwapLeg, ...]
    limit_amount: int

    @property
    def base_amount(self) -> int:
        """What all legs trade together, in base units."""
        return sum(leg.base_amount for leg in self.legs)


class Venue(Protocol):
    """A place to trade."""

    @property
    def name(self) -> str:
        """The name shown to clients, e.g. `raydium`."""

    def offer(self, instrument: Instrument, side: Side) -> Offer:
        """Look at the best pool now; what it offers is priced without asking again.

        Raises VenueUnavailable without an answer, OrderUnfillable if there is no such pool.
        """


@dataclass(frozen=True, slots=True)
class Execution:
    """A landed swap as the network tells it, leg by leg and over all of them."""

    legs: tuple[FillLeg, ...]
    landed_at: datetime

    @property
    def base_amount(self) -> int:
        """What was traded of the base asset, in base units."""
        return sum(leg.base_amount for leg in self.legs)

    @property
    def quote_amount(self) -> int:
        """What was paid or got, in base units of USDC."""
        return sum(leg.quote_amount for leg in self.legs)

    @property
    def fee(self) -> Decimal:
        """The pools' fees, in USDC."""
        return sum((leg.fee for leg in self.legs), Decimal(0))

    @property
    def market_impact_bps(self) -> Decimal:
        """The legs' impact, averaged by their USDC."""
        moved = sum((leg.market_impact_bps * leg.quote_amount for leg in self.legs), Decimal(0))
        return (moved / self.quote_amount).quantize(BPS_PLACES, ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Reverted:
    """A transaction that landed with an error: it changed nothing and cannot land again."""

    slippage_exceeded: bool
    detail: str


@dataclass(frozen=True, slots=True)
class InFlight:
    """The network knows the signature, and it has not landed yet."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The network does not know the signature."""


Outcome = Execution | Reverted | InFlight | Unknown


class SettlementNetwork(Protocol):
    """The network that settles; every method raises NetworkUnavailable without an answer."""

    @property
    def typical_confirmation_s(self) -> float:
        """How long after sending a first look at the outcome usually pays."""

    def sign(self, swap: Swap) -> SignedTransaction:
        """Sign a swap against a fresh block; nothing is sent."""

    def send(self, transaction: SignedTransaction) -> None:
        """Send signed bytes; sending the same ones again is harmless."""

    def look_up(self, signature: str) -> Outcome:
        """What became of a signature, as far as the network knows now."""

    def final_height(self) -> int:
        """The height of the latest block that can not be undone."""

    def look_up_expired(self, transaction: SignedTransaction) -> Outcome:
        """What became of a transaction whose last valid height is final.

        The answer Unknown is a proof: nothing in flight can land behind it. Raises
        NetworkUnavailable also when the network can not give that proof yet.
        """


class EventPublisher(Protocol):
    """Tells the streams; a loss delays a client's view by a second and loses nothing."""

    def publish(self, moved: Moved) -> None:
        """Publish a stored event, bounded in time; never raises."""


class Dispatcher(Protocol):
    """Hands work to the workers; every method raises DispatchUnavailable if it could not."""

    def route(
        self,
        order_id: UUID,
        version: int,
        cause: RoutingCause,
        delay_s: float = 0.0,
        *,
        again: bool = False,
    ) -> None:
        """Start the chain at its first stage, after a delay.

        `again`: an earlier message of the same kind came to nothing, and this one is counted.
        """

    def confirm(self, submitted: Submitted) -> None:
        """Start the last stage alone, for one look at the network."""

    def waiting(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        """Those of these orders, each at a version, of which a message waits for a worker."""

    def ping(self) -> None:
        """Return if messages can be sent now."""


class Clock(Protocol):
    """The database's time."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""


class OrderCache(Protocol):
    """The latest state of recent orders, close by; it may be behind by two seconds."""

    def get(self, order_id: UUID) -> Order | None:
        """The cached order, or None if it is not cached or the cache gives no answer."""


class QuoteBoard(Protocol):
    """Asks all venues at the same time."""

    def collect(
        self, instrument: Instrument, side: Side
    ) -> tuple[Sequence[Offer], Mapping[str, Exception]]:
        """The offers in hand, and for each venue without one its error."""


class Probes(Protocol):
    """Looks at what the service stands on; every look is bounded in time and never raises."""

    def database_fault(self) -> StorageFault | None:
        """None when orders can be written and the schema is current, else what is wrong."""

    def lacks_connections(self) -> bool:
        """Whether a statement found no connection to PostgreSQL within the last minute."""

    def redis_trouble(self) -> tuple[str, str] | None:
        """Why Redis is of no use, and that in words; for the start, since it takes seconds."""

    def degraded(self) -> Mapping[str, str]:
        """What is missing without stopping the service, each with its cause: `redis`, `worker`."""


class Circuit(Protocol):
    """Remembers that a dependency failed a moment ago, so that it is not waited for each time."""

    @property
    def cause(self) -> str:
        """Why it failed the last time, in one word."""

    def allows(self) -> bool:
        """True if a call may be made now; the caller then reports how it went."""

    def failed(self, error: Exception) -> None:
        """Report a call without an answer."""

    def succeeded(self) -> None:
        """Report a call with an answer."""
