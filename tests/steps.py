"""An order's way through its statuses, step by step, on any implementation of Orders."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.moves import Move, RoutingCause, StartRouting, Submit
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.side import Side
from orderengine.execution.ports import Orders
from tests.builders import A_FAIL, TRANSACTION, a_build, a_confirm, a_limit
from tests.fakes import START

CONFIRMED: tuple[Move, ...] = (
    StartRouting(RoutingCause.ORDER),
    a_build(START),
    Submit(TRANSACTION),
    a_confirm(START),
)
FAIL = A_FAIL
RECOVER = StartRouting(RoutingCause.RECOVERY)


class Walk:
    """One order that takes a step when a test says so."""

    def __init__(self, orders: Orders, client_id: str = "local", *, waits: bool = False) -> None:
        self._orders = orders
        new = NewOrder(
            order_id=uuid4(),
            client_id=client_id,
            symbol="AAPL",
            side=Side.BUY,
            quantity=Decimal(10),
            slippage_tolerance_bps=100,
        )
        if waits:
            new = replace(a_limit(), order_id=uuid4(), client_id=client_id)
        self.first = orders.accept(new)
        self.moved = self.first

    @property
    def order_id(self) -> UUID:
        return self.moved.order.order_id

    @property
    def order(self) -> Order:
        return self.moved.order

    @property
    def events(self) -> list[OrderEvent]:
        return self._orders.events(self.order_id)

    def step(self, move: Move) -> Moved:
        """Make one move, which must be allowed."""
        moved = self._orders.move(self.order_id, self.order.version, move)
        assert moved is not None, move
        self.moved = moved
        return moved

    def steps(self, *moves: Move) -> list[Moved]:
        return [self.step(move) for move in moves]

    def confirm(self) -> list[Moved]:
        """All steps from `pending` to `confirmed`: versions 2 to 5."""
        return self.steps(*CONFIRMED)
