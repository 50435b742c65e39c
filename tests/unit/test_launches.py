"""Launches: pools that are closed, open anew every ten minutes, and then gain liquidity."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderengine.amm.errors import PoolNotOpen
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.instruments import Instrument, parse_instruments
from orderengine.domain.side import Side
from orderengine.market.pools import SimulatedMarket
from orderengine.market.venues import VENUES
from orderengine.venues.simulated import SimulatedVenue
from tests.fake_orders import START, FakeClock
from tests.simulations import a_simulation

LISTED = parse_instruments((PACKAGE_DIR / "instruments.csv").read_text())
LAUNCHED = [each for each in LISTED if each.launched]
MARKET = SimulatedMarket(seed=1, spread_low_bps=0, spread_high_bps=0)
LAUNCH = timedelta(minutes=10)

deterministic = settings(derandomize=True, deadline=None)
launched = st.sampled_from(LAUNCHED)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def next_opening(instrument: Instrument, at: datetime) -> datetime:
    """The first opening after a time."""
    while True:
        opening = MARKET.opens_at(instrument, at)
        if opening is not None:
            return opening
        at += timedelta(seconds=20)


def usdc(instrument: Instrument, venue: str, at: datetime) -> int:
    pool_id = MARKET.pool_id(instrument, at)
    return MARKET.liquidity(instrument, Side.BUY, venue, pool_id, at).usdc


@deterministic
@given(launched, moments)
def test_pools_open_once_in_each_launch(instrument: Instrument, at: datetime) -> None:
    first = next_opening(instrument, at)
    second = next_opening(instrument, first)
    assert MARKET.opens_at(instrument, first) is None
    assert MARKET.opens_at(instrument, first - timedelta(microseconds=1)) == first
    assert abs(second - first - LAUNCH) <= timedelta(minutes=4)


@deterministic
@given(launched, moments, st.sampled_from(list(VENUES)))
def test_a_pool_gains_liquidity_after_it_has_opened(
    instrument: Instrument, at: datetime, venue: str
) -> None:
    opening = next_opening(instrument, at)
    depths = [usdc(instrument, venue, opening + timedelta(seconds=10 * n)) for n in range(12)]
    whole = int(instrument.depth * 10**6)
    shares = [round(depth / whole, 1) for depth in depths]
    assert all(share >= 0.1 for share in shares)
    assert depths[0] < whole / 5
    assert depths[9] > whole * 95 // 100
    if venue == "raydium":
        assert shares == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1]


@deterministic
@given(launched, moments, st.sampled_from(list(VENUES)))
def test_no_pool_trades_before_it_opens(instrument: Instrument, at: datetime, venue: str) -> None:
    before = next_opening(instrument, at) - timedelta(seconds=1)
    with pytest.raises(PoolNotOpen, match=f"{instrument.symbol} opens at 20"):
        MARKET.pool_state(instrument, venue, MARKET.pool_id(instrument, before), before)


def test_a_swap_in_flight_still_lands_after_the_next_launch_has_begun() -> None:
    (nova, *_) = LAUNCHED
    open_at = next_opening(nova, START) + timedelta(seconds=20)
    pool_id = MARKET.pool_id(nova, open_at)
    later = next_opening(nova, open_at) - timedelta(seconds=1)
    assert MARKET.pool_id(nova, later) != pool_id
    assert MARKET.liquidity(nova, Side.BUY, "raydium", pool_id, later).usdc > 0


def test_a_venue_refuses_before_the_opening_and_offers_after() -> None:
    (nova, *_) = LAUNCHED
    clock = FakeClock()
    venue = SimulatedVenue("raydium", a_simulation(SIM_SEED="1"), clock)
    opening = next_opening(nova, clock.now())
    if MARKET.opens_at(nova, clock.now()) is None:
        clock.advance((opening - clock.now()).total_seconds() - 1)
    with pytest.raises(OrderUnfillable) as caught:
        venue.offer(nova, Side.BUY)
    assert caught.value.reason is FailureReason.NOT_OPEN
    clock.advance((opening - clock.now()).total_seconds())
    offer = venue.offer(nova, Side.BUY)
    assert (offer.seen_at, int(offer.usdc_depth)) == (opening, int(nova.depth / 10))


def test_other_instruments_are_always_open() -> None:
    assert all(MARKET.opens_at(each, START) is None for each in LISTED if not each.launched)
