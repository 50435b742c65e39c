"""The part of the store in memory that ends orders from outside, with its clock."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.errors import FailureReason
from orderengine.domain.events import Moved
from orderengine.domain.moves import (
    AnyMove,
    Cancel,
    Confirm,
    Expire,
    RequestCancel,
    Trigger,
)
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.ports import PlannedMove, PreparedStart
from orderengine.execution.waiting.endings import CanceledPart
from tests.fake_days import FakeDays
from tests.moves import apply, is_expired

DELAYS = RecoveryDelays()
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    """A clock that moves only when told."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    @property
    def seconds(self) -> float:
        return self.moment.timestamp()

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class FakeEndings:
    """Implements `execution.waiting.endings.Endings` on the orders of `FakeOrders`."""

    clock: FakeClock
    days: FakeDays
    _orders: dict[UUID, Order]

    def _guarded(self) -> threading.RLock:
        raise NotImplementedError

    def _keep(self, moved: Moved, due_s: float | None, *, due_stays: bool = False) -> None:
        raise NotImplementedError

    def _made(self, order: Order, move: AnyMove) -> Moved | None:
        moved = apply(order, move, self.clock.now())
        if moved is not None:
            if isinstance(move, Trigger):
                self.days.charge(order, move.daily)
            self.days.give_back(moved.order)
            is_kept = isinstance(move, RequestCancel)
            self._keep(moved, DELAYS.after(move), due_stays=is_kept)
        return moved

    def hold(self, order_ids: Collection[UUID], because: FailureReason) -> None:
        with self._guarded():
            for order_id in order_ids:
                order = self._orders.get(order_id)
                if order is not None and order.status is OrderStatus.SUBMITTED:
                    self._orders[order_id] = replace(order, held_because=because)

    def cancel(self, client_id: str, order_id: UUID) -> Moved | None:
        with self._guarded():
            order = self._orders.get(order_id)
            if order is None or order.client_id != client_id:
                return None
            is_signed = order.status is OrderStatus.SUBMITTED
            return self._made(order, RequestCancel() if is_signed else Cancel())

    def cancel_all(
        self, client_id: str, symbol: str | None, after: UUID, limit: int
    ) -> CanceledPart:
        with self._guarded():
            seen = [
                key
                for key, order in sorted(self._orders.items())
                if order.client_id == client_id and symbol in {None, order.symbol}
                if key > after and not order.status.is_terminal
            ][:limit]
            moved = [self.cancel(client_id, key) for key in seen]
            done = [each for each in moved if each is not None]
            last = seen[-1] if len(seen) == limit else None
            return CanceledPart(done, len(seen) - len(done), 0, last)

    def start_prepared(self, prepared: Sequence[PreparedStart]) -> list[list[Moved]]:
        with self._guarded():
            return [self._started(each) for each in prepared]

    def _started(self, prepared: PreparedStart) -> list[Moved]:
        """All three moves, or none: only the last one can find that the quotes have expired."""
        order = self._orders.get(prepared.order_id)
        if (
            order is None
            or order.version != prepared.version
            or is_expired(prepared.build.route, self.clock.now())
        ):
            return []
        steps: list[Moved] = []
        for move in prepared.moves:
            moved = self._made(order, move)
            if moved is None:
                return []
            steps.append(moved)
            order = moved.order
        return steps

    def expire_due(self, limit: int) -> list[Moved]:
        with self._guarded():
            timed = sorted(
                (order.expires_at, key)
                for key, order in self._orders.items()
                if order.expires_at is not None
            )
            moved: list[Moved] = []
            for _, key in timed:
                done = None if len(moved) == limit else self._made(self._orders[key], Expire())
                moved += [] if done is None else [done]
            return moved


def is_meant(order: Order, planned: PlannedMove) -> bool:
    """Whether the order is in the state that a move is planned for."""
    if isinstance(planned.move, Confirm):
        return True  # its signature says so
    live = None if order.transaction is None else order.transaction.signature
    is_told = order.status is OrderStatus.SUBMITTED and planned.signature == live
    return is_told or order.version == planned.version
