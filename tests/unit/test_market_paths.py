"""The simulated market: the path of the reference price, and what is drawn."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.instruments import Instrument, parse_instruments
from orderengine.market.draws import draw, happens
from orderengine.market.reference import MAX_VOLATILITY, reference_price

LISTED = parse_instruments((PACKAGE_DIR / "instruments.csv").read_text())
INSTRUMENTS = [each for each in LISTED if not each.launched]
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
deterministic = settings(derandomize=True, deadline=None)
instruments = st.sampled_from(INSTRUMENTS)
seeds = st.integers(0, 2**63 - 1)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


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


@deterministic
@given(instruments, seeds, moments, st.floats(0, 10), st.integers(1, MAX_VOLATILITY), st.booleans())
def test_volatility_makes_the_path_wider_and_steeper(
    instrument: Instrument, seed: int, at: datetime, seconds: float, times: int, earlier: bool
) -> None:
    later = at + timedelta(seconds=-seconds if earlier else seconds)
    before = reference_price(seed, instrument, at, times)
    after = reference_price(seed, instrument, later, times)
    listed = instrument.reference_price
    assert abs(before / listed - 1) < Decimal("0.028") * Decimal(times).sqrt()
    assert before > 0
    assert abs(after - before) / listed * 10_000 < 5 * times


@deterministic
@given(instruments, seeds, moments)
def test_a_volatility_of_one_changes_nothing(
    instrument: Instrument, seed: int, at: datetime
) -> None:
    assert reference_price(seed, instrument, at, 1) == reference_price(seed, instrument, at)


def test_the_path_of_before_volatility_is_kept() -> None:
    prices = [str(reference_price(7, LISTED.get(name), START)) for name in ("AAPL", "BONK")]
    assert prices == ["232.925710309", "0.0000489684167219"]


def test_with_high_volatility_prices_swing_within_a_minute() -> None:
    aapl = LISTED.get("AAPL")
    prices = [reference_price(1, aapl, START + timedelta(seconds=s), 50) for s in range(61)]
    assert max(prices) / min(prices) > Decimal("1.002")


def test_the_reference_has_twelve_digits() -> None:
    assert all(len(reference_price(1, i, START).as_tuple().digits) <= 12 for i in INSTRUMENTS)


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
