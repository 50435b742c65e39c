"""Prices, limits, slippage and the choice of a route."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.domain.documents import (
    decimal_text,
    quote_document,
    quote_from,
    route_document,
    route_from,
)
from orderengine.domain.pricing import (
    effective_price,
    limit_amount,
    market_impact_bps,
    slippage_bps,
)
from orderengine.domain.routing import choose_route
from orderengine.domain.side import Side
from tests.fakes import a_quote

AMOUNTS = st.integers(min_value=1, max_value=2**64 - 1)
TOLERANCES = st.integers(min_value=0, max_value=10_000)


def test_a_buy_takes_the_cheapest_quote_and_a_sell_the_dearest() -> None:
    cheap, dear = a_quote("raydium", quote_amount=100), a_quote("meteora", quote_amount=105)
    assert choose_route(Side.BUY, [dear, cheap], {}).chosen is cheap
    assert choose_route(Side.SELL, [cheap, dear], {}).chosen is dear


def test_between_equal_quotes_the_first_venue_wins() -> None:
    first, second = a_quote("raydium"), a_quote("meteora")
    for side in Side:
        assert choose_route(side, [first, second], {}).chosen is first


def test_one_answering_venue_suffices() -> None:
    only = a_quote("meteora")
    route = choose_route(Side.BUY, [only], {"raydium": "gave no answer in time"})
    assert route.chosen is only
    assert route.refusals == {"raydium": "gave no answer in time"}


def test_a_route_needs_a_quote() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose_route(Side.BUY, [], {})


def test_the_effective_price_is_exact() -> None:
    assert effective_price(10_000_000, 2_294_000_001, 6) == Decimal("229.4000001")
    assert effective_price(3, 1, 6) == Decimal("0.333333333333")


def test_limits_are_the_venues_own_formulas() -> None:
    assert limit_amount(Side.BUY, 1_000_001, 100) == 1_010_001
    assert limit_amount(Side.SELL, 1_000_001, 100) == 990_000
    assert limit_amount(Side.BUY, 77, 0) == limit_amount(Side.SELL, 77, 0) == 77


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
    route = choose_route(Side.BUY, quotes, {"orca": "unknown"})
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
