"""Raydium AMM v4: the swap fee, both directions, and refused swaps."""

import pytest

from orderengine.amm.amm_v4 import AmmV4Pool, exact_in, exact_out
from orderengine.amm.direction import Direction
from orderengine.amm.errors import AmountOutOfRange, InsufficientLiquidity
from orderengine.amm.integers import U64_MAX

# The reserves of a real SOL/USDC pool: coin, pc.
POOL = AmmV4Pool(77_043_918_330_755, 1_511_361_338_135)


def test_an_input_pays_a_quarter_percent_rounded_up() -> None:
    swap = exact_in(POOL, 212_854_295_571, Direction.X_TO_Y)
    assert (swap.swap_fee, swap.amount_out) == (532_135_739, 4_153_651_556)
    assert swap.net_in == 212_854_295_571 - 532_135_739


def test_pc_buys_coin_on_the_mirrored_reserves() -> None:
    assert exact_in(POOL, 212_854_295_571, Direction.Y_TO_X).amount_out == 9_490_217_410_098


def test_the_fee_stays_in_the_pool() -> None:
    swap = exact_in(POOL, 1_000_000_007, Direction.Y_TO_X)
    assert swap.pool.reserve_y == POOL.reserve_y + 1_000_000_007
    assert swap.pool.reserve_x == POOL.reserve_x - swap.amount_out


def test_an_exact_output_is_paid_for_with_the_fee_on_top() -> None:
    swap = exact_out(POOL, 777_777, Direction.X_TO_Y)
    assert (swap.net_in, swap.amount_in) == (39_648_374, 39_747_744)
    assert (swap.amount_out, swap.swap_fee) == (777_777, 39_747_744 - 39_648_374)
    assert swap.pool.reserve_y == POOL.reserve_y - 777_777


def test_a_pool_may_charge_nothing() -> None:
    free = AmmV4Pool(1_000, 1_000, fee_numerator=0)
    assert exact_in(free, 1_000, Direction.X_TO_Y).amount_out == 500
    assert exact_out(free, 500, Direction.X_TO_Y).amount_in == 1_000


def test_dust_and_nothing_buy_nothing() -> None:
    assert exact_in(POOL, 1, Direction.X_TO_Y).amount_out == 0
    assert exact_in(POOL, 0, Direction.X_TO_Y).pool == POOL
    assert exact_out(POOL, 0, Direction.X_TO_Y).amount_in == 0


def test_price_impact_is_measured_without_the_fee() -> None:
    swap = exact_in(AmmV4Pool(10**12, 10**12), 10**10, Direction.X_TO_Y)
    # 1 - x / (x + net), net = 9.975e9: 0.98764822...%
    assert swap.price_impact_ppb == 9_876_482


def test_the_whole_reserve_can_not_be_bought() -> None:
    assert exact_out(POOL, POOL.reserve_y - 1, Direction.X_TO_Y).pool.reserve_y == 1
    with pytest.raises(InsufficientLiquidity):
        exact_out(POOL, POOL.reserve_y, Direction.X_TO_Y)


@pytest.mark.parametrize("amount", [-1, U64_MAX + 1])
def test_amounts_are_64_bit_and_not_negative(amount: int) -> None:
    with pytest.raises(AmountOutOfRange):
        exact_in(POOL, amount, Direction.X_TO_Y)
    with pytest.raises(AmountOutOfRange):
        exact_out(POOL, amount, Direction.X_TO_Y)


@pytest.mark.parametrize(
    "pool", [(-1, 1, 25, 10_000), (1, 2**128, 25, 10_000), (1, 1, 1, 1), (1, 1, 0, 0)]
)
def test_a_pool_has_reserves_and_a_fee_below_one(pool: tuple[int, int, int, int]) -> None:
    with pytest.raises(AmountOutOfRange):
        AmmV4Pool(*pool)
