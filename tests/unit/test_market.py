"""The simulated market: prices that wander slowly, and venues that differ as told."""

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderengine.amm.cpmm import CpmmFees, CpmmPool
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.config import PACKAGE_DIR
from orderengine.domain.instruments import Instrument, parse_instruments
from orderengine.domain.pricing import limit_amount
from orderengine.domain.side import Side
from orderengine.market.draws import draw, happens
from orderengine.market.pools import EPOCH_S, PPM_PER_BPS, VENUES, SimulatedMarket
from orderengine.market.reference import reference_price
from orderengine.market.swaps import largest_swap, price_swap

INSTRUMENTS = list(parse_instruments((PACKAGE_DIR / "instruments.csv").read_text()))
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MARKET = SimulatedMarket(seed=1, spread_low_bps=200, spread_high_bps=500)

deterministic = settings(derandomize=True, deadline=None)

instruments = st.sampled_from(INSTRUMENTS)
sides = st.sampled_from(Side)
seeds = st.integers(0, 2**63 - 1)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def worth(instrument: Instrument, usdc: int) -> int:
    """Base units worth about so many USDC."""
    return int((usdc / instrument.reference_price).scaleb(instrument.decimals))


def quoted(market: SimulatedMarket, instrument: Instrument, at: datetime, side: Side) -> list[int]:
    """What each venue wants, or gives, for about 100 USDC worth of the instrument."""
    pool_id = market.pool_id(instrument, at)
    pools = [market.pool_state(instrument, venue, pool_id, at) for venue in VENUES]
    amount = worth(instrument, 100)
    return [price_swap(pool, side, amount, instrument.decimals).quote_amount for pool in pools]


def difference_bps(amounts: list[int]) -> Fraction:
    return Fraction(max(amounts) - min(amounts), min(amounts)) * 10_000


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda i: i.symbol)
def test_small_quotes_of_the_venues_differ_by_two_to_five_percent(
    instrument: Instrument, side: Side
) -> None:
    times = [START + timedelta(seconds=17 * step) for step in range(400)]
    quotes = [quoted(MARKET, instrument, at, side) for at in times]
    assert all(200 <= difference_bps(amounts) <= 500 for amounts in quotes)
    raydium_is_lower = sum(amounts[0] < amounts[1] for amounts in quotes)
    assert 100 < raydium_is_lower < 300


@deterministic
@given(instruments, seeds, moments, sides)
def test_without_a_spread_the_venues_agree(
    instrument: Instrument, seed: int, at: datetime, side: Side
) -> None:
    raydium, meteora = quoted(SimulatedMarket(seed, 0, 0), instrument, at, side)
    assert raydium == meteora


@deterministic
@given(instruments, seeds, moments, st.integers(0, 5_000))
def test_a_spread_of_one_value_is_met_exactly(
    instrument: Instrument, seed: int, at: datetime, spread: int
) -> None:
    market = SimulatedMarket(seed, spread, spread)
    pool_id = market.pool_id(instrument, at)
    mids = [mid(market.pool_state(instrument, venue, pool_id, at)) for venue in VENUES]
    assert abs((max(mids) / min(mids) - 1) * 10_000 - spread) < Fraction(1, 1_000)


def mid(pool: CpmmPool) -> Fraction:
    return Fraction(pool.reserve_y, pool.reserve_x)


@deterministic
@given(instruments, seeds, moments, st.floats(0, 10))
def test_the_reference_moves_less_than_five_bps_in_ten_seconds(
    instrument: Instrument, seed: int, at: datetime, seconds: float
) -> None:
    before = reference_price(seed, instrument, at)
    after = reference_price(seed, instrument, at + timedelta(seconds=seconds))
    assert abs(after / before - 1) * 10_000 < 5


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda i: i.symbol)
def test_the_reference_wanders_some_percent_over_hours(instrument: Instrument) -> None:
    prices = [
        reference_price(1, instrument, START + timedelta(minutes=5 * step)) for step in range(288)
    ]
    assert max(prices) / min(prices) > Decimal("1.02")
    assert all(abs(price / instrument.reference_price - 1) < Decimal("0.028") for price in prices)


def test_the_reference_has_twelve_digits() -> None:
    assert all(len(reference_price(1, i, START).as_tuple().digits) <= 12 for i in INSTRUMENTS)


@deterministic
@given(instruments, moments, sides)
def test_the_end_of_an_epoch_changes_nothing_in_a_named_pool(
    instrument: Instrument, at: datetime, side: Side
) -> None:
    pool_id = MARKET.pool_id(instrument, at)
    later = at + timedelta(seconds=EPOCH_S)
    assert MARKET.pool_id(instrument, later) != pool_id
    for venue in VENUES:
        before = mid(MARKET.pool_state(instrument, venue, pool_id, at))
        after = mid(MARKET.pool_state(instrument, venue, pool_id, later))
        assert abs(after / before - 1) * 10_000 < 10


@deterministic
@given(instruments, moments, sides, st.integers(0, 10_000), st.sampled_from(VENUES))
def test_a_drift_of_twenty_bps_always_breaks_a_tolerance_of_zero(
    instrument: Instrument, at: datetime, side: Side, way_ms: int, venue: str
) -> None:
    quote, landed = travel(instrument, at, side, way_ms, venue, drift_ppm=20 * PPM_PER_BPS)
    limit = limit_amount(side, quote, 0)
    assert landed > limit if side is Side.BUY else landed < limit


