"""Meteora DLMM: bin prices, fee rates, and the volatility that moves them."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from orderengine.amm.direction import Direction
from orderengine.amm.dlmm_fee import (
    MAX_FEE_RATE,
    StaticParameters,
    VariableParameters,
    accumulator_at,
    base_fee_rate,
    fee_on_top,
    fee_within,
    total_fee_rate,
    variable_fee_rate,
    with_references,
)
from orderengine.amm.dlmm_price import MAX_BIN_ID, ONE, bin_price, cost, proceeds
from orderengine.amm.errors import AmountOutOfRange
from orderengine.amm.integers import U128_MAX

PARAMETERS = StaticParameters(
    base_factor=10_000,
    variable_fee_control=40_000,
    max_volatility_accumulator=350_000,
    filter_period_s=30,
    decay_period_s=600,
    reduction_factor_bps=5_000,
    protocol_share_bps=1_000,
)
MOVED = VariableParameters(
    volatility_accumulator=100_001,
    volatility_reference=70_000,
    index_reference=7,
    last_update_timestamp=1_000,
)


def test_the_price_of_bin_zero_is_one() -> None:
    assert bin_price(0, 25) == ONE == 2**64


@pytest.mark.parametrize("bin_step", [1, 10, 80, 400])
@pytest.mark.parametrize("bin_id", [-500, -64, -1, 1, 2, 100, 500])
def test_a_price_is_the_power_of_the_step(bin_id: int, bin_step: int) -> None:
    exact = (1 + Fraction(bin_step, 10_000)) ** bin_id
    # The program raises a number below 1, truncated to 64 bits: a lost unit of the base counts |id|
    # times, one of each next square half as often, one of each of 19 products once.
    lost = Fraction(2 * abs(bin_id) + 19, ONE) / min(exact, 1 / exact)
    assert abs(Fraction(bin_price(bin_id, bin_step), ONE) / exact - 1) <= lost


@pytest.mark.parametrize(("bin_step", "reach"), [(1, 400_000), (25, 15_000), (400, 1_000)])
def test_prices_rise_with_the_id(bin_step: int, reach: int) -> None:
    prices = [bin_price(bin_id, bin_step) for bin_id in range(-reach, reach, reach // 500)]
    assert all(low < high for low, high in pairwise(prices))


def test_ids_have_nineteen_bits_and_a_sign() -> None:
    assert (bin_price(-400_000, 1), bin_price(400_000, 1)) == (78, U128_MAX // 78)
    assert bin_price(MAX_BIN_ID, 1) == bin_price(-MAX_BIN_ID, 1) == 0
    for bin_id in (-MAX_BIN_ID - 1, MAX_BIN_ID + 1):
        with pytest.raises(AmountOutOfRange):
            bin_price(bin_id, 1)


@pytest.mark.parametrize("bin_id", [-443_636, 443_636])
def test_a_price_that_fixed_point_can_not_hold_is_zero(bin_id: int) -> None:
    assert bin_price(bin_id, 100) == 0


@pytest.mark.parametrize("bin_step", [0, -1, 2**16])
def test_a_bin_step_is_sixteen_bits_and_positive(bin_step: int) -> None:
    with pytest.raises(AmountOutOfRange):
        bin_price(1, bin_step)


def test_a_bin_pays_rounded_down_and_asks_rounded_up() -> None:
    third = ONE // 3
    assert proceeds(10, third, Direction.X_TO_Y) == 3
    assert cost(3, third, Direction.X_TO_Y) == 10
    assert proceeds(3, third, Direction.Y_TO_X) == 9
    assert cost(10, third, Direction.Y_TO_X) == 4


def test_the_base_rate_is_the_factor_times_the_step_times_a_power_of_ten() -> None:
    assert base_fee_rate(PARAMETERS, 25) == 2_500_000
    assert base_fee_rate(replace(PARAMETERS, base_fee_power_factor=2), 25) == 250_000_000


def test_the_variable_rate_is_quadratic_and_rounded_up() -> None:
    assert variable_fee_rate(PARAMETERS, 10, 0) == 0
    assert variable_fee_rate(PARAMETERS, 10, 1) == 1
    assert variable_fee_rate(PARAMETERS, 10, 10_000) == 4_000
    assert variable_fee_rate(PARAMETERS, 10, 20_000) == 16_000
    assert variable_fee_rate(replace(PARAMETERS, variable_fee_control=0), 10, 20_000) == 0


def test_the_total_rate_is_capped_at_ten_percent() -> None:
    assert total_fee_rate(PARAMETERS, 10, 10_000) == 1_004_000
    assert total_fee_rate(replace(PARAMETERS, base_fee_power_factor=3), 10, 0) == MAX_FEE_RATE


def test_the_fee_within_and_the_fee_on_top_agree() -> None:
    assert (fee_within(1_000_000, 2_500_000), fee_on_top(1_000_000, 2_500_000)) == (2_500, 2_507)
    assert (fee_within(1, 1), fee_on_top(1, 1), fee_within(10**9, 0)) == (1, 1, 0)
    for net in (1, 2, 399, 10**9 + 7):
        gross = net + fee_on_top(net, 2_500_001)
        assert gross - fee_within(gross, 2_500_001) == net


@pytest.mark.parametrize(
    ("elapsed_s", "index_reference", "volatility_reference"),
    [
        (-1, 7, 70_000),  # the clock of a chain may step back
        (0, 7, 70_000),
        (29, 7, 70_000),
        (30, 42, 50_000),
        (599, 42, 50_000),
        (600, 42, 0),
        (10**9, 42, 0),
    ],
)
def test_references_move_with_the_time_since_the_last_swap(
    elapsed_s: int, index_reference: int, volatility_reference: int
) -> None:
    moved = with_references(MOVED, PARAMETERS, 42, 1_000 + elapsed_s)
    assert moved == replace(
        MOVED, index_reference=index_reference, volatility_reference=volatility_reference
    )


def test_a_decay_period_no_longer_than_the_filter_forgets_at_once() -> None:
    parameters = replace(PARAMETERS, decay_period_s=30)
    assert with_references(MOVED, parameters, 42, 1_030).volatility_reference == 0


def test_volatility_accumulates_by_the_bins_crossed_up_to_the_maximum() -> None:
    assert accumulator_at(MOVED, PARAMETERS, 7) == 70_000
    assert accumulator_at(MOVED, PARAMETERS, 5) == accumulator_at(MOVED, PARAMETERS, 9) == 90_000
    assert accumulator_at(MOVED, PARAMETERS, 7 + 28) == 350_000
    assert accumulator_at(MOVED, PARAMETERS, -10_000) == 350_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_factor": 2**16},
        {"protocol_share_bps": 10_001},
        {"reduction_factor_bps": 10_001},
        {"variable_fee_control": -1},
        {"filter_period_s": -1},
    ],
)
def test_parameters_stay_in_the_program_s_types(wrong: dict[str, int]) -> None:
    with pytest.raises(AmountOutOfRange, match=next(iter(wrong))):
        replace(PARAMETERS, **wrong)  # type: ignore[arg-type]


def test_volatility_is_not_negative() -> None:
    with pytest.raises(AmountOutOfRange):
        VariableParameters(volatility_accumulator=-1)
    with pytest.raises(AmountOutOfRange):
        VariableParameters(volatility_reference=2**32)
