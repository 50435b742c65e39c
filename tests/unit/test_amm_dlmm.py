"""Meteora DLMM: the walk across bins, edges, both fee modes, and the end state."""

from dataclasses import replace

import pytest

from orderengine.amm.direction import Direction
from orderengine.amm.dlmm import DlmmBin, DlmmPool, exact_in, exact_out
from orderengine.amm.dlmm_fee import CollectFeeMode, StaticParameters, VariableParameters
from orderengine.amm.dlmm_price import bin_price, cost
from orderengine.amm.errors import AmountOutOfRange, InsufficientLiquidity
from orderengine.amm.integers import U64_MAX

NOW_S = 1_000_000
X_TO_Y, Y_TO_X = Direction.X_TO_Y, Direction.Y_TO_X
PARAMETERS = StaticParameters(
    base_factor=10_000,
    variable_fee_control=40_000,
    max_volatility_accumulator=350_000,
    filter_period_s=30,
    decay_period_s=600,
    reduction_factor_bps=5_000,
    protocol_share_bps=1_000,
)
FREE = replace(PARAMETERS, base_factor=0, variable_fee_control=0)
ONLY_Y = replace(PARAMETERS, collect_fee_mode=CollectFeeMode.ONLY_Y)


def pool_of(
    *bins: tuple[int, int, int], parameters: StaticParameters = PARAMETERS, active_id: int = 0
) -> DlmmPool:
    return DlmmPool(
        bin_step=10,
        active_id=active_id,
        parameters=parameters,
        volatility=VariableParameters(index_reference=active_id),
        bins=tuple(DlmmBin(*bin_) for bin_ in bins),
    )


POOL = pool_of((-2, 0, 1_000), (-1, 0, 1_000), (0, 500, 500), (1, 1_000, 0), (2, 1_000, 0))


def test_a_swap_inside_one_bin_trades_at_its_price() -> None:
    swap = exact_in(POOL, 100, X_TO_Y, NOW_S)
    assert (swap.amount_in, swap.amount_out, swap.lp_fee, swap.protocol_fee) == (100, 99, 1, 0)
    assert (swap.net_in, swap.gross_out, swap.bins_filled, swap.price_impact_ppb) == (99, 99, 1, 0)
    assert swap.pool.bins[2] == DlmmBin(0, 599, 401)
    assert swap.pool.active_id == 0


def test_a_swap_walks_down_for_y_and_up_for_x() -> None:
    down, up = exact_in(POOL, 1_000, X_TO_Y, NOW_S), exact_in(POOL, 1_000, Y_TO_X, NOW_S)
    assert (down.pool.active_id, up.pool.active_id) == (-1, 1)
    assert down.pool.bins[2].amount_y == up.pool.bins[2].amount_x == 0
    assert down.amount_in == up.amount_in == 1_000
    assert down.price_impact_ppb > 0
    assert up.price_impact_ppb > 0


def test_the_end_bin_is_the_last_one_filled_and_not_the_next() -> None:
    swap = exact_out(POOL, 500, X_TO_Y, NOW_S)
    assert swap.pool.active_id == 0
    assert swap.pool.bins[2].amount_y == 0
    following = exact_in(swap.pool, 10, X_TO_Y, NOW_S)
    assert following.pool.active_id == -1


def test_an_amount_that_ends_on_the_edge_is_used_whole() -> None:
    # 500 of Y cost 500 X; the fee of 0.1% on top is 1, and the first fee of 501 is 1 as well.
    on_edge = exact_in(POOL, 501, X_TO_Y, NOW_S)
    assert (on_edge.amount_out, on_edge.net_in, on_edge.bins_filled) == (500, 500, 1)
    past_edge = exact_in(POOL, 502, X_TO_Y, NOW_S)
    # The unit past the edge reaches the next bin, which pays nothing for it: it is a fee, and goes
    # to the protocol.
    assert (past_edge.amount_in, past_edge.amount_out, past_edge.pool.active_id) == (502, 500, -1)
    assert past_edge.protocol_fee == on_edge.protocol_fee + 1
    assert past_edge.amount_in == past_edge.net_in + past_edge.lp_fee + past_edge.protocol_fee


def test_an_input_that_is_all_fee_is_consumed_and_split_between_nobody() -> None:
    swap = exact_in(POOL, 1, X_TO_Y, NOW_S)
    assert (swap.amount_in, swap.net_in, swap.amount_out) == (1, 0, 0)
    assert (swap.lp_fee, swap.protocol_fee, swap.price_impact_ppb) == (0, 0, 0)


