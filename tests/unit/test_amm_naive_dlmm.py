"""Meteora DLMM against a second, naive version of its rules; see `test_amm_naive`."""

from collections.abc import Mapping
from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st

from orderengine.amm import dlmm
from orderengine.amm.direction import Direction
from orderengine.amm.dlmm_fee import (
    CollectFeeMode,
    StaticParameters,
    VariableParameters,
    fee_on_top,
    fee_within,
    total_fee_rate,
)
from orderengine.amm.dlmm_price import bin_price
from orderengine.amm.errors import InsufficientLiquidity
from tests.unit.test_amm_naive import U64, amounts, deterministic, down, up

Q64 = 2**64


def naive_price(bin_id: int, bin_step: int) -> int:
    """Square and multiply over nineteen bits, as the SDK unrolls it."""
    base = Q64 + down(Fraction(bin_step * Q64, 10_000))
    if bin_id == 0:
        return Q64
    invert = bin_id < 0
    if base >= Q64:
        base, invert = (2**128 - 1) // base, not invert
    result = Q64
    for bit in range(19):
        if abs(bin_id) & 2**bit:
            result = result * base >> 64
        base = base * base >> 64
    if result == 0:
        return 0
    return (2**128 - 1) // result if invert else result


@deterministic
@given(st.integers(-(2**19) + 1, 2**19 - 1), st.sampled_from([1, 2, 10, 25, 100, 400, 65_535]))
@example(2**19 - 1, 1)
@example(-(2**19) + 1, 1)
def test_dlmm_price(bin_id: int, bin_step: int) -> None:
    assert bin_price(bin_id, bin_step) == naive_price(bin_id, bin_step)


def naive_rate(static: StaticParameters, bin_step: int, accumulator: int) -> int:
    base = static.base_factor * bin_step * int(10 ** (1 + static.base_fee_power_factor))
    moved = (accumulator * bin_step) ** 2
    return min(base + up(Fraction(static.variable_fee_control * moved, 10**11)), 10**8)


statics = st.builds(
    StaticParameters,
    base_factor=st.sampled_from([0, 1, 10_000, 65_535]),
    variable_fee_control=st.sampled_from([0, 7_500, 40_000, 2**32 - 1]),
    max_volatility_accumulator=st.sampled_from([0, 150_000, 350_000, 2**32 - 1]),
    filter_period_s=st.sampled_from([0, 10, 30]),
    decay_period_s=st.sampled_from([0, 30, 600]),
    reduction_factor_bps=st.sampled_from([0, 1, 5_000, 10_000]),
    protocol_share_bps=st.sampled_from([0, 500, 3_333, 10_000]),
    base_fee_power_factor=st.sampled_from([0, 1, 3]),
    collect_fee_mode=st.sampled_from(CollectFeeMode),
)


@deterministic
@given(statics, st.sampled_from([1, 10, 400]), st.integers(0, 2**32 - 1), amounts)
def test_dlmm_fee(static: StaticParameters, bin_step: int, accumulator: int, amount: int) -> None:
    rate = naive_rate(static, bin_step, accumulator)
    assert total_fee_rate(static, bin_step, accumulator) == rate
    assert fee_within(amount, rate) == up(Fraction(amount * rate, 10**9))
    assert fee_on_top(amount, rate) == up(Fraction(amount * rate, 10**9 - rate))


Bins = Mapping[int, tuple[int, int]]


class NaiveBin:
    """One bin in one swap, by the rules."""

    def __init__(self, price: int, reserve: int, rate: int, share: int, way: tuple[bool, bool]):
        self.price, self.reserve, self.rate, self.share = price, reserve, rate, share
        self.for_y, self.on_input = way

    def costs(self, out: int) -> int:
        price = Fraction(self.price, Q64)
        return up(out / price if self.for_y else out * price)

    def brings(self, paid: int) -> int:
        price = Fraction(self.price, Q64)
        return down(paid * price if self.for_y else paid / price)

    def exact_in(self, a: int) -> tuple[int, int, int, int, int, int]:
        """Used, output, lp fee, protocol fee, what enters, what leaves."""
        fee = up(Fraction(a * self.rate, 10**9)) if self.on_input else 0
        net, most, used = a - fee, self.costs(self.reserve), a
        if net > most:
            net, out = most, self.reserve
            fee = up(Fraction(most * self.rate, 10**9 - self.rate)) if self.on_input else 0
            used = most + fee
        elif net == most:
            out = self.reserve
        else:
            out = self.brings(net)
        gross = out
        if not self.on_input:
            fee = up(Fraction(out * self.rate, 10**9))
            out -= fee
        if net == 0:
            fee = 0
        protocol = down(Fraction(fee * self.share, 10_000))
        return used, out, fee - protocol, protocol, net, gross

    def exact_out(self, o: int) -> tuple[int, int, int, int, int, int]:
        gross = o if self.on_input else o + up(Fraction(o * self.rate, 10**9 - self.rate))
        if gross >= self.reserve:
            return self.exact_in(U64)
        a = net = self.costs(gross)
        if self.on_input:
            a += up(Fraction(net * self.rate, 10**9 - self.rate))
        used, q, lp, protocol, entered, left = self.exact_in(a)
        return used, o, lp, protocol + (0 if self.on_input else q - o), entered, left


