"""Limit orders in the bins of a DLMM pool: sold after the liquidity, each part rounded by itself.

`generators/real_programs` compares these rules with the program.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.amm.direction import Direction
from orderengine.amm.dlmm import DlmmBin, DlmmPool, exact_in, exact_out
from orderengine.amm.dlmm_bin import BinTerms, fill_exact_in, fill_exact_out, whole_cost
from orderengine.amm.dlmm_fee import StaticParameters, VariableParameters
from orderengine.amm.dlmm_price import ONE, cost
from orderengine.amm.errors import AmountOutOfRange, InsufficientLiquidity

FREE = StaticParameters(0, 0, 0, 30, 600, 5_000, 2_000)
THIRD = 3 * ONE  # three of Y for one of X: outputs of X are rounded


def terms(*layers: int, price: int = THIRD, fee_rate: int = 0, share: int = 2_000) -> BinTerms:
    """A bin that sells X: liquidity, then the orders that are being filled, then the others."""
    _, filling, others = layers
    orders = filling, others
    return BinTerms(Direction.Y_TO_X, price, sum(layers), fee_rate, share, True, orders)


def test_liquidity_is_sold_first_then_the_orders_being_filled_then_the_others() -> None:
    bin_ = DlmmBin(0, 10, 0, orders_x=(20, 30))
    pool = DlmmPool(25, 0, FREE, VariableParameters(), (bin_,))
    left = [
        exact_out(pool, amount, Direction.Y_TO_X, 1_000).pool.bins[0]
        for amount in (4, 10, 15, 30, 42, 60)
    ]
    assert [(each.amount_x, each.orders_x) for each in left] == [
        (6, (20, 30)),
        (0, (20, 30)),
        (0, (15, 30)),
        (0, (0, 30)),
        (0, (0, 18)),
        (0, (0, 0)),
    ]
    assert [each.amount_y for each in left] == [4, 10, 10, 10, 10, 10]
    with pytest.raises(InsufficientLiquidity):
        exact_out(pool, 61, Direction.Y_TO_X, 1_000)


def test_bids_are_sold_for_x_and_asks_are_not() -> None:
    bin_ = DlmmBin(0, 0, 0, orders_y=(5, 0))
    pool = DlmmPool(25, 0, FREE, VariableParameters(), (bin_,))
    assert exact_in(pool, 5, Direction.X_TO_Y, 1_000).amount_out == 5
    with pytest.raises(InsufficientLiquidity):
        exact_in(pool, 1, Direction.Y_TO_X, 1_000)


def test_each_part_of_a_bin_is_paid_for_by_itself() -> None:
    """At a third of Y for one of X, seven and seven of X cost 3 + 3, not 5."""
    price = ONE // 3
    whole = terms(7, 7, 0, price=price)
    assert (whole_cost(whole), cost(14, price, Direction.Y_TO_X)) == (6, 5)
    fill = fill_exact_in(whole, 6)
    assert (fill.amount_in, fill.amount_out) == (6, 14)
    assert fill_exact_in(whole, 5).amount_out == 7 + 6


def test_an_exact_output_that_orders_cannot_pay_out_is_refused() -> None:
    """The offer is rounded up once, each part of the bin by itself; the program gives 6085."""
    price = ONE // 3
    with pytest.raises(InsufficientLiquidity, match="limit orders do not pay out exactly"):
        fill_exact_out(terms(7, 100, 0, price=price), 15)
    assert fill_exact_out(terms(7, 100, 0, price=price), 7).amount_out == 7


@pytest.mark.parametrize(("share", "protocol_fee"), [(0, 1), (2_000, 1), (10_000, 3)])
def test_half_of_the_fee_of_an_order_is_its_own(share: int, protocol_fee: int) -> None:
    """The fee is 4 of 303. Liquidity took 90 of the 299 left, so 2 of the 4 are of the order."""
    fill = fill_exact_in(terms(30, 70, 0, fee_rate=10_000_000, share=share), 303)
    assert (fill.net_in, fill.amount_out) == (299, 99)
    assert (fill.lp_fee, fill.protocol_fee) == (4 - protocol_fee, protocol_fee)


@given(
    st.integers(0, 10**9),
    st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    st.integers(1, 2**70),
    st.integers(0, 10**7),
    st.integers(1, 10**10),
)
def test_an_exact_input_never_gets_more_than_it_pays_for(
    liquidity: int, orders: tuple[int, int], price: int, fee_rate: int, amount: int
) -> None:
    one = terms(liquidity, *orders, price=price, fee_rate=fee_rate)
    fill = fill_exact_in(one, amount)
    assert fill.amount_in <= amount
    assert fill.gross_out <= one.reserve_out
    assert fill.gross_out * price <= fill.net_in << 64
    plain = fill_exact_in(terms(one.reserve_out, 0, 0, price=price, fee_rate=fee_rate), amount)
    assert fill.gross_out <= plain.gross_out


def test_an_order_beyond_64_bits_is_refused() -> None:
    with pytest.raises(AmountOutOfRange):
        DlmmBin(0, 0, 0, orders_x=(2**64, 0))