@deterministic
@given(
    instruments,
    moments,
    sides,
    st.integers(0, 10_000),
    st.sampled_from(VENUES),
    st.integers(0, 60 * PPM_PER_BPS),
)
def test_the_default_drift_stays_within_the_default_tolerance(
    instrument: Instrument, at: datetime, side: Side, way_ms: int, venue: str, drift_ppm: int
) -> None:
    quote, landed = travel(instrument, at, side, way_ms, venue, drift_ppm)
    limit = limit_amount(side, quote, 100)
    assert landed <= limit if side is Side.BUY else landed >= limit


def travel(
    instrument: Instrument, at: datetime, side: Side, way_ms: int, venue: str, drift_ppm: int
) -> tuple[int, int]:
    """The amounts of USDC when a swap is quoted and when it lands."""
    pool_id = MARKET.pool_id(instrument, at)
    moved = drift_ppm if side is Side.BUY else -drift_ppm
    landed_at = at + timedelta(milliseconds=way_ms)
    pools = (
        MARKET.pool_state(instrument, venue, pool_id, at),
        MARKET.pool_state(instrument, venue, pool_id, landed_at, moved_ppm=moved),
    )
    quote, landed = (
        price_swap(pool, side, worth(instrument, 1_000), instrument.decimals).quote_amount
        for pool in pools
    )
    return quote, landed


@deterministic
@given(instruments, sides, moments, st.integers(1, 1_000), st.integers(2, 50))
def test_impact_grows_with_size(
    instrument: Instrument, side: Side, at: datetime, share: int, times: int
) -> None:
    pool = MARKET.pool_state(instrument, "meteora", MARKET.pool_id(instrument, at), at)
    small = largest_swap(pool, side) * share // 50_000
    smaller, larger = (
        price_swap(pool, side, amount, instrument.decimals) for amount in (small, small * times)
    )
    assert smaller.market_impact_bps < larger.market_impact_bps
    worse = Fraction(larger.quote_amount, smaller.quote_amount * times)
    assert worse > 1 if side is Side.BUY else worse < 1


@pytest.mark.parametrize("side", Side)
def test_the_largest_swap_has_an_impact_of_half_the_price(side: Side) -> None:
    pool = CpmmPool(3 * 10**12, 3 * 10**12, CpmmFees(trade=0))
    swap = price_swap(pool, side, largest_swap(pool, side), 6)
    assert swap.market_impact_bps == 5_000


def test_the_fee_is_a_quarter_percent_in_usdc_on_both_sides() -> None:
    instrument = INSTRUMENTS[0]
    pool = MARKET.pool_state(instrument, "raydium", MARKET.pool_id(instrument, START), START)
    for side in Side:
        swap = price_swap(pool, side, worth(instrument, 10_000), instrument.decimals)
        assert abs(swap.fee / 25 - 1) < Decimal("0.04")


def test_a_sale_that_brings_nothing_is_refused() -> None:
    instrument = INSTRUMENTS[0]
    pool = MARKET.pool_state(instrument, "raydium", MARKET.pool_id(instrument, START), START)
    with pytest.raises(InsufficientLiquidity, match="smallest unit"):
        price_swap(pool, Side.SELL, 1, instrument.decimals)


@pytest.mark.parametrize(
    ("venue", "pool_id"),
    [
        ("orca", "AAPL-USDC-1"),
        ("raydium", "TSLA-USDC-1"),
        ("raydium", "AAPL-USDC-"),
        ("raydium", ""),
    ],
)
def test_a_pool_that_does_not_exist_is_an_error(venue: str, pool_id: str) -> None:
    with pytest.raises(ValueError, match="has no pool"):
        MARKET.pool_state(INSTRUMENTS[0], venue, pool_id, START)


def test_another_process_sees_the_same_market() -> None:
    program = "from tests.unit.test_market import fingerprint; print(fingerprint())"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        cwd=PACKAGE_DIR.parent,
    )
    assert answer.stdout.strip() == fingerprint()


def fingerprint() -> str:
    """A digest of all instruments' quotes over a while."""
    quotes = [
        quoted(MARKET, instrument, START + timedelta(seconds=7 * step), side)
        for instrument in INSTRUMENTS
        for step in range(20)
        for side in Side
    ]
    return hashlib.sha256(repr(quotes).encode()).hexdigest()


@deterministic
@given(st.integers(-(2**63), 2**63), st.integers(0, 2**32), st.text(max_size=20))
def test_a_draw_is_in_its_range_and_repeats(low: int, width: int, key: str) -> None:
    number = draw(low, low + width, key)
    assert low <= number <= low + width
    assert draw(low, low + width, key) == number


@deterministic
@given(st.text(max_size=20))
def test_rates_of_zero_and_one_are_certain(key: str) -> None:
    assert not happens(0.0, key)
    assert happens(1.0, key)


def test_a_rate_is_met_over_many_keys() -> None:
    assert 220 < sum(happens(0.25, number) for number in range(1_000)) < 280
