"""Reads rows of orders and events, also those that another release wrote."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC
from uuid import UUID

import structlog

from orderengine.domain.documents import failed_attempt_from, fill_from, route_from
from orderengine.domain.errors import OrderUnreadable
from orderengine.domain.events import Moved, OrderEvent
from orderengine.domain.order import Order, OrderStatus, SignedTransaction, known_status
from orderengine.domain.side import Side
from orderengine.execution.unreadable import Unreadable, UnreadableEvent
from orderengine.postgres.database import Row

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
        SignedTransaction(row.tx_hash, bytes(row.payload), row.last_valid_height)
        if row.payload is not None
        else None
    )
    if row.status == OrderStatus.FAILED and not row.failed_attempts:
        raise ValueError("a failed order without a failed attempt")
    return Order(
        order_id=row.id,
        client_id=row.client_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity.normalize(),
        slippage_tolerance_bps=row.slippage_tolerance_bps,
        status=OrderStatus(row.status),
        version=row.version,
        attempt=row.attempt,
        recoveries=row.recoveries,
        created_at=row.created_at.astimezone(UTC),
        updated_at=row.updated_at.astimezone(UTC),
        worst_price=row.worst_price.normalize() if row.worst_price is not None else None,
        max_legs=row.max_legs,
        client_order_id=row.client_order_id,
        request_id=row.request_id,
        route=route_from(row.route) if row.route else None,
        limit_amount=int(row.limit_amount) if row.limit_amount is not None else None,
        transaction=written or stored,
        fill=fill_from(row.fill) if row.fill else None,
        failed_attempts=tuple(failed_attempt_from(item) for item in row.failed_attempts),
    )


def moved_from(row: Row, written: SignedTransaction | None = None) -> Moved:
    """The row of a moved order with its event; `written` as in `order_from`."""
    return Moved(order_from(row, written), event_from(row))


def event_from(row: Row) -> OrderEvent:
    """The row as an event."""
    return OrderEvent(
        order_id=row.order_id if "order_id" in row._fields else row.id,
        seq=row.seq,
        status=OrderStatus(row.status),
        attempt=row.attempt,
        occurred_at=row.occurred_at.astimezone(UTC),
        data=row.data,
    )


def readable_beginning(events: Iterable[OrderEvent | UnreadableEvent]) -> list[OrderEvent]:
    """The events before the first unreadable one, since any later event would leave a gap."""
    beginning: list[OrderEvent] = []
    for event in events:
        if isinstance(event, UnreadableEvent):
            break
        beginning.append(event)
    return beginning
