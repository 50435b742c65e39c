"""Amends orders that wait."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import structlog

from orderengine.domain.moves import Amend
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.execution.ports import EventPublisher, Orders

log = structlog.get_logger(__name__)


class AmendOutcome(StrEnum):
    """The outcome of an amendment."""

    AMENDED = "amended"
    MOVED = "moved"
    """The order is not at the version that the client has seen."""
    NOT_WAITING = "not_waiting"
    """Only an order that waits can be amended, and only before its time has passed."""


@dataclass(frozen=True, slots=True)
class AmendResult:
    """The outcome of an amendment, and the order as it is now."""

    outcome: AmendOutcome
    order: Order


def amend_order(
    orders: Orders,
    publisher: EventPublisher,
    client_id: str,
    order_id: UUID,
    version: int,
    change: Callable[[Order], NewOrder],
) -> AmendResult | None:
    """Give an order that waits at `version` new terms; None if the client has no such order.

    `change` makes the new terms of the order as it is, and may raise: then nothing changes. Raises
    StorageUnavailable.
    """
    order = orders.get(order_id)
    if order is None or order.client_id != client_id:
        return None
    if (order.status, order.version) == (OrderStatus.WAITING, version):
        moved = orders.move(order_id, version, Amend.to(change(order)))
        if moved is not None:
            publisher.publish(moved)
            log.info("order_amended", order_id=str(order_id), version=moved.order.version)
            return AmendResult(AmendOutcome.AMENDED, moved.order)
        order = orders.get(order_id) or order
        if order.version == version:  # it has not moved, so its time has passed
            return AmendResult(AmendOutcome.NOT_WAITING, order)
    is_waiting = order.status is OrderStatus.WAITING
    return AmendResult(AmendOutcome.MOVED if is_waiting else AmendOutcome.NOT_WAITING, order)
