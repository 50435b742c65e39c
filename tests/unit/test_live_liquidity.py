"""The curves that only live pools have: creator fees, AMM v4, and USDC as a DLMM pool's X."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from orderengine.amm import amm_v4, cpmm, dlmm
from orderengine.amm.amm_v4 import AmmV4Pool
from orderengine.amm.cpmm import CpmmFees, CpmmPool, CreatorFeeOn
from orderengine.amm.direction import Direction
from orderengine.amm.dlmm import DlmmBin, DlmmPool
from orderengine.amm.dlmm_fee import CollectFeeMode, StaticParameters, VariableParameters
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.domain.routing import MARGINAL_BITS
from orderengine.domain.side import Asset, Side, side_of
from orderengine.market.bin_liquidity import DlmmLiquidity
from orderengine.market.curve_liquidity import AmmV4Liquidity, CpmmLiquidity
from orderengine.market.liquidity import Liquidity

NOW_S = 1_000
DEEP = 10**15


def a_dlmm(mode: CollectFeeMode = CollectFeeMode.INPUT_ONLY) -> DlmmPool:
    parameters = StaticParameters(10_000, 7_500, 350_000, 30, 600, 5_000, 500, 0, mode)
    bins = [
        DlmmBin(id_, 10**12 if id_ >= 40 else 0, 10**12 if id_ <= 40 else 0)
        for id_ in range(-20, 101)
    ]
    return DlmmPool(25, 40, parameters, VariableParameters(), tuple(bins))


def sides(kind: str) -> dict[Side, Liquidity]:
    """Both sides of a deep pool of each kind."""
    creator = CpmmFees(trade=2_500, creator=5_000)
    on_x = CpmmFees(trade=2_500, creator=5_000, creator_fee_on=CreatorFeeOn.X)
    made: dict[str, Callable[[Side], Liquidity]] = {
        "creator": lambda side: CpmmLiquidity(CpmmPool(DEEP, 7 * DEEP, creator), side, 9),
        "creator on x": lambda side: CpmmLiquidity(CpmmPool(DEEP, 7 * DEEP, on_x), side, 9),
        "amm v4": lambda side: AmmV4Liquidity(AmmV4Pool(DEEP, 7 * DEEP), side, 9),
        "dlmm": lambda side: DlmmLiquidity(a_dlmm(), side, 9, NOW_S),
        "dlmm, fees in y": lambda side: DlmmLiquidity(
            a_dlmm(CollectFeeMode.ONLY_Y), side, 9, NOW_S
        ),
        "dlmm, usdc first": lambda side: DlmmLiquidity(a_dlmm(), side, 9, NOW_S, is_base_x=False),
        "dlmm, usdc first, fees in y": lambda side: DlmmLiquidity(
            a_dlmm(CollectFeeMode.ONLY_Y), side, 9, NOW_S, is_base_x=False
        ),
    }
    return {side: made[kind](side) for side in Side}


KINDS = (
    "creator",
    "creator on x",
    "amm v4",
    "dlmm",
    "dlmm, fees in y",
    "dlmm, usdc first",
    "dlmm, usdc first, fees in y",
)


def other_of(liquidity: Liquidity, amount: int) -> int:
    swap = liquidity.price(amount)
    return swap.quote_amount if liquidity.exact is Asset.BASE else swap.base_amount


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("exact", Asset)
def test_the_marginal_price_is_that_of_the_next_units(kind: str, side: Side, exact: Asset) -> None:
    """A million units more, against the marginal prices at both ends."""
    liquidity = sides(kind)[side]
    if exact is Asset.QUOTE:
        liquidity = liquidity.in_usdc()
    most = liquidity.largest()
    for share in (100, 7, 3, 2):
        amount = most // share
        units = most // 100_000
        if amount + units > most:
            continue
        step = Fraction(other_of(liquidity, amount + units) - other_of(liquidity, amount), units)
        ends = [
            Fraction(liquidity.marginal_price(each), 1 << MARGINAL_BITS)
            for each in (amount, amount + units)
        ]
        assert min(ends) * Fraction(9_999, 10_000) <= step <= max(ends) * Fraction(10_001, 10_000)


def a_sale_into(*bins: DlmmBin) -> DlmmLiquidity:
    """A sale for exact USDC, of which the fee is taken: a bin with one unit of it pays nothing."""
    pool = a_dlmm(CollectFeeMode.ONLY_Y)
    return DlmmLiquidity(replace(pool, bins=bins), Side.SELL, 9, NOW_S, Asset.QUOTE)


def test_the_first_marginal_price_is_that_of_the_first_bin_that_pays() -> None:
    empty, dust, deep = DlmmBin(40, 0, 0), DlmmBin(39, 0, 1), DlmmBin(38, 0, 10**12)
    deeper = DlmmBin(37, 0, 10**12)
    found = a_sale_into(deeper, deep, dust, empty).marginal_price(0)
    assert found == a_sale_into(deeper, deep).marginal_price(1)
    assert found < a_sale_into(deeper).marginal_price(0)  # which takes more of the base asset


def test_the_first_marginal_price_of_bins_that_pay_nothing_is_that_of_the_last() -> None:
    dusts = [DlmmBin(each, 0, 1) for each in (38, 39, 40)]
    found = a_sale_into(*dusts).marginal_price(0)
    assert found == a_sale_into(*dusts).marginal_price(5)
    assert found > 0
    assert a_sale_into().marginal_price(0) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("exact", Asset)
def test_a_round_trip_loses_and_fees_are_in_usdc(kind: str, side: Side, exact: Asset) -> None:
    liquidity = sides(kind)[side]
    if exact is Asset.QUOTE:
        liquidity = liquidity.in_usdc()
    swap = liquidity.price(10**9)
    traded = Decimal(swap.quote_amount).scaleb(-6)
    share = swap.fee / traded
    assert Decimal("0.002") < share < Decimal("0.0105"), share
    price = traded / Decimal(swap.base_amount).scaleb(-9)
    assert price > swap.mid_price if side is Side.BUY else price < swap.mid_price


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("exact", Asset)
def test_usdc_as_x_trades_the_other_way_round(side: Side, exact: Asset) -> None:
    liquidity = DlmmLiquidity(a_dlmm(), side, 9, NOW_S, is_base_x=False)
    if exact is Asset.QUOTE:
        liquidity = liquidity.in_usdc()
    swap_exactly = dlmm.exact_out if side_of(exact, side) is Side.BUY else dlmm.exact_in
    direction = Direction.X_TO_Y if side is Side.BUY else Direction.Y_TO_X
    swap = swap_exactly(a_dlmm(), 10**12, direction, NOW_S)
    usdc, base = (
        (swap.amount_in, swap.amount_out) if side is Side.BUY else (swap.amount_out, swap.amount_in)
    )
    priced = liquidity.price(10**12)
    assert (priced.quote_amount, priced.base_amount) == (usdc, base)
    assert liquidity.usdc == sum(each.amount_x for each in a_dlmm().bins)


def test_the_largest_swap_of_a_live_pool_uses_all_bins() -> None:
    for mode in CollectFeeMode:
        for is_base_x in (True, False):
            for side in Side:
                for exact in Asset:
                    liquidity = DlmmLiquidity(
                        a_dlmm(mode), side, 9, NOW_S, exact, is_base_x=is_base_x
                    )
                    most = liquidity.largest()
                    assert liquidity.swap(most).amount_out > 0
                    with pytest.raises(InsufficientLiquidity):
                        liquidity.price(most + 2)


def test_a_creator_is_paid_in_the_token_that_the_pool_says() -> None:
    """A sale whose creator fee is in the base asset pays both fees; its other side pays one."""
    fees = CpmmFees(trade=2_500, creator=5_000, creator_fee_on=CreatorFeeOn.X)
    pool = CpmmPool(DEEP, DEEP, fees)
    sold = cpmm.exact_in(pool, 10**9, Direction.X_TO_Y)
    told = CpmmLiquidity(pool, Side.SELL, 6).price(10**9)
    assert told.fee == Decimal(sold.trade_fee + sold.creator_fee).scaleb(-6)
    got = cpmm.exact_in(pool, 10**9, Direction.Y_TO_X)
    told = CpmmLiquidity(pool, Side.BUY, 6, Asset.QUOTE).price(10**9)
    assert told.fee == Decimal(got.trade_fee + got.creator_fee).scaleb(-6)


def test_amounts_that_releases_round_apart_are_refused() -> None:
    """Below 200 units an earlier AMM v4 takes no fee; below half a unit, no input."""
    sale = AmmV4Liquidity(AmmV4Pool(DEEP, DEEP), Side.SELL, 6)
    with pytest.raises(InsufficientLiquidity, match="round so small an amount apart"):
        sale.price(199)
    assert (
        sale.price(200).quote_amount
        == amm_v4.exact_in(AmmV4Pool(DEEP, DEEP), 200, Direction.X_TO_Y).amount_out
    )
    cheap = CpmmPool(1_000, 10**6, CpmmFees(2_500))
    buy = CpmmLiquidity(cheap, Side.SELL, 6, Asset.QUOTE, is_careful=True)
    with pytest.raises(InsufficientLiquidity, match="round so small an amount apart"):
        buy.price(499)
    assert buy.price(500).base_amount == 2
    assert CpmmLiquidity(cheap, Side.SELL, 6, Asset.QUOTE).price(499).base_amount == 2


def test_a_pool_without_anything_ahead_asks_for_nothing_and_sells_nothing() -> None:
    """The price watcher takes this price for none: see `best_marginal`."""
    pool = replace(a_dlmm(), bins=tuple(DlmmBin(id_, 0, 10**12) for id_ in range(20, 41)))
    liquidity = DlmmLiquidity(pool, Side.BUY, 9, NOW_S)
    assert (liquidity.marginal_price(0), liquidity.largest()) == (0, 0)
    with pytest.raises(InsufficientLiquidity):
        liquidity.price(1)
