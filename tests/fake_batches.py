"""The store of batches in memory, on the orders of `FakeOrders`."""

from collections.abc import Mapping, Sequence
from copy import copy
from uuid import UUID

from orderengine.domain.errors import ClientOrderIdTaken, DailyLimitReached
from orderengine.domain.events import Moved
from orderengine.domain.idempotency import AcceptedBefore
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.accept import Accepted
from orderengine.execution.intake.batch import Attempt, BatchKey, Denied, KeptBatch, Placed
from tests.fake_orders import FakeOrders

_STATE = {"_orders", "_events", "_keys", "_due", "_written_in", "_taken", "_charges"}


class FakeBatches:
    """Implements `execution.intake.batch.Batches`."""

    def __init__(self, orders: FakeOrders) -> None:
        self._orders = orders
        self._kept: dict[tuple[str, str], Sequence[NewOrder | Denied]] = {}

    def accept_all(
        self, wanted: Sequence[NewOrder | Denied], key: BatchKey | None = None
    ) -> list[Moved]:
        orders = [each for each in wanted if isinstance(each, NewOrder)]
        client_id = orders[0].client_id
        with self._orders._guarded():
            if key is not None and self._orders.accepted_before(client_id, key.key):
                return []
            moved = self._accept_together(orders)
            if key is not None and moved:
                first = moved[0].order
                before = AcceptedBefore(first.order_id, first.created_at, key.fingerprint)
                self._orders._keys[client_id, key.key] = before
                self._kept[client_id, key.key] = wanted
            return moved

    def batch_before(self, client_id: str, key: str) -> KeptBatch | None:
        with self._orders._guarded():
            before = self._orders.accepted_before(client_id, key)
            if before is None:
                return None
            wanted = self._kept.get((client_id, key), ())
            placed = {
                each.order_id: Placed(now, Accepted(each.order_id, now.created_at, replayed=True))
                for each in wanted
                if isinstance(each, NewOrder) and (now := self._orders.get(each.order_id))
            }
            kept = [
                each if isinstance(each, Denied) else Attempt(each.order_id, each.client_order_id)
                for each in wanted
            ]
            return KeptBatch(before.fingerprint, kept, placed)

    def holders(self, client_id: str, client_order_ids: Sequence[str]) -> Mapping[str, UUID]:
        found = [self._orders.named(client_id, name) for name in client_order_ids]
        return {order.client_order_id or "": order.order_id for order in found if order}

    def _accept_together(self, orders: Sequence[NewOrder]) -> list[Moved]:
        """Store all orders whose names are free, or none if the day has no room for them."""
        held = [self._orders, self._orders.days]
        before = [{n: copy(v) for n, v in vars(each).items() if n in _STATE} for each in held]
        try:
            return [each for each in map(self._accept, orders) if each is not None]
        except DailyLimitReached:
            for each, state in zip(held, before, strict=True):
                vars(each).update(state)
            raise

    def _accept(self, order: NewOrder) -> Moved | None:
        try:
            return self._orders.accept(order)
        except ClientOrderIdTaken:
            return None
