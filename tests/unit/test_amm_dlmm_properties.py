"""Properties of every swap on a DLMM pool, in both directions and both fee modes.

The pools are as after deposits: only Y below the active bin, only X above it, both in it.
"""

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orderengine.amm.direction import Direction
from orderengine.amm.dlmm import DlmmBin, DlmmPool, DlmmSwap, exact_in, exact_out
from orderengine.amm.dlmm_fee import (
    CollectFeeMode,
    StaticParameters,
    VariableParameters,
    with_references,
)
from orderengine.amm.dlmm_price import ONE, bin_price, cost, proceeds
from orderengine.amm.errors import InsufficientLiquidity

deterministic = settings(derandomize=True, deadline=None, max_examples=200)

LAST_SWAP_S = 1_000_000

parameters = st.builds(
    StaticParameters,
    base_factor=st.sampled_from([0, 1, 10_000, 50_000]),
    variable_fee_control=st.sampled_from([0, 7_500, 2_000_000]),
    max_volatility_accumulator=st.sampled_from([0, 150_000, 350_000]),
    # With a filter period of zero each swap restarts the volatility, and splitting can pay.
    filter_period_s=st.sampled_from([1, 30]),
    decay_period_s=st.sampled_from([30, 600]),
    reduction_factor_bps=st.sampled_from([0, 5_000, 10_000]),
    protocol_share_bps=st.sampled_from([0, 500, 10_000]),
    base_fee_power_factor=st.sampled_from([0, 0, 1]),
    collect_fee_mode=st.sampled_from(CollectFeeMode),
)


# Bin step and active bin: prices of 1, about 1/3, 7,750, 1,100 and 1/145.
markets = st.sampled_from([(1, 0), (10, -1_100), (100, 900), (10, 7_000), (100, -500)])


@st.composite
def pools(draw: st.DrawFn) -> DlmmPool:
    bin_step, active_id = draw(markets)
    deep = draw(st.sampled_from([3, 1_000, 10**9, 10**15]))
    amounts = st.lists(st.integers(0, deep), max_size=6)
    gap = draw(st.sampled_from([1, 1, 3]))
    bins = [DlmmBin(active_id, draw(st.integers(0, deep)), draw(st.integers(0, deep)))]
    bins += [
        DlmmBin(active_id - gap * away, 0, amount_y)
        for away, amount_y in enumerate(draw(amounts), 1)
    ]
    bins += [
        DlmmBin(active_id + gap * away, amount_x, 0)
        for away, amount_x in enumerate(draw(amounts), 1)
    ]
    return DlmmPool(
        bin_step=bin_step,
        active_id=active_id,
        parameters=draw(parameters),
        volatility=VariableParameters(
            volatility_accumulator=draw(st.sampled_from([0, 90_001, 350_000])),
            volatility_reference=draw(st.sampled_from([0, 35_000])),
            index_reference=active_id + draw(st.sampled_from([0, -3, 5])),
            last_update_timestamp=LAST_SWAP_S,
        ),
        bins=tuple(sorted(bins, key=lambda bin_: bin_.id)),
    )


times = st.sampled_from([0, 10, 100, 10_000]).map(lambda elapsed_s: LAST_SWAP_S + elapsed_s)
directions = st.sampled_from(Direction)
# A share of the pool's capacity, in 1/1000, and some units, so that every scale of pool is tested.
sizes = st.tuples(st.integers(0, 1_000), st.integers(0, 5))


def reserve_out(pool: DlmmPool, direction: Direction) -> int:
    if direction is Direction.X_TO_Y:
        return sum(bin_.amount_y for bin_ in pool.bins)
    return sum(bin_.amount_x for bin_ in pool.bins)


