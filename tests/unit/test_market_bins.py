"""The simulated pools of bins: their depth, and how a price moves through them."""

from datetime import datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from orderengine.amm.dlmm import DlmmBin, DlmmPool
from orderengine.amm.dlmm_price import PRICE_BITS, bin_price
from orderengine.domain.instruments import Instrument
from orderengine.domain.side import Side
from orderengine.market.bins import BINS_PER_SIDE
from tests.unit.test_market import MARKET, deterministic, instruments, moments, sides, worth


@deterministic
@given(instruments, moments)
def test_a_pool_of_bins_has_its_depth_on_both_sides(instrument: Instrument, at: datetime) -> None:
    pool = MARKET.pool_state(instrument, "meteora", MARKET.pool_id(instrument, at), at)
    assert isinstance(pool, DlmmPool)
    depth = int(instrument.depth) * 10**6
    in_y = sum(bin_.amount_y for bin_ in pool.bins)
    in_x = sum(bin_.amount_x * price_of(bin_, pool.bin_step) for bin_ in pool.bins)
    assert 0 <= Fraction(in_y, depth) - 1 < Fraction(1, BINS_PER_SIDE)
    assert abs(in_x + in_y - depth * (2 + Fraction(1, BINS_PER_SIDE))) < depth // 10**4
    assert [bin_.id for bin_ in pool.bins if bin_.amount_x and bin_.amount_y] in (
        [pool.active_id],
        [],
    )


def price_of(bin_: DlmmBin, bin_step: int) -> Fraction:
    return Fraction(bin_price(bin_.id, bin_step), 2**PRICE_BITS)


@deterministic
@given(instruments, moments, sides, st.integers(0, 3_000), st.integers(1, 1_000))
def test_a_rising_price_never_makes_a_buy_from_bins_cheaper(
    instrument: Instrument, at: datetime, side: Side, from_ppm: int, by_ppm: int
) -> None:
    pool_id = MARKET.pool_id(instrument, at)
    amount = worth(instrument, int(instrument.depth) // 20)
    low, high = (
        MARKET.liquidity(instrument, side, "meteora", pool_id, at, moved_ppm=moved)
        for moved in (from_ppm, from_ppm + by_ppm)
    )
    cheap, dear = (each.price(amount).quote_amount for each in (low, high))
    # If the active bin changes, the swap crosses one bin less, and its variable fee is a bit lower.
    assert cheap <= dear * (1 + Fraction(1, 10**5))
