"""What an order asks the venues for."""

from orderengine.domain.instruments import Instrument
from orderengine.domain.order import Order
from orderengine.domain.routing import RouteRequest


def request_of(order: Order, instrument: Instrument) -> RouteRequest:
    """The routing request of an order; raises ValueError if its amount is too fine."""
    return RouteRequest(
        instrument,
        order.side,
        _asked_units(instrument, order),
        order.slippage_tolerance_bps or 0,  # without one, a price alone bounds the swap
        order.max_legs,
        order.exact,
    )


def _asked_units(instrument: Instrument, order: Order) -> int:
    if order.quantity is None:
        return order.exact_units(instrument.decimals)
    return instrument.base_units(order.quantity)
