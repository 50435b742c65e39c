"""Handovers from one stage to the next through the queue: hints, as JSON documents.

A message may be lost, late or repeated; its version decides whether it still counts. Its attempt
and request serve log lines only; a message of an older release may have neither.

A group of several orders is a list of these documents. One order is one document, as it was before
there were groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Protocol, Self
from uuid import UUID

from orderengine.domain.codec import record_of, value_from
from orderengine.domain.fields import BaseUnits, Document, Seen, Told
from orderengine.domain.order import Order
from orderengine.domain.routing import Route
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import Swap, SwapLeg


class Handover(Protocol):
    """The data that one stage hands to the next for one order."""

    def document(self) -> Document:
        """The JSON form."""


def handed_on(handovers: Sequence[Handover]) -> Document | list[Document]:
    """The message that hands these orders on: a list, or for a single order its document."""
    documents = [each.document() for each in handovers]
    return documents[0] if len(documents) == 1 else documents


def orders_shown(orders: "Sequence[Routed | Built | Submitted]") -> str:
    """The orders of a message as Flower shows them: all of a group, and nothing else.

    Recovery finds them in the queues by this text (`orderengine.dispatch.waiting`).
    """
    return f"({', '.join(f'orderId={one.order_id}, version={one.version}' for one in orders)})"


def _attempt(message: Mapping[str, Any]) -> int | None:
    return message.get("attempt")


def _request_id(message: Mapping[str, Any]) -> str | None:
    return message.get("requestId")


Attempt = Annotated[int | None, Told(read=_attempt)]
RequestId = Annotated[str | None, Told(read=_request_id)]


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
    """An order at `version`, `routing`, with the route to build and its limit."""

    order_id: UUID
    version: int
    route: Route
    limit_amount: BaseUnits
    attempt: Attempt = field(default=None, compare=False)
    request_id: RequestId = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Built(_Handover):
    """An order at `version`, `building`, with the swap to sign.

    The row never changes the swap at one version, so the copy saves a read. Without it, as in a
    message of an older release, the row is read.
    """

    order_id: UUID
    version: int
    attempt: Attempt = field(default=None, compare=False)
    request_id: RequestId = field(default=None, compare=False)
    swap: Annotated[Swap | None, Told(seen=Seen.ENGINE)] = field(default=None, compare=False)

    def document(self) -> Document:
        """The JSON form."""
        document = _Handover.document(self)
        if self.swap is not None:
            document[_SWAP[self.swap.exact]] = _swap_document(self.swap)
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        built: Self = value_from(cls)(document)
        for exact, name in _SWAP.items():
            copy = document.get(name)
            if copy is not None and built.attempt is not None:
                return replace(built, swap=_swap_from(built.order_id, built.attempt, copy, exact))
        return built


# An earlier release knows amounts of the base asset only: it does not find the other copy, and so
# never takes its amounts for theirs.
_SWAP = {Asset.BASE: "swap", Asset.QUOTE: "swapInUsdc"}


def _swap_document(swap: Swap) -> Document:
    document: Document = {
        "symbol": swap.symbol,
        "side": swap.side.value,
        "limitAmount": str(swap.limit_amount),
        "legs": [[leg.venue, leg.pool, str(leg.amount), leg.base_decimals] for leg in swap.legs],
    }
    if swap.prepared:
        document["prepared"] = True
    return document


def _swap_from(order_id: UUID, attempt: int, document: Mapping[str, Any], exact: Asset) -> Swap:
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
        exact=exact,
        prepared=document.get("prepared") is True,
    )


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
    request_id: RequestId = field(default=None, compare=False)

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
