"""An engine on ports in memory, which a test can drive, stop and inspect."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import TARGETS, Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.handover import Built, Routed, Submitted
from orderengine.execution.intake.accept import accept_order
from orderengine.execution.intake.starting import DirectStarter
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.ports import PlannedMove
from tests.conftest import a_new_order
from tests.fake_network import FakeNetwork
from tests.fakes import (
    FakeBoard,
    FakeClock,
    FakeDispatcher,
    FakeOrders,
    FakePublisher,
)
from tests.singles import build_order, route_order, submit_order


class ForgetfulOrders(FakeOrders):
    """Orders whose store can make a change and then lose the answer."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._losing: str | None = None

    def lose_answer_of(self, target: str) -> None:
        self._losing = target

    def damage(self, order_id: UUID) -> None:
        """Write a row that no release would write."""
        self._orders[order_id] = replace(self._orders[order_id], route=None)

    def move_all(self, planned: Sequence[PlannedMove]) -> list[Moved | None]:
        moved = super().move_all(planned)
        if planned and self._losing == TARGETS[planned[0].move.kind].value:
            self._losing = None
            raise StorageUnavailable("the answer to COMMIT was lost")
        return moved


class World:
    """Everything one test needs; the backoff of attempt n is n seconds."""

    def __init__(self, instruments: Instruments) -> None:
        self.clock = FakeClock()
        self.orders = ForgetfulOrders(self.clock)
        self.board = FakeBoard(self.clock)
        self.network = FakeNetwork()
        self.publisher = FakePublisher()
        self.dispatcher = FakeDispatcher()
        self.starter = DirectStarter(self.publisher, self.dispatcher)
        self.metrics = ProcessMetrics()
        self.request_id: str | None = None
        self.engine = Engine(
            orders=self.orders,
            board=self.board,
            network=self.network,
            publisher=self.publisher,
            dispatcher=self.dispatcher,
            instruments=instruments,
            metrics=self.metrics,
            clock=self.clock,
            max_attempts=3,
            attempt_backoff_s=float,
        )

    def accept(
        self,
        side: Side = Side.BUY,
        quantity: str = "10",
        worst_price: str | None = None,
        max_legs: int = 1,
        usdc: str | None = None,
    ) -> Order:
        """Accept an order of tokens, or of USDC; its first message is removed from the queue."""
        request = replace(
            a_new_order(side),
            quantity=None if usdc else Decimal(quantity),
            quote_quantity=Decimal(usdc) if usdc else None,
            worst_price=Decimal(worst_price) if worst_price else None,
            max_legs=max_legs,
            request_id=self.request_id,
        )
        moved = accept_order(self.orders, self.starter, request)
        self.dispatcher.sent.clear()
        return moved.order

    def order(self, order_id: UUID) -> Order:
        order = self.orders.get(order_id)
        assert order is not None
        return order

    def events(self, order: Order) -> list[OrderEvent]:
        return self.orders.events(order.order_id)

    def route(self, order_id: UUID) -> Routed:
        """Route an order from any status before its submission."""
        order = self.order(order_id)
        cause = RoutingCause.RECOVERY
        if order.status is OrderStatus.PENDING:
            cause = RoutingCause.ORDER if order.attempt == 1 else RoutingCause.RETRY
        return route_order(self.engine, order_id, order.version, cause)

    def run_to_submitted(self, order_id: UUID) -> Submitted:
        """Run the stages up to the submission, as a worker would on the next message."""
        order = self.order(order_id)
        if order.status is OrderStatus.SUBMITTED:
            return Submitted.of(order)
        return self.run_to_submitted_from(self.route(order_id))

    def run_to_submitted_from(self, routed: Routed) -> Submitted:
        return submit_order(self.engine, build_order(self.engine, routed))

    def submit(self) -> Submitted:
        """A new order, run up to its submission."""
        return self.run_to_submitted(self.accept().order_id)

    def stop_at(self, status: str) -> Order:
        """An order whose worker died right after it reached `status`."""
        order = self.accept()
        if status == "pending":
            return order
        handed = self.route(order.order_id)
        if status in {"building", "submitted"}:
            built: Built = build_order(self.engine, handed)
            if status == "submitted":
                submit_order(self.engine, built)
        return self.order(order.order_id)

    def set_max_notional(self, limit: int) -> None:
        self.engine = replace(self.engine, max_notional=limit)

    def forget_instruments(self) -> None:
        self.engine = replace(self.engine, instruments=Instruments([]))
