"""Handovers from one stage to the next through the queue: hints, as JSON documents.

A message may be lost, late or repeated; its version decides whether it still counts. Its attempt
serves log lines only; a message of an older release has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from orderengine.domain.codec import record_of, value_from
from orderengine.domain.fields import BaseUnits, Document, Told
from orderengine.domain.order import Order
from orderengine.domain.routing import Route
from orderengine.domain.side import Side


def _attempt(message: Mapping[str, Any]) -> int | None:
    return message.get("attempt")


Attempt = Annotated[int | None, Told(read=_attempt)]


class _Handover:
    __slots__ = ()

    def document(self) -> Document:
        """The JSON form."""
        return record_of(type(self))(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return value_from(cls)(document)


@dataclass(frozen=True, slots=True)
class Routed(_Handover):
    """An order at `version`, `routing`, with the route to build and its limit in USDC."""

    order_id: UUID
    version: int
    route: Route
    limit_amount: BaseUnits
    attempt: Attempt = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Built(_Handover):
    """An order at `version`, `building`; its row holds everything else."""

    order_id: UUID
    version: int
    attempt: Attempt = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Submitted(_Handover):
    """An order at `version`, `submitted`, with the values needed to look it up and report it.

    The row never changes these values at one version, so the copy saves a read per poll.
    """

    order_id: UUID
    version: int
    signature: str
    side: Side
    base_decimals: int
    venue: Annotated[str, Told(name="dex")]
    quoted_price: Decimal
    attempt: Attempt = field(default=None, compare=False)

    @classmethod
    def of(cls, order: Order) -> "Submitted":
        """The handover of a submitted order; raises ValueError if the order has no transaction."""
        if order.transaction is None or order.route is None:
            message = f"order {order.order_id} has nothing to confirm"
            raise ValueError(message)
        return cls(
            order_id=order.order_id,
            version=order.version,
            signature=order.transaction.signature,
            side=order.side,
            base_decimals=order.route.base_decimals,
            venue=order.route.venue,
            quoted_price=order.route.price,
            attempt=order.attempt,
        )
