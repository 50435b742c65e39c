"""A live venue over pools that are written for whatever instrument is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.ports import Wanted
from orderengine.market.bins import pool_around
from orderengine.solana.accounts import CLOCK
from orderengine.solana.reader import PoolReader
from orderengine.venues.apart import each_apart
from orderengine.venues.live import LiveVenue
from orderengine.venues.offers import PoolOffer
from tests.fake_chain import CHAIN_S, FakeChain
from tests.fakes import FakeClock
from tests.solana_pools import (
    BASE,
    POOL,
    USDC,
    Known,
    a_clock,
    a_cpmm_pool,
    a_dlmm_pool,
    a_localnet_pool,
    a_mint,
    an_amm_v4_pool,
)

KINDS = ("cpmm", "amm_v4", "dlmm", "dlmm, usdc first", "localnet")


@dataclass(frozen=True)
class LiveMarket:
    """Implements `Venue`: a pool of this kind at the instrument's price and depth."""

    kind: str
    name: str = "raydium"
    reads_by_symbol: bool = True

    def offers(self, wanted: Sequence[Wanted]) -> list[Offer | Exception]:
        return each_apart(self.offer, wanted)

    def offer(self, instrument: Instrument, side: Side) -> PoolOffer:
        chain = FakeChain(self._accounts(instrument))
        reader = PoolReader(chain.read, lambda: USDC, FakeClock())
        listed = replace(instrument, mint=str(BASE), pools={self.name: str(POOL)})
        return LiveVenue(self.name, reader).offer(listed, side)

    def _accounts(self, instrument: Instrument) -> Known:
        depth = int(instrument.depth.scaleb(USDC_DECIMALS))
        units_price = Fraction(instrument.reference_price) * Fraction(
            10**USDC_DECIMALS, 10**instrument.decimals
        )
        base = int(depth / units_price)
        made: Known = {
            "cpmm": lambda: a_cpmm_pool(base, depth),
            "amm_v4": lambda: an_amm_v4_pool(base, depth),
            "localnet": lambda: a_localnet_pool(base, depth),
            "dlmm": lambda: _bins_around(units_price, depth),
            "dlmm, usdc first": lambda: _bins_around(1 / units_price, base, flipped=True),
        }[self.kind]()
        return {**made, BASE: a_mint(instrument.decimals), CLOCK: a_clock(CHAIN_S)}


def _bins_around(price: Fraction, depth: int, *, flipped: bool = False) -> Known:
    """The bins of the simulated pool, as accounts; without volatility, as there."""
    pool = pool_around(price, depth)
    bins = {each.id: (each.amount_x, each.amount_y) for each in pool.bins}
    return a_dlmm_pool(
        bins,
        flipped=flipped,
        active_id=pool.active_id,
        bin_step=pool.bin_step,
        base_factor=pool.parameters.base_factor,
        variable_fee_control=pool.parameters.variable_fee_control,
        volatility_reference=0,
        volatility_accumulator=0,
        index_reference=pool.active_id,
        last_update_timestamp=0,
    )
