"""Raydium CPMM: each part of the fees, the end state, and refused swaps."""

import pytest

from orderengine.amm.cpmm import CpmmFees, CpmmPool, CreatorFeeOn, exact_in, exact_out
from orderengine.amm.direction import Direction
from orderengine.amm.errors import AmmError, AmountOutOfRange, InsufficientLiquidity
from orderengine.amm.integers import U64_MAX

FEES = CpmmFees(trade=2_500, protocol=120_000, fund=40_000)
POOL = CpmmPool(1_000_000_000, 2_000_000_000, FEES)


def with_creator(fee_on: CreatorFeeOn) -> CpmmPool:
    fees = CpmmFees(2_500, 120_000, 40_000, creator=500, creator_fee_on=fee_on)
    return CpmmPool(1_000_000_000, 2_000_000_000, fees)


def test_an_input_pays_the_trade_fee_and_the_curve_gets_the_rest() -> None:
    swap = exact_in(POOL, 1_000_000, Direction.X_TO_Y)
    assert (swap.trade_fee, swap.net_in) == (2_500, 997_500)
    assert (swap.protocol_fee, swap.fund_fee, swap.lp_fee) == (300, 100, 2_100)
    assert swap.amount_out == swap.gross_out == 997_500 * 2_000_000_000 // 1_000_997_500


def test_a_pool_goes_on_trading_with_the_fee_of_its_liquidity_providers() -> None:
    swap = exact_in(POOL, 1_000_000, Direction.X_TO_Y)
    assert swap.pool.reserve_x == POOL.reserve_x + 1_000_000 - 300 - 100
    assert swap.pool.reserve_y == POOL.reserve_y - swap.amount_out
    assert swap.pool.fees is FEES


def test_the_other_direction_mirrors_the_pool() -> None:
    mirrored = CpmmPool(POOL.reserve_y, POOL.reserve_x, FEES)
    there = exact_in(POOL, 123_456, Direction.X_TO_Y)
    back = exact_in(mirrored, 123_456, Direction.Y_TO_X)
    assert back.amount_out == there.amount_out
    assert (back.pool.reserve_y, back.pool.reserve_x) == (
        there.pool.reserve_x,
        there.pool.reserve_y,
    )


@pytest.mark.parametrize(
    ("fee_on", "direction", "from_input"),
    [
        (CreatorFeeOn.INPUT, Direction.X_TO_Y, True),
        (CreatorFeeOn.INPUT, Direction.Y_TO_X, True),
        (CreatorFeeOn.X, Direction.X_TO_Y, True),
        (CreatorFeeOn.X, Direction.Y_TO_X, False),
        (CreatorFeeOn.Y, Direction.X_TO_Y, False),
        (CreatorFeeOn.Y, Direction.Y_TO_X, True),
    ],
)
def test_the_creator_is_paid_in_the_token_the_pool_names(
    fee_on: CreatorFeeOn, direction: Direction, from_input: bool
) -> None:
    assert exact_in(with_creator(fee_on), 1_000, direction).creator_paid_from_input is from_input


def test_a_creator_fee_on_the_input_leaves_the_pool_with_the_protocol_fees() -> None:
    pool = with_creator(CreatorFeeOn.X)
    swap = exact_in(pool, 1_000_001, Direction.X_TO_Y)
    # ceil(1000001 * 3000 / 1e6) = 3001 in all, of which floor(3001 * 500 / 3000) = 500.
    assert (swap.trade_fee, swap.creator_fee, swap.net_in) == (2_501, 500, 997_000)
    leaves = swap.protocol_fee + swap.fund_fee + 500
    assert swap.pool.reserve_x == pool.reserve_x + 1_000_001 - leaves


