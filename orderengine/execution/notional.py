"""How much one order may be worth: at the reference price when it comes in, at its quotes later."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from orderengine.domain.errors import FailureReason, NotionalExceeded, OrderUnfillable, Violation
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import NewOrder
from orderengine.domain.pricing import USDC_DECIMALS, to_tokens
from orderengine.domain.routing import Route
from orderengine.domain.side import Side
from orderengine.execution.ports import Orders


class ReferencePrices(Protocol):
    """What an instrument is worth, known without asking a venue."""

    def price(self, instrument: Instrument) -> Decimal:
        """USDC for one whole token, now; raises StorageUnavailable if the time is not known."""


@dataclass(frozen=True, slots=True)
class NotionalLimit:
    """The most that one order may be worth, in whole USDC; 0 is no limit."""

    limit: int
    prices: ReferencePrices

    def violation(self, instrument: Instrument, quantity: Decimal) -> Violation | None:
        """The rule, if so many whole tokens are worth more at the reference price."""
        if not self.limit:
            return None
        price = self.prices.price(instrument)
        notional = quantity * price
        if notional <= self.limit:
            return None
        message = (
            f"must be worth at most {self.limit} USDC, and {quantity:f} {instrument.symbol} "
            f"at {price:f} are worth {notional:.2f}"
        )
        return Violation("quantity", "max_notional", message)


def require_notional(
    orders: Orders, limit: NotionalLimit, instrument: Instrument, request: NewOrder, key: str | None
) -> None:
    """Refuse an order that is worth too much, unless it was accepted before under its key.

    A client that asks again must hear of the order that it has, however the price has moved. Raises
    NotionalExceeded, or StorageUnavailable.
    """
    found = limit.violation(instrument, request.quantity)
    if found and not (key and orders.accepted_before(request.client_id, key)):
        raise NotionalExceeded(found)


def within_notional(route: Route, tolerated: int, limit: int) -> int:
    """The worst amount to settle at, in base units of USDC: no buy pays more than the limit.

    Raises OrderUnfillable (`NOTIONAL_LIMIT`) if the route itself is worth more.
    """
    most = limit * 10**USDC_DECIMALS
    if not limit:
        return tolerated
    if route.quote_amount > most:
        worth = to_tokens(route.quote_amount, USDC_DECIMALS)
        detail = (
            f"the order is worth {worth:.2f} USDC at the best price, and may be at most {limit}"
        )
        raise OrderUnfillable(FailureReason.NOTIONAL_LIMIT, detail)
    return min(tolerated, most) if route.side is Side.BUY else tolerated
