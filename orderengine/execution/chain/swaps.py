"""The swap of an order that is built, and what hands it to the stage that signs it."""

from dataclasses import replace

from orderengine.domain.errors import OrderEngineError
from orderengine.domain.order import Order
from orderengine.domain.routing import EXACT_AMOUNT
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.handover import Built
from orderengine.execution.network import Swap, SwapLeg


def handover_of(engine: Engine, built: Order, *, prepared: bool = False) -> Built:
    """What hands an order that is built to the next stage; `prepared` as in `Swap`."""
    try:
        swap = replace(swap_of(engine, built), prepared=prepared)
    except OrderEngineError:
        swap = None  # the next stage reads the row, and fails for the same reason
    return Built(built.order_id, built.version, built.attempt, built.request_id, swap)


def swap_of(engine: Engine, order: Order) -> Swap:
    """The swap to sign for an order that is built.

    Raises OrderEngineError for a row that does not fit together.
    """
    if order.route is None or order.limit_amount is None:
        raise OrderEngineError(f"order {order.order_id} is {order.status} without a route")
    instrument, route = engine.instruments.get(order.symbol), order.route
    exact = order.exact
    units = EXACT_AMOUNT[exact]
    # A release with other decimals may have routed it: the route states those of its amounts.
    asked = order.exact_units(route.base_decimals), {(order.side, exact)}
    unstated = route.base_decimals == instrument.unstated_decimals
    decimals = None if unstated else route.base_decimals
    if (units(route), {(leg.side, leg.exact) for leg in route.legs}) != asked:
        raise OrderEngineError(f"order {order.order_id} was routed for another amount or side")
    return Swap(
        order_id=order.order_id,
        attempt=order.attempt,
        symbol=order.symbol,
        side=order.side,
        legs=tuple(SwapLeg(leg.venue, leg.pool, units(leg), decimals) for leg in route.legs),
        limit_amount=order.limit_amount,
        exact=exact,
    )
