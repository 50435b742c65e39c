"""The ports of the use cases, as protocols; adapters and `tests/fakes.py` implement them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from orderengine.domain.errors import FailureReason, StorageFault
from orderengine.domain.events import Moved, OrderEvent, Step
from orderengine.domain.idempotency import AcceptedBefore
from orderengine.domain.instruments import Instrument
from orderengine.domain.moves import Build, Fail, Move, RoutingCause, StartRouting, Trigger
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.chain.handover import Built, Submitted
from orderengine.execution.queries.lists import OrderLists
from orderengine.execution.unreadable import Unreadable, UnreadableEvent
from orderengine.execution.waiting.endings import Endings


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """A move of the order that is at `version`.

    A submitted order with this live `signature` may make it at any version: its client's request to
    cancel raises the version, and changes nothing of what the network has told.
    """

    order_id: UUID
    version: int
    move: Move
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class PreparedStart:
    """The first moves of an order that waits at `version`, and whose route is in hand already."""

    order_id: UUID
    version: int
    trigger: Trigger
    build: Build

    @property
    def moves(self) -> tuple[Trigger, StartRouting, Build]:
        """The moves, in their order."""
        return self.trigger, StartRouting(RoutingCause.ORDER), self.build


class Orders(OrderLists, Endings, Protocol):
    """The store of orders and their events: the source of truth.

    Every method raises StorageUnavailable without an answer; a write may have happened nonetheless.
    An unreadable row of another release never blocks other orders; asking for that order raises
    OrderUnreadable.
    """

    def accept(self, order: NewOrder) -> Moved:
        """Store a new order at version 1, with its first event; `waiting` or `pending`.

        Raises ClientOrderIdTaken, storing nothing, if the client has an order with this
        clientOrderId.
        """

    def accept_once(self, order: NewOrder, key: str) -> Moved | None:
        """Store a new order under the client's key; None, and nothing stored, if the key is taken.

        Also None if the client already used this clientOrderId with another key, or without one.
        Raises IdempotencyConflict while another request is storing that key.
        """

    def accepted_before(self, client_id: str, key: str) -> AcceptedBefore | None:
        """The order accepted under a client's key, or None."""

    def named(self, client_id: str, client_order_id: str) -> Order | None:
        """The client's order with this clientOrderId, or None."""

    def forget_keys(self, age_s: float, limit: int) -> int:
        """Delete up to `limit` keys that are older than `age_s` seconds; returns how many."""

    def move(self, order_id: UUID, version: int, move: Move) -> Moved | None:
        """Make a move if the order is still at `version` and the move is allowed; else None.

        `Confirm` needs the live signature instead of the version. A failed attempt, an end without
        a fill and a rest are not allowed once a cancel was requested, or `expires_at` has passed:
        then only `EndCanceled` or `EndExpired` are. Nothing is submitted, triggered or amended
        after `expires_at`.
        """

    def move_all(self, planned: Sequence[PlannedMove]) -> list[Moved | None]:
        """Make moves of one kind, each as `move` does, in one statement.

        The result has one item for each planned move, in the same order: None if its order was not
        at that version or may not make the move. Rows are locked in the order of their ids. Raises
        ValueError for moves of several kinds, or for two moves of one order.
        """

    def claim_pending(self, order_id: UUID, version: int, others: int) -> list[Moved]:
        """Start routing of an order, and of up to `others` more that no worker has taken.

        The others are pending orders in the first attempt of their start that were not recovered
        and that no other transaction has locked: the oldest new ones, then those that a trigger has
        started first. Each makes the move `StartRouting(RoutingCause.ORDER)`. Empty if the order
        itself is not pending at `version` and there is no other one.
        """

    def start_prepared(self, prepared: Sequence[PreparedStart]) -> list[list[Moved]]:
        """Make the three moves of each order in one statement, with an event for each move.

        All of them or none: an order moves only if it waits at its version, its time has not
        passed, its quotes have not expired, and trading is not halted. The result has the steps of
        each order, in the same order; none if it has not moved.
        """

    def give_up(self, order_id: UUID, version: int, failure: Fail) -> bool:
        """Fail an order without reading it; False if it has ended or is not at `version`."""

    def hold(self, order_ids: Collection[UUID], because: FailureReason) -> None:
        """Note at submitted orders why the network cannot tell of them; their next move clears it.

        Adds no event and no version.
        """

    def count_recovery(self, order_id: UUID, version: int) -> bool:
        """Count a recovery of a pending order before its move; False if it has moved."""

    def get(self, order_id: UUID) -> Order | None:
        """The current order, or None."""

    def events(self, order_id: UUID, after: int = 0) -> list[OrderEvent]:
        """The order's events with `seq` > `after`, in order, up to the first unreadable one.

        Raises OrderUnreadable if the order's very first event is unreadable.
        """

    def events_after(self, seen: Mapping[UUID, int]) -> Sequence[OrderEvent | UnreadableEvent]:
        """The events of many orders with `seq` > the given one, sorted per order."""

    def steps_of(self, order_ids: Collection[UUID]) -> Sequence[Step]:
        """The steps of many orders without their data, sorted per order.

        Those to a status of a later release are left out.
        """

    def mark(self) -> str:
        """A text that stays the same only while nothing is committed; reads no table."""

    def count_open(self, client_id: str, limit: int) -> int:
        """How many orders of a client have started and not ended; counting stops at `limit`."""

    def count_waiting(self, client_id: str, limit: int) -> int:
        """How many orders of a client wait for their condition; counting stops at `limit`."""

    def claim_due(self, limit: int) -> Sequence[Order | Unreadable]:
        """Claim orders that are due for recovery, and postpone their next recovery.

        Picks by `due_at`, the earliest first; sorts the result by `created_at`. Leaves out orders
        of another network or wallet.
        """


