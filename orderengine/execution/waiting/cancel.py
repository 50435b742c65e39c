"""Cancels orders, one or all of a client."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import structlog

from orderengine.domain.events import Moved
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.ports import EventPublisher, Orders

log = structlog.get_logger(__name__)

PART = 500
"""The most orders that one statement cancels."""


class Outcome(StrEnum):
    """The outcome of a cancel."""

    CANCELED = "canceled"
    REQUESTED = "requested"
    TOO_LATE = "too_late"
    REFUSED = "refused"


_OUTCOMES = {
    OrderStatus.CANCELED: Outcome.CANCELED,
    OrderStatus.SUBMITTED: Outcome.REQUESTED,
}


@dataclass(frozen=True, slots=True)
class CancelResult:
    """The outcome of a cancel, and the order as it is now."""

    outcome: Outcome
    order: Order


@dataclass(frozen=True, slots=True)
class CancelCounts:
    """How many orders were canceled, got a request to cancel, and had ended before their turn.

    `refused` are those whose damaged rows the database refused to change: they stay open.
    """

    canceled: int = 0
    requested: int = 0
    too_late: int = 0
    refused: int = 0

    def __add__(self, other: "CancelCounts") -> "CancelCounts":
        """The sums."""
        return CancelCounts(
            self.canceled + other.canceled,
            self.requested + other.requested,
            self.too_late + other.too_late,
            self.refused + other.refused,
        )


def cancel_order(
    orders: Orders, publisher: EventPublisher, client_id: str, order_id: UUID
) -> CancelResult | None:
    """Cancel an order; None if the client has no such order.

    A submitted order is asked to be canceled, and the network decides: it ends `canceled`, or
    `confirmed` with `cancelTooLate`. Repeating is safe: the outcome is that of the order's present
    state. Raises StorageUnavailable.
    """
    moved = orders.cancel(client_id, order_id)
    if moved is not None:
        _tell(publisher, [moved])
    order = orders.get(order_id) if moved is None else moved.order
    if order is None or order.client_id != client_id:
        return None
    return CancelResult(_OUTCOMES.get(order.status, Outcome.TOO_LATE), order)


def cancel_all(
    orders: Orders, publisher: EventPublisher, client_id: str, symbol: str | None = None
) -> CancelCounts:
    """Cancel all open orders of a client, or those of a symbol, each as `cancel_order` does.

    Raises StorageUnavailable; the orders canceled by then stay so.
    """
    total, after = CancelCounts(), UUID(int=0)
    while True:
        part = orders.cancel_all(client_id, symbol, after, PART)
        _tell(publisher, part.moved)
        canceled = sum(each.order.status is OrderStatus.CANCELED for each in part.moved)
        requested = len(part.moved) - canceled + part.requested_before
        total += CancelCounts(canceled, requested, part.too_late, part.refused)
        if part.last is None:
            return total
        after = part.last


def _tell(publisher: EventPublisher, moved: Sequence[Moved]) -> None:
    if moved:
        publisher.publish_all(moved)
    for each in moved:
        told = "order_canceled" if each.order.status.is_terminal else "cancel_requested"
        log.info(told, order_id=str(each.order.order_id), version=each.order.version)
