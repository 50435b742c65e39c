"""The limit per client and day: how much of it an order takes, and how much is left.

The store decides, in the statement that stores or starts the order. The checks here only refuse
earlier, and say why in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from orderengine.domain.daily import DailyCharge
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.notional import ReferencePrices


class Days(Protocol):
    """What clients have taken of the present day, UTC; every method raises StorageUnavailable."""

    def charged(self, client_ids: Sequence[str]) -> Mapping[str, Decimal]:
        """The USDC that orders of these clients have taken today; only of those that have any."""

    def forget(self, limit: int) -> int:
        """Delete days that ended long ago, and up to `limit` of their charges; returns these."""


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """The most that the orders of one client may be worth in a day, in whole USDC; 0 is no limit.

    Both sides count. An order is charged when it starts, and gets its charge back if it ends
    without a fill, or waits again.
    """

    limit: int
    prices: ReferencePrices
    days: Days

    def charged(self, instrument: Instrument, order: NewOrder) -> NewOrder:
        """The order with its charge at the reference price; one that waits is charged later.

        Raises StorageUnavailable if the price is not known.
        """
        if not self.limit or order.waits:
            return order
        price = self.prices.price(instrument) if order.quote_quantity is None else Decimal(0)
        charge = DailyCharge.of(order.quantity, order.quote_quantity, price, self.limit)
        return replace(order, daily=charge)

    def excess(self, order: NewOrder, besides: Decimal = Decimal(0)) -> str | None:
        """Why the order exceeds the limit, in words; None if it does not.

        `besides` are charges of the same request that are not stored yet. Raises
        StorageUnavailable.
        """
        if order.daily is None:
            return None
        taken = self.days.charged([order.client_id]).get(order.client_id, Decimal(0)) + besides
        if taken + order.daily.usdc <= order.daily.most:
            return None
        return (
            f"orders of this client have taken {taken:.2f} of {order.daily.most} USDC of this day"
            f" (UTC), and this one is worth {order.daily.usdc:.2f}"
        )
