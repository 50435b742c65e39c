"""The worst amount to settle an order at: tolerance, `worstPrice`, notional limit."""

from decimal import Decimal

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.order import Order
from orderengine.domain.pricing import is_beyond, stricter, worst_amount, worst_base_amount
from orderengine.domain.routing import Route
from orderengine.domain.side import Asset
from orderengine.domain.texts import decimal_text
from orderengine.execution.intake.notional import within_notional
from orderengine.execution.network import Reverted


def limit_of(order: Order, route: Route, max_notional: int = 0) -> int:
    """The strictest limit, in base units of the asset that is not exact.

    `max_notional` is in USDC, 0 is none.

    Raises OrderUnfillable if the route itself is beyond the worst price (`PRICE_LIMIT`) or above
    the notional limit (`NOTIONAL_LIMIT`).
    """
    within = within_notional(route, route.limit_amount(order.slippage_tolerance_bps), max_notional)
    if order.worst_price is None:
        return within
    worst = _worst_amount(order.worst_price, route)
    if is_beyond(route.exact_side, route.other_amount, worst):
        price, bound = decimal_text(route.price), decimal_text(order.worst_price)
        detail = f"the best price is {price}, beyond the worst price of {bound}"
        raise OrderUnfillable(FailureReason.PRICE_LIMIT, detail)
    return stricter(route.exact_side, within, worst)


def failure_of(order: Order, reverted: Reverted) -> AttemptFailed:
    """The failure that a transaction which landed with an error means for its order.

    If `worst_price` set the limit, the client never accepts the market's price, and the order ends
    at once. If the tolerance set it, a fresh quote may still work.
    """
    if not reverted.slippage_exceeded:
        return AttemptFailed(FailureReason.CHAIN_ERROR, reverted.detail)
    if order.worst_price is not None and order.route is not None:
        worst = _worst_amount(order.worst_price, order.route)
        if order.limit_amount == worst:
            return OrderUnfillable(FailureReason.PRICE_LIMIT, reverted.detail)
    return AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, reverted.detail)


def _worst_amount(worst_price: Decimal, route: Route) -> int:
    if route.exact is Asset.BASE:
        return worst_amount(route.side, worst_price, route.base_amount, route.base_decimals)
    return worst_base_amount(route.side, worst_price, route.quote_amount, route.base_decimals)
