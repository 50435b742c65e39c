"""The venues' pools around the reference price."""

import functools
import re
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from orderengine.amm.cpmm import CpmmFees, CpmmPool
from orderengine.amm.dlmm import DlmmPool
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.side import Side
from orderengine.market.bins import pool_around
from orderengine.market.draws import draw
from orderengine.market.liquidity import CpmmLiquidity, DlmmLiquidity, Liquidity
from orderengine.market.reference import microseconds, reference_price

CPMM_VENUE, DLMM_VENUE = VENUES = ("raydium", "meteora")
PPM_PER_BPS = 100
EPOCH_S = 20

# 25 bps, of which 12 % go to the protocol and 4 % to the fund, as on Raydium's CPMM pools.
# Source: the lowest fee tier among the `AmmConfig` accounts of raydium-io/raydium-cp-swap.
FEES = CpmmFees(trade=2_500, protocol=120_000, fund=40_000)

_PPM = 1_000_000
_EPOCH_US = EPOCH_S * 1_000_000
_POOL_ID = re.compile(r"(?P<symbol>.+)-USDC-(?P<epoch>[0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """Every pool of every venue at any time, fixed by the seed.

    A venue has a family of pools per instrument, and each epoch of 20 s another one of them is its
    best. What a pool charges in relation to the reference never changes, so that the end of an
    epoch brings no slippage to a swap that is on its way: it still trades in the pool it names.

    Raydium's pools are constant products, Meteora's are bins; each has the instrument's depth on
    each side. The prices that the two are built around differ by `(higher - lower) / lower`, drawn
    from the spread (basis points, 0 ≤ low ≤ high). Both charge the same base fee, and thus the
    effective prices of small swaps differ as much, on both sides, to within half a bin step.
    """

    seed: int
    spread_low_bps: int
    spread_high_bps: int

    def pool_id(self, instrument: Instrument, at: datetime) -> str:
        """The name of the pool that a venue quotes from at a time, e.g. `AAPL-USDC-89730123`."""
        # Instruments change their pools at different moments, as unrelated markets do.
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
        """A pool at a time, X the base asset and Y USDC, both in base units.

        `moved_ppm` is a move of the reference price on top of its own path, signed, in parts per
        million. Raises ValueError for a pool that does not exist, AmmError if the instrument's
        depth buys less than one base unit.
        """
        price = Fraction(reference_price(self.seed, instrument, at))
        price *= Fraction(_PPM + moved_ppm, _PPM) * _skew(self, instrument.symbol, venue, pool_id)
        depth = int(instrument.depth.scaleb(USDC_DECIMALS))
        units_price = price * Fraction(10**USDC_DECIMALS, 10**instrument.decimals)
        if venue == DLMM_VENUE:
            return pool_around(units_price, depth)
        return CpmmPool(reserve_x=int(depth / units_price), reserve_y=depth, fees=FEES)

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
        """One side of a pool at a time; raises as `pool_state`."""
        pool = self.pool_state(instrument, venue, pool_id, at, moved_ppm=moved_ppm)
        if isinstance(pool, DlmmPool):
            now_s = microseconds(at) // 1_000_000
            return DlmmLiquidity(pool, side, instrument.decimals, now_s)
        return CpmmLiquidity(pool, side, instrument.decimals)


# Of a pool these never change, and each quote asks for them again.
@functools.lru_cache(maxsize=1024)
def _phase_us(seed: int, symbol: str) -> int:
    return draw(0, _EPOCH_US - 1, seed, "epoch", symbol)


@functools.lru_cache(maxsize=4096)
def _skew(market: SimulatedMarket, symbol: str, venue: str, pool_id: str) -> Fraction:
    """What a pool's mid price is to the reference: the two venues' average is the reference."""
    match = _POOL_ID.fullmatch(pool_id)
    if match is None or match["symbol"] != symbol or venue not in VENUES:
        message = f"{venue} has no pool {pool_id} of {symbol}"
        raise ValueError(message)
    key = (market.seed, symbol, int(match["epoch"]))
    spread = _spread_ppm(market, key)
    lower = Fraction(2 * _PPM, 2 * _PPM + spread)
    if venue == VENUES[draw(0, 1, "lower", *key)]:
        return lower
    return lower * Fraction(_PPM + spread, _PPM)


def _spread_ppm(market: SimulatedMarket, key: tuple[str | int, ...]) -> int:
    low, high = market.spread_low_bps * PPM_PER_BPS, market.spread_high_bps * PPM_PER_BPS
    # Bins round a price, and size changes the difference: a twentieth kept free at both ends
    # is half a bin step and as much again, for swaps of up to a thousandth of the depth.
    margin = (high - low) // 20
    return draw(low + margin, high - margin, "spread", *key)
