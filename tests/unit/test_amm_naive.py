"""The pool maths against a second, naive version of each rule, over ranges that samples leave out.

The naive version has every rule once, in the order of its description, on plain numbers, and with
fractions where the programs work in steps. It is slow, and shares only the rules with the code.
"""

from fractions import Fraction
from math import ceil, floor

from hypothesis import example, given, settings
from hypothesis import strategies as st

from orderengine.amm import amm_v4, cpmm
from orderengine.amm.direction import Direction
from orderengine.amm.errors import InsufficientLiquidity

deterministic = settings(derandomize=True, deadline=None, max_examples=150)

U64 = 2**64 - 1

amounts = st.one_of(st.integers(0, 5), st.integers(0, 10**6), st.integers(0, U64))
reserves = st.one_of(st.integers(0, 5), st.integers(0, 10**6), st.integers(0, U64))
rates = st.one_of(st.sampled_from([0, 1, 2_500, 10_000, 400_000]), st.integers(0, 499_999))
shares = st.one_of(st.sampled_from([0, 40_000, 120_000]), st.integers(0, 500_000))


def up(number: Fraction) -> int:
    return ceil(number)


def down(number: Fraction) -> int:
    return floor(number)


def naive_cpmm_in(
    a: int, x: int, y: int, trade: int, creator: int, on_input: bool
) -> tuple[int, int, int, int, int] | None:
    """Output, trade fee, creator fee, what enters the curve, what leaves it."""
    million = 1_000_000
    if on_input:
        total = up(Fraction(a * (trade + creator), million))
        creator_fee = down(Fraction(total * creator, trade + creator)) if trade + creator else 0
        trade_fee, net = total - creator_fee, a - total
    else:
        trade_fee = up(Fraction(a * trade, million))
        creator_fee, net = 0, a - trade_fee
    if x + net == 0:
        return None
    gross = down(Fraction(net * y, x + net))
    if not on_input:
        creator_fee = up(Fraction(gross * creator, million))
        return gross - creator_fee, trade_fee, creator_fee, net, gross
    return gross, trade_fee, creator_fee, net, gross


def naive_cpmm_out(
    o: int, x: int, y: int, trade: int, creator: int, on_input: bool
) -> tuple[int, int, int, int, int] | None:
    """Input, trade fee, creator fee, what enters the curve, what leaves it."""
    million = 1_000_000
    gross = o if on_input else up(Fraction(o * million, million - creator))
    if gross >= y:
        return None
    net = up(Fraction(x * gross, y - gross))
    taken = trade + creator if on_input else trade
    a = up(Fraction(net * million, million - taken))
    total = a - net
    if not on_input:
        return a, total, gross - o, net, gross
    creator_fee = down(Fraction(total * creator, trade + creator)) if trade + creator else 0
    return a, total - creator_fee, creator_fee, net, gross


@deterministic
@given(amounts, reserves, reserves, rates, rates, shares, shares, st.booleans(), st.booleans())
@example(0, 0, 0, 2_500, 0, 0, 0, True, True)
@example(1, 0, 7, 0, 0, 0, 0, True, True)
@example(U64, U64, U64, 2_500, 500, 120_000, 40_000, False, True)
def test_cpmm(
    amount: int,
    x: int,
    y: int,
    trade: int,
    creator: int,
    protocol: int,
    fund: int,
    on_input: bool,
    exact_in: bool,
) -> None:
    paid_in = cpmm.CreatorFeeOn.X if on_input else cpmm.CreatorFeeOn.Y
    pool = cpmm.CpmmPool(x, y, cpmm.CpmmFees(trade, protocol, fund, creator, paid_in))
    naive = naive_cpmm_in if exact_in else naive_cpmm_out
    expected = naive(amount, x, y, trade, creator, on_input)
    try:
        swap = (cpmm.exact_in if exact_in else cpmm.exact_out)(pool, amount, Direction.X_TO_Y)
    except InsufficientLiquidity:
        assert expected is None
        return
    other = swap.amount_out if exact_in else swap.amount_in
    got = (other, swap.trade_fee, swap.creator_fee, swap.net_in, swap.gross_out)
    assert got == expected
    assert swap.protocol_fee == down(Fraction(swap.trade_fee * protocol, 1_000_000))
    assert swap.fund_fee == down(Fraction(swap.trade_fee * fund, 1_000_000))
    leaves = swap.protocol_fee + swap.fund_fee + (swap.creator_fee if on_input else 0)
    assert swap.pool.reserve_x == x + swap.amount_in - leaves
    assert swap.pool.reserve_y == y - swap.gross_out


@deterministic
@given(amounts, reserves, reserves, st.sampled_from([(25, 10_000), (0, 1), (3, 7)]), st.booleans())
def test_amm_v4(amount: int, coin: int, pc: int, fee: tuple[int, int], is_coin_in: bool) -> None:
    numerator, denominator = fee
    pool = amm_v4.AmmV4Pool(coin, pc, numerator, denominator)
    x, y = (coin, pc) if is_coin_in else (pc, coin)
    direction = Direction.X_TO_Y if is_coin_in else Direction.Y_TO_X
    charged = up(Fraction(amount * numerator, denominator))
    if x + amount - charged > 0:
        swap = amm_v4.exact_in(pool, amount, direction)
        paid = down(Fraction((amount - charged) * y, x + amount - charged))
        assert (swap.swap_fee, swap.amount_out) == (charged, paid)
    if amount < y:
        swap = amm_v4.exact_out(pool, amount, direction)
        net = up(Fraction(x * amount, y - amount))
        gross = up(Fraction(net * denominator, denominator - numerator))
        assert (swap.net_in, swap.amount_in) == (net, gross)
