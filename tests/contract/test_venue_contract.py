"""What every venue promises: the same tests for each implementation of the `Venue` port."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from orderengine.domain.documents import quote_document, quote_from
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.pricing import effective_price
from orderengine.domain.side import Side
from orderengine.execution.ports import Venue
from orderengine.venues.meteora import Meteora
from orderengine.venues.raydium import Raydium
from tests.fakes import START, FakeClock
from tests.simulations import a_simulation

MakeVenue = Callable[..., Venue]


@pytest.fixture(params=[Raydium, Meteora], ids=["raydium", "meteora"])
def make_venue(request: pytest.FixtureRequest) -> MakeVenue:
    def make(**settings: str) -> Venue:
        venue: Venue = request.param(a_simulation(**settings), FakeClock())
        return venue

    return make


@pytest.fixture
def venue(make_venue: MakeVenue) -> Venue:
    return make_venue()


@pytest.fixture
def aapl(instruments: Instruments) -> Instrument:
    return instruments.get("AAPL")


@pytest.mark.parametrize("side", Side)
def test_a_quote_is_for_exactly_the_amount_and_the_side(
    venue: Venue, aapl: Instrument, side: Side
) -> None:
    quote = venue.quote(aapl, side, 10_000_000)
    assert (quote.venue, quote.side, quote.base_amount) == (venue.name, side, 10_000_000)
    assert quote.pool.startswith("AAPL-USDC-")
    assert quote.price == effective_price(10_000_000, quote.quote_amount, aapl.decimals)
    assert quote_from(quote_document(quote)) == quote


def test_a_quote_expires_after_five_seconds(venue: Venue, aapl: Instrument) -> None:
    quote = venue.quote(aapl, Side.BUY, 10_000_000)
    assert (quote.quoted_at, quote.expires_at) == (START, START + timedelta(seconds=5))


def test_a_buy_costs_more_than_the_mid_price_and_a_sale_brings_less(
    venue: Venue, instruments: Instruments
) -> None:
    for instrument in instruments:
        amount = instrument.base_units(instrument.min_quantity) * 10_000
        buy, sell = (venue.quote(instrument, side, amount) for side in Side)
        assert sell.price < sell.mid_price == buy.mid_price < buy.price
        for quote in (buy, sell):
            share = quote.fee / (quote.quote_amount * Decimal("1e-6"))
            assert Decimal("0.002") < share < Decimal("0.003")


@pytest.mark.parametrize("side", Side)
def test_a_larger_order_has_more_impact_and_a_worse_price(
    venue: Venue, aapl: Instrument, side: Side
) -> None:
    small, large = (venue.quote(aapl, side, amount) for amount in (10**8, 10**9))
    assert 0 < small.market_impact_bps < large.market_impact_bps
    if side is Side.BUY:
        assert large.price > small.price
    else:
        assert large.price < small.price


@pytest.mark.parametrize("side", Side)
def test_an_order_beyond_the_depth_is_unfillable_and_told_what_is_possible(
    venue: Venue, aapl: Instrument, side: Side
) -> None:
    with pytest.raises(OrderUnfillable) as caught:
        venue.quote(aapl, side, aapl.base_units(aapl.max_quantity))
    assert caught.value.reason is FailureReason.INSUFFICIENT_LIQUIDITY
    words = caught.value.detail.split()
    assert words[-1] == "AAPL"
    possible = aapl.base_units(Decimal(words[-2]))
    assert venue.quote(aapl, side, possible).market_impact_bps <= 5_000
    with pytest.raises(OrderUnfillable):
        venue.quote(aapl, side, possible + 2)


def test_a_sale_of_dust_is_unfillable(venue: Venue, aapl: Instrument) -> None:
    with pytest.raises(OrderUnfillable, match="smallest unit of USDC"):
        venue.quote(aapl, Side.SELL, 1)


def test_dust_can_be_bought_for_at_least_one_unit(venue: Venue, instruments: Instruments) -> None:
    for instrument in instruments:
        assert venue.quote(instrument, Side.BUY, 1).quote_amount > 0


def test_a_venue_that_fails_is_unavailable(make_venue: MakeVenue, aapl: Instrument) -> None:
    with pytest.raises(VenueUnavailable):
        make_venue(SIM_QUOTE_FAIL_RATE="1").quote(aapl, Side.BUY, 10_000_000)


def test_an_instrument_deeper_than_the_program_counts_is_still_quoted(
    venue: Venue, aapl: Instrument
) -> None:
    vast = replace(aapl, decimals=12, depth=Decimal("1e15"))
    with pytest.raises(OrderUnfillable, match="amount"):
        venue.quote(vast, Side.BUY, 2**64)
