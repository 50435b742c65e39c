"""The store of orders of a web process, where concurrent requests share a statement."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.events import Moved
from orderengine.domain.home import Home, anywhere
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.together import PATIENCE_S, Together
from orderengine.storage.batches import SqlBatches
from orderengine.storage.orders import SqlOrders


class SharingOrders(SqlOrders):
    """`SqlOrders` that stores the orders of concurrent callers of `accept` by one statement.

    Only those that wait for no other transaction: an order with a clientOrderId may wait for one
    that stores the same name, and one that is charged for the one that charges the same client.
    """

    def __init__(
        self,
        engine: Engine,
        read_engine: Engine | None = None,
        delays: RecoveryDelays = RecoveryDelays(),  # noqa: B008 - immutable
        home: Callable[[], Home] = anywhere,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(engine, read_engine, delays, home)
        self._batches = SqlBatches(engine, delays)
        self.sharing: Together[NewOrder, Moved] = Together(
            super().accept, self._accept_all, patience_s
        )

    def accept(self, order: NewOrder) -> Moved:
        """Store a new order at version 1, with its first event."""
        if order.client_order_id is not None or order.daily is not None:
            return super().accept(order)
        return self.sharing.serve(order)

    def _accept_all(self, orders: Sequence[NewOrder]) -> list[Moved]:
        stored = {moved.order.order_id: moved for moved in self._batches.accept_all(orders)}
        return [stored[order.order_id] for order in orders]
