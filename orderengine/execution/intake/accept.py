"""Accepts an order: stores it first, then starts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from orderengine.domain.errors import (
    ClientOrderIdTaken,
    IdempotencyConflict,
    IdempotencyKeyReused,
)
from orderengine.domain.events import Moved
from orderengine.domain.idempotency import fingerprint
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.starting import Starter
from orderengine.execution.ports import Orders

log = structlog.get_logger(__name__)

KEY_LIFETIME = timedelta(hours=24)
"""How long a repeated key gets the first answer, at least."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer for an accepted order; `replayed` if it repeats an earlier answer."""

    order_id: UUID
    accepted_at: datetime
    replayed: bool

    @classmethod
    def new(cls, moved: Moved) -> "Accepted":
        """The answer for an order that was stored just now."""
        return cls(moved.order.order_id, moved.order.created_at, replayed=False)


def accept_order(orders: Orders, starter: Starter, request: NewOrder) -> Moved:
    """Store an order and let its chain start, unless it waits for its condition.

    When this returns, the order is safe: if the broker is unavailable, or the process dies before
    the chain starts, recovery starts it. Raises StorageUnavailable if the order could not be
    stored, ClientOrderIdTaken if another order of the client has the same clientOrderId.
    """
    moved = orders.accept(request)
    start(starter, [moved])
    return moved


def accept_order_once(orders: Orders, starter: Starter, request: NewOrder, key: str) -> Accepted:
    """Store an order as `accept_order` does, unless its client has used this key before.

    A used key stores nothing and returns the first answer, whether or not it reached the client.
    Raises IdempotencyKeyReused if the key belongs to a different order, IdempotencyConflict if the
    first request has not finished.
    """
    moved = orders.accept_once(request, key)
    if moved is not None:
        start(starter, [moved])
        return Accepted.new(moved)
    before = orders.accepted_before(request.client_id, key)
    if before is None:
        raise _taken(orders, request)
    if before.fingerprint != fingerprint(request):
        raise IdempotencyKeyReused("the key was used for another order")
    log.info("order_replayed", order_id=str(before.order_id))
    return Accepted(before.order_id, before.accepted_at, replayed=True)


def _taken(orders: Orders, request: NewOrder) -> Exception:
    """Why an order was not stored, although its key is unknown."""
    name = request.client_order_id
    other = orders.named(request.client_id, name) if name else None
    if other is None:
        return IdempotencyConflict("the key was deleted during the request")
    return ClientOrderIdTaken(other.order_id)


def start(starter: Starter, moved: Sequence[Moved]) -> None:
    """Let orders that were just stored start, and log each as accepted."""
    starter.start(moved)
    for order in (each.order for each in moved):
        with bound_contextvars(order_id=str(order.order_id), stage="accept", attempt=order.attempt):
            log.info(
                "order_accepted",
                symbol=order.symbol,
                side=order.side.value,
                **order.logged_amount,
            )
