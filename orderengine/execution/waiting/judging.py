"""Decides for one order that waits whether it starts: the rules of each type.

Pure: the offers are in hand.
"""

from dataclasses import dataclass
from decimal import Decimal

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.home import ANYWHERE, Home
from orderengine.domain.moves import Build, Trigger
from orderengine.domain.order import Order
from orderengine.domain.terms import OrderType
from orderengine.execution.chain.price_limit import limit_of
from orderengine.execution.chain.requests import request_of
from orderengine.execution.ports import PreparedStart
from orderengine.execution.queries.find import route_from_answers
from orderengine.execution.waiting.prices import Look, SeenPrice, out_of_reach, put_off_to


@dataclass(frozen=True, slots=True)
class PutOff:
    """The order is not to be looked at before this price comes, or all are looked at anew.

    `because` tells the order's owner why it does not start, if the price alone does not.
    """

    watch_price: Decimal
    because: FailureReason | None = None


Verdict = Trigger | PreparedStart | PutOff | None
"""Start it, with its route or without, look at it at another price, or leave it as it is."""


def judge(
    order: Order, look: Look, seen: SeenPrice, max_notional: int, home: Home = ANYWHERE
) -> Verdict:
    """The verdict for an order whose price has come, or whose pool has; `seen` is what has come.

    Raises what reading a damaged order raises.
    """
    if not home.has(order.placed_on):
        return PutOff(_out_of_reach(order, seen), FailureReason.NETWORK_CHANGED)
    is_other = order.base_decimals not in {None, look.instrument.decimals}
    # Without a mint an order was placed on the simulated network, or by an earlier release there.
    if is_other or order.base_mint != look.instrument.mint:
        return PutOff(_out_of_reach(order, seen), FailureReason.INSTRUMENT_CHANGED)
    if order.type is OrderType.SNIPER:
        # Every pool is looked at anew each tick: what has opened may have closed again.
        is_deep_enough = seen.price >= (order.min_liquidity or 0)
        return _snipe(order, look, seen, max_notional) if is_deep_enough else None
    if order.type is OrderType.STOP:
        return Trigger(seen_price=seen.price, source=seen.source, priced_at=seen.at)
    return _limit(order, look, seen, max_notional)


def _snipe(order: Order, look: Look, seen: SeenPrice, max_notional: int) -> PreparedStart | Trigger:
    """Start with the offer in hand, bounded by the worst price.

    If that is not enough, as when the pool opens beyond it, the chain asks for quotes of its own.
    """
    trigger = Trigger(source=seen.source, priced_at=seen.at)
    try:
        route = route_from_answers(request_of(order, look.instrument), *look.quoted[order.side])
        limit = limit_of(order, route, max_notional)
    except AttemptFailed:
        return trigger
    build = Build(route=route, limit_amount=limit)
    return PreparedStart(order.order_id, order.version, trigger, build)


def _limit(order: Order, look: Look, seen: SeenPrice, max_notional: int) -> Verdict:
    """Start if the order's own size, priced with the offers in hand, meets its limit."""
    request = request_of(order, look.instrument)
    try:
        route = route_from_answers(request, *look.quoted[order.side])
    except OrderUnfillable:
        return PutOff(_out_of_reach(order, seen))
    except AttemptFailed:
        return None  # a venue that gave no answer might fill it
    try:
        limit_of(order, route, max_notional)
    except OrderUnfillable as refusal:
        if refusal.reason is FailureReason.PRICE_LIMIT:
            limit = order.limit_price or seen.price
            return PutOff(put_off_to(order.side, limit, seen.price, route.price))
        # Another refusal does not pass: the order starts, and fails for its owner to see why.
    return Trigger(seen_price=route.price, source=route.venue, priced_at=seen.at)


def _out_of_reach(order: Order, seen: SeenPrice) -> Decimal:
    """Far from the present price: the order's own price may be far on the other side of it."""
    return out_of_reach(order.type, order.side, seen.price)
