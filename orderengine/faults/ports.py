"""The ports of a process with fail points around them; they behave the same otherwise.

Those of the store are in `stores.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from orderengine.domain.errors import AttemptFailed, NetworkUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instrument
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.handover import Built, Submitted
from orderengine.execution.network import SettlementNetwork, Swap
from orderengine.execution.ports import (
    Dispatcher,
    EventPublisher,
    Orders,
    QuoteBoard,
    Quoted,
)
from orderengine.faults.points import FailPoint, Trap
from orderengine.faults.stores import TrappedOrders, Wrapped

# No more points are needed: nothing happens between publishing a built order and handing it to the
# next stage, nor between publishing a submitted order and sending its transaction.
_AFTER_PUBLISH: Mapping[OrderStatus, FailPoint] = {
    OrderStatus.ROUTING: FailPoint.ROUTE_AFTER_PUBLISH,
    OrderStatus.BUILDING: FailPoint.BUILD_BEFORE_HANDOVER,
    OrderStatus.SUBMITTED: FailPoint.SUBMIT_BEFORE_SEND,
    OrderStatus.CONFIRMED: FailPoint.CONFIRM_AFTER_PUBLISH,
}


class TrappedPublisher(Wrapped):
    """Implements `execution.ports.EventPublisher`: traps after each event."""

    def publish(self, moved: Moved) -> None:
        """See `EventPublisher.publish`."""
        self.publish_all([moved])

    def publish_all(self, moved: Sequence[Moved]) -> None:
        """See `EventPublisher.publish_all`."""
        self._port.publish_all(moved)
        for each in moved:
            point = self._point(each)
            if point:
                self._trap.passes(point)

    def _point(self, moved: Moved) -> FailPoint | None:
        """The place after this event, seen from a worker; see `_WebPublisher`."""
        if moved.event.seq == 1:
            return FailPoint.ACCEPT_AFTER_PUBLISH
        return _AFTER_PUBLISH.get(moved.event.status)


class _WebPublisher(TrappedPublisher):
    """The publisher of a web process, which publishes new, changed and canceled orders."""

    def _point(self, moved: Moved) -> FailPoint | None:
        if moved.event.seq == 1:
            return FailPoint.ACCEPT_AFTER_PUBLISH
        if moved.event.status is OrderStatus.WAITING:
            return FailPoint.AMEND_AFTER_PUBLISH
        return FailPoint.CANCEL_AFTER_PUBLISH


class TrappedDispatcher(Wrapped):
    """Implements `execution.ports.Dispatcher`: traps after each message.

    A message to the last stage, or a first routing of one order sent by a worker, comes from
    recovery; `first_routes` is the place after the first routing of many.
    """

    def __init__(
        self, port: Dispatcher, trap: Trap, first_route: FailPoint, first_routes: FailPoint
    ) -> None:
        super().__init__(port, trap)
        self._points = {
            RoutingCause.ORDER: first_route,
            RoutingCause.RETRY: FailPoint.RETRY_AFTER_DISPATCH,
            RoutingCause.RECOVERY: FailPoint.RECOVER_AFTER_DISPATCH,
        }
        self._points_of_many = {**self._points, RoutingCause.ORDER: first_routes}

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

    def route_all(
        self,
        versions: Mapping[UUID, int],
        cause: RoutingCause,
        requests: Mapping[UUID, str | None] | None = None,
    ) -> None:
        """See `Dispatcher.route_all`."""
        self._port.route_all(versions, cause, requests)
        if cause in self._points_of_many:
            self._trap.passes(self._points_of_many[cause])

    def submit_all(self, groups: Sequence[Sequence[Built]]) -> None:
        """See `Dispatcher.submit_all`; the price watcher alone sends these."""
        self._port.submit_all(groups)
        self._trap.passes(FailPoint.SNIPE_AFTER_DISPATCH)

    def confirm(self, submitted: Submitted) -> None:
        """See `Dispatcher.confirm`."""
        self._port.confirm(submitted)
        self._trap.passes(FailPoint.RECOVER_AFTER_DISPATCH)


class TrappedBoard(Wrapped):
    """Implements `execution.ports.QuoteBoard`: a trap after the quotes arrived."""

    def collect_all(self, wanted: Sequence[tuple[Instrument, Side]]) -> list[Quoted]:
        """See `QuoteBoard.collect_all`; the place is passed once for each instrument and side."""
        quoted: list[Quoted] = self._port.collect_all(wanted)
        for _ in wanted:
            self._trap.passes(FailPoint.ROUTE_BEFORE_HANDOVER)
        return quoted


class TrappedNetwork(Wrapped):
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
    accepted = FailPoint.ACCEPT_AFTER_DISPATCH
    return (
        TrappedOrders(orders, trap),
        _WebPublisher(publisher, trap),
        TrappedDispatcher(dispatcher, trap, accepted, accepted),
    )


def trapped_engine(engine: Engine, trap: Trap) -> Engine:
    """The engine of a worker with its fail points; the price watcher routes many at once."""
    recovered, triggered = FailPoint.RECOVER_AFTER_DISPATCH, FailPoint.TRIGGER_AFTER_DISPATCH
    board: QuoteBoard = TrappedBoard(engine.board, trap)
    network: SettlementNetwork = TrappedNetwork(engine.network, trap)
    return replace(
        engine,
        orders=TrappedOrders(engine.orders, trap),
        publisher=TrappedPublisher(engine.publisher, trap),
        dispatcher=TrappedDispatcher(engine.dispatcher, trap, recovered, triggered),
        board=board,
        network=network,
    )
