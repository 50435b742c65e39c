"""The choice of a route: the best venue, the best split, and the stated reason."""

from decimal import Decimal

import pytest

from orderengine.domain.choice import choose_route
from orderengine.domain.documents import route_document, route_from
from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.routing import MAX_LEGS, RouteReason
from orderengine.domain.side import Side
from orderengine.market.venues import VENUES
from tests.fakes import FakeOffer
from tests.pools import a_request, meteora, raydium


def flat(venue: str, price: int, side: Side = Side.BUY, largest: int = 10**15) -> FakeOffer:
    return FakeOffer(venue, side, Decimal(price), most=largest)


def test_a_buy_takes_the_cheapest_quote_and_a_sell_the_dearest() -> None:
    for side, best in ((Side.BUY, "raydium"), (Side.SELL, "meteora")):
        offers = [flat("meteora", 105, side), flat("raydium", 100, side)]
        assert choose_route(a_request(side), offers, {}).venue == best


def test_between_equal_quotes_the_first_venue_wins() -> None:
    for side in Side:
        offers = [flat("raydium", 100, side), flat("meteora", 100, side)]
        for max_legs in (1, 2):
            assert choose_route(a_request(side, max_legs=max_legs), offers, {}).venue == "raydium"


def test_one_answering_venue_suffices() -> None:
    route = choose_route(a_request(max_legs=2), [flat("meteora", 100)], {"raydium": "late"})
    assert (route.venue, route.reason) == ("meteora", RouteReason.ONLY_QUOTE)
    assert route.refusals == {"raydium": "late"}


def test_a_route_needs_an_offer() -> None:
    with pytest.raises(ValueError, match="nothing to choose"):
        choose_route(a_request(), [], {})


def test_as_many_legs_as_venues_may_be_asked_for() -> None:
    assert len(VENUES) == MAX_LEGS


@pytest.mark.parametrize(
    ("max_legs", "possible"),
    [(1, "at most 6.500000 AAPL, or 9.500000 with maxLegs 2"), (2, "at most 9.500000 AAPL (")],
)
def test_a_refusal_says_how_much_would_be_possible(max_legs: int, possible: str) -> None:
    offers = [flat("raydium", 100, largest=3_015_000), flat("meteora", 101, largest=6_532_500)]
    with pytest.raises(OrderUnfillable, match=r"raydium 3\.0+, meteora 6\.50+\)") as caught:
        choose_route(a_request(max_legs=max_legs), offers, {})
    assert caught.value.reason is FailureReason.INSUFFICIENT_LIQUIDITY
    assert possible in caught.value.detail


def test_what_is_said_to_be_possible_is_possible() -> None:
    for side in Side:
        offers = [raydium(10**9, 2 * 10**11, side), meteora(230, 10**10, side)]
        both = sum(offer.largest(100) for offer in offers)
        route = choose_route(a_request(side, both, 2), offers, {})
        assert route.reason is RouteReason.ONLY_SPLIT
        with pytest.raises(OrderUnfillable):
            choose_route(a_request(side, both + 1, 2), offers, {})


def test_a_swap_that_is_too_small_is_told_so() -> None:
    offers = [raydium(10**9, 10**6, Side.SELL), raydium(10**9, 10**6, Side.SELL)]
    for max_legs in (1, 2):
        with pytest.raises(OrderUnfillable, match="smallest unit"):
            choose_route(a_request(Side.SELL, 1, max_legs), offers, {})


REASONS = [
    (1, 10**7, RouteReason.BEST_PRICE, "raydium costs"),
    (2, 10**5, RouteReason.NO_BETTER_SPLIT, "less than meteora, and no split improves on it"),
    (2, 10**8, RouteReason.BEST_SPLIT, "less than"),
    (2, 102 * 10**7, RouteReason.ONLY_SPLIT, "no venue alone can fill it"),
]


@pytest.mark.parametrize(("max_legs", "amount", "reason", "words"), REASONS)
def test_each_choice_has_its_reason(
    max_legs: int, amount: int, reason: RouteReason, words: str
) -> None:
    offers = [raydium(10**9, 224 * 10**9, Side.BUY), meteora(230, 10**9, Side.BUY, bins=80)]
    route = choose_route(a_request(Side.BUY, amount, max_legs), offers, {})
    assert route.reason is reason
    assert words in route.detail
    assert route_from(route_document(route)) == route


def test_the_totals_of_a_route_are_those_of_its_legs() -> None:
    offers = [flat("raydium", 100, largest=4_000_000), flat("meteora", 110, largest=8_000_000)]
    route = choose_route(a_request(max_legs=2), offers, {})
    assert [(leg.venue, leg.base_amount) for leg in route.legs] == [
        ("raydium", 4_000_000),
        ("meteora", 6_000_000),
    ]
    assert (route.venue, route.price) == ("raydium+meteora", Decimal(106))
    assert route.limit_amount(100) == 1_070_600_000
    assert route.expires_at == min(leg.expires_at for leg in route.legs)
