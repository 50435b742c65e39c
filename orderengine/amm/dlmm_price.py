"""Meteora DLMM: the price of a bin, and conversions at that price."""

from functools import lru_cache

from orderengine.amm.direction import Direction
from orderengine.amm.integers import U128_MAX, ceil_div, ceil_shift, require_range

PRICE_BITS = 64
ONE = 1 << PRICE_BITS
BASIS_POINTS = 10_000
MAX_BIN_ID = 2**19 - 1
MAX_BIN_STEP = 2**16 - 1

_WIDEST_BIN_ID = 351_639


@lru_cache(maxsize=65_536)
def bin_price(bin_id: int, bin_step: int) -> int:
    """The price of a bin: base units of Y for one base unit of X, as Q64.64.

    `bin_id` is within 19 bits and a sign, `bin_step` is 1 to 65535 basis points from bin to bin.
    The result is 0 where the price is too far from 1 for Q64.64.
    Raises AmountOutOfRange for any other id or step.
    Source: MeteoraAg/dlmm-sdk `get_price_from_id` and `u64x64_math::pow`.
    """
    require_range("bin_id", bin_id, -MAX_BIN_ID, MAX_BIN_ID)
    require_range("bin_step", bin_step, 1, MAX_BIN_STEP)
    if bin_id == 0:
        return ONE
    # Powers of the inverted base, which is below 1, so that 128 bits hold every product.
    square = U128_MAX // (ONE + bin_step * ONE // BASIS_POINTS)
    power = ONE
    exponent = abs(bin_id)
    while exponent:
        if exponent & 1:
            power = power * square >> PRICE_BITS
        square = square * square >> PRICE_BITS
        exponent >>= 1
    if bin_id < 0 or power == 0:
        return power
    return U128_MAX // power


def max_bin_id(bin_step: int) -> int:
    """The largest id, in both directions, that a bin of a pool may have.

    Beyond it the Q64.64 price of a bin is up to 2 % off.
    """
    return _WIDEST_BIN_ID // bin_step


def proceeds(net_in: int, price: int, direction: Direction) -> int:
    """The output of a bin for an input without fees, rounded down.

    Base units; `net_in` is at least 0, `price` is Q64.64 and positive.
    Source: MeteoraAg/dlmm-sdk `Bin::get_amount_out`.
    """
    if direction is Direction.X_TO_Y:
        return net_in * price >> PRICE_BITS
    return (net_in << PRICE_BITS) // price


def cost(gross_out: int, price: int, direction: Direction) -> int:
    """The input that a bin needs, without fees, for an output, rounded up.

    Base units; `gross_out` is at least 0, `price` is Q64.64 and positive.
    Source: MeteoraAg/dlmm-sdk `Bin::get_amount_in`.
    """
    if direction is Direction.X_TO_Y:
        return ceil_div(gross_out << PRICE_BITS, price)
    return ceil_shift(gross_out * price, PRICE_BITS)
