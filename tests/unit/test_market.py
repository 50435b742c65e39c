"""The simulated market: prices wander slowly, and venues differ by the set spread."""

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
from orderengine.amm.dlmm import DlmmPool
from orderengine.amm.dlmm_price import PRICE_BITS, bin_price
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.instruments import Instrument, parse_instruments
from orderengine.domain.pricing import limit_amount
from orderengine.domain.side import Side
from orderengine.market.bins import BIN_STEP
from orderengine.market.curve_liquidity import CpmmLiquidity
from orderengine.market.liquidity import Liquidity
from orderengine.market.pools import EPOCH_S, PPM_PER_BPS, SimulatedMarket
from orderengine.market.venues import VENUES

LISTED = parse_instruments((PACKAGE_DIR / "instruments.csv").read_text())
INSTRUMENTS = [each for each in LISTED if not each.launched]
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HALF_STEP_BPS = Fraction(BIN_STEP, 2) + 1  # plus the impact of a swap of 100 USDC
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
    """Each venue's quote for about 100 USDC worth of the instrument."""
    pool_id = market.pool_id(instrument, at)
    sides = [market.liquidity(instrument, side, venue, pool_id, at) for venue in VENUES]
    return [liquidity.price(worth(instrument, 100)).quote_amount for liquidity in sides]


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
def test_without_a_spread_the_venues_agree_to_half_a_bin_step(
    instrument: Instrument, seed: int, at: datetime, side: Side
) -> None:
    amounts = quoted(SimulatedMarket(seed, 0, 0), instrument, at, side)
    assert difference_bps(amounts) < HALF_STEP_BPS


@deterministic
@given(instruments, seeds, moments, st.integers(0, 5_000))
def test_a_spread_of_one_value_is_met_to_half_a_bin_step(
    instrument: Instrument, seed: int, at: datetime, spread: int
) -> None:
    market = SimulatedMarket(seed, spread, spread)
    pool_id = market.pool_id(instrument, at)
    mids = [mid(market.pool_state(instrument, venue, pool_id, at)) for venue in VENUES]
    bound = HALF_STEP_BPS * Fraction(11, 10) * (1 + Fraction(spread, 10_000))
    assert abs((max(mids) / min(mids) - 1) * 10_000 - spread) < bound


def mid(pool: CpmmPool | DlmmPool) -> Fraction:
    if isinstance(pool, DlmmPool):
        return Fraction(bin_price(pool.active_id, pool.bin_step), 2**PRICE_BITS)
    return Fraction(pool.reserve_y, pool.reserve_x)


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
        # The reference moves by less than 10 bps, and a bin's price by whole steps.
        assert abs(after / before - 1) * 10_000 < 10 + BIN_STEP


@deterministic
@given(instruments, moments, sides, st.integers(0, 10_000), st.sampled_from(sorted(VENUES)))
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
    st.sampled_from(sorted(VENUES)),
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
    sides = (
        MARKET.liquidity(instrument, side, venue, pool_id, at),
        MARKET.liquidity(instrument, side, venue, pool_id, landed_at, moved_ppm=moved),
    )
    quote, landed = (each.price(worth(instrument, 1_000)).quote_amount for each in sides)
    return quote, landed


@deterministic
@given(
    instruments,
    sides,
    moments,
    st.sampled_from(sorted(VENUES)),
    st.integers(1, 1_000),
    st.integers(2, 50),
)
def test_impact_grows_with_size(
    instrument: Instrument, side: Side, at: datetime, venue: str, share: int, times: int
) -> None:
    liquidity = MARKET.liquidity(instrument, side, venue, MARKET.pool_id(instrument, at), at)
    small = liquidity.largest() * share // 50_000
    smaller, larger = (liquidity.price(amount) for amount in (small, small * times))
    assert smaller.market_impact_bps <= larger.market_impact_bps + Decimal("0.001")
    worse = Fraction(larger.quote_amount, smaller.quote_amount * times)
    # Within a bin the price does not get worse with size, and each swap is rounded by a unit.
    rounding = 4 * times * (Fraction(1, smaller.quote_amount) + Fraction(1, small))
    assert worse >= 1 - rounding if side is Side.BUY else worse <= 1 + rounding
    if small * times > liquidity.largest() // 20:
        assert larger.market_impact_bps > 0


@pytest.mark.parametrize("side", Side)
def test_the_largest_swap_has_an_impact_of_half_the_price(side: Side) -> None:
    liquidity = CpmmLiquidity(CpmmPool(3 * 10**12, 3 * 10**12, CpmmFees(trade=0)), side, 6)
    assert liquidity.price(liquidity.largest()).market_impact_bps == 5_000


@pytest.mark.parametrize("venue", VENUES)
def test_the_fee_is_a_quarter_percent_in_usdc_on_both_sides(venue: str) -> None:
    for side in Side:
        swap = aapl_at(venue, side).price(worth(INSTRUMENTS[0], 10_000))
        assert abs(swap.fee / 25 - 1) < Decimal("0.04")


def aapl_at(venue: str, side: Side) -> Liquidity:
    pool_id = MARKET.pool_id(INSTRUMENTS[0], START)
    return MARKET.liquidity(INSTRUMENTS[0], side, venue, pool_id, START)


@pytest.mark.parametrize("venue", VENUES)
def test_a_sale_that_brings_nothing_is_refused(venue: str) -> None:
    with pytest.raises(InsufficientLiquidity, match="smallest unit"):
        aapl_at(venue, Side.SELL).price(1)


@pytest.mark.parametrize(
    ("venue", "pool_id"),
    [
        ("nowhere", "AAPL-USDC-1"),
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
    """A digest of all instruments' quotes over some time."""
    quotes = [
        quoted(MARKET, instrument, START + timedelta(seconds=7 * step), side)
        for instrument in INSTRUMENTS
        for step in range(20)
        for side in Side
    ]
    return hashlib.sha256(repr(quotes).encode()).hexdigest()
