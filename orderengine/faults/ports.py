"""The ports of a process with fail points around them; they behave the same otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from orderengine.domain.errors import AttemptFailed, NetworkUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instrument
from orderengine.domain.moves import Build, Confirm, FailAttempt, Move, RoutingCause, StartRouting
from orderengine.domain.moves import Submit as SubmitMove
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.intake.batch import BatchKey, Denied
from orderengine.execution.network import SettlementNetwork, Swap
from orderengine.execution.ports import (
    Dispatcher,
    EventPublisher,
    Orders,
    PlannedMove,
    QuoteBoard,
    Quoted,
)
from orderengine.execution.unreadable import Unreadable
from orderengine.faults.points import FailPoint, Trap

_AROUND_COMMIT: Mapping[type[Move], tuple[FailPoint, FailPoint]] = {
    StartRouting: (FailPoint.ROUTE_BEFORE_COMMIT, FailPoint.ROUTE_AFTER_COMMIT),
    Build: (FailPoint.BUILD_BEFORE_COMMIT, FailPoint.BUILD_AFTER_COMMIT),
    SubmitMove: (FailPoint.SUBMIT_BEFORE_COMMIT, FailPoint.SUBMIT_AFTER_COMMIT),
    Confirm: (FailPoint.CONFIRM_BEFORE_COMMIT, FailPoint.CONFIRM_AFTER_COMMIT),
    FailAttempt: (FailPoint.RETRY_BEFORE_COMMIT, FailPoint.RETRY_AFTER_COMMIT),
}

# No more points are needed: nothing happens between publishing a built order and the message to the
# next stage, nor between publishing a submitted order and sending its transaction.
_AFTER_PUBLISH: Mapping[OrderStatus, FailPoint] = {
    OrderStatus.ROUTING: FailPoint.ROUTE_AFTER_PUBLISH,
    OrderStatus.BUILDING: FailPoint.BUILD_BEFORE_HANDOVER,
    OrderStatus.SUBMITTED: FailPoint.SUBMIT_BEFORE_SEND,
    OrderStatus.CONFIRMED: FailPoint.CONFIRM_AFTER_PUBLISH,
}


class _Wrapped:
    """A port that passes every other call on to the wrapped one."""

    def __init__(self, port: Any, trap: Trap) -> None:
        self._port = port
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class TrappedOrders(_Wrapped):
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

    def claim_due(self, limit: int) -> list[Order | Unreadable]:
        """See `Orders.claim_due`."""
        due: list[Order | Unreadable] = self._port.claim_due(limit)
        if due:
            self._trap.passes(FailPoint.RECOVER_AFTER_CLAIM)
        return due


class TrappedBatches(_Wrapped):
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


class TrappedPublisher(_Wrapped):
    """Implements `execution.ports.EventPublisher`: traps after each event."""

    def publish(self, moved: Moved) -> None:
        """See `EventPublisher.publish`."""
        self.publish_all([moved])

    def publish_all(self, moved: Sequence[Moved]) -> None:
        """See `EventPublisher.publish_all`."""
        self._port.publish_all(moved)
        for each in moved:
            if each.event.seq == 1:
                self._trap.passes(FailPoint.ACCEPT_AFTER_PUBLISH)
            elif each.event.status in _AFTER_PUBLISH:
                self._trap.passes(_AFTER_PUBLISH[each.event.status])


class TrappedDispatcher(_Wrapped):
    """Implements `execution.ports.Dispatcher`: traps after each message.

    A message to the last stage, or a first routing sent by a worker, comes from recovery.
    """

    def __init__(self, port: Dispatcher, trap: Trap, first_route: FailPoint) -> None:
        super().__init__(port, trap)
        self._points = {
            RoutingCause.ORDER: first_route,
            RoutingCause.RETRY: FailPoint.RETRY_AFTER_DISPATCH,
            RoutingCause.RECOVERY: FailPoint.RECOVER_AFTER_DISPATCH,
        }

    def route(
        self,
        order_id: UUID,
        version: int,
        cause: RoutingCause,
        delay_s: float = 0.0,
        *,
        again: bool = False,
    ) -> None:
        """See `Dispatcher.route`."""
        self._port.route(order_id, version, cause, delay_s, again=again)
        if cause in self._points:
            self._trap.passes(self._points[cause])

    def route_all(self, versions: Mapping[UUID, int], cause: RoutingCause) -> None:
        """See `Dispatcher.route_all`."""
        self._port.route_all(versions, cause)
        if cause in self._points:
            self._trap.passes(self._points[cause])

    def confirm(self, submitted: Submitted) -> None:
        """See `Dispatcher.confirm`."""
        self._port.confirm(submitted)
        self._trap.passes(FailPoint.RECOVER_AFTER_DISPATCH)


class TrappedBoard(_Wrapped):
    """Implements `execution.ports.QuoteBoard`: a trap after the quotes arrived."""

    def collect_all(self, wanted: Sequence[tuple[Instrument, Side]]) -> list[Quoted]:
        """See `QuoteBoard.collect_all`; the place is passed once for each instrument and side."""
        quoted: list[Quoted] = self._port.collect_all(wanted)
        for _ in wanted:
            self._trap.passes(FailPoint.ROUTE_BEFORE_HANDOVER)
        return quoted


class TrappedNetwork(_Wrapped):
    """Implements `execution.network.SettlementNetwork`: traps before signing and after sending."""

    @property
    def typical_confirmation_s(self) -> float:
        """See `SettlementNetwork`; the last stage reads this first."""
        self._trap.passes(FailPoint.CONFIRM_TAKEN)
        typical_s: float = self._port.typical_confirmation_s
        return typical_s

    def sign(self, swap: Swap) -> SignedTransaction:
        """See `SettlementNetwork.sign`."""
        self._trap.passes(FailPoint.SUBMIT_BEFORE_SIGNING)
        signed: SignedTransaction = self._port.sign(swap)
        return signed

    def sign_all(self, swaps: Sequence[Swap]) -> list[SignedTransaction | AttemptFailed]:
        """See `SettlementNetwork.sign_all`."""
        for _ in swaps:
            self._trap.passes(FailPoint.SUBMIT_BEFORE_SIGNING)
        signed: list[SignedTransaction | AttemptFailed] = self._port.sign_all(swaps)
        return signed

    def send(self, transaction: SignedTransaction) -> None:
        """See `SettlementNetwork.send`."""
        self._port.send(transaction)
        self._trap.passes(FailPoint.SUBMIT_BEFORE_HANDOVER)

    def send_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[NetworkUnavailable | None]:
        """See `SettlementNetwork.send_all`."""
        sent: list[NetworkUnavailable | None] = self._port.send_all(transactions)
        for error in sent:
            if error is None:
                self._trap.passes(FailPoint.SUBMIT_BEFORE_HANDOVER)
        return sent


def trapped_intake(
    orders: Orders, publisher: EventPublisher, dispatcher: Dispatcher, trap: Trap
) -> tuple[Orders, EventPublisher, Dispatcher]:
    """The ports that accept an order, with the fail points of a web process."""
    return (
        TrappedOrders(orders, trap),
        TrappedPublisher(publisher, trap),
        TrappedDispatcher(dispatcher, trap, FailPoint.ACCEPT_AFTER_DISPATCH),
    )


def trapped_engine(engine: Engine, trap: Trap) -> Engine:
    """The engine of a worker with its fail points."""
    board: QuoteBoard = TrappedBoard(engine.board, trap)
    network: SettlementNetwork = TrappedNetwork(engine.network, trap)
    return replace(
        engine,
        orders=TrappedOrders(engine.orders, trap),
        publisher=TrappedPublisher(engine.publisher, trap),
        dispatcher=TrappedDispatcher(engine.dispatcher, trap, FailPoint.RECOVER_AFTER_DISPATCH),
        board=board,
        network=network,
    )