def test_gaps_and_empty_bins_are_stepped_over() -> None:
    gappy = pool_of((-40, 0, 1_000), (-7, 9, 0), (0, 0, 0), (3, 0, 5), (9, 1_000, 0))
    down, up = exact_in(gappy, 50, X_TO_Y, NOW_S), exact_in(gappy, 50, Y_TO_X, NOW_S)
    assert (down.pool.active_id, up.pool.active_id) == (-40, 9)
    assert (down.bins_filled, up.bins_filled) == (1, 1)


def test_an_active_bin_that_is_not_listed_is_empty() -> None:
    assert exact_in(pool_of((5, 100, 0)), 10, Y_TO_X, NOW_S).pool.active_id == 5


def test_volatility_follows_the_bins_filled() -> None:
    gappy = pool_of((-3, 0, 1_000), (0, 0, 10))
    after = exact_in(gappy, 500, X_TO_Y, NOW_S).pool.volatility
    assert after == VariableParameters(30_000, 0, 0, NOW_S)
    again = exact_in(replace(gappy, active_id=-3, volatility=after), 10, X_TO_Y, NOW_S + 100)
    # 100 s later half of the volatility is left, counted from the active bin. That bin did not
    # change, so the time of the last update stays.
    assert again.pool.volatility == VariableParameters(15_000, 15_000, -3, NOW_S)


def test_the_fee_rises_with_every_bin_crossed() -> None:
    wide = pool_of(*((bin_id, 0, 10**9) for bin_id in range(-20, 1)))
    near, far = (exact_in(wide, amount, X_TO_Y, NOW_S) for amount in (10**9, 15 * 10**9))
    assert far.lp_fee + far.protocol_fee > 15 * (near.lp_fee + near.protocol_fee)


def test_a_pool_may_take_its_fee_in_y_only() -> None:
    pool = replace(POOL, parameters=ONLY_Y)
    selling, buying = exact_in(pool, 400, X_TO_Y, NOW_S), exact_in(pool, 400, Y_TO_X, NOW_S)
    assert (selling.fee_on_input, buying.fee_on_input) == (False, True)
    assert (selling.net_in, selling.gross_out, selling.amount_out) == (400, 400, 399)
    assert selling.pool.bins[2] == DlmmBin(0, 900, 100)
    assert buying == exact_in(POOL, 400, Y_TO_X, NOW_S)


def test_a_fee_on_the_output_is_split_per_bin() -> None:
    swap = exact_in(replace(POOL, parameters=ONLY_Y), 1_200, X_TO_Y, NOW_S)
    assert swap.gross_out == swap.amount_out + swap.lp_fee + swap.protocol_fee
    assert swap.amount_in == swap.net_in


@pytest.mark.parametrize("parameters", [PARAMETERS, ONLY_Y, FREE])
@pytest.mark.parametrize("direction", [X_TO_Y, Y_TO_X])
@pytest.mark.parametrize("amount_out", [1, 499, 500, 501, 1_500, 2_400])
def test_an_exact_output_is_paid_to_the_unit(
    parameters: StaticParameters, direction: Direction, amount_out: int
) -> None:
    pool = replace(POOL, parameters=parameters)
    swap = exact_out(pool, amount_out, direction, NOW_S)
    assert swap.amount_out == amount_out
    assert exact_in(pool, swap.amount_in, direction, NOW_S).amount_out >= amount_out


def test_the_surplus_of_an_offer_leaves_the_bin_and_is_no_fee() -> None:
    # In bin 7000 one X is worth about 1092 Y, so one Y costs a whole X and its fee.
    dear = pool_of((7_000, 0, 10_000), active_id=7_000)
    swap = exact_out(dear, 1, X_TO_Y, NOW_S)
    worth = bin_price(7_000, 10) >> 64
    assert (swap.amount_in, swap.amount_out) == (2, 1)
    assert (swap.lp_fee, swap.protocol_fee, swap.gross_out) == (1, 0, worth)
    assert swap.pool.bins[0] == DlmmBin(7_000, 1, 10_000 - worth)


