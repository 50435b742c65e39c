"""Splits against brute force and small shifts, and over more than two venues."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orderengine.domain.choice import choose_route
from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.routing import Offer, Quote, Route, better
from orderengine.domain.side import Side
from orderengine.domain.splitting import best_split
from tests.fakes import FakeOffer
from tests.pools import a_request, meteora, raydium

deterministic = settings(derandomize=True, deadline=None, max_examples=30)
sides = st.sampled_from(Side)


def total(offers: Sequence[Offer], amounts: Sequence[int]) -> int | None:
    """The total quote amount of these amounts, or None if they can not be traded."""
    try:
        quotes = [o.quote(a, 100) for o, a in zip(offers, amounts, strict=True) if a]
    except OrderUnfillable:
        return None
    return sum(quote.quote_amount for quote in quotes)


def brute_force(side: Side, offers: Sequence[Offer], amount: int) -> int | None:
    """The best total over every division of the amount between two offers."""
    totals = [total(offers, (first, amount - first)) for first in range(amount + 1)]
    known = [each for each in totals if each is not None]
    return (min if side is Side.BUY else max)(known, default=None)


def rounding(side: Side, price: int, bins: int) -> int:
    """The rounding tolerance in units of USDC: two units of the input for each leg and each bin.

    The input of a sell is the base asset, one unit of which is worth `price` units of USDC.
    """
    return (4 + 2 * bins) * (1 if side is Side.BUY else price)


def totals_of(route: Route) -> int:
    assert sum(leg.base_amount for leg in route.legs) == route.base_amount
    return route.quote_amount


@deterministic
@given(
    sides,
    st.integers(300, 3_000),
    st.integers(20, 400),
    st.integers(20, 400),
    st.integers(20, 1_500),
    st.integers(1, 20),
    st.sampled_from([25, 100, 400]),
    st.integers(1, 900),
)
def test_a_split_is_within_a_few_units_of_brute_force(
    side: Side,
    x: int,
    price: int,
    other_price: int,
    depth: int,
    bins: int,
    bin_step: int,
    amount: int,
) -> None:
    offers = [raydium(x, x * price, side), meteora(other_price, depth, side, bins, bin_step)]
    best = brute_force(side, offers, amount)
    assume(best is not None)
    found = totals_of(choose_route(a_request(side, amount, 2), offers, {}))
    assert best is not None
    assert abs(found - best) <= rounding(side, max(price, other_price), min(bins, amount))
    assert not better(side, found, best)


@pytest.mark.parametrize("price", [20, 200])
@pytest.mark.parametrize("more", [1, 2])
def test_a_leg_that_is_too_small_to_be_traded_takes_more(price: int, more: int) -> None:
    offers = [raydium(300, 300 * price, Side.SELL), meteora(20, 200, Side.SELL, 2)]
    best = brute_force(Side.SELL, offers, 300 + more)
    found = totals_of(choose_route(a_request(Side.SELL, 300 + more, 2), offers, {}))
    assert best is not None
    assert abs(found - best) <= rounding(Side.SELL, price, 2)


@deterministic
@given(sides, st.integers(10**3, 10**4), st.integers(10**3, 10**4), st.integers(1, 1_500))
def test_a_split_over_two_constant_products_is_within_a_few_units_of_brute_force(
    side: Side, x: int, other_x: int, amount: int
) -> None:
    offers = [raydium(x, x * 200, side), replace(raydium(other_x, other_x * 203, side), venue="b")]
    best = brute_force(side, offers, amount)
    assume(best is not None)
    assert best is not None
    found = totals_of(choose_route(a_request(side, amount, 2), offers, {}))
    assert abs(found - best) <= rounding(side, 203, 0)


@settings(deterministic, max_examples=80)
@given(
    sides,
    st.integers(10**9, 10**13),
    st.integers(200, 260),
    st.integers(10**9, 10**13),
    st.integers(1, 10**13),
)
def test_more_legs_never_make_it_worse(
    side: Side, x: int, price: int, depth: int, amount: int
) -> None:
    offers = [raydium(x, x * price, side), meteora(230, depth, side)]
    try:
        alone = choose_route(a_request(side, amount), offers, {})
    except OrderUnfillable:
        return
    split = choose_route(a_request(side, amount, 2), offers, {})
    assert not better(side, totals_of(alone), totals_of(split))
    assert all(leg.base_amount > 0 for leg in split.legs)


@settings(deterministic, max_examples=80)
@given(
    sides,
    st.integers(10**9, 10**13),
    st.integers(200, 260),
    st.integers(10**9, 10**13),
    st.integers(1, 999),
    st.integers(-(10**6), 10**6),
)
def test_no_shift_between_the_legs_of_a_split_improves_it(
    side: Side, x: int, price: int, depth: int, permille: int, shift: int
) -> None:
    offers = [raydium(x, x * price, side), meteora(230, depth, side)]
    amount = sum(offer.largest(100) for offer in offers) * permille // 1_000
    legs = best_split(a_request(side, amount, 2), offers)
    assume(legs)
    first, second = (leg.base_amount for leg in legs)
    assume(0 < first + shift < amount)
    shifted = total(offers, (first + shift, second - shift))
    if shifted is not None:
        gain = sum(leg.quote_amount for leg in legs) - shifted
        assert (gain if side is Side.BUY else -gain) <= rounding(side, price, 20)


def test_three_venues_share_an_order_at_equal_margins() -> None:
    offers = [
        replace(raydium(x, x * price, Side.BUY), venue=venue)
        for venue, x, price in (("a", 10**12, 228), ("b", 2 * 10**12, 230), ("c", 10**11, 226))
    ]
    for max_legs in (2, 3):
        legs = best_split(a_request(Side.BUY, 10**11, max_legs), offers)
        assert len(legs) == max_legs
        assert sum(leg.base_amount for leg in legs) == 10**11
        by_venue = {offer.venue: offer for offer in offers}
        margins = [by_venue[leg.venue].marginal_price(leg.base_amount) for leg in legs]
        assert max(margins) - min(margins) <= max(margins) // 10**6


def test_a_leg_that_would_bring_nothing_is_no_split() -> None:
    class Refusing(FakeOffer):
        def quote(self, amount: int, slippage_tolerance_bps: int) -> Quote:
            raise OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "too little")

    offers = [
        FakeOffer("raydium", Side.BUY, Decimal(100), most=4_000_000),
        Refusing("meteora", Side.BUY, Decimal(100)),
    ]
    assert best_split(a_request(max_legs=2), offers) == ()
