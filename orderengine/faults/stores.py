"""The store of orders with fail points around its statements; it behaves the same otherwise."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from orderengine.domain.events import Moved
from orderengine.domain.moves import (
    Amend,
    Build,
    Confirm,
    EndCanceled,
    EndExpired,
    FailAttempt,
    Move,
    NotFilled,
    Rest,
    StartRouting,
    Trigger,
)
from orderengine.domain.moves import Submit as SubmitMove
from orderengine.domain.order import NewOrder, Order
from orderengine.execution.intake.batch import BatchKey, Denied
from orderengine.execution.ports import PlannedMove, PreparedStart
from orderengine.execution.unreadable import Unreadable
from orderengine.execution.waiting.endings import CanceledPart
from orderengine.faults.points import FailPoint, Trap

_AROUND_END = (FailPoint.END_BEFORE_COMMIT, FailPoint.END_AFTER_COMMIT)
_AROUND_COMMIT: Mapping[type[Move], tuple[FailPoint, FailPoint]] = {
    StartRouting: (FailPoint.ROUTE_BEFORE_COMMIT, FailPoint.ROUTE_AFTER_COMMIT),
    Build: (FailPoint.BUILD_BEFORE_COMMIT, FailPoint.BUILD_AFTER_COMMIT),
    SubmitMove: (FailPoint.SUBMIT_BEFORE_COMMIT, FailPoint.SUBMIT_AFTER_COMMIT),
    Confirm: (FailPoint.CONFIRM_BEFORE_COMMIT, FailPoint.CONFIRM_AFTER_COMMIT),
    FailAttempt: (FailPoint.RETRY_BEFORE_COMMIT, FailPoint.RETRY_AFTER_COMMIT),
    Trigger: (FailPoint.TRIGGER_BEFORE_COMMIT, FailPoint.TRIGGER_AFTER_COMMIT),
    Rest: (FailPoint.REST_BEFORE_COMMIT, FailPoint.REST_AFTER_COMMIT),
    Amend: (FailPoint.AMEND_BEFORE_COMMIT, FailPoint.AMEND_AFTER_COMMIT),
    NotFilled: _AROUND_END,
    EndCanceled: _AROUND_END,
    EndExpired: _AROUND_END,
}


class Wrapped:
    """A port that passes every other call on to the wrapped one."""

    def __init__(self, port: Any, trap: Trap) -> None:
        self._port = port
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class TrappedOrders(Wrapped):
    """Implements `execution.ports.Orders`: traps around each commit."""

    def accept(self, order: NewOrder) -> Moved:
        """See `Orders.accept`."""
        self._trap.passes(FailPoint.ACCEPT_BEFORE_COMMIT)
        moved: Moved = self._port.accept(order)
        self._trap.passes(FailPoint.ACCEPT_AFTER_COMMIT)
        return moved

    def accept_once(self, order: NewOrder, key: str) -> Moved | None:
        """See `Orders.accept_once`; a taken key commits nothing."""
        self._trap.passes(FailPoint.ACCEPT_BEFORE_COMMIT)
        moved: Moved | None = self._port.accept_once(order, key)
        if moved:
            self._trap.passes(FailPoint.ACCEPT_AFTER_COMMIT)
        return moved

    def move(self, order_id: UUID, version: int, move: Move) -> Moved | None:
        """See `Orders.move`; only a successful move counts as committed."""
        (moved,) = self.move_all([PlannedMove(order_id, version, move)])
        return moved

    def move_all(self, planned: Sequence[PlannedMove]) -> list[Moved | None]:
        """See `Orders.move_all`; the places are passed once for each order."""
        around = [_AROUND_COMMIT.get(type(each.move)) for each in planned]
        for places in around:
            if places:
                self._trap.passes(places[0])
        moved: list[Moved | None] = self._port.move_all(planned)
        for places, done in zip(around, moved, strict=True):
            if places and done:
                self._trap.passes(places[1])
        return moved

    def claim_pending(self, order_id: UUID, version: int, others: int) -> list[Moved]:
        """See `Orders.claim_pending`; the orders taken along are known only afterwards."""
        self._trap.passes(FailPoint.ROUTE_BEFORE_COMMIT)
        claimed: list[Moved] = self._port.claim_pending(order_id, version, others)
        for _ in claimed:
            self._trap.passes(FailPoint.ROUTE_AFTER_COMMIT)
        return claimed

    def start_prepared(self, prepared: Sequence[PreparedStart]) -> list[list[Moved]]:
        """See `Orders.start_prepared`; the places are passed once for each order."""
        for _ in prepared:
            self._trap.passes(FailPoint.SNIPE_BEFORE_COMMIT)
        started: list[list[Moved]] = self._port.start_prepared(prepared)
        for steps in started:
            if steps:
                self._trap.passes(FailPoint.SNIPE_AFTER_COMMIT)
        return started

    def cancel(self, client_id: str, order_id: UUID) -> Moved | None:
        """See `Endings.cancel`; only a change counts as committed."""
        self._trap.passes(FailPoint.CANCEL_BEFORE_COMMIT)
        moved: Moved | None = self._port.cancel(client_id, order_id)
        if moved:
            self._trap.passes(FailPoint.CANCEL_AFTER_COMMIT)
        return moved

    def cancel_all(
        self, client_id: str, symbol: str | None, after: UUID, limit: int
    ) -> CanceledPart:
        """See `Endings.cancel_all`; the places are passed once for each part."""
        self._trap.passes(FailPoint.CANCEL_BEFORE_COMMIT)
        part: CanceledPart = self._port.cancel_all(client_id, symbol, after, limit)
        if part.moved:
            self._trap.passes(FailPoint.CANCEL_AFTER_COMMIT)
        return part

    def expire_due(self, limit: int) -> Sequence[Moved]:
        """See `Endings.expire_due`."""
        self._trap.passes(FailPoint.EXPIRE_BEFORE_COMMIT)
        moved: Sequence[Moved] = self._port.expire_due(limit)
        if moved:
            self._trap.passes(FailPoint.EXPIRE_AFTER_COMMIT)
        return moved

    def claim_due(self, limit: int) -> list[Order | Unreadable]:
        """See `Orders.claim_due`."""
        due: list[Order | Unreadable] = self._port.claim_due(limit)
        if due:
            self._trap.passes(FailPoint.RECOVER_AFTER_CLAIM)
        return due


class TrappedBatches(Wrapped):
    """Implements `execution.intake.batch.Batches`: traps around each commit."""

    def accept_all(
        self, wanted: Sequence[NewOrder | Denied], key: BatchKey | None = None
    ) -> Sequence[Moved]:
        """See `Batches.accept_all`; a taken key commits nothing."""
        self._trap.passes(FailPoint.ACCEPT_BEFORE_COMMIT)
        moved: Sequence[Moved] = self._port.accept_all(wanted, key)
        if moved:
            self._trap.passes(FailPoint.ACCEPT_AFTER_COMMIT)
        return moved
