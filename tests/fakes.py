"""The ports in memory: real code with the same promises, for tests without I/O."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from orderengine.domain.errors import (
    DispatchUnavailable,
    StorageUnavailable,
)
from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.moves import (
    INTAKE_LIMIT_S,
    Move,
    RoutingCause,
    apply,
    due_in_s,
    recheck_in_s,
)
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.execution.handover import Submitted
from orderengine.execution.ports import OrderFilter
from tests.fake_venues import START, FakeBoard, FakeOffer, a_quote, unavailable

__all__ = ["START", "FakeBoard", "FakeOffer", "a_quote", "unavailable"]  # from fake_venues


@dataclass
class FakeClock:
    """A clock that moves only when told."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class FakeOrders:
    """Orders in a dictionary; `down` makes every call fail as a lost PostgreSQL would."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.down = False
        self.reads = 0
        self._lock = threading.RLock()
        self._orders: dict[UUID, Order] = {}
        self._events: dict[UUID, list[OrderEvent]] = {}
        self._due: dict[UUID, tuple[datetime, int]] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def accept(self, order: NewOrder) -> Moved:
        with self._guarded():
            now = self.clock.now()
            stored = Order(
                order_id=order.order_id,
                client_id=order.client_id,
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity,
                slippage_tolerance_bps=order.slippage_tolerance_bps,
                worst_price=order.worst_price,
                max_legs=order.max_legs,
                status=OrderStatus.PENDING,
                version=1,
                attempt=1,
                recoveries=0,
                created_at=now,
                updated_at=now,
            )
            event = OrderEvent(order.order_id, 1, OrderStatus.PENDING, 1, now, order.data)
            self._keep(Moved(stored, event), INTAKE_LIMIT_S)
            return Moved(stored, event)

    def move(self, order_id: UUID, version: int, move: Move) -> Moved | None:
        with self._guarded():
            order = self._orders.get(order_id)
            if order is None or order.version != version:
                return None
            moved = apply(order, move, self.clock.now())
            if moved is not None:
                self._keep(moved, due_in_s(move))
            return moved

    def get(self, order_id: UUID) -> Order | None:
        with self._guarded():
            return self._orders.get(order_id)

    def events(self, order_id: UUID, after: int = 0) -> list[OrderEvent]:
        with self._guarded():
            self.reads += 1
            return [event for event in self._events.get(order_id, []) if event.seq > after]

    def events_after(self, seen: Mapping[UUID, int]) -> list[OrderEvent]:
        with self._guarded():
            return [event for key, after in seen.items() for event in self.events(key, after)]

    def page(self, wanted: OrderFilter) -> list[Order]:
        with self._guarded():
            newest = sorted(
                self._orders.values(), key=lambda o: (o.created_at, o.order_id), reverse=True
            )
            if wanted.before is not None:
                last = self._orders.get(wanted.before)
                if last is None:
                    return []
                edge = (last.created_at, last.order_id)
                newest = [o for o in newest if (o.created_at, o.order_id) < edge]
            matching = [
                order
                for order in newest
                if order.client_id == wanted.client_id
                and wanted.status in {None, order.status}
                and wanted.symbol in {None, order.symbol}
            ]
            return matching[: wanted.limit]

    def claim_due(self, limit: int) -> list[Order]:
        with self._guarded():
            now = self.clock.now()
            due = sorted((at, key, n) for key, (at, n) in self._due.items() if at <= now)[:limit]
            for _, key, redispatched in due:
                delay = recheck_in_s(self._orders[key].status, redispatched)
                self._due[key] = (now + timedelta(seconds=delay), redispatched + 1)
            return [self._orders[key] for _, key, _ in due]

    def _keep(self, moved: Moved, due_s: float | None) -> None:
        key = moved.order.order_id
        self._orders[key] = moved.order
        self._events.setdefault(key, []).append(moved.event)
        if due_s is None:
            self._due.pop(key, None)
        else:
            self._due[key] = (self.clock.now() + timedelta(seconds=due_s), 0)

    def _guarded(self) -> threading.RLock:
        if self.down:
            raise StorageUnavailable("PostgreSQL is down")
        return self._lock


@dataclass
class FakeCache:
    """A cache that forgets nothing; `down` makes it answer as a lost Redis would."""

    orders: dict[UUID, Order] = field(default_factory=dict)
    down: bool = False

    def get(self, order_id: UUID) -> Order | None:
        return None if self.down else self.orders.get(order_id)

    def keep(self, order: Order) -> None:
        """Take a newer version only, and never signed bytes."""
        held = self.orders.get(order.order_id)
        if self.down or (held and held.version >= order.version):
            return
        if order.transaction is not None:
            order = replace(order, transaction=replace(order.transaction, payload=b""))
        self.orders[order.order_id] = order


@dataclass
class FakePublisher:
    """Keeps what was published, and the latest state of each order in a cache."""

    published: list[Moved] = field(default_factory=list)
    cache: FakeCache = field(default_factory=FakeCache)

    def publish(self, moved: Moved) -> None:
        self.published.append(moved)
        self.cache.keep(moved.order)


@dataclass(frozen=True)
class Dispatched:
    """One message to the workers."""

    stage: str
    order_id: UUID
    version: int
    cause: RoutingCause | None = None
    delay_s: float = 0.0
    submitted: Submitted | None = None


@dataclass
class FakeDispatcher:
    """Keeps what was dispatched; `down` makes it fail as a lost broker would."""

    down: bool = False
    sent: list[Dispatched] = field(default_factory=list)

    def route(
        self, order_id: UUID, version: int, cause: RoutingCause, delay_s: float = 0.0
    ) -> None:
        self.ping()
        self.sent.append(Dispatched("route", order_id, version, cause, delay_s))

    def confirm(self, submitted: Submitted) -> None:
        self.ping()
        self.sent.append(
            Dispatched("confirm", submitted.order_id, submitted.version, submitted=submitted)
        )

    def ping(self) -> None:
        if self.down:
            raise DispatchUnavailable("the broker is down")


@dataclass
class FakeProbes:
    """Answers what a test says."""

    fault: str | None = None
    missing: list[str] = field(default_factory=list)

    def database_fault(self) -> str | None:
        return self.fault

    def degraded(self) -> list[str]:
        return self.missing
