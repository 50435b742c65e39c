"""The contract of every venue: the same tests for each implementation of the `Venue` port."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from orderengine.domain.documents import quote_document, quote_from
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.pricing import effective_price
from orderengine.domain.routing import MARGINAL_BITS, OTHER_AMOUNT, Offer
from orderengine.domain.side import Asset, Side, side_of
from orderengine.execution.ports import Venue
from orderengine.market.venues import VENUES
from orderengine.venues.simulated import SimulatedVenue
from tests.fakes import START, FakeClock
from tests.live_markets import KINDS, LiveMarket
from tests.simulations import a_simulation
from tests.solana_pools import POOL

MakeVenue = Callable[..., Venue]


@pytest.fixture(params=VENUES)
def make_venue(request: pytest.FixtureRequest) -> MakeVenue:
    def make(**settings: str) -> Venue:
        venue: Venue = SimulatedVenue(request.param, a_simulation(**settings), FakeClock())
        return venue

    return make


@pytest.fixture
def simulated(make_venue: MakeVenue) -> Venue:
    return make_venue()


@pytest.fixture(params=[*VENUES, *KINDS])
def venue(request: pytest.FixtureRequest) -> Venue:
    """A simulated venue, or a live one with a pool of this kind."""
    if request.param in VENUES:
        return SimulatedVenue(request.param, a_simulation(), FakeClock())
    return LiveMarket(request.param)


@pytest.fixture
def aapl(instruments: Instruments) -> Instrument:
    return instruments.get("AAPL")


@pytest.mark.parametrize("side", Side)
def test_a_quote_is_for_exactly_the_amount_and_the_side(
    venue: Venue, aapl: Instrument, side: Side
) -> None:
    quote = venue.offer(aapl, side).quote(10_000_000, 100)
    assert (quote.venue, quote.side, quote.base_amount) == (venue.name, side, 10_000_000)
    assert quote.pool.startswith("AAPL-USDC-" if quote.slot is None else str(POOL))
    assert quote.price == effective_price(10_000_000, quote.quote_amount, aapl.decimals)
    assert quote_from(quote_document(quote)) == quote


def test_a_quote_expires_after_five_seconds(venue: Venue, aapl: Instrument) -> None:
    quote = venue.offer(aapl, Side.BUY).quote(10_000_000, 100)
    assert (quote.quoted_at, quote.expires_at) == (START, START + timedelta(seconds=5))


def test_a_buy_costs_more_than_the_mid_price_and_a_sale_brings_less(
    venue: Venue, instruments: Instruments
) -> None:
    for instrument in instruments:
        amount = instrument.base_units(instrument.min_quantity) * 10_000
        buy, sell = (venue.offer(instrument, side).quote(amount, 100) for side in Side)
        assert sell.price < sell.mid_price == buy.mid_price < buy.price
        assert sell.limit_amount < sell.quote_amount < buy.quote_amount < buy.limit_amount
        for quote in (buy, sell):
            share = quote.fee / (quote.quote_amount * Decimal("1e-6"))
            assert Decimal("0.002") < share < Decimal("0.003")


@pytest.mark.parametrize("side", Side)
def test_a_larger_order_has_more_impact_and_a_worse_price(
    venue: Venue, aapl: Instrument, side: Side
) -> None:
    small, large = (venue.offer(aapl, side).quote(amount, 100) for amount in (10**9, 5 * 10**9))
    assert 0 <= small.market_impact_bps < large.market_impact_bps
    if side is Side.BUY:
        assert large.price > small.price
    else:
        assert large.price < small.price


@pytest.mark.parametrize("side", Side)
def test_a_quote_in_usdc_is_for_exactly_that_usdc(
    venue: Venue, instruments: Instruments, side: Side
) -> None:
    for instrument in instruments:
        quote = offered(venue, instrument, side, Asset.QUOTE).quote(10**9, 100)
        assert (quote.quote_amount, quote.exact, quote.side) == (10**9, Asset.QUOTE, side)
        assert quote.price == effective_price(quote.base_amount, 10**9, instrument.decimals, side)
        is_bound = quote.limit_amount < quote.base_amount
        assert is_bound == (side is Side.BUY)
        document = quote_document(quote)
        assert ("minOut" in document, "maxIn" in document) == (is_bound, not is_bound)
        assert quote_from(document) == quote


def offered(venue: Venue, instrument: Instrument, side: Side, exact: Asset) -> Offer:
    """The offer of a venue that counts in the exact asset."""
    offer = venue.offer(instrument, side)
    return offer if exact is Asset.BASE else offer.in_usdc()


@pytest.mark.parametrize("side", Side)
def test_the_same_swap_has_the_same_price_whichever_asset_is_exact(
    venue: Venue, instruments: Instruments, side: Side
) -> None:
    for instrument in instruments:
        spent = offered(venue, instrument, side, Asset.QUOTE).quote(10**9, 100)
        again = venue.offer(instrument, side).quote(spent.base_amount, 100)
        assert abs(again.quote_amount - 10**9) <= max(2, 2 * 10**9 // spent.base_amount)
        assert (again.fee / spent.fee - 1).quantize(Decimal("1e-4")) == 0


@pytest.mark.parametrize("exact", Asset)
@pytest.mark.parametrize("side", Side)
def test_a_venue_fills_up_to_its_largest_swap_and_no_unit_more(
    venue: Venue, instruments: Instruments, side: Side, exact: Asset
) -> None:
    for instrument in instruments:
        offer = offered(venue, instrument, side, exact)
        quote = offer.quote(offer.largest(100), 100)
        assert 0 < quote.market_impact_bps <= 5_000
        with pytest.raises(OrderUnfillable) as caught:
            offer.quote(offer.largest(100) + 1, 100)
        assert caught.value.reason is FailureReason.INSUFFICIENT_LIQUIDITY


@pytest.mark.parametrize("exact", Asset)
@pytest.mark.parametrize("side", Side)
def test_the_marginal_price_is_the_slope_of_the_quotes(
    venue: Venue, instruments: Instruments, side: Side, exact: Asset
) -> None:
    for instrument in instruments:
        offer = offered(venue, instrument, side, exact)
        step = offer.largest(100) // 1_000
        for share in range(1, 900, 37):
            at = step * share
            quotes = (offer.quote(amount, 100) for amount in (at, at + step))
            less, more = map(OTHER_AMOUNT[exact], quotes)
            slope = Fraction(more - less, step) * 2**MARGINAL_BITS
            ends = sorted([offer.marginal_price(at), offer.marginal_price(at + step)])
            # Each swap rounds by two units of its input, in up to a hundred bins.
            unit = 2**MARGINAL_BITS if side_of(exact, side) is Side.BUY else ends[1]
            rounding = Fraction(400 * max(unit, 2**MARGINAL_BITS), step)
            assert ends[0] - rounding <= slope <= ends[1] + rounding


@pytest.mark.parametrize("exact", Asset)
@pytest.mark.parametrize("side", Side)
def test_the_marginal_price_only_worsens(
    venue: Venue, instruments: Instruments, side: Side, exact: Asset
) -> None:
    for instrument in instruments:
        offer = offered(venue, instrument, side, exact)
        amounts = range(0, offer.largest(100), offer.largest(100) // 500)
        prices = [offer.marginal_price(amount) for amount in amounts]
        assert prices == sorted(prices, reverse=side_of(exact, side) is Side.SELL)


def test_a_sale_of_dust_is_unfillable(venue: Venue, aapl: Instrument) -> None:
    with pytest.raises(OrderUnfillable, match="smallest unit of USDC"):
        venue.offer(aapl, Side.SELL).quote(1, 100)


def test_usdc_that_buys_nothing_is_unfillable(venue: Venue, aapl: Instrument) -> None:
    with pytest.raises(OrderUnfillable, match="smallest unit of"):
        venue.offer(aapl, Side.BUY).in_usdc().quote(1, 100)


def test_dust_can_be_bought_for_at_least_one_unit(venue: Venue, instruments: Instruments) -> None:
    """A live venue may refuse less than half a unit's worth, which releases round apart."""
    for instrument in instruments:
        worth = instrument.reference_price.scaleb(6 - instrument.decimals)
        if isinstance(venue, SimulatedVenue) or worth > Decimal("0.51"):
            assert venue.offer(instrument, Side.BUY).quote(1, 100).quote_amount > 0


def test_a_venue_that_fails_is_unavailable(make_venue: MakeVenue, aapl: Instrument) -> None:
    with pytest.raises(VenueUnavailable):
        make_venue(SIM_QUOTE_FAIL_RATE="1").offer(aapl, Side.BUY)


def test_an_instrument_deeper_than_the_program_counts_is_still_quoted(
    simulated: Venue, aapl: Instrument
) -> None:
    vast = replace(aapl, decimals=12, depth=Decimal("1e15"))
    offer = simulated.offer(vast, Side.BUY)
    assert offer.largest(100) == 2**64 - 1
    with pytest.raises(OrderUnfillable, match=r"at most 18446744\.073709551615 AAPL"):
        offer.quote(2**64, 100)


def test_an_instrument_that_no_pool_can_hold_is_refused(simulated: Venue, aapl: Instrument) -> None:
    with pytest.raises(OrderUnfillable, match="cannot hold AAPL"):
        simulated.offer(
            replace(aapl, reference_price=Decimal("1e28"), depth=Decimal("1e40")), Side.BUY
        )
