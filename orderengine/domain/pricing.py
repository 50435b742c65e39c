"""Prices, limits, slippage and impact: exact decimals and integers, never a float.

A basis point (bps) is 1/10,000. Prices are in USDC per whole token of the base asset.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import ceil, floor

from orderengine.domain.side import Side

BPS = 10_000
USDC_DECIMALS = 6
USDC_PLACES = Decimal("1e-12")
PRICE_DIGITS = 12
"""The least number of decimal places and of significant digits of a price."""
BPS_PLACES = Decimal("1e-4")


def to_tokens(base_units: int, decimals: int) -> Decimal:
    """Convert an amount in base units to whole tokens, exactly."""
    return Decimal(base_units).scaleb(-decimals)


# Enough digits that only the rounding below changes the result.
_EXACT = Context(prec=100)
_ROUNDING = {Side.BUY: ROUND_CEILING, Side.SELL: ROUND_FLOOR, None: ROUND_HALF_EVEN}


def effective_price(
    base_amount: int, quote_amount: int, base_decimals: int, side: Side | None = None
) -> Decimal:
    """The effective price, fees and impact included.

    It has at least twelve decimal places and twelve significant digits. With a side it is rounded
    against the client, so that a limit at this price always allows the amount itself. Both amounts
    are in base units and must be positive.
    """
    usdc = to_tokens(quote_amount, USDC_DECIMALS)
    price = _EXACT.divide(usdc, to_tokens(base_amount, base_decimals))
    places = max(PRICE_DIGITS, PRICE_DIGITS - 1 - price.adjusted())
    return price.quantize(Decimal(1).scaleb(-places), _ROUNDING[side], _EXACT)


def limit_amount(side: Side, amount: int, slippage_tolerance_bps: int) -> int:
    """The most paid for an exact amount that is bought, or the least got for one that is sold.

    `side` is that of the exact asset; `amount` is the quoted one of the other asset, in base units,
    like the result, which is rounded down.
    Follows `max_in` and `min_out` of MeteoraAg/dlmm-sdk `swapQuoteExactOut` and `swapQuote`.
    """
    sign = 1 if side is Side.BUY else -1
    return amount * (BPS + sign * slippage_tolerance_bps) // BPS


MOST_UNITS = 2**64 - 1
"""The most base units that a transaction can name."""


def worst_amount(side: Side, worst_price: Decimal, base_amount: int, base_decimals: int) -> int:
    """The most USDC a buy may pay, or the least a sell may get, at a price, in base units.

    Rounded in the client's favor: a buy's amount down, a sell's up.
    """
    units = Fraction(10**USDC_DECIMALS, 10**base_decimals)
    exact = Fraction(worst_price) * base_amount * units
    return floor(exact) if side is Side.BUY else ceil(exact)


def worst_base_amount(
    side: Side, worst_price: Decimal, quote_amount: int, base_decimals: int
) -> int:
    """The least that a buy for exactly this USDC may get at a price, or the most a sell may give.

    Amounts are in base units; the result is rounded in the client's favor: a buy's up, a sell's
    down.
    """
    units = Fraction(10**base_decimals, 10**USDC_DECIMALS)
    exact = quote_amount * units / Fraction(worst_price)
    return ceil(exact) if side is Side.BUY else floor(exact)


def is_beyond(side: Side, amount: int, limit: int) -> bool:
    """True if an amount is worse for the client than the limit; `side` as in `limit_amount`."""
    return amount > limit if side is Side.BUY else amount < limit


def stricter(side: Side, one: int, other: int) -> int:
    """The limit that is better for the client; `side` as in `limit_amount`."""
    return min(one, other) if side is Side.BUY else max(one, other)


def slippage_bps(side: Side, quoted_price: Decimal, executed_price: Decimal) -> Decimal:
    """How much worse than quoted the execution was; signed, positive = worse."""
    worse = executed_price - quoted_price if side is Side.BUY else quoted_price - executed_price
    return (worse / quoted_price * BPS).quantize(BPS_PLACES, ROUND_HALF_EVEN)


def market_impact_bps(side: Side, mid_price: Decimal, price_before_fees: Decimal) -> Decimal:
    """How far a swap's own size moves its price from the mid price, before fees; at least 0."""
    moved = price_before_fees - mid_price if side is Side.BUY else mid_price - price_before_fees
    return max(moved / mid_price * BPS, Decimal(0)).quantize(BPS_PLACES, ROUND_HALF_EVEN)
