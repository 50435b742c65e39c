"""Accepts a batch of orders: stores them by one statement, then starts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import structlog

from orderengine.domain.errors import (
    ClientOrderIdTaken,
    IdempotencyConflict,
    IdempotencyKeyReused,
)
from orderengine.domain.events import Moved
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.accept import Accepted, start
from orderengine.execution.intake.starting import Starter

log = structlog.get_logger(__name__)

MAX_BATCH = 100
"""The most orders of a batch."""


@dataclass(frozen=True, slots=True)
class Denied:
    """An order that was refused before it was stored, with the answer to it, as JSON."""

    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was stored: as it was requested, or of a repeated batch an `Order` of now."""

    order: NewOrder
    accepted: Accepted


Result = Placed | Denied | ClientOrderIdTaken
"""What one order of a batch became."""


@dataclass(frozen=True, slots=True)
class BatchKey:
    """A client's Idempotency-Key, and the hash of the batch that it stands for."""

    key: str
    fingerprint: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An order that a batch was to store; it was not if its clientOrderId was taken."""

    order_id: UUID
    client_order_id: str | None


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """The batch accepted under a key: its orders as they came, and those that were stored.

    `orders` is empty if the key belongs to a single order.
    """

    fingerprint: bytes
    orders: Sequence[Attempt | Denied]
    stored: Mapping[UUID, Placed]


class Batches(Protocol):
    """The store of orders, for many orders of one client at once.

    Every method raises StorageUnavailable without an answer; the orders may be stored nonetheless.
    """

    def accept_all(
        self, wanted: Sequence[NewOrder | Denied], key: BatchKey | None = None
    ) -> Sequence[Moved]:
        """Store new orders like `Orders.accept`, all by one statement; returns those stored.

        An order is left out if its clientOrderId is taken, also by an earlier one of these. With a
        key, nothing is stored if the key is taken; the key is not used up if no order is stored.
        Raises IdempotencyConflict while another request is storing that key.
        """

    def batch_before(self, client_id: str, key: str) -> KeptBatch | None:
        """What was accepted under a client's key, or None."""

    def holders(self, client_id: str, client_order_ids: Sequence[str]) -> Mapping[str, UUID]:
        """The ids of the client's orders that have these clientOrderIds."""


def accept_batch(
    batches: Batches,
    starter: Starter,
    wanted: Sequence[NewOrder | Denied],
    key: BatchKey | None = None,
) -> Sequence[Result]:
    """Store the orders that were not denied, and tell what became of each.

    The chains of those start that do not wait for their condition.

    When this returns, every placed order is safe: if the broker is unavailable, or the process dies
    before its chain starts, recovery starts it. If another request has just stored a batch under
    the key, its answer is returned, with every order `replayed`. Raises StorageUnavailable,
    IdempotencyKeyReused, IdempotencyConflict.
    """
    orders = [each for each in wanted if isinstance(each, NewOrder)]
    if not orders:
        return [each for each in wanted if isinstance(each, Denied)]
    client_id = orders[0].client_id
    moved = batches.accept_all(wanted, key)
    if key is not None and not moved:
        before = replayed_batch(batches, client_id, key)
        if before is not None:
            return before
    start(starter, moved)
    stored = {each.order.order_id: Accepted.new(each) for each in moved}
    placed = {
        each.order_id: Placed(each, stored[each.order_id])
        for each in orders
        if each.order_id in stored
    }
    attempts = [
        each if isinstance(each, Denied) else Attempt(each.order_id, each.client_order_id)
        for each in wanted
    ]
    return _results(batches, client_id, attempts, placed)


def replayed_batch(batches: Batches, client_id: str, key: BatchKey) -> Sequence[Result] | None:
    """The first answer to a batch under this key, with its orders as they are now.

    None if the key is not used. Raises IdempotencyKeyReused if it belongs to another request.
    """
    before = batches.batch_before(client_id, key.key)
    if before is None:
        return None
    if before.fingerprint != key.fingerprint or not before.orders:
        raise IdempotencyKeyReused("the key was used for another request")
    log.info("batch_replayed", orders=len(before.stored))
    return _results(batches, client_id, before.orders, before.stored)


def _results(
    batches: Batches,
    client_id: str,
    orders: Sequence[Attempt | Denied],
    stored: Mapping[UUID, Placed],
) -> Sequence[Result]:
    names = [
        each.client_order_id
        for each in orders
        if isinstance(each, Attempt) and each.order_id not in stored and each.client_order_id
    ]
    holders = batches.holders(client_id, names) if names else {}
    return [_result(each, stored, holders) for each in orders]


def _result(
    order: Attempt | Denied, stored: Mapping[UUID, Placed], holders: Mapping[str, UUID]
) -> Result:
    if isinstance(order, Denied):
        return order
    placed = stored.get(order.order_id)
    if placed is not None:
        return placed
    holder = holders.get(order.client_order_id or "")
    if holder is None:
        raise IdempotencyConflict("the key was deleted during the request")
    return ClientOrderIdTaken(holder)
