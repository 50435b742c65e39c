"""Handovers from one stage to the next through the queue: hints, as JSON documents.

A message may be lost, late or repeated; its version decides whether it still counts. Its attempt
and request serve log lines only; a message of an older release may have neither.

A group of several orders is a list of these documents. One order is one document, as it was before
there were groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from orderengine.domain.documents import decimal_text, route_document, route_from
from orderengine.domain.order import Order
from orderengine.domain.routing import Route
from orderengine.domain.side import Side
from orderengine.execution.network import Swap, SwapLeg

Document = dict[str, Any]


class Handover(Protocol):
    """What one stage hands to the next for one order."""

    def document(self) -> Document:
        """The JSON form."""


def handed_on(handovers: Sequence[Handover]) -> Document | list[Document]:
    """The message that hands these orders on: a list, or for a single order its document."""
    documents = [each.document() for each in handovers]
    return documents[0] if len(documents) == 1 else documents


@dataclass(frozen=True, slots=True)
class Routed:
    """An order at `version`, `routing`, with the route to build and its limit in USDC."""

    order_id: UUID
    version: int
    route: Route
    limit_amount: int
    attempt: int | None = field(default=None, compare=False)
    request_id: str | None = field(default=None, compare=False)

    def document(self) -> Document:
        """The JSON form."""
        return {
            "orderId": str(self.order_id),
            "version": self.version,
            "route": route_document(self.route),
            "limitAmount": str(self.limit_amount),
            "attempt": self.attempt,
            "requestId": self.request_id,
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
            document.get("requestId"),
        )


@dataclass(frozen=True, slots=True)
class Built:
    """An order at `version`, `building`, with the swap to sign.

    The row never changes the swap at one version, so the copy saves a read. Without it, as in a
    message of an older release, the row is read.
    """

    order_id: UUID
    version: int
    attempt: int | None = field(default=None, compare=False)
    request_id: str | None = field(default=None, compare=False)
    swap: Swap | None = field(default=None, compare=False)

    def document(self) -> Document:
        """The JSON form."""
        swap = {} if self.swap is None else {"swap": _swap_document(self.swap)}
        return {
            "orderId": str(self.order_id),
            "version": self.version,
            "attempt": self.attempt,
            "requestId": self.request_id,
            **swap,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Built":
        """Read the JSON form."""
        order_id, attempt = UUID(document["orderId"]), document.get("attempt")
        copy = document.get("swap")
        return cls(
            order_id,
            document["version"],
            attempt,
            document.get("requestId"),
            None if copy is None or attempt is None else _swap_from(order_id, attempt, copy),
        )


def _swap_document(swap: Swap) -> Document:
    return {
        "symbol": swap.symbol,
        "side": swap.side.value,
        "limitAmount": str(swap.limit_amount),
        "legs": [
            [leg.venue, leg.pool, str(leg.base_amount), leg.base_decimals] for leg in swap.legs
        ],
    }


def _swap_from(order_id: UUID, attempt: int, document: Mapping[str, Any]) -> Swap:
    return Swap(
        order_id=order_id,
        attempt=attempt,
        symbol=document["symbol"],
        side=Side(document["side"]),
        legs=tuple(
            SwapLeg(venue, pool, int(amount), decimals)
            for venue, pool, amount, decimals in document["legs"]
        ),
        limit_amount=int(document["limitAmount"]),
    )


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
    request_id: str | None = field(default=None, compare=False)

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
            request_id=order.request_id,
        )

    def document(self) -> Document:
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
            "requestId": self.request_id,
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
            request_id=document.get("requestId"),
        )
