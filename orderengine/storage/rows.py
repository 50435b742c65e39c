"""Reads rows of orders and events, also those that another release wrote."""

from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

import structlog

from orderengine.domain.errors import OrderUnreadable
from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.order import Order, OrderStatus, known_status
from orderengine.execution.unreadable import Unreadable, UnreadableEvent
from orderengine.postgres.database import Row
from orderengine.storage.columns import row_reader

log = structlog.get_logger(__name__)

MOST_TOLD = 10_000

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class RowReader:
    """Reads rows that another release may have written; logs an unreadable row once.

    A later release may run beside this one, with its own statuses, reasons and fields. The reader
    remembers the latest 10,000 unreadable versions that it logged.
    """

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, UUID, int], None] = OrderedDict()

    def readable(self, row: Row) -> Order | Unreadable:
        """The row as an order, or Unreadable: one bad row must not hide the others."""
        try:
            return order_from(row)
        except _UNREADABLE as error:
            self._tell("order_unreadable", row.id, row.version, error)
            counts = row.version, known_status(row.status), row.attempt, row.recoveries
            return Unreadable(row.id, *counts, row.request_id)

    def order(self, row: Row) -> Order:
        """The row as an order; raises OrderUnreadable."""
        order = self.readable(row)
        if isinstance(order, Unreadable):
            message = f"order {order.order_id} was written by another release, or is damaged"
            raise OrderUnreadable(message)
        return order

    def readable_event(self, row: Row) -> OrderEvent | UnreadableEvent:
        """The row as an event, or UnreadableEvent: one bad event must not stop every stream."""
        try:
            return event_from(row)
        except _UNREADABLE as error:
            self._tell("event_unreadable", row.order_id, row.seq, error)
            return UnreadableEvent(row.order_id, row.seq)

    def moved(self, row: Row, written: SignedTransaction | None = None) -> Moved | None:
        """The row of a moved order; None for one that is unreadable."""
        try:
            return moved_from(row, written)
        except _UNREADABLE as error:
            self._tell("order_unreadable", row.id, row.version, error)
            return None

    def _tell(self, what: str, order_id: UUID, number: int, error: Exception) -> None:
        told = (what, order_id, number)
        if told in self._told:
            return
        self._told[told] = None
        if len(self._told) > MOST_TOLD:
            self._told.popitem(last=False)
        log.error(what, order_id=str(order_id), version=number, exc_info=error)


def order_from(row: Row, written: SignedTransaction | None = None) -> Order:
    """The row as an order; `written` is the transaction that its statement has just written."""
    stored = (
        SignedTransaction(
            row.tx_hash,
            bytes(row.payload),
            row.last_valid_height,
            network=row.network,
            wallet=row.wallet,
            slot=row.slot,
        )
        if row.payload is not None
        else None
    )
    order = _order_from(row, written or stored)
    if order.status is OrderStatus.FAILED and not order.failed_attempts:
        raise ValueError("a failed order without a failed attempt")
    return order


_order_from = row_reader(Order, given=["transaction"])
event_from = row_reader(OrderEvent)
"""The row of an event as the event."""
moved_event_from = row_reader(OrderEvent, {"order_id": "id"})
"""The row of an order that has just moved as the event of its move."""


def moved_from(row: Row, written: SignedTransaction | None = None) -> Moved:
    """The row of a moved order with its event; `written` as in `order_from`."""
    return Moved(order_from(row, written), moved_event_from(row))


def readable_beginning(events: Iterable[OrderEvent | UnreadableEvent]) -> list[OrderEvent]:
    """The events before the first unreadable one, since any later event would leave a gap."""
    beginning: list[OrderEvent] = []
    for event in events:
        if isinstance(event, UnreadableEvent):
            break
        beginning.append(event)
    return beginning
