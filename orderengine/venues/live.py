"""The live venues: offers and reference prices from the pools of a symbol, read once for all."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

import structlog

from orderengine.amm.errors import AmmError
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument, TokenProgram
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.ports import Wanted
from orderengine.execution.waiting.prices import REFERENCE, SeenPrice
from orderengine.solana.accounts import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from orderengine.solana.pools.pool import Pool
from orderengine.solana.reader import PoolReader, PoolsRead
from orderengine.solana.refusals import AccountRefused, PoolNotOpen, PoolPaused, PoolRefused
from orderengine.venues.apart import each_apart
from orderengine.venues.offers import PoolOffer

MOST_READS = 16
"""How many symbols are read at the same time for their reference prices."""

log = structlog.get_logger(__name__)

_PROGRAMS = {
    TokenProgram.TOKEN: TOKEN_PROGRAM,
    TokenProgram.TOKEN_2022: TOKEN_2022_PROGRAM,
}


class LiveVenue:
    """Implements `execution.ports.Venue` for the pools of one name in the instrument file."""

    reads_by_symbol = True

    def __init__(self, name: str, reader: PoolReader) -> None:
        self.name = name
        self._reader = reader

    def offer(self, instrument: Instrument, side: Side) -> PoolOffer:
        """The venue's pool of the instrument; its quotes are valid for 5 s after the read.

        Raises VenueUnavailable if the node gives no answer or an old one, or the pool is paused;
        OrderUnfillable before it opens (`NOT_OPEN`), and if it cannot be traded at all.
        """
        if self.name not in instrument.pools or instrument.mint is None:
            raise self._unfillable(f"{self.name} has no pool of {instrument.symbol}")
        read = self._reader.read(instrument)
        try:
            pool = tradable(instrument, read.pools[self.name])
            liquidity = pool.liquidity(side)
        except PoolNotOpen as error:
            raise OrderUnfillable(FailureReason.NOT_OPEN, f"{self.name}: {error}") from error
        except PoolPaused as error:
            raise VenueUnavailable(f"{self.name}: {error}") from error
        except (AccountRefused, AmmError) as error:
            raise self._unfillable(f"{self.name}: {error}") from error
        return PoolOffer(
            venue=self.name,
            pool_id=str(pool.address),
            instrument=instrument,
            side=side,
            liquidity=liquidity,
            seen_at=read.at,
            kind=pool.kind,
            slot=read.slot,
        )

    def offers(self, wanted: Sequence[Wanted]) -> list[Offer | Exception]:
        """Each as `offer` gives it; the sides of a symbol share its read."""
        return each_apart(self.offer, wanted)

    def _unfillable(self, detail: str) -> OrderUnfillable:
        return OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail)


class LivePrices:
    """The mid price of the deepest pool.

    Implements `execution.intake.notional.ReferencePrices` and
    `execution.waiting.looking.References`.
    """

    def __init__(self, reader: PoolReader) -> None:
        self._reader = reader

    def price(self, instrument: Instrument) -> Decimal:
        """USDC per whole token, now; raises VenueUnavailable if no pool tells it."""
        return self.seen(instrument).price

    def seen(self, instrument: Instrument) -> SeenPrice:
        """The price and its time; raises VenueUnavailable if no pool tells it."""
        read = self._reader.read(instrument)
        sides = [pool.liquidity(Side.SELL) for pool in _tradable(instrument, read)]
        if not sides:
            raise VenueUnavailable(f"no pool tells the price of {instrument.symbol}")
        deepest = max(sides, key=lambda side: side.usdc)
        return SeenPrice(deepest.mid_price, read.at, REFERENCE)

    def seen_all(self, instruments: Sequence[Instrument]) -> list[SeenPrice | None]:
        """The prices of many, read at the same time; None where no pool tells it."""
        if not instruments:
            return []
        with ThreadPoolExecutor(min(len(instruments), MOST_READS)) as threads:
            return list(threads.map(self._seen_or_none, instruments))

    def _seen_or_none(self, instrument: Instrument) -> SeenPrice | None:
        try:
            return self.seen(instrument)
        except VenueUnavailable as error:
            log.warning("reference_unknown", symbol=instrument.symbol, error=str(error))
            return None

    def opens_at(self, instrument: Instrument) -> datetime | None:
        """When the first of a launched instrument's pools will open.

        None if one is open, and if none tells: then its quotes decide.
        """
        if not instrument.launched:
            return None
        try:
            pools = self._reader.read(instrument).pools.values()
        except VenueUnavailable:
            return None
        closed = [pool.opens_at for pool in pools if isinstance(pool, PoolNotOpen)]
        return min(closed) if closed and len(closed) == len(pools) else None


def tradable(instrument: Instrument, pool: Pool | AccountRefused) -> Pool:
    """The pool, if its tokens are those of the instrument; raises AccountRefused if not."""
    if isinstance(pool, AccountRefused):
        raise pool
    if pool.base.decimals != instrument.decimals:
        raise PoolRefused(
            f"the mint {pool.base.mint} has {pool.base.decimals} decimals, and the instrument file"
            f" says {instrument.decimals}"
        )
    if pool.base.program != _PROGRAMS[instrument.token_program]:
        raise PoolRefused(f"the mint {pool.base.mint} belongs to another token program")
    if pool.usdc.decimals != USDC_DECIMALS:
        raise PoolRefused(f"the mint {pool.usdc.mint} has {pool.usdc.decimals} decimals, USDC's 6")
    return pool


def _tradable(instrument: Instrument, read: PoolsRead) -> Iterator[Pool]:
    for pool in read.pools.values():
        try:
            yield tradable(instrument, pool)
        except AccountRefused:
            continue
