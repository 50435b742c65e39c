"""Checks, before a stop order is accepted, that the market has not reached its price yet."""

from orderengine.domain.errors import StopWouldTrigger, Violation
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.notional import ReferencePrices
from orderengine.execution.ports import Orders
from orderengine.execution.waiting.prices import has_come


def require_distance(
    orders: Orders,
    prices: ReferencePrices,
    instrument: Instrument,
    request: NewOrder,
    key: str | None,
) -> None:
    """Refuse a stop that would start at once: its client means another price, or a market order.

    An order that was accepted before under its key is not refused. Raises StopWouldTrigger, or
    StorageUnavailable.
    """
    stop = request.stop_price
    if stop is None:
        return
    price = prices.price(instrument)
    if not has_come(request.type, request.side, price, stop):
        return
    if key and orders.accepted_before(request.client_id, key):
        return
    message = f"would start the order at once: {instrument.symbol} is at {price:f}"
    raise StopWouldTrigger(Violation("stopPrice", "would_trigger", message))
