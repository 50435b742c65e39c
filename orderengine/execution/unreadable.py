"""Rows of another release, in a form that this one does not know."""

from dataclasses import dataclass
from uuid import UUID

from orderengine.domain.order import OrderStatus


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What can still be read of an order whose row does not read as one any more.

    `status` is None for one that only a later release knows.
    """

    order_id: UUID
    version: int
    status: OrderStatus | None
    attempt: int
    recoveries: int
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """A stored event of another release, in a form that this one does not know."""

    order_id: UUID
    seq: int