def test_a_creator_fee_on_the_output_is_taken_from_what_the_curve_pays() -> None:
    pool = with_creator(CreatorFeeOn.Y)
    swap = exact_in(pool, 1_000_000, Direction.X_TO_Y)
    assert swap.gross_out == exact_in(POOL, 1_000_000, Direction.X_TO_Y).amount_out
    assert swap.creator_fee == -(-swap.gross_out * 500 // 1_000_000)
    assert swap.amount_out == swap.gross_out - swap.creator_fee
    assert swap.pool.reserve_y == pool.reserve_y - swap.gross_out


def test_an_exact_output_is_paid_to_the_unit() -> None:
    for fee_on in CreatorFeeOn:
        swap = exact_out(with_creator(fee_on), 1_234_567, Direction.X_TO_Y)
        assert swap.amount_out == 1_234_567
        assert exact_in(with_creator(fee_on), swap.amount_in, Direction.X_TO_Y).amount_out >= (
            swap.amount_out
        )


def test_a_pool_without_any_fee_splits_nothing() -> None:
    swap = exact_in(CpmmPool(1_000, 1_000, CpmmFees(trade=0)), 1_000, Direction.X_TO_Y)
    assert (swap.amount_out, swap.trade_fee, swap.creator_fee, swap.lp_fee) == (500, 0, 0, 0)


def test_a_dust_input_is_all_fee_and_buys_nothing() -> None:
    swap = exact_in(POOL, 1, Direction.X_TO_Y)
    assert (swap.trade_fee, swap.amount_out, swap.price_impact_ppb) == (1, 0, 0)


def test_a_zero_amount_is_a_swap_of_nothing() -> None:
    for swap in (exact_in(POOL, 0, Direction.X_TO_Y), exact_out(POOL, 0, Direction.X_TO_Y)):
        assert (swap.amount_in, swap.amount_out, swap.trade_fee) == (0, 0, 0)
        assert swap.pool == POOL


def test_the_largest_amount_never_empties_a_pool() -> None:
    swap = exact_in(CpmmPool(1, U64_MAX, FEES), U64_MAX, Direction.X_TO_Y)
    assert swap.pool.reserve_y >= 1


def test_price_impact_is_measured_against_the_mid_price_without_fees() -> None:
    swap = exact_in(CpmmPool(10**12, 10**12, CpmmFees(trade=10_000)), 10**10, Direction.X_TO_Y)
    # 1 - x / (x + net), net = 9.9e9: 0.98029508...%
    assert swap.price_impact_ppb == 9_802_950


@pytest.mark.parametrize("amount_out", [2_000_000_000, 2_000_000_001, U64_MAX])
def test_the_whole_reserve_can_not_be_bought(amount_out: int) -> None:
    with pytest.raises(InsufficientLiquidity):
        exact_out(POOL, amount_out, Direction.X_TO_Y)


def test_the_last_unit_of_the_reserve_can_not_pay_a_creator_fee_on_top() -> None:
    almost_all = POOL.reserve_y - 1
    assert exact_out(POOL, almost_all, Direction.X_TO_Y).amount_in > POOL.reserve_x
    with pytest.raises(InsufficientLiquidity):
        exact_out(with_creator(CreatorFeeOn.Y), almost_all, Direction.X_TO_Y)


def test_an_input_beyond_64_bits_is_computed_and_left_to_the_venue() -> None:
    swap = exact_out(CpmmPool(U64_MAX, 1_000, FEES), 999, Direction.X_TO_Y)
    assert swap.net_in == U64_MAX * 999
    assert swap.amount_in > U64_MAX


@pytest.mark.parametrize("amount", [-1, U64_MAX + 1])
def test_amounts_are_64_bit_and_not_negative(amount: int) -> None:
    with pytest.raises(AmountOutOfRange, match=f"amount_in is {amount}"):
        exact_in(POOL, amount, Direction.X_TO_Y)
    with pytest.raises(AmountOutOfRange, match=f"amount_out is {amount}"):
        exact_out(POOL, amount, Direction.X_TO_Y)


@pytest.mark.parametrize("reserves", [(1, -1), (-1, 1), (2**128, 1)])
def test_reserves_are_128_bit_and_not_negative(reserves: tuple[int, int]) -> None:
    with pytest.raises(AmountOutOfRange):
        CpmmPool(*reserves, FEES)


def test_an_empty_reserve_pays_nothing_and_can_not_be_bought_from() -> None:
    empty = CpmmPool(1_000, 0, FEES)
    assert exact_in(empty, 1_000, Direction.X_TO_Y).amount_out == 0
    with pytest.raises(InsufficientLiquidity):
        exact_out(empty, 0, Direction.X_TO_Y)


def test_nothing_offered_to_an_empty_reserve_is_refused() -> None:
    with pytest.raises(InsufficientLiquidity):
        exact_in(CpmmPool(0, 1_000, FEES), 1, Direction.X_TO_Y)


@pytest.mark.parametrize(
    "rates", [(-1, 0, 0, 0), (999_000, 0, 0, 1_000), (1, 600_000, 400_001, 0), (1, -1, 0, 0)]
)
def test_rates_that_would_take_everything_are_refused(rates: tuple[int, int, int, int]) -> None:
    with pytest.raises(AmountOutOfRange):
        CpmmFees(*rates)


def test_every_refusal_is_a_value_error() -> None:
    assert issubclass(AmmError, ValueError)
    assert issubclass(InsufficientLiquidity, AmmError)
    assert issubclass(AmountOutOfRange, AmmError)
