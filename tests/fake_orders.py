"""The store of orders in memory, with the promises of the one on PostgreSQL."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from uuid import UUID

from orderengine.domain.errors import ClientOrderIdTaken, StorageUnavailable
from orderengine.domain.events import Moved, OrderEvent, Step
from orderengine.domain.idempotency import AcceptedBefore, fingerprint
from orderengine.domain.moves import (
    Fail,
    Move,
    RoutingCause,
    StartRouting,
)
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.execution.ports import PlannedMove
from orderengine.execution.queries.latest_steps import LONGEST_COMMIT, ClientSnapshot, OrderState
from orderengine.execution.queries.lists import OrderFilter, Position, StatusGroup
from orderengine.execution.unreadable import Unreadable
from tests.fake_days import FakeDays
from tests.fake_endings import DELAYS, START, FakeClock, FakeEndings, is_meant

A_START = StartRouting(RoutingCause.ORDER)
__all__ = ["START", "FakeClock", "FakeOrders"]


class FakeOrders(FakeEndings):
    """Orders in a dictionary; `down` makes every call fail as a lost PostgreSQL would.

    `unreadable` are the orders whose rows a claim can not read.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.days = FakeDays(self.clock)
        self.down = False
        self.reads = 0
        self.looks = 0
        self.unreadable: set[UUID] = set()
        self._lock = threading.RLock()
        self._orders: dict[UUID, Order] = {}
        self._events: dict[UUID, list[OrderEvent]] = {}
        self._keys: dict[tuple[str, str], AcceptedBefore] = {}
        self._due: dict[UUID, tuple[datetime, int]] = {}
        self._written_in: dict[UUID, int] = {}
        self._transactions = 0

    def __len__(self) -> int:
        return len(self._orders)

    def accept(self, order: NewOrder) -> Moved:
        with self._guarded():
            name = order.client_order_id
            if name and (other := self.named(order.client_id, name)):
                raise ClientOrderIdTaken(other.order_id)
            now = self.clock.now()
            stored = Order.accepted(order, now)
            self.days.charge(stored, order.daily)
            event = OrderEvent(order.order_id, 1, stored.status, 1, now, order.data)
            self._keep(Moved(stored, event), inf if order.waits else DELAYS.intake_s)
            return Moved(stored, event)

    def accept_once(self, order: NewOrder, key: str) -> Moved | None:
        with self._guarded():
            if (order.client_id, key) in self._keys:
                return None
            try:
                moved = self.accept(order)
            except ClientOrderIdTaken:
                return None
            before = AcceptedBefore(order.order_id, moved.order.created_at, fingerprint(order))
            self._keys[order.client_id, key] = before
            return moved

    def accepted_before(self, client_id: str, key: str) -> AcceptedBefore | None:
        with self._guarded():
            return self._keys.get((client_id, key))

    def named(self, client_id: str, client_order_id: str) -> Order | None:
        with self._guarded():
            wanted = (client_id, client_order_id)
            for order in self._orders.values():
                if (order.client_id, order.client_order_id) == wanted:
                    return order
            return None

    def forget_keys(self, age_s: float, limit: int) -> int:
        with self._guarded():
            newest = self.clock.now() - timedelta(seconds=age_s)
            by_age = sorted(self._keys.items(), key=lambda item: item[1].accepted_at)
            old = [name for name, before in by_age if before.accepted_at < newest][:limit]
            for name in old:
                del self._keys[name]
            return len(old)

    def move(self, order_id: UUID, version: int, move: Move) -> Moved | None:
        (moved,) = self.move_all([PlannedMove(order_id, version, move)])
        return moved

    def move_all(self, planned: Sequence[PlannedMove]) -> list[Moved | None]:
        if len({each.move.kind for each in planned}) > 1:
            raise ValueError("moves of several kinds")
        if len({each.order_id for each in planned}) < len(planned):
            raise ValueError("two moves of one order")
        with self._guarded():
            return [self._moved(each) for each in planned]

    def _moved(self, planned: PlannedMove) -> Moved | None:
        order = self._orders.get(planned.order_id)
        if order is None or not is_meant(order, planned):
            return None
        return self._made(order, planned.move)

    def claim_pending(self, order_id: UUID, version: int, others: int) -> list[Moved]:
        with self._guarded():
            taken = [PlannedMove(order_id, version, A_START)]
            started = sorted(
                (order.version > 1, order.updated_at, order.order_id, order.version)
                for order in self._orders.values()
                if (order.status, order.attempt) == (OrderStatus.PENDING, order.first_attempt)
                and not order.recoveries
                and order.order_id != order_id
            )
            taken += [PlannedMove(key, at, A_START) for _, _, key, at in started[:others]]
            return [moved for moved in self.move_all(taken) if moved is not None]

    def get(self, order_id: UUID) -> Order | None:
        with self._guarded():
            return self._orders.get(order_id)

    def events(self, order_id: UUID, after: int = 0) -> list[OrderEvent]:
        with self._guarded():
            self.reads += 1
            return [event for event in self._events.get(order_id, []) if event.seq > after]

    def prune(self, order_id: UUID) -> None:
        """Forget the events, as `orderengine prune` does."""
        del self._events[order_id]

    def events_after(self, seen: Mapping[UUID, int]) -> list[OrderEvent]:
        with self._guarded():
            return [event for key, after in seen.items() for event in self.events(key, after)]

    def steps_of(self, order_ids: Collection[UUID]) -> list[Step]:
        found = self.events_after(dict.fromkeys(order_ids, 0))
        return [Step(event.order_id, event.status, event.occurred_at) for event in found]

    def mark(self) -> str:
        with self._guarded():
            return str(sum(map(len, self._events.values())))

    def snapshot(
        self,
        ended_since: Mapping[str, datetime | None],
        limit: int,
        waiting_from: Mapping[str, int] | None = None,
    ) -> Mapping[str, ClientSnapshot]:
        with self._guarded():
            self.looks += 1
            known = waiting_from or {}
            return {
                client: self._snapshot(client, at, limit, known.get(client))
                for client, at in ended_since.items()
            }

    def _snapshot(
        self, client_id: str, since: datetime | None, limit: int, least: int | None
    ) -> ClientSnapshot:
        owned = [order for order in self._orders.values() if order.client_id == client_id]
        waiting = [order for order in owned if order.status is OrderStatus.WAITING]
        changed = [
            order
            for order in waiting
            if least is None
            or (
                since is not None
                and order.updated_at >= since - LONGEST_COMMIT
                and self._written_in[order.order_id] >= least
            )
        ]
        moving = [o for o in owned if not o.status.is_terminal and o not in waiting]
        ended = [
            order
            for order in owned
            if order.status.is_terminal and since is not None and order.updated_at >= since
        ]
        told = [*moving[:limit], *changed[:limit], *ended[:limit]]
        return ClientSnapshot(
            self.clock.now(),
            self._transactions + 1,
            {o.order_id: self._state(o) for o in told},
            min((order.updated_at for order in waiting), default=None),
            least is None,
        )

    def _state(self, order: Order) -> OrderState:
        written_in = self._written_in[order.order_id]
        return OrderState(
            order.version,
            order.updated_at,
            order.status.is_terminal,
            written_in,
            order.status is OrderStatus.WAITING,
        )

    def page(self, wanted: OrderFilter) -> list[Order]:
        with self._guarded():
            newest = sorted(
                self._orders.values(), key=lambda o: (o.created_at, o.order_id), reverse=True
            )
            if wanted.before is not None:
                newest = [o for o in newest if (o.created_at, o.order_id) < wanted.before]
            matching = [
                order
                for order in newest
                if order.client_id == wanted.client_id
                and wanted.status in _filters_of(order)
                and wanted.symbol in {None, order.symbol}
            ]
            return matching[: wanted.limit]

    def position(self, client_id: str, order_id: UUID) -> Position | None:
        with self._guarded():
            order = self._orders.get(order_id)
            if order is None or order.client_id != client_id:
                return None
            return Position(order.created_at, order.order_id)

    def forget(self, order_id: UUID) -> None:
        """Delete an order, which no release does."""
        with self._guarded():
            del self._orders[order_id]

    def give_up(self, order_id: UUID, version: int, failure: Fail) -> bool:
        return self.move(order_id, version, failure) is not None

    def count_recovery(self, order_id: UUID, version: int) -> bool:
        with self._guarded():
            order = self._orders.get(order_id)
            if order is None or (order.version, order.status) != (version, OrderStatus.PENDING):
                return False
            self._orders[order_id] = replace(order, recoveries=order.recoveries + 1)
            return True

    def count_open(self, client_id: str, limit: int) -> int:
        with self._guarded():
            owned = [each for each in self._orders.values() if each.client_id == client_id]
            started = [each for each in owned if each.status is not OrderStatus.WAITING]
            return min(limit, sum(not each.status.is_terminal for each in started))

    def count_waiting(self, client_id: str, limit: int) -> int:
        with self._guarded():
            owned = [each for each in self._orders.values() if each.client_id == client_id]
            return min(limit, sum(each.status is OrderStatus.WAITING for each in owned))

    def claim_due(self, limit: int) -> list[Order | Unreadable]:
        with self._guarded():
            now = self.clock.now()
            due = sorted((at, key, n) for key, (at, n) in self._due.items() if at <= now)[:limit]
            for _, key, claims in due:
                delay = DELAYS.after_claim(self._orders[key].status, claims)
                self._due[key] = (now + timedelta(seconds=delay), claims + 1)
            claimed = sorted((self._orders[key].created_at, key) for _, key, _ in due)
            return [self._claimed(self._orders[key]) for _, key in claimed]

    def _claimed(self, order: Order) -> Order | Unreadable:
        if order.order_id not in self.unreadable:
            return order
        return Unreadable(
            order.order_id, order.version, order.status, order.attempt, order.recoveries
        )

    def _keep(self, moved: Moved, due_s: float | None, *, due_stays: bool = False) -> None:
        key = moved.order.order_id
        self._transactions += 1
        self._written_in[key] = self._transactions
        self._orders[key] = moved.order
        self._events.setdefault(key, []).append(moved.event)
        if due_stays:
            return
        if due_s is None or due_s == inf:
            self._due.pop(key, None)
        else:
            self._due[key] = (self.clock.now() + timedelta(seconds=due_s), 0)

    def _guarded(self) -> threading.RLock:
        if self.down:
            raise StorageUnavailable("PostgreSQL is down")
        return self._lock


def _filters_of(order: Order) -> set[OrderStatus | StatusGroup | None]:
    """The filters by status that an order passes."""
    groups = set() if order.status.is_terminal else {StatusGroup.OPEN}
    return {None, order.status, *groups}
