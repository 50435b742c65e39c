"""The reference price: an instrument's listed price times a slow wander."""

import functools
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import isqrt

from orderengine.domain.instruments import Instrument
from orderengine.market.draws import draw

MAX_VOLATILITY = 1_000

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_US_PER_S = 1_000_000
_PPB = 10**9
_PPM = 10**6
_TWELVE_DIGITS = Context(prec=12, rounding=ROUND_HALF_EVEN)

# Shortest and longest period in seconds, amplitude in parts per billion. A wave's slope is at most
# 8 · amplitude / period. All slopes together are below 4.9 bps in 10 s, so that a drift of 20 bps
# against an order outweighs the wander while a swap is in flight.
_WAVES = (
    (180, 300, 200_000),
    (900, 1_500, 1_500_000),
    (3_600, 5_400, 6_000_000),
    (14_400, 21_600, 20_000_000),
)


def reference_price(
    seed: int, instrument: Instrument, at: datetime, volatility: int = 1
) -> Decimal:
    """The price of one whole token in USDC, to twelve significant digits.

    `at` is aware. The price stays within 2.8 % of the listed price and moves by less than 5 bps
    in 10 s. A `volatility` of n makes its path √n times as wide and √n times as fast, and so n
    times as steep; n is at most MAX_VOLATILITY, beyond which a price could fall to 0.
    """
    root = _root_ppm(volatility)
    moment = microseconds(at) * root // _PPM
    wander = sum(
        _wave(moment + phase, period, amplitude)
        for phase, period, amplitude in _waves(seed, instrument.symbol)
    )
    factor = Decimal(_PPB + wander * root // _PPM).scaleb(-9)
    return _TWELVE_DIGITS.multiply(instrument.reference_price, factor)


def moment_of(since_1970_us: int) -> datetime:
    """The time of so many microseconds since 1970, aware, UTC."""
    return _EPOCH + since_1970_us * _MICROSECOND


def microseconds(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


@functools.lru_cache(maxsize=8)
def _root_ppm(volatility: int) -> int:
    return isqrt(volatility * _PPM**2)


@functools.lru_cache(maxsize=1024)
def _waves(seed: int, symbol: str) -> tuple[tuple[int, int, int], ...]:
    waves = []
    for number, (shortest, longest, amplitude) in enumerate(_WAVES):
        key = (seed, "wave", symbol, number)
        period = draw(shortest * _US_PER_S, longest * _US_PER_S, "period", *key)
        waves.append((draw(0, period - 1, "phase", *key), period, amplitude))
    return tuple(waves)


def _wave(moment: int, period: int, amplitude: int) -> int:
    # Two parabolas instead of a sine: as smooth, and exact in integers on every machine.
    doubled = 2 * (moment % period)
    rising = doubled < period
    along = doubled if rising else doubled - period
    height = 4 * amplitude * along * (period - along) // period**2
    return height if rising else -height