def test_a_surplus_in_the_token_of_the_fee_goes_to_the_protocol() -> None:
    dear = pool_of((7_000, 0, 10_000), active_id=7_000, parameters=ONLY_Y)
    swap = exact_out(dear, 1, X_TO_Y, NOW_S)
    assert (swap.amount_in, swap.amount_out) == (1, 1)
    assert swap.gross_out == swap.amount_out + swap.lp_fee + swap.protocol_fee
    assert swap.gross_out == bin_price(7_000, 10) >> 64


def test_a_single_unit_too_much_leaves_the_bin_as_well() -> None:
    two_for_one = pool_of((694, 0, 10_000), active_id=694, parameters=FREE)
    assert bin_price(694, 10) >> 64 == 2
    swap = exact_out(two_for_one, 1, X_TO_Y, NOW_S)
    assert (swap.amount_in, swap.amount_out, swap.protocol_fee, swap.gross_out) == (1, 1, 0, 2)
    assert swap.pool.bins[0].amount_y == 9_998


def test_an_exact_output_uses_up_a_bin_whose_whole_reserve_is_fee() -> None:
    pool = pool_of((-1, 0, 100), (0, 0, 1), parameters=ONLY_Y)
    swap = exact_out(pool, 10, X_TO_Y, NOW_S)
    assert (swap.bins_filled, swap.pool.active_id) == (2, -1)
    assert swap.pool.bins[1] == DlmmBin(0, 1, 0)
    assert swap.gross_out == swap.amount_out + swap.lp_fee + swap.protocol_fee


def test_more_than_the_bins_ahead_hold_is_refused_and_never_partly_filled() -> None:
    capacity = sum(cost(bin_.amount_y, bin_price(bin_.id, 10), X_TO_Y) for bin_ in POOL.bins)
    free = replace(POOL, parameters=FREE)
    assert exact_in(free, capacity, X_TO_Y, NOW_S).amount_out == 2_500
    with pytest.raises(InsufficientLiquidity, match=f"1 of {capacity + 1} left"):
        exact_in(free, capacity + 1, X_TO_Y, NOW_S)
    assert exact_out(POOL, 2_500, Y_TO_X, NOW_S).amount_out == 2_500
    with pytest.raises(InsufficientLiquidity):
        exact_out(POOL, 2_501, Y_TO_X, NOW_S)


@pytest.mark.parametrize("direction", [X_TO_Y, Y_TO_X])
def test_liquidity_behind_the_active_bin_is_out_of_reach(direction: Direction) -> None:
    behind = pool_of((-1, 1_000, 0), (1, 0, 1_000))
    with pytest.raises(InsufficientLiquidity):
        exact_in(behind, 1, direction, NOW_S)


def test_a_zero_amount_is_a_swap_of_nothing_that_changes_nothing() -> None:
    for swap in (exact_in(POOL, 0, X_TO_Y, NOW_S), exact_out(POOL, 0, Y_TO_X, NOW_S)):
        assert (swap.amount_in, swap.amount_out, swap.bins_filled) == (0, 0, 0)
        assert swap.pool == POOL


@pytest.mark.parametrize("amount", [-1, U64_MAX + 1])
def test_amounts_are_64_bit_and_not_negative(amount: int) -> None:
    with pytest.raises(AmountOutOfRange):
        exact_in(POOL, amount, X_TO_Y, NOW_S)
    with pytest.raises(AmountOutOfRange):
        exact_out(POOL, amount, X_TO_Y, NOW_S)


def test_bins_are_listed_in_order_and_once() -> None:
    for ids in ((1, 0), (0, 0)):
        with pytest.raises(AmountOutOfRange, match="ascending"):
            pool_of(*((bin_id, 1, 0) for bin_id in ids))


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_bins_of_a_pool_reach_as_far_as_their_prices_are_right(sign: int) -> None:
    pool_of((35_163 * sign, 1, 0), active_id=35_163 * sign)
    with pytest.raises(AmountOutOfRange, match=r"35164, outside -35163\.\.35163"):
        pool_of((35_164 * sign, 1, 0))
    with pytest.raises(AmountOutOfRange, match=r"35164, outside -35163\.\.35163"):
        pool_of(active_id=35_164 * sign)


@pytest.mark.parametrize("bin_", [(2**19, 1, 1), (-(2**19), 1, 1), (0, -1, 0), (0, 0, 2**128)])
def test_a_bin_is_in_range_and_holds_no_negative_amount(bin_: tuple[int, int, int]) -> None:
    with pytest.raises(AmountOutOfRange):
        DlmmBin(*bin_)