Wanted = tuple[Instrument, Side]
"""What a venue is asked for."""


class Venue(Protocol):
    """A market that quotes prices."""

    @property
    def name(self) -> str:
        """The name shown to clients, e.g. `raydium`."""

    @property
    def reads_by_symbol(self) -> bool:
        """Whether each symbol takes a read of its own: then symbols are asked for side by side."""

    def offer(self, instrument: Instrument, side: Side) -> Offer:
        """Look at the best pool now; the offer then prices any amount without another request.

        Raises VenueUnavailable without an answer, OrderUnfillable if there is no such pool.
        """

    def offers(self, wanted: Sequence[Wanted]) -> list[Offer | Exception]:
        """The offer of each, in one answer, or the error that `offer` raises for it.

        Raises what concerns all of them.
        """


class EventPublisher(Protocol):
    """Publishes to the streams; a lost event only delays a client's view by a second."""

    def publish(self, moved: Moved) -> None:
        """Publish a stored event, bounded in time; never raises."""

    def publish_all(self, moved: Sequence[Moved]) -> None:
        """Publish stored events in this order, in one exchange; as `publish` otherwise."""


class Dispatcher(Protocol):
    """Dispatches work to the workers; every method raises DispatchUnavailable if it cannot."""

    def route(
        self,
        order_id: UUID,
        version: int,
        cause: RoutingCause,
        delay_s: float = 0.0,
        *,
        again: bool = False,
    ) -> None:
        """Start the chain, after a delay.

        Recovery sets `again` for a pending order. The stage then counts the message in `recoveries`
        before its first move.
        """

    def route_all(
        self,
        versions: Mapping[UUID, int],
        cause: RoutingCause,
        requests: Mapping[UUID, str | None] | None = None,
    ) -> None:
        """Start the chains of several orders at these versions, in one exchange, in their order.

        `requests` has the ids of the requests that placed them, if it is not the present one.
        """

    def submit_all(self, groups: Sequence[Sequence[Built]]) -> None:
        """Start the chain at the third stage for groups of built orders, in one exchange."""

    def confirm(self, submitted: Submitted) -> None:
        """Start the last stage alone: it polls the network once.

        It polls on only if it has to send the bytes again.
        """

    def waiting(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        """Those of these orders that have a message of the given version in a queue."""

    def ping(self) -> None:
        """Check that messages can be sent now."""


class Clock(Protocol):
    """The database's time."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""


class OrderCache(Protocol):
    """A cache of the latest state of recent orders; it may lag by two seconds."""

    def get(self, order_id: UUID) -> Order | None:
        """The cached order, or None if it is not cached or the cache gives no answer."""


Quoted = tuple[Sequence[Offer], Mapping[str, Exception]]
"""The offers for an instrument and a side, and the error of each venue without one."""


class QuoteBoard(Protocol):
    """Asks all venues concurrently."""

    def collect(self, instrument: Instrument, side: Side) -> Quoted:
        """The offers, and the error of each venue without one."""

    def collect_all(self, wanted: Sequence[Wanted]) -> list[Quoted]:
        """The answers for many instruments and sides, all asked at the same time."""


class Probes(Protocol):
    """Checks the services that the engine depends on; bounded in time, never raises."""

    def database_fault(self) -> StorageFault | None:
        """Why orders cannot be written, or that the schema is not current; else None."""

    def lacks_connections(self) -> bool:
        """Whether a statement got no connection to PostgreSQL within the last minute."""

    def redis_trouble(self) -> tuple[str, str] | None:
        """Cause and explanation if Redis is unusable; takes seconds, so only for the start."""

    def degraded(self) -> Mapping[str, str]:
        """What is down without stopping the service, with causes: `redis`, `worker`."""
