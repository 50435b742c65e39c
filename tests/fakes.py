"""The ports in memory: real code with the same promises, for tests without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from structlog.contextvars import get_contextvars

from orderengine.domain.errors import (
    DispatchUnavailable,
    StorageCause,
    StorageFault,
    StorageUnavailable,
)
from orderengine.domain.events import Moved
from orderengine.domain.instruments import Instrument
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import Order
from orderengine.execution.chain.handover import Built, Submitted
from orderengine.execution.operations.counters import Counts
from orderengine.execution.operations.figures import OpenOrders, Steps
from tests.fake_batches import FakeBatches
from tests.fake_keys import FakeKeys
from tests.fake_orders import START, FakeClock, FakeOrders
from tests.fake_venues import FakeBoard, FakeOffer, a_quote, unavailable

__all__ = [
    "NOTHING_OPEN",
    "START",
    "Dispatched",
    "FakeBatches",
    "FakeBoard",
    "FakeCache",
    "FakeClock",
    "FakeDispatcher",
    "FakeKeys",
    "FakeOffer",
    "FakeOrders",
    "FakePrices",
    "FakeProbes",
    "FakePublisher",
    "FakeWatched",
    "a_quote",
    "unavailable",
]

NOTHING_OPEN = OpenOrders(by_status={}, oldest_s=0.0, oldest_submitted_s=0.0, stuck=0)


@dataclass
class FakeCache:
    """A cache that forgets nothing; `down` makes it behave like a lost Redis."""

    orders: dict[UUID, Order] = field(default_factory=dict)
    down: bool = False

    def get(self, order_id: UUID) -> Order | None:
        return None if self.down else self.orders.get(order_id)

    def keep(self, order: Order) -> None:
        """Keep only a newer version, and never signed bytes."""
        held = self.orders.get(order.order_id)
        if self.down or (held and held.version >= order.version):
            return
        if order.transaction is not None:
            order = replace(order, transaction=replace(order.transaction, payload=b""))
        self.orders[order.order_id] = order


@dataclass
class FakePublisher:
    """Records published events, and keeps the latest state of each order in a cache."""

    published: list[Moved] = field(default_factory=list)
    cache: FakeCache = field(default_factory=FakeCache)

    def publish(self, moved: Moved) -> None:
        self.publish_all([moved])

    def publish_all(self, moved: Sequence[Moved]) -> None:
        for each in moved:
            self.published.append(each)
            self.cache.keep(each.order)


@dataclass(frozen=True)
class Dispatched:
    """One message to the workers."""

    stage: str
    order_id: UUID
    version: int
    cause: RoutingCause | None = None
    delay_s: float = 0.0
    submitted: Submitted | None = None
    again: bool = False
    request_id: object = field(
        default_factory=lambda: get_contextvars().get("request_id"), compare=False
    )


@dataclass
class FakeDispatcher:
    """Records dispatched messages; `down` makes it fail as a lost broker would."""

    down: bool = False
    sent: list[Dispatched] = field(default_factory=list)
    exchanges: int = 0
    groups: list[list[Built]] = field(default_factory=list)

    def route(
        self,
        order_id: UUID,
        version: int,
        cause: RoutingCause,
        delay_s: float = 0.0,
        *,
        again: bool = False,
    ) -> None:
        self.ping()
        self.sent.append(Dispatched("route", order_id, version, cause, delay_s, again=again))

    def route_all(
        self,
        versions: Mapping[UUID, int],
        cause: RoutingCause,
        requests: Mapping[UUID, str | None] | None = None,
    ) -> None:
        self.ping()
        self.exchanges += 1
        for key, version in versions.items():
            sent = Dispatched("route", key, version, cause)
            self.sent.append(sent if requests is None else replace(sent, request_id=requests[key]))

    def submit_all(self, groups: Sequence[Sequence[Built]]) -> None:
        self.ping()
        self.exchanges += 1
        self.groups += [list(group) for group in groups]
        self.sent += [
            Dispatched("submit", each.order_id, each.version) for group in groups for each in group
        ]

    def confirm(self, submitted: Submitted) -> None:
        self.ping()
        self.sent.append(
            Dispatched("confirm", submitted.order_id, submitted.version, submitted=submitted)
        )

    def waiting(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        self.ping()
        return {sent.order_id for sent in self.sent if wanted.get(sent.order_id) == sent.version}

    def ping(self) -> None:
        if self.down:
            raise DispatchUnavailable("the broker is down")


@dataclass
class FakeProbes:
    """Gives the answers that a test sets."""

    fault: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    cause: StorageCause = StorageCause.NO_ANSWER
    crowded: bool = False
    trouble: tuple[str, str] | None = None

    def database_fault(self) -> StorageFault | None:
        return None if self.fault is None else StorageFault(self.cause, self.fault)

    def lacks_connections(self) -> bool:
        return self.crowded

    def redis_trouble(self) -> tuple[str, str] | None:
        return self.trouble

    def degraded(self) -> dict[str, str]:
        return dict(self.missing)


@dataclass
class FakePrices:
    """The listed prices, times a factor that a test may change."""

    factor: Decimal = Decimal(1)
    openings: dict[str, datetime] = field(default_factory=dict)

    def opens_at(self, instrument: Instrument) -> datetime | None:
        return self.openings.get(instrument.symbol)

    def price(self, instrument: Instrument) -> Decimal:
        return instrument.reference_price * self.factor


@dataclass
class FakeHalts:
    """A kill switch; `down` makes it fail as a lost PostgreSQL would."""

    halted_at: datetime | None = None
    down: bool = False

    def halt(self) -> datetime:
        self.halted_at = self.halted_at or START
        return self.halted_at

    def resume(self) -> bool:
        was_halted, self.halted_at = self.halted_at is not None, None
        return was_halted

    def since(self) -> datetime | None:
        if self.down:
            raise StorageUnavailable("PostgreSQL is down")
        return self.halted_at

    def is_halted(self) -> bool:
        return self.since() is not None


@dataclass
class FakeWatched:
    """The source of a `Watch`: figures that a test sets; None is no answer."""

    open: OpenOrders | None = NOTHING_OPEN
    taken: Steps | None = field(default_factory=dict)
    counts: Counts | None = field(default_factory=dict)
    waiting: dict[str, int] | None = field(default_factory=dict)
    reads: int = 0

    def open_orders(self) -> OpenOrders:
        self.reads += 1
        if self.open is None:
            raise StorageUnavailable("PostgreSQL is down")
        return self.open

    def steps(self) -> Steps:
        if self.taken is None:
            raise StorageUnavailable("PostgreSQL is down")
        return self.taken

    def sum_up(self, limit: int) -> int:
        return 0

    def read(self) -> Counts | None:
        return self.counts

    def queued(self) -> dict[str, int] | None:
        return self.waiting
