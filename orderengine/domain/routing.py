"""Quotes of venues, and which of them an order takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from orderengine.domain.side import Side


@dataclass(frozen=True, slots=True)
class Quote:
    """What a venue's pool would give now for one whole order.

    Amounts are in base units, `base_amount` with `base_decimals` decimals: a buy gets `base_amount`
    for `quote_amount`, a sell the other way round. `price` is effective: fees and impact included.
    `fee` is in USDC; a sell's fee, taken in the base asset, is valued at the mid price. Past
    `expires_at` a quote is never built.
    """

    venue: str
    pool: str
    pool_kind: str
    side: Side
    base_amount: int
    base_decimals: int
    quote_amount: int
    price: Decimal
    mid_price: Decimal
    fee: Decimal
    market_impact_bps: Decimal
    quoted_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Route:
    """The chosen quote, and all that it was compared with.

    `refusals` tells for each venue without a quote why it gave none.
    """

    chosen: Quote
    quotes: tuple[Quote, ...]
    refusals: Mapping[str, str]


def choose_route(side: Side, quotes: Sequence[Quote], refusals: Mapping[str, str]) -> Route:
    """Take the quote that is best for the client: a buy's lowest cost, a sell's highest proceeds.

    Between equals the first one given wins. Raises ValueError without any quote.
    """
    best = min if side is Side.BUY else max
    chosen = best(quotes, key=lambda quote: quote.quote_amount)
    return Route(chosen=chosen, quotes=tuple(quotes), refusals=dict(refusals))
