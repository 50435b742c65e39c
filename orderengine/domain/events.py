"""The event: one step of one order, as stored, streamed and replayed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orderengine.domain.order import Order, OrderStatus

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One step of an order; `seq` counts from 1 without a gap and equals the order's version.

    `occurred_at` is the database's time (UTC); `data` is JSON and depends on `status`.
    """

    order_id: UUID
    seq: int
    status: OrderStatus
    attempt: int
    occurred_at: datetime
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Moved:
    """An order after one step, with the step's event."""

    order: Order
    event: OrderEvent
