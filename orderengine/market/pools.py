"""The venues' pools around the reference price."""

import functools
import re
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from orderengine.amm.cpmm import CpmmPool
from orderengine.amm.dlmm import DlmmPool
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.side import Side
from orderengine.market.draws import draw
from orderengine.market.liquidity import CpmmLiquidity, DlmmLiquidity, Liquidity
from orderengine.market.reference import microseconds, reference_price
from orderengine.market.venues import VENUES

PPM_PER_BPS = 100
EPOCH_S = 20

_PPM = 1_000_000
_EPOCH_US = EPOCH_S * 1_000_000
_POOL_ID = re.compile(r"(?P<symbol>.+)-USDC-(?P<epoch>[0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """Every pool of every venue at any time, fixed by the seed.

    A venue has a family of pools per instrument, and in each epoch of 20 s a different one of them
    is its best. A pool's price relative to the reference never changes. So the end of an epoch
    causes no slippage: a swap in flight still trades in the pool that it names.

    Raydium's pools are constant products, Meteora's are bins; each has the instrument's depth on
    each side. In each epoch one venue is cheapest. The center prices of the others are higher by
    `(higher - lower) / lower`, drawn from the spread (basis points, 0 ≤ low ≤ high). All charge the
    same base fee, so the effective prices of small swaps differ by as much, on both sides, to
    within half a bin step.
    """

    seed: int
    spread_low_bps: int
    spread_high_bps: int

    def pool_id(self, instrument: Instrument, at: datetime) -> str:
        """The name of a venue's best pool at a time, e.g. `AAPL-USDC-89730123`."""
        # Instruments change pools at different moments, like unrelated markets.
        phase = _phase_us(self.seed, instrument.symbol)
        return f"{instrument.symbol}-USDC-{(microseconds(at) + phase) // _EPOCH_US}"

    def pool_state(
        self,
        instrument: Instrument,
        venue: str,
        pool_id: str,
        at: datetime,
        *,
        moved_ppm: int = 0,
    ) -> CpmmPool | DlmmPool:
        """A pool's state at a time, X the base asset and Y USDC, both in base units.

        `moved_ppm` is a move of the reference price on top of its own path, signed, in parts per
        million. Raises ValueError for a pool that does not exist, AmmError if the instrument's
        depth buys less than one base unit.
        """
        price = Fraction(reference_price(self.seed, instrument, at))
        price *= Fraction(_PPM + moved_ppm, _PPM) * _skew(self, instrument.symbol, venue, pool_id)
        depth = int(instrument.depth.scaleb(USDC_DECIMALS))
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
    ) -> Liquidity:
        """One side of a pool at a time; raises as `pool_state` does."""
        pool = self.pool_state(instrument, venue, pool_id, at, moved_ppm=moved_ppm)
        if isinstance(pool, DlmmPool):
            now_s = microseconds(at) // 1_000_000
            return DlmmLiquidity(pool, side, instrument.decimals, now_s)
        return CpmmLiquidity(pool, side, instrument.decimals)


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
    if venue == list(VENUES)[draw(0, len(VENUES) - 1, "lower", *key)]:
        return lower
    return lower * Fraction(_PPM + spread, _PPM)


def _spread_ppm(market: SimulatedMarket, key: tuple[str | int, ...]) -> int:
    low, high = market.spread_low_bps * PPM_PER_BPS, market.spread_high_bps * PPM_PER_BPS
    # Bins round prices, and a swap's size changes the difference. The margin, a twentieth at each
    # end, is half a bin step plus as much again, for swaps of up to a thousandth of the depth.
    margin = (high - low) // 20
    return draw(low + margin, high - margin, "spread", *key)
