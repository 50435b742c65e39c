"""The prices that start orders: which one counts, how old it may be, and which orders it starts.

Pure rules: they read no clock, and ask nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from orderengine.domain.instruments import Instrument
from orderengine.domain.order import Order
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.routing import MARGINAL_BITS, Offer
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.ports import Quoted

STALE_TICKS = 2
"""A price that is older than so many ticks starts no order."""

REFERENCE = "reference"
"""The source of the price that starts stops."""

# Rounded in the order's favor: the price for its own size decides later, and is never better.
_EAGER = {
    Side.BUY: Context(prec=28, rounding=ROUND_FLOOR),
    Side.SELL: Context(prec=28, rounding=ROUND_CEILING),
}
_BEYOND = Decimal("1e-9")
_OUT_OF_REACH = Decimal(1000)


@dataclass(frozen=True, slots=True)
class SeenPrice:
    """A price in USDC for one whole token (or a depth in USDC), when it was seen, and where."""

    price: Decimal
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Look:
    """All that one tick has seen of an instrument."""

    instrument: Instrument
    quoted: Mapping[Side, Quoted]
    reference: SeenPrice | None = None

    def offers(self, side: Side) -> Sequence[Offer]:
        """The venues' offers for a side."""
        offers, _ = self.quoted.get(side, ((), {}))
        return offers

    def price_for(self, kind: OrderType, side: Side) -> SeenPrice | None:
        """What orders of this kind wait for; None if it is not known now.

        It is a price, or for snipers the USDC in the deepest pool: an offer proves that it is open.
        """
        if kind is OrderType.STOP:
            return self.reference
        if kind is OrderType.SNIPER:
            return _deepest(self.offers(side))
        return best_marginal(self.instrument, side, self.offers(side))


def best_marginal(instrument: Instrument, side: Side, offers: Sequence[Offer]) -> SeenPrice | None:
    """The best price of the next base unit, fees included; None without an offer.

    It is rounded in the order's favor, so that it is never worse than the price of any size. Its
    time is that of the oldest offer. A pool that is sold out asks for 0: it has nothing to sell.
    """
    priced = [(offer.marginal_price(0), offer) for offer in offers]
    if side is Side.BUY:
        priced = [each for each in priced if each[0] > 0]
    if not priced:
        return None
    sign = 1 if side is Side.BUY else -1
    marginal, best = min(priced, key=lambda each: sign * each[0])
    units = marginal + (side is Side.SELL)
    context = _EAGER[side]
    price = context.divide(Decimal(units), Decimal(2**MARGINAL_BITS))
    shift = instrument.decimals - USDC_DECIMALS
    at = min(offer.seen_at for _, offer in priced)
    return SeenPrice(price.scaleb(shift, context), at, best.venue)


def _deepest(offers: Sequence[Offer]) -> SeenPrice | None:
    if not offers:
        return None
    deepest = max(offers, key=lambda offer: offer.usdc_depth)
    return SeenPrice(deepest.usdc_depth, deepest.seen_at, deepest.venue)


def is_fresh(seen_at: datetime, now: datetime, tick_s: float) -> bool:
    """Whether a price of this time may start orders."""
    return now - seen_at <= timedelta(seconds=STALE_TICKS * tick_s)


def starts_below(kind: OrderType, side: Side) -> bool:
    """True if orders of this kind start at or below their price, False if at or above it.

    A limit is a price that is as good or better, a stop one that is as bad or worse. A sniper has a
    depth, at which the pool may be, or above.
    """
    return kind is not OrderType.SNIPER and (kind is OrderType.LIMIT) == (side is Side.BUY)


def has_come(kind: OrderType, side: Side, price: Decimal, watched: Decimal) -> bool:
    """Whether this price starts an order: only the present price counts, not those before it."""
    return price <= watched if starts_below(kind, side) else price >= watched


def put_off_to(side: Side, limit: Decimal, marginal: Decimal, own: Decimal) -> Decimal:
    """The marginal price at which a limit order is worth another look.

    `own` is the price of its own size, beyond the limit, at the time of this marginal price: while
    the ratio of the two stays, its own price meets the limit at limit * marginal / own.
    """
    context = _EAGER[side]
    scaled = context.divide(context.multiply(limit, marginal), own)
    if side is Side.BUY:
        return min(scaled, context.multiply(marginal, 1 - _BEYOND))
    return max(scaled, context.multiply(marginal, 1 + _BEYOND))


def out_of_reach(kind: OrderType, side: Side, price: Decimal) -> Decimal:
    """A price that does not come, for an order that cannot start before all are looked at anew."""
    return price / _OUT_OF_REACH if starts_below(kind, side) else price * _OUT_OF_REACH


def in_turn(kind: OrderType, side: Side, orders: Sequence[Order]) -> list[Order]:
    """The most aggressive limit first, then the oldest; of other kinds the oldest."""
    if kind is not OrderType.LIMIT:
        return sorted(orders, key=lambda order: (order.created_at, order.order_id))
    sign = -1 if side is Side.BUY else 1
    return sorted(
        orders,
        key=lambda order: (sign * (order.limit_price or 0), order.created_at, order.order_id),
    )
