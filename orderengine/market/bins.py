"""The bins of a simulated DLMM pool around a price."""

from bisect import bisect_right
from fractions import Fraction
from functools import lru_cache

from orderengine.amm.dlmm import DlmmBin, DlmmPool
from orderengine.amm.dlmm_fee import StaticParameters, VariableParameters
from orderengine.amm.dlmm_price import PRICE_BITS, bin_price, max_bin_id
from orderengine.amm.errors import AmountOutOfRange

# Small steps: the price of a small swap is a bin's, and jumps by a whole step. A step must be
# smaller than the configured drift of the market, so that every drift has an effect.
BIN_STEP = 10
BINS_PER_SIDE = 100

# The base fee is 25 bps like Raydium's, so that the venues differ by their prices. The other
# values are the program's own presets for this bin step.
# Source: the `PresetParameter` accounts of Meteora's DLMM program.
PARAMETERS = StaticParameters(
    base_factor=25_000,
    variable_fee_control=40_000,
    max_volatility_accumulator=350_000,
    filter_period_s=30,
    decay_period_s=600,
    reduction_factor_bps=5_000,
    protocol_share_bps=500,
)

_IDS = range(-max_bin_id(BIN_STEP), max_bin_id(BIN_STEP) + 1)
_HALF_STEP = Fraction(2 * 10_000 + BIN_STEP, 2 * 10_000)
_SHARE_BITS = 32


def pool_around(price: Fraction, depth: int) -> DlmmPool:
    """A pool whose active bin is nearest to a price, in base units of Y for one of X.

    Each side has `depth` base units' worth of Y, spread evenly over 100 bins. The active bin holds
    more X the lower the price is within the bin, and more Y as it rises. The volatility is 0, as
    after a long time without a swap. Raises AmountOutOfRange for a price without a near bin, and
    for more than a bin can hold.
    """
    upper = int(price * _HALF_STEP * 2**PRICE_BITS)
    active_id = _IDS[0] + bisect_right(_IDS, upper, key=_price_of) - 1
    if not _IDS[0] + BINS_PER_SIDE <= active_id <= _IDS[-1] - BINS_PER_SIDE:
        raise AmountOutOfRange("no bin is near the price")
    per_bin = depth // BINS_PER_SIDE
    below, above = _sides(active_id, per_bin)
    return DlmmPool(
        bin_step=BIN_STEP,
        active_id=active_id,
        parameters=PARAMETERS,
        volatility=VariableParameters(index_reference=active_id),
        bins=(*below, _active(active_id, per_bin, upper), *above),
    )


def _active(active_id: int, per_bin: int, upper: int) -> DlmmBin:
    low, high = _price_of(active_id), _price_of(active_id + 1)
    y_share = ((upper - low) << _SHARE_BITS) // (high - low)
    amount_y = per_bin * y_share >> _SHARE_BITS
    return DlmmBin(active_id, _in_x(per_bin - amount_y, active_id), amount_y)


@lru_cache(maxsize=1_024)
def _sides(active_id: int, per_bin: int) -> tuple[tuple[DlmmBin, ...], tuple[DlmmBin, ...]]:
    below = range(active_id - BINS_PER_SIDE, active_id)
    above = range(active_id + 1, active_id + BINS_PER_SIDE + 1)
    return (
        tuple(DlmmBin(bin_id, 0, per_bin) for bin_id in below),
        tuple(DlmmBin(bin_id, _in_x(per_bin, bin_id), 0) for bin_id in above),
    )


def _in_x(amount_y: int, bin_id: int) -> int:
    return (amount_y << PRICE_BITS) // _price_of(bin_id)


def _price_of(bin_id: int) -> int:
    return bin_price(bin_id, BIN_STEP)
