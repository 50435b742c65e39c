"""Properties of every swap on the constant product pools, CPMM and v4 alike."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orderengine.amm import amm_v4, cpmm
from orderengine.amm.direction import Direction

deterministic = settings(derandomize=True, deadline=None, max_examples=150)

# Half of the 64 bits: an exact output near the end of such reserves still fits the program's types.
amounts = st.one_of(st.integers(0, 1_000), st.integers(0, 2**32))
reserves = st.one_of(st.integers(1, 1_000), st.integers(1, 2**32))
directions = st.sampled_from(Direction)

Swap = cpmm.CpmmSwap | amm_v4.AmmV4Swap
Pool = cpmm.CpmmPool | amm_v4.AmmV4Pool


@dataclass(frozen=True)
class Market:
    """A pool with its two functions bound, so that one property covers both programs."""

    pool: Pool
    exact_in: Callable[[int, Direction], Swap]
    exact_out: Callable[[int, Direction], Swap]


def market_of(pool: Pool) -> Market:
    match pool:
        case cpmm.CpmmPool():
            return Market(
                pool,
                lambda amount, direction: cpmm.exact_in(pool, amount, direction),
                lambda amount, direction: cpmm.exact_out(pool, amount, direction),
            )
        case amm_v4.AmmV4Pool():
            return Market(
                pool,
                lambda amount, direction: amm_v4.exact_in(pool, amount, direction),
                lambda amount, direction: amm_v4.exact_out(pool, amount, direction),
            )


fees = st.builds(
    cpmm.CpmmFees,
    trade=st.sampled_from([0, 1, 100, 2_500, 10_000, 400_000]),
    protocol=st.integers(0, 500_000),
    fund=st.integers(0, 500_000),
    creator=st.sampled_from([0, 0, 500, 300_000]),
    creator_fee_on=st.sampled_from(cpmm.CreatorFeeOn),
)
markets = st.one_of(
    st.builds(cpmm.CpmmPool, reserves, reserves, fees),
    st.builds(amm_v4.AmmV4Pool, reserves, reserves, st.sampled_from([0, 25, 3_000])),
).map(market_of)


def reserve_out(pool: Pool, direction: Direction) -> int:
    return pool.reserve_y if direction is Direction.X_TO_Y else pool.reserve_x


def opposite(direction: Direction) -> Direction:
    return Direction.Y_TO_X if direction is Direction.X_TO_Y else Direction.X_TO_Y


@deterministic
@given(markets, amounts, directions)
def test_the_output_never_reaches_the_reserve(
    market: Market, amount: int, direction: Direction
) -> None:
    swap = market.exact_in(amount, direction)
    assert 0 <= swap.amount_out < reserve_out(market.pool, direction)
    assert 0 <= swap.price_impact_ppb <= 10**9


@deterministic
@given(markets, amounts, directions)
def test_the_invariant_never_shrinks(market: Market, amount: int, direction: Direction) -> None:
    before = market.pool.reserve_x * market.pool.reserve_y
    after = market.exact_in(amount, direction).pool
    assert after.reserve_x * after.reserve_y >= before
    asked = amount % reserve_out(market.pool, direction) // 2
    after = market.exact_out(asked, direction).pool
    assert after.reserve_x * after.reserve_y >= before


@deterministic
@given(markets, amounts, directions)
def test_what_an_input_bought_costs_at_most_that_input(
    market: Market, amount: int, direction: Direction
) -> None:
    # Without a unit for rounding: each step of the exact output takes the least input that the
    # floors of the exact input turn into that output.
    bought = market.exact_in(amount, direction).amount_out
    assert market.exact_out(bought, direction).amount_in <= amount


@deterministic
@given(markets, amounts, directions)
def test_the_price_of_an_exact_output_buys_it(
    market: Market, amount: int, direction: Direction
) -> None:
    asked = amount % reserve_out(market.pool, direction) // 2
    paid = market.exact_out(asked, direction).amount_in
    assume(paid < 2**64)
    assert market.exact_in(paid, direction).amount_out >= asked


@deterministic
@given(markets, amounts, amounts, directions)
def test_two_swaps_never_pay_more_than_one_of_their_sum(
    market: Market, first: int, second: int, direction: Direction
) -> None:
    one = market.exact_in(first, direction)
    two = market_of(one.pool).exact_in(second, direction)
    whole = market.exact_in(first + second, direction)
    assert one.amount_out + two.amount_out <= whole.amount_out


@deterministic
@given(markets, amounts, amounts, directions)
def test_more_in_never_pays_less_and_more_out_never_costs_less(
    market: Market, amount: int, more: int, direction: Direction
) -> None:
    small, large = market.exact_in(amount, direction), market.exact_in(amount + more, direction)
    assert small.amount_out <= large.amount_out
    assert (
        market.exact_out(small.amount_out, direction).amount_in
        <= market.exact_out(large.amount_out, direction).amount_in
    )


@deterministic
@given(markets, amounts, directions)
def test_a_round_trip_never_profits(market: Market, amount: int, direction: Direction) -> None:
    there = market.exact_in(amount, direction)
    back = market_of(there.pool).exact_in(there.amount_out, opposite(direction))
    assert back.amount_out <= amount


@deterministic
@given(st.builds(cpmm.CpmmPool, reserves, reserves, fees), amounts, directions)
def test_every_unit_of_a_cpmm_swap_is_accounted_for(
    pool: cpmm.CpmmPool, amount: int, direction: Direction
) -> None:
    swap = cpmm.exact_in(pool, amount, direction)
    creator_in = swap.creator_fee if swap.creator_paid_from_input else 0
    assert amount == swap.net_in + swap.trade_fee + creator_in
    assert swap.gross_out == swap.amount_out + swap.creator_fee - creator_in
    assert min(swap.lp_fee, swap.protocol_fee, swap.fund_fee, swap.creator_fee) >= 0
    kept = swap.net_in + swap.lp_fee
    moved_x, moved_y = (
        swap.pool.reserve_x - pool.reserve_x,
        swap.pool.reserve_y - pool.reserve_y,
    )
    expected = (kept, -swap.gross_out)
    assert (moved_x, moved_y) == (expected if direction is Direction.X_TO_Y else expected[::-1])
