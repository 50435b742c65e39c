"""The venues' pools around the reference price."""

import functools
import re
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from orderengine.amm.cpmm import CpmmPool
from orderengine.amm.dlmm import DlmmPool
from orderengine.amm.errors import PoolNotOpen
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.side import Asset, Side
from orderengine.domain.texts import time_text
from orderengine.market.bin_liquidity import DlmmLiquidity
from orderengine.market.curve_liquidity import CpmmLiquidity
from orderengine.market.draws import draw
from orderengine.market.launches import opening_epoch, percent_of_depth
from orderengine.market.liquidity import Liquidity
from orderengine.market.reference import microseconds, moment_of, reference_price
from orderengine.market.simulation import Simulation
from orderengine.market.venues import VENUES

PPM_PER_BPS = 100
EPOCH_S = 20

_PPM = 1_000_000
_EPOCH_US = EPOCH_S * 1_000_000
SimulatedPool = CpmmPool | DlmmPool

_POOL_ID = re.compile(r"(?P<symbol>.+)-USDC-(?P<epoch>[0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """Every pool of every venue at any time, fixed by the seed.

    A venue has a family of pools per instrument, and in each epoch of 20 s a different one of them
    is its best. A pool's price relative to the reference never changes. So the end of an epoch
    causes no slippage: a swap in flight still trades in the pool that it names.

    Raydium's pools are constant products, Meteora's are bins; each has the instrument's depth on
    each side. In each epoch one venue is cheapest and one is dearest. The center price of the
    dearest is higher by a share drawn from the spread (basis points, 0 ≤ low ≤ high); those of
    further venues lie between, in equal steps. All charge the same base fee, so the effective
    prices of small swaps differ by as much, on both sides, to within half a bin step.

    The pools of a launched instrument open some minutes into each launch (`launches`) and gain
    depth. A `volatility` of n makes the reference path n times as steep.
    """

    seed: int
    spread_low_bps: int
    spread_high_bps: int
    volatility: int = 1

    def pool_id(self, instrument: Instrument, at: datetime) -> str:
        """The name of a venue's best pool at a time, e.g. `AAPL-USDC-89730123`."""
        return f"{instrument.symbol}-USDC-{self._epoch(instrument, at)}"

    def opens_at(self, instrument: Instrument, at: datetime) -> datetime | None:
        """When the instrument's pools will open; None if they are open at this time."""
        if not instrument.launched:
            return None
        opening = self._opening(instrument, self._epoch(instrument, at))
        return opening if opening > at else None

    def pool_state(
        self,
        instrument: Instrument,
        venue: str,
        pool_id: str,
        at: datetime,
        *,
        moved_ppm: int = 0,
    ) -> SimulatedPool:
        """A pool's state at a time, X the base asset and Y USDC, both in base units.

        `moved_ppm` is a move of the reference price on top of its own path, signed, in parts per
        million. Raises ValueError for a pool that does not exist, PoolNotOpen before it opens,
        AmmError if the instrument's depth buys less than one base unit.
        """
        price = Fraction(reference_price(self.seed, instrument, at, self.volatility))
        price *= Fraction(_PPM + moved_ppm, _PPM) * _skew(self, instrument.symbol, venue, pool_id)
        depth = self._depth(instrument, pool_id, at)
        units_price = price * Fraction(10**USDC_DECIMALS, 10**instrument.decimals)
        return VENUES[venue].pool_at(units_price, depth)

    def liquidity(
        self,
        instrument: Instrument,
        side: Side,
        venue: str,
        pool_id: str,
        at: datetime,
        *,
        moved_ppm: int = 0,
        exact: Asset = Asset.BASE,
    ) -> Liquidity:
        """One side of a pool at a time; raises as `pool_state` does."""
        pool = self.pool_state(instrument, venue, pool_id, at, moved_ppm=moved_ppm)
        return liquidity_of(pool, side, instrument.decimals, at, exact)

    def _depth(self, instrument: Instrument, pool_id: str, at: datetime) -> int:
        """The depth of an existing pool at a time, in base units of USDC."""
        depth = int(instrument.depth.scaleb(USDC_DECIMALS))
        if not instrument.launched:
            return depth
        opening = self._opening(instrument, int(pool_id.rpartition("-")[2]))
        if at < opening:
            raise PoolNotOpen(f"{instrument.symbol} opens at {time_text(opening)}")
        return depth * percent_of_depth(microseconds(at) - microseconds(opening)) // 100

    def _epoch(self, instrument: Instrument, at: datetime) -> int:
        # Instruments change pools at different moments, like unrelated markets.
        return (microseconds(at) + _phase_us(self.seed, instrument.symbol)) // _EPOCH_US

    def _opening(self, instrument: Instrument, epoch: int) -> datetime:
        seed, symbol = self.seed, instrument.symbol
        first = opening_epoch(seed, symbol, epoch)
        return moment_of(first * _EPOCH_US - _phase_us(seed, symbol))


def liquidity_of(
    pool: SimulatedPool,
    side: Side,
    base_decimals: int,
    at: datetime,
    exact: Asset = Asset.BASE,
) -> Liquidity:
    """One side of a pool in this state, for a swap at this time."""
    if isinstance(pool, DlmmPool):
        return DlmmLiquidity(pool, side, base_decimals, microseconds(at) // 1_000_000, exact)
    return CpmmLiquidity(pool, side, base_decimals, exact)


def market_of(simulation: Simulation) -> SimulatedMarket:
    """The market of these settings."""
    spread = simulation.spread_bps
    return SimulatedMarket(simulation.seed, spread.low, spread.high, simulation.volatility)


# Cached, because these values of a pool never change and each quote needs them.
@functools.lru_cache(maxsize=1024)
def _phase_us(seed: int, symbol: str) -> int:
    return draw(0, _EPOCH_US - 1, seed, "epoch", symbol)


@functools.lru_cache(maxsize=4096)
def _skew(market: SimulatedMarket, symbol: str, venue: str, pool_id: str) -> Fraction:
    """A pool's price ÷ the reference price; that is the mean of the two price levels."""
    match = _POOL_ID.fullmatch(pool_id)
    if match is None or match["symbol"] != symbol or venue not in VENUES:
        message = f"{venue} has no pool {pool_id} of {symbol}"
        raise ValueError(message)
    key = (market.seed, symbol, int(match["epoch"]))
    spread = _spread_ppm(market, key)
    lower = Fraction(2 * _PPM, 2 * _PPM + spread)
    others = list(VENUES)
    cheapest = others.pop(draw(0, len(others) - 1, "lower", *key))
    if venue == cheapest:
        return lower
    dearest = draw(0, len(others) - 1, "higher", *key)
    steps_below = (dearest - others.index(venue)) % len(others)
    return lower * (1 + Fraction(spread, _PPM) * Fraction(len(others) - steps_below, len(others)))


def _spread_ppm(market: SimulatedMarket, key: tuple[str | int, ...]) -> int:
    low, high = market.spread_low_bps * PPM_PER_BPS, market.spread_high_bps * PPM_PER_BPS
    # Bins round prices, and a swap's size changes the difference. The margin, a twentieth at each
    # end, is half a bin step plus as much again, for swaps of up to a thousandth of the depth.
    margin = (high - low) // 20
    return draw(low + margin, high - margin, "spread", *key)
