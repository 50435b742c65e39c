"""The lists of clients' orders, as a port."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from orderengine.domain.order import Order, OrderStatus


class Position(NamedTuple):
    """Where an order stands in the list of all orders; it stays there whatever becomes of it."""

    created_at: datetime
    order_id: UUID


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders to list, newest first; `before` is where the page before ended."""

    client_id: str
    limit: int
    status: OrderStatus | None = None
    symbol: str | None = None
    before: Position | None = None


class OrderLists(Protocol):
    """The lists of clients' orders; every method raises StorageUnavailable without an answer."""

    def page(self, wanted: OrderFilter) -> list[Order]:
        """Up to `limit` orders, newest first, without those that can not be read."""

    def position(self, client_id: str, order_id: UUID) -> Position | None:
        """Where an order of the client stands in the list, or None if it has no such order."""
