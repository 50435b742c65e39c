"""Rows of another release that this one cannot read."""

from dataclasses import dataclass
from uuid import UUID

from orderengine.domain.order import OrderStatus


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The readable part of an order row that does not form an order of this release.

    `status` is None if only a later release knows it.
    """

    order_id: UUID
    version: int
    status: OrderStatus | None
    attempt: int
    recoveries: int
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """A stored event of another release that this one cannot read."""

    order_id: UUID
    seq: int
