"""Prices, limits and slippage."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderengine.domain.documents import quote_document, quote_from, route_document, route_from
from orderengine.domain.pricing import (
    effective_price,
    is_beyond,
    limit_amount,
    market_impact_bps,
    slippage_bps,
    stricter,
    worst_amount,
)
from orderengine.domain.side import Side
from orderengine.domain.texts import decimal_text
from tests.builders import a_route
from tests.fakes import a_quote

AMOUNTS = st.integers(min_value=1, max_value=2**64 - 1)
TOLERANCES = st.integers(min_value=0, max_value=10_000)


def test_the_effective_price_is_exact() -> None:
    assert effective_price(10_000_000, 2_294_000_001, 6) == Decimal("229.4000001")
    assert effective_price(3, 1, 6) == Decimal("0.333333333333")


def test_a_price_has_significant_digits_however_small_it_is() -> None:
    assert effective_price(3 * 10**9, 1, 6) == Decimal("3.33333333333E-10")
    assert effective_price(7 * 10**18, 1, 0) == Decimal("1.42857142857E-25")
    assert effective_price(1, 2**64, 12) == Decimal(2**64 * 10**6)
    assert decimal_text(effective_price(3 * 10**9, 1, 6)) == "0.000000000333333333333"


@given(st.sampled_from(Side), AMOUNTS, AMOUNTS, st.integers(0, 12))
@example(Side.BUY, 30_000, 33_562, 6)
def test_a_limit_taken_from_a_quote_is_never_beyond_that_quote(
    side: Side, base_amount: int, quote_amount: int, decimals: int
) -> None:
    price = effective_price(base_amount, quote_amount, decimals, side)
    worst = worst_amount(side, Decimal(decimal_text(price)), base_amount, decimals)
    assert not is_beyond(side, quote_amount, worst)


@given(AMOUNTS, AMOUNTS, st.integers(0, 12))
def test_a_price_is_right_to_twelve_digits(base: int, quote: int, decimals: int) -> None:
    exact = Fraction(quote, 10**6) / Fraction(base, 10**decimals)
    for side in (None, *Side):
        price = effective_price(base, quote, decimals, side)
        assert abs(Fraction(price) / exact - 1) < Fraction(1, 10**11)


def test_the_slippage_of_the_cheapest_token_is_its_own() -> None:
    for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
        quoted, executed = (effective_price(10**18, amount, 6, side) for amount in (10_000, 10_100))
        assert slippage_bps(side, quoted, executed) == 100 * sign


def test_limits_are_the_venues_own_formulas() -> None:
    assert limit_amount(Side.BUY, 1_000_001, 100) == 1_010_001
    assert limit_amount(Side.SELL, 1_000_001, 100) == 990_000
    assert limit_amount(Side.BUY, 77, 0) == limit_amount(Side.SELL, 77, 0) == 77


def test_a_worst_price_is_rounded_in_the_clients_favor() -> None:
    worst = Decimal("0.3333333333333333333333333333")
    assert worst_amount(Side.BUY, worst, 10, 6) == 3
    assert worst_amount(Side.SELL, worst, 10, 6) == 4
    assert worst_amount(Side.BUY, Decimal(230), 10_000_000, 6) == 2_300_000_000


@given(AMOUNTS, st.integers(0, 12), st.decimals("1e-20", 10**7, allow_nan=False))
def test_a_worst_price_is_kept_exactly(amount: int, decimals: int, worst: Decimal) -> None:
    most, least = (worst_amount(side, worst, amount, decimals) for side in Side)
    exact = Fraction(worst) * Fraction(amount, 10**decimals) * 10**6
    assert most <= exact <= least <= most + 1


def test_the_stricter_limit_and_what_is_beyond_it_depend_on_the_side() -> None:
    assert (stricter(Side.BUY, 1, 2), stricter(Side.SELL, 1, 2)) == (1, 2)
    assert is_beyond(Side.BUY, 3, 2)
    assert is_beyond(Side.SELL, 1, 2)
    assert not is_beyond(Side.BUY, 2, 2)
    assert not is_beyond(Side.SELL, 2, 2)


@given(AMOUNTS, TOLERANCES)
def test_a_limit_never_exceeds_the_tolerance(amount: int, tolerance: int) -> None:
    most, least = (
        limit_amount(Side.BUY, amount, tolerance),
        limit_amount(Side.SELL, amount, tolerance),
    )
    assert amount <= most
    assert most * 10_000 <= amount * (10_000 + tolerance)
    assert least <= amount
    assert (least + 1) * 10_000 > amount * (10_000 - tolerance)


def test_slippage_is_positive_when_worse_for_the_side() -> None:
    quoted, higher = Decimal(100), Decimal("100.5")
    assert slippage_bps(Side.BUY, quoted, higher) == 50
    assert slippage_bps(Side.SELL, quoted, higher) == -50


def test_impact_is_measured_against_the_mid_price_and_never_negative() -> None:
    assert market_impact_bps(Side.BUY, Decimal(100), Decimal(101)) == 100
    assert market_impact_bps(Side.SELL, Decimal(100), Decimal(99)) == 100
    assert market_impact_bps(Side.SELL, Decimal(100), Decimal(101)) == 0


def test_documents_lose_nothing() -> None:
    quotes = [a_quote("raydium"), a_quote("meteora", Side.SELL, quote_amount=1)]
    for quote in quotes:
        assert quote_from(quote_document(quote)) == quote
    route = a_route(*quotes, refusals={"nowhere": "unknown"})
    assert route_from(route_document(route)) == route


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+3", "1000"),
        ("0.100", "0.1"),
        ("10", "10"),
        ("0", "0"),
        ("0E-12", "0"),
        ("-1.50", "-1.5"),
    ],
)
def test_decimals_are_written_plainly(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text
