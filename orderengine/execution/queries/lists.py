"""The lists of clients' orders, as a port."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from orderengine.domain.order import Order, OrderStatus


class StatusGroup(StrEnum):
    """Several statuses by one name."""

    OPEN = "open"


class Position(NamedTuple):
    """An order's position in the list of all orders, which never changes."""

    created_at: datetime
    order_id: UUID


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Filters of a list of orders, newest first; `before` is the end of the previous page."""

    client_id: str
    limit: int
    status: OrderStatus | StatusGroup | None = None
    symbol: str | None = None
    before: Position | None = None


class OrderLists(Protocol):
    """The lists of clients' orders; every method raises StorageUnavailable without an answer."""

    def page(self, wanted: OrderFilter) -> list[Order]:
        """Up to `limit` orders, newest first; skips unreadable ones."""

    def position(self, client_id: str, order_id: UUID) -> Position | None:
        """The position of a client's order in the list, or None if there is no such order."""
