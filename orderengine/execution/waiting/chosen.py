"""The orders that one scan of a price watcher has chosen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from orderengine.domain.moves import Trigger
from orderengine.domain.order import Order
from orderengine.execution.ports import PreparedStart
from orderengine.execution.waiting.watching import NextLook


@dataclass
class Chosen:
    """What one scan has come to: the orders to start, and those to be looked at later."""

    triggers: list[tuple[Order, Trigger]] = field(default_factory=list)
    prepared: list[tuple[Order, PreparedStart]] = field(default_factory=list)
    put_off: list[NextLook] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many orders are to start."""
        return len(self.triggers) + len(self.prepared)

    @property
    def sorted_out(self) -> set[UUID]:
        """The orders that are to start, or were put off."""
        started = {order.order_id for order, _ in (*self.triggers, *self.prepared)}
        return started | {each.order_id for each in self.put_off}


def passed_over(orders: Sequence[Order], chosen: Chosen, never: Decimal) -> list[NextLook]:
    """Those that were left as they are: they would hide the orders behind them."""
    sorted_out = chosen.sorted_out
    return [
        NextLook(each.order_id, each.version, never)
        for each in orders
        if each.order_id not in sorted_out
    ]