def input_of(pool: DlmmPool, direction: Direction, size: tuple[int, int]) -> int:
    """An input of about this size; at the price of the active bin, before fees."""
    worth = cost(reserve_out(pool, direction), bin_price(pool.active_id, pool.bin_step), direction)
    return min(worth * size[0] // 1_000 + size[1], 2**63)


def swap_in(pool: DlmmPool, amount: int, direction: Direction, now_s: int) -> DlmmSwap | None:
    """The swap, or None if the pool is too shallow for it."""
    try:
        return exact_in(pool, amount, direction, now_s)
    except InsufficientLiquidity:
        return None


def value_of(bin_: DlmmBin, bin_step: int) -> int:
    """The invariant of a bin: its liquidity in Y, as Q64.64."""
    return bin_.amount_x * bin_price(bin_.id, bin_step) + bin_.amount_y * ONE


def opposite(direction: Direction) -> Direction:
    return Direction.Y_TO_X if direction is Direction.X_TO_Y else Direction.X_TO_Y


@deterministic
@given(pools(), sizes, directions, times)
def test_the_output_never_exceeds_the_reserve(
    pool: DlmmPool, size: tuple[int, int], direction: Direction, now_s: int
) -> None:
    swap = swap_in(pool, input_of(pool, direction, size), direction, now_s)
    if swap:
        assert 0 <= swap.amount_out <= swap.gross_out <= reserve_out(pool, direction)
        assert reserve_out(swap.pool, direction) == reserve_out(pool, direction) - swap.gross_out
        assert 0 <= swap.price_impact_ppb <= 10**9


@deterministic
@given(pools(), sizes, directions, times)
def test_no_bin_ever_loses_value(
    pool: DlmmPool, size: tuple[int, int], direction: Direction, now_s: int
) -> None:
    asked = reserve_out(pool, direction) * size[0] // 2_000
    for swap in (
        swap_in(pool, input_of(pool, direction, size), direction, now_s),
        exact_out(pool, asked, direction, now_s) if asked else None,
    ):
        if swap:
            for before, after in zip(pool.bins, swap.pool.bins, strict=True):
                assert value_of(after, pool.bin_step) >= value_of(before, pool.bin_step)


@deterministic
@given(pools(), sizes, directions, times)
def test_every_unit_is_accounted_for(
    pool: DlmmPool, size: tuple[int, int], direction: Direction, now_s: int
) -> None:
    swap = swap_in(pool, input_of(pool, direction, size), direction, now_s)
    if swap:
        fees = swap.lp_fee + swap.protocol_fee
        if swap.fee_on_input:
            # An input of a single unit may be all fee, which is not split then.
            unsplit = swap.amount_in - swap.net_in - fees
            assert unsplit == 0 or (unsplit == swap.amount_in == 1 and swap.gross_out == 0)
            assert swap.gross_out == swap.amount_out
        else:
            assert swap.amount_in == swap.net_in
            assert swap.gross_out == swap.amount_out + fees


@deterministic
@given(pools(), sizes, directions, times)
def test_what_an_input_bought_costs_at_most_that_input(
    pool: DlmmPool, size: tuple[int, int], direction: Direction, now_s: int
) -> None:
    # Without a unit for rounding: a bin's exact output starts from the least input that its floors
    # turn into that output.
    amount = input_of(pool, direction, size)
    swap = swap_in(pool, amount, direction, now_s)
    if swap:
        assert exact_out(pool, swap.amount_out, direction, now_s).amount_in <= amount


@deterministic
@given(pools(), sizes, sizes, directions, times)
def test_two_swaps_never_pay_more_than_one_of_their_sum(
    pool: DlmmPool,
    first: tuple[int, int],
    second: tuple[int, int],
    direction: Direction,
    now_s: int,
) -> None:
    one_in, two_in = (input_of(pool, direction, size) // 2 for size in (first, second))
    whole = swap_in(pool, one_in + two_in, direction, now_s)
    if whole:
        one = exact_in(pool, one_in, direction, now_s)
        # A swap that crosses no bin does not restart the filter period: the volatility may decay
        # again at the next swap, and splitting can pay.
        left = one.pool.volatility
        assume(with_references(left, pool.parameters, one.pool.active_id, now_s) == left)
        two = exact_in(one.pool, two_in, direction, now_s)
        assert one.amount_out + two.amount_out <= whole.amount_out


@deterministic
@given(pools(), sizes, sizes, directions, times)
def test_more_in_never_pays_less_and_more_out_never_costs_less(
    pool: DlmmPool,
    size: tuple[int, int],
    more: tuple[int, int],
    direction: Direction,
    now_s: int,
) -> None:
    amount = input_of(pool, direction, size) // 2
    large = swap_in(pool, amount + input_of(pool, direction, more) // 2, direction, now_s)
    if large:
        small = exact_in(pool, amount, direction, now_s)
        assert small.amount_out <= large.amount_out
        assert (
            exact_out(pool, small.amount_out, direction, now_s).amount_in
            <= exact_out(pool, large.amount_out, direction, now_s).amount_in
        )


@deterministic
@given(pools(), sizes, directions, times)
def test_a_round_trip_never_profits(
    pool: DlmmPool, size: tuple[int, int], direction: Direction, now_s: int
) -> None:
    amount = input_of(pool, direction, size)
    there = swap_in(pool, amount, direction, now_s)
    if there:
        back = swap_in(there.pool, there.amount_out, opposite(direction), now_s)
        assert back is None or back.amount_out <= amount


@deterministic
@given(st.integers(-5_000, 5_000), st.integers(0, 2**64 - 1), directions)
def test_a_cost_is_the_least_input_that_buys(
    bin_id: int, gross_out: int, direction: Direction
) -> None:
    price = bin_price(bin_id, 10)
    net_in = cost(gross_out, price, direction)
    assert proceeds(net_in, price, direction) >= gross_out
    assert net_in == 0 or proceeds(net_in - 1, price, direction) < gross_out


@deterministic
@given(pools(), sizes, directions, times)
def test_a_swap_is_the_same_when_empty_bins_are_listed(
    pool: DlmmPool, size: tuple[int, int], direction: Direction, now_s: int
) -> None:
    listed = {bin_.id: bin_ for bin_ in pool.bins}
    padded = replace(
        pool,
        bins=tuple(
            listed.get(bin_id, DlmmBin(bin_id, 0, 0))
            for bin_id in range(pool.bins[0].id - 2, pool.bins[-1].id + 3)
        ),
    )
    amount = input_of(pool, direction, size)
    lean, full = (swap_in(each, amount, direction, now_s) for each in (pool, padded))
    assert (lean is None) == (full is None)
    if lean and full:
        assert full == lean
        assert full.pool.volatility == lean.pool.volatility
