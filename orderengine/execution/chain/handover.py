"""Handovers from one stage to the next through the queue: hints, as JSON documents.

A message may be lost, late or repeated; its version decides whether it still counts. Its attempt
serves log lines only; a message of an older release has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from orderengine.domain.documents import decimal_text, route_document, route_from
from orderengine.domain.order import Order
from orderengine.domain.routing import Route
from orderengine.domain.side import Side


@dataclass(frozen=True, slots=True)
class Routed:
    """An order at `version`, `routing`, with the route to build and its limit in USDC."""

    order_id: UUID
    version: int
    route: Route
    limit_amount: int
    attempt: int | None = field(default=None, compare=False)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "orderId": str(self.order_id),
            "version": self.version,
            "route": route_document(self.route),
            "limitAmount": str(self.limit_amount),
            "attempt": self.attempt,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Routed":
        """Read the JSON form."""
        return cls(
            UUID(document["orderId"]),
            document["version"],
            route_from(document["route"]),
            int(document["limitAmount"]),
            document.get("attempt"),
        )


@dataclass(frozen=True, slots=True)
class Built:
    """An order at `version`, `building`; its row holds everything else."""

    order_id: UUID
    version: int
    attempt: int | None = field(default=None, compare=False)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "orderId": str(self.order_id),
            "version": self.version,
            "attempt": self.attempt,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Built":
        """Read the JSON form."""
        return cls(UUID(document["orderId"]), document["version"], document.get("attempt"))


@dataclass(frozen=True, slots=True)
class Submitted:
    """An order at `version`, `submitted`, with the values needed to look it up and report it.

    The row never changes these values at one version, so the copy saves a read per poll.
    """

    order_id: UUID
    version: int
    signature: str
    side: Side
    base_decimals: int
    venue: str
    quoted_price: Decimal
    attempt: int | None = field(default=None, compare=False)

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

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "orderId": str(self.order_id),
            "version": self.version,
            "signature": self.signature,
            "side": self.side.value,
            "baseDecimals": self.base_decimals,
            "dex": self.venue,
            "quotedPrice": decimal_text(self.quoted_price),
            "attempt": self.attempt,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Submitted":
        """Read the JSON form."""
        return cls(
            order_id=UUID(document["orderId"]),
            version=document["version"],
            signature=document["signature"],
            side=Side(document["side"]),
            base_decimals=document["baseDecimals"],
            venue=document["dex"],
            quoted_price=Decimal(document["quotedPrice"]),
            attempt=document.get("attempt"),
        )