def naive_walk(
    bins: Bins, pool: dlmm.DlmmPool, amount: int, for_y: bool, now: int, exact_in: bool
) -> tuple[int, int, int, int, int] | None:
    """Input, output, lp fee, protocol fee and end bin; None without enough liquidity."""
    static, moved = pool.parameters, pool.volatility
    index, reference = moved.index_reference, moved.volatility_reference
    elapsed = now - moved.last_update_timestamp
    if elapsed >= static.filter_period_s:
        index, reference = pool.active_id, 0
        if elapsed < static.decay_period_s:
            kept = moved.volatility_accumulator * static.reduction_factor_bps
            reference = down(Fraction(kept, 10_000))
    on_input = static.collect_fee_mode is CollectFeeMode.INPUT_ONLY or not for_y
    total = [0, 0, 0, 0]
    left, here, end = amount, pool.active_id, pool.active_id
    while left > 0:
        if not min(bins, default=0) <= here <= max(bins, default=-1):
            ahead = [i for i in bins if (i < here if for_y else i > here)]
            if not ahead:
                return None
        reserve = bins.get(here, (0, 0))[1 if for_y else 0]
        if reserve > 0:
            va = min(reference + abs(index - here) * 10_000, static.max_volatility_accumulator)
            rate = naive_rate(static, pool.bin_step, va)
            price = naive_price(here, pool.bin_step)
            each = NaiveBin(price, reserve, rate, static.protocol_share_bps, (for_y, on_input))
            used, out, lp, protocol, entered, _ = (
                each.exact_in(left) if exact_in else each.exact_out(left)
            )
            if entered == 0 and total[1] > 0:
                protocol += used
            left -= used if exact_in else out
            total = [a + b for a, b in zip(total, (used, out, lp, protocol), strict=True)]
            end = here
        here += -1 if for_y else 1
    return total[0], total[1], total[2], total[3], end


@st.composite
def dlmm_pools(draw: st.DrawFn) -> tuple[Bins, dlmm.DlmmPool]:
    """Pools of any bins: with gaps, one-sided, tiny and huge ones, maybe without an active one."""
    bin_step, active_id = draw(
        st.sampled_from([(1, 0), (10, -1_100), (10, 7_000), (25, -3_000), (100, 900), (400, -60)])
    )
    most = draw(st.sampled_from([1, 20, 10**6, 10**12, 2**63]))
    reserve = st.one_of(st.just(0), st.integers(0, most))
    ids = draw(st.lists(st.integers(active_id - 6, active_id + 6), max_size=9, unique=True))
    bins = {bin_id: (draw(reserve), draw(reserve)) for bin_id in sorted(ids)}
    volatility = VariableParameters(
        volatility_accumulator=draw(st.sampled_from([0, 1, 90_001, 350_000])),
        volatility_reference=draw(st.sampled_from([0, 35_000])),
        index_reference=active_id + draw(st.sampled_from([0, -7, 4])),
        last_update_timestamp=1_000_000,
    )
    listed = tuple(dlmm.DlmmBin(bin_id, *held) for bin_id, held in bins.items())
    return bins, dlmm.DlmmPool(bin_step, active_id, draw(statics), volatility, listed)


@settings(deterministic, max_examples=200)
@given(
    dlmm_pools(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([-5, 0, 9, 10, 29, 30, 599, 600, 10**6]),
    st.integers(0, 1_100),
    st.integers(-3, 3),
)
def test_dlmm_swap(
    made: tuple[Bins, dlmm.DlmmPool],
    for_y: bool,
    exact_in: bool,
    elapsed: int,
    permille: int,
    more: int,
) -> None:
    bins, pool = made
    ahead = [h for i, h in bins.items() if (i <= pool.active_id if for_y else i >= pool.active_id)]
    reserve = sum(held[1 if for_y else 0] for held in ahead)
    if exact_in:
        active = NaiveBin(naive_price(pool.active_id, pool.bin_step), 0, 0, 0, (for_y, True))
        reserve = active.costs(reserve)
    amount = min(max(reserve * permille // 1_000 + more, 0), U64)
    now = 1_000_000 + elapsed
    expected = naive_walk(bins, pool, amount, for_y, now, exact_in)
    direction = Direction.X_TO_Y if for_y else Direction.Y_TO_X
    try:
        swap = (dlmm.exact_in if exact_in else dlmm.exact_out)(pool, amount, direction, now)
    except InsufficientLiquidity:
        assert expected is None
        return
    got = (swap.amount_in, swap.amount_out, swap.lp_fee, swap.protocol_fee, swap.pool.active_id)
    assert got == expected
    moved = swap.pool.active_id != pool.active_id
    assert swap.pool.volatility.last_update_timestamp == (now if moved else 1_000_000)
