"""What an order asks the venues for."""

from orderengine.domain.errors import FailureReason
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import Order
from orderengine.domain.routing import RouteRequest


def request_of(order: Order, instrument: Instrument) -> RouteRequest:
    """The routing request of an order; raises ValueError if its amount is too fine.

    Each split that did not fit into one transaction since the order started costs a leg.
    """
    return RouteRequest(
        instrument,
        order.side,
        _asked_units(instrument, order),
        order.slippage_tolerance_bps or 0,  # without one, a price alone bounds the swap
        max(order.max_legs - _too_large(order), 1),
        order.exact,
    )


def _too_large(order: Order) -> int:
    return sum(
        each.reason is FailureReason.TRANSACTION_TOO_LARGE and each.attempt >= order.first_attempt
        for each in order.failed_attempts
    )


def _asked_units(instrument: Instrument, order: Order) -> int:
    if order.quantity is None:
        return order.exact_units(instrument.decimals)
    return instrument.base_units(order.quantity)
