"""Which price starts an order that waits, how old it may be, and when it is looked at again."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.waiting.prices import (
    Look,
    SeenPrice,
    best_marginal,
    has_come,
    is_fresh,
    out_of_reach,
    put_off_to,
    starts_below,
)
from orderengine.market.venues import VENUES
from orderengine.venues.simulated import SimulatedVenue
from tests.fake_venues import FakeOffer
from tests.fakes import START, FakeClock
from tests.simulations import a_simulation

TICK_S = 0.5
sides = st.sampled_from(Side)
prices = st.decimals("0.000001", "1000000", places=6)
ratios = st.decimals("1.000001", "100", places=6)


@pytest.fixture
def aapl(instruments: Instruments) -> Instrument:
    return instruments.get("AAPL")


@pytest.mark.parametrize(
    ("kind", "side", "below"),
    [
        (OrderType.LIMIT, Side.BUY, True),
        (OrderType.LIMIT, Side.SELL, False),
        (OrderType.STOP, Side.SELL, True),
        (OrderType.STOP, Side.BUY, False),
    ],
)
def test_a_limit_waits_for_a_better_price_and_a_stop_for_a_worse_one(
    kind: OrderType, side: Side, below: bool
) -> None:
    assert starts_below(kind, side) is below
    price = Decimal(100)
    assert has_come(kind, side, price, price)
    assert has_come(kind, side, price - 1, price) is below
    assert has_come(kind, side, price + 1, price) is not below


@given(st.sampled_from([OrderType.LIMIT, OrderType.STOP]), sides, prices, prices)
def test_a_price_that_gapped_through_counts_as_one_that_touched(
    kind: OrderType, side: Side, watched: Decimal, now: Decimal
) -> None:
    beyond = now <= watched if starts_below(kind, side) else now >= watched
    assert has_come(kind, side, now, watched) is beyond


@given(sides, prices, prices, ratios)
def test_an_order_that_was_put_off_is_no_candidate_until_its_marginal_price_improves(
    side: Side, limit: Decimal, marginal: Decimal, ratio: Decimal
) -> None:
    """Its own price is worse than the limit, which the marginal price meets."""
    own = limit * ratio if side is Side.BUY else limit / ratio
    met = marginal <= limit if side is Side.BUY else marginal >= limit
    if not met:
        marginal = limit
    watched = put_off_to(side, limit, marginal, own)
    assert not has_come(OrderType.LIMIT, side, marginal, watched)
    # At that marginal price, with the same ratio, its own price is the limit.
    reached = watched * own / marginal
    assert abs(reached / limit - 1) < Decimal("1e-8")


@given(sides, prices, prices)
def test_even_an_own_price_of_exactly_the_limit_puts_it_off(
    side: Side, limit: Decimal, marginal: Decimal
) -> None:
    """The amounts may be beyond the limit by a unit that the rounded price does not show."""
    watched = put_off_to(side, limit, marginal, limit)
    assert not has_come(OrderType.LIMIT, side, marginal, watched)


@given(st.sampled_from([OrderType.LIMIT, OrderType.STOP]), sides, prices)
def test_a_price_out_of_reach_does_not_come(kind: OrderType, side: Side, price: Decimal) -> None:
    assert not has_come(kind, side, price, out_of_reach(kind, side, price))


def test_a_price_is_fresh_for_two_ticks() -> None:
    at = START
    for age_s, fresh in ((0.0, True), (1.0, True), (1.001, False), (-0.1, True)):
        assert is_fresh(at, at + timedelta(seconds=age_s), TICK_S) is fresh


@pytest.mark.parametrize("side", Side)
def test_the_best_marginal_price_is_the_lowest_for_a_buy_and_the_highest_for_a_sale(
    side: Side, aapl: Instrument
) -> None:
    earlier = START - timedelta(seconds=1)
    offers = [
        FakeOffer("raydium", side, Decimal(230)),
        FakeOffer("meteora", side, Decimal(231), at=earlier),
    ]
    seen = best_marginal(aapl, side, offers)
    assert seen is not None
    assert seen.source == ("raydium" if side is Side.BUY else "meteora")
    assert abs(seen.price - (230 if side is Side.BUY else 231)) < Decimal("1e-9")
    assert seen.at == earlier
    assert best_marginal(aapl, side, []) is None


def test_a_pool_that_is_sold_out_has_no_price_for_a_buy(aapl: Instrument) -> None:
    sold_out = FakeOffer("meteora", Side.BUY, Decimal(0), most=0)
    assert best_marginal(aapl, Side.BUY, [sold_out]) is None
    seen = best_marginal(aapl, Side.BUY, [sold_out, FakeOffer("raydium", Side.BUY, Decimal(230))])
    assert seen is not None
    assert seen.source == "raydium"


@pytest.mark.parametrize("side", Side)
def test_no_size_gets_a_better_price_than_the_marginal_one(
    side: Side, instruments: Instruments
) -> None:
    venues = [
        SimulatedVenue(name, a_simulation(SIM_SPREAD_BPS="300"), FakeClock()) for name in VENUES
    ]
    for instrument in instruments:
        offers = [venue.offer(instrument, side) for venue in venues]
        seen = best_marginal(instrument, side, offers)
        assert seen is not None
        for quantity in (1, 10, 1_000, 100_000):
            amount = instrument.base_units(instrument.min_quantity * quantity)
            for offer in offers:
                own = offer.quote(amount, 100).price
                assert own >= seen.price if side is Side.BUY else own <= seen.price


def test_stops_wait_for_the_reference_and_snipers_for_the_depth_of_an_open_pool(
    aapl: Instrument,
) -> None:
    reference = SeenPrice(Decimal(229), START, "reference")
    offers = [
        FakeOffer("raydium", Side.BUY, Decimal(230), usdc_depth=Decimal(500)),
        FakeOffer("meteora", Side.BUY, Decimal(231), usdc_depth=Decimal(900)),
    ]
    look = Look(aapl, {Side.BUY: (offers, {})}, reference)
    assert look.price_for(OrderType.STOP, Side.SELL) == reference
    assert look.price_for(OrderType.SNIPER, Side.BUY) == SeenPrice(Decimal(900), START, "meteora")
    assert look.price_for(OrderType.SNIPER, Side.SELL) is None
    assert look.price_for(OrderType.LIMIT, Side.SELL) is None
