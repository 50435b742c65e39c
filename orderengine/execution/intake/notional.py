"""Checks an order before it is accepted: its value, and whether its instrument trades.

The value is limited by the reference price on arrival, and by its quotes later.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Protocol

from orderengine.domain.errors import (
    FailureReason,
    MarketNotOpen,
    NotionalExceeded,
    OrderDenied,
    OrderUnfillable,
    Violation,
)
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import NewOrder
from orderengine.domain.pricing import USDC_DECIMALS, to_tokens
from orderengine.domain.routing import Route
from orderengine.domain.side import Asset, Side
from orderengine.domain.texts import time_text
from orderengine.execution.ports import Orders

MOST_USDC = Decimal(10_000_000_000_000)
"""The most USDC of one order, in whole USDC: base units have 64 bits."""

_EXACT = Context(prec=100)


class ReferencePrices(Protocol):
    """Prices of instruments that need no venue."""

    def price(self, instrument: Instrument) -> Decimal:
        """USDC per whole token, now; raises StorageUnavailable if the time is not known."""

    def opens_at(self, instrument: Instrument) -> datetime | None:
        """When the instrument will begin to trade; None if it trades.

        Raises StorageUnavailable if the time is not known.
        """


@dataclass(frozen=True, slots=True)
class NotionalLimit:
    """The highest value of one order, in whole USDC; 0 is no limit."""

    limit: int
    prices: ReferencePrices

    def violation(self, instrument: Instrument, request: NewOrder) -> Violation | None:
        """The violated rule if the order exceeds the limit, tokens at the reference price."""
        if not self.limit:
            return None
        if request.quote_quantity is not None:
            told = f"must be at most {self.limit}, the most that an order may be worth"
            is_within = request.quote_quantity <= self.limit
            return None if is_within else Violation("quoteQuantity", "max_notional", told)
        quantity, price = request.quantity or Decimal(0), self.prices.price(instrument)
        notional = quantity * price
        if notional <= self.limit:
            return None
        message = (
            f"must be worth at most {self.limit} USDC, but {quantity:f} {instrument.symbol} "
            f"at {price:f} are worth {notional:.2f}"
        )
        return Violation("quantity", "max_notional", message)


def require_notional(
    orders: Orders, limit: NotionalLimit, instrument: Instrument, request: NewOrder, key: str | None
) -> None:
    """Refuse an order above the limit, unless it was accepted before under its key.

    Refuse also USDC beyond the limits of the instrument. A client that repeats its request must get
    its order's answer, however the price has moved. Raises OrderDenied, NotionalExceeded, or
    StorageUnavailable.
    """
    denied: OrderDenied | None = None
    if found := limit.violation(instrument, request):
        denied = NotionalExceeded(found)
    elif request.quote_quantity is not None and (
        found := usdc_violation(limit.prices, instrument, request.quote_quantity)
    ):
        denied = OrderDenied(found)
    if denied and not (key and orders.accepted_before(request.client_id, key)):
        raise denied


def usdc_violation(
    prices: ReferencePrices, instrument: Instrument, usdc: Decimal
) -> Violation | None:
    """The violated rule if so much USDC is beyond the instrument's limits at the reference price.

    Raises StorageUnavailable if the price is not known.
    """
    price = prices.price(instrument)
    least = _in_usdc(instrument.min_quantity, price, ROUND_CEILING)
    most = min(_in_usdc(instrument.max_quantity, price, ROUND_FLOOR), MOST_USDC)
    if least <= usdc <= most:
        return None
    rule, bound = ("min", f"at least {least:f}") if usdc < least else ("max", f"at most {most:f}")
    message = f"must be {bound} for {instrument.symbol} at {price:f}"
    return Violation("quoteQuantity", rule, message)


def _in_usdc(quantity: Decimal, price: Decimal, rounding: str) -> Decimal:
    worth = _EXACT.multiply(quantity, price)
    return worth.quantize(Decimal(1).scaleb(-USDC_DECIMALS), rounding, _EXACT)


def require_open(
    orders: Orders,
    prices: ReferencePrices,
    instrument: Instrument,
    request: NewOrder,
    key: str | None,
) -> None:
    """Refuse an order that would start before its instrument trades; orders that wait may come.

    An order that was accepted before under its key is not refused. Raises MarketNotOpen, or
    StorageUnavailable.
    """
    opening = None if request.waits else prices.opens_at(instrument)
    if opening is None or (key and orders.accepted_before(request.client_id, key)):
        return
    message = f"does not trade before {time_text(opening)}"
    raise MarketNotOpen(Violation("symbol", "not_open", f"{instrument.symbol} {message}"))


def within_notional(route: Route, tolerated: int, limit: int) -> int:
    """The worst amount to settle at, within `tolerated`; a buy never pays above the limit.

    The amounts are base units of the asset that is not exact. Raises OrderUnfillable
    (`NOTIONAL_LIMIT`) if the route itself exceeds the limit.
    """
    most = limit * 10**USDC_DECIMALS
    if not limit:
        return tolerated
    if route.quote_amount > most:
        worth = to_tokens(route.quote_amount, USDC_DECIMALS)
        detail = (
            f"the order is worth {worth:.2f} USDC at the best price, beyond the limit of {limit}"
        )
        raise OrderUnfillable(FailureReason.NOTIONAL_LIMIT, detail)
    is_bound = route.side is Side.BUY and route.exact is Asset.BASE
    return min(tolerated, most) if is_bound else tolerated
