"""The event: one step of one order, as stored, streamed and replayed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, NamedTuple
from uuid import UUID

from orderengine.domain.fields import Part, PriceText, Told
from orderengine.domain.order import Order, OrderStatus

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One step of an order; `seq` counts from 1 without a gap and equals the order's version.

    `occurred_at` is the database's time (UTC); `data` is JSON and depends on `status`. Venue, price
    (quoted, then executed) and transaction are shown at the top level, too, with the step that
    brings them: clients of the first service read them there.
    """

    order_id: UUID
    seq: Annotated[int, Told("Counts the order's events from 1.")]
    status: OrderStatus
    attempt: int
    occurred_at: Annotated[datetime, Told("When the step was stored.", name="at")]
    dex: ClassVar[Part] = Part(
        "venue", "The venue or venues of `data`, joined by `+`; for older clients."
    )
    price: ClassVar[Part] = Part(
        "latest_price", "Quoted in `building`, executed in `confirmed`; for older clients."
    )
    tx_hash: ClassVar[Part] = Part("signature", "The transaction of `data`; for older clients.")
    data: Annotated[JsonObject, Told("Depends on the status.")]

    @property
    def venue(self) -> str | None:
        """The venue or venues that `data` names."""
        return self.data.get("dex")

    @property
    def latest_price(self) -> PriceText | None:
        """The executed price in `data`, or else the quoted one."""
        price: str | None = self.data.get("executedPrice", self.data.get("quotedPrice"))
        return price

    @property
    def signature(self) -> str | None:
        """The transaction that `data` names."""
        return self.data.get("txHash")


class Step(NamedTuple):
    """When an order came to a status: its event without the data."""

    order_id: UUID
    status: OrderStatus
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """An order after one step, with the step's event."""

    order: Order
    event: OrderEvent
