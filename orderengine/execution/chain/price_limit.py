"""The worst amount to settle an order at: tolerance, price, notional limit."""

from decimal import Decimal

from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    OrderEngineError,
    OrderUnfillable,
)
from orderengine.domain.order import Order
from orderengine.domain.pricing import (
    MOST_UNITS,
    is_beyond,
    stricter,
    worst_amount,
    worst_base_amount,
)
from orderengine.domain.routing import Route
from orderengine.domain.side import Asset
from orderengine.domain.texts import decimal_text
from orderengine.execution.intake.notional import within_notional
from orderengine.execution.network import Reverted


def limit_of(order: Order, route: Route, max_notional: int = 0) -> int:
    """The strictest limit, in base units of the asset that is not exact.

    `max_notional` is in USDC, 0 is none.

    Raises OrderUnfillable if the route itself is beyond the order's price (`PRICE_LIMIT`) or above
    the notional limit (`NOTIONAL_LIMIT`), OrderEngineError if nothing bounds the order.
    """
    price, tolerance = _price_of(order), order.slippage_tolerance_bps
    worst = None if price is None else _worst_amount(price, route)
    tolerated = worst if tolerance is None else route.limit_amount(tolerance)
    if tolerated is None:
        raise OrderEngineError(f"order {order.order_id} has neither a tolerance nor a price")
    within = within_notional(route, tolerated, max_notional)
    if price is None or worst is None:
        return within
    if is_beyond(route.exact_side, route.other_amount, worst):
        best, bound = decimal_text(route.price), decimal_text(price)
        name = "worst" if order.limit_price is None else "limit"
        detail = f"the best price is {best}, beyond the {name} price of {bound}"
        raise OrderUnfillable(FailureReason.PRICE_LIMIT, detail)
    return stricter(route.exact_side, within, worst)


def failure_of(order: Order, reverted: Reverted) -> AttemptFailed:
    """The failure that a transaction which landed with an error means for its order.

    If the order's price set the limit, the client never accepts the market's price, and no further
    attempt helps now. If the tolerance set it, a fresh quote may still work.
    """
    if not reverted.slippage_exceeded:
        return AttemptFailed(FailureReason.CHAIN_ERROR, reverted.detail)
    price = _price_of(order)
    if price is not None and order.route is not None:
        worst = _worst_amount(price, order.route)
        if order.limit_amount == worst:
            return OrderUnfillable(FailureReason.PRICE_LIMIT, reverted.detail)
    return AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, reverted.detail)


def _price_of(order: Order) -> Decimal | None:
    """The price that binds an order: its limit, or its worst price."""
    return order.worst_price if order.limit_price is None else order.limit_price


def _worst_amount(worst_price: Decimal, route: Route) -> int:
    """The limit that the price sets, at most what a transaction can name: "at any price"."""
    if route.exact is Asset.BASE:
        worst = worst_amount(route.side, worst_price, route.base_amount, route.base_decimals)
    else:
        worst = worst_base_amount(route.side, worst_price, route.quote_amount, route.base_decimals)
    return min(worst, MOST_UNITS)
