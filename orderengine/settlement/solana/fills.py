"""The legs of a landed swap: amounts from the chain, fee and impact from the pools' maths."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from orderengine.amm.errors import AmmError
from orderengine.domain.errors import NetworkUnavailable, VenueUnavailable
from orderengine.domain.fill import FillLeg
from orderengine.domain.side import Side
from orderengine.market.swaps import PricedSwap
from orderengine.settlement.solana.landing import LandedLeg
from orderengine.settlement.solana.tokens import Tokens
from orderengine.solana.pools.amm_v4 import LiveAmmV4
from orderengine.solana.pools.cpmm import LiveCpmm
from orderengine.solana.pools.localnet import LocalnetPool
from orderengine.solana.pools.pool import Pool
from orderengine.solana.reader import PoolReader
from orderengine.solana.refusals import AccountRefused

POOL_KEPT_S = 5.0
"""How old a read may be that tells a pool's terms; its amounts are those of the transaction."""


@dataclass(frozen=True, slots=True)
class FillLegs:
    """Makes the legs of a fill; `tokens` names venues and instruments by pool."""

    tokens: Tokens
    pools: PoolReader

    def of(self, legs: Sequence[LandedLeg]) -> tuple[FillLeg, ...]:
        """The legs, in the order in which they were executed.

        Raises NetworkUnavailable if a pool, whose fee must be known, was not read a moment ago, and
        cannot be read now.
        """
        return tuple(self._leg(each) for each in legs)

    def _leg(self, leg: LandedLeg) -> FillLeg:
        venue, instrument = self.tokens.pools.get(leg.pool, (leg.program, None))
        priced, is_estimated = None, True
        if instrument is not None:
            try:
                pool = self.pools.known(instrument, POOL_KEPT_S).pools.get(venue)
            except VenueUnavailable as error:
                raise NetworkUnavailable(str(error)) from error
            if pool is not None and not isinstance(pool, AccountRefused):
                priced, is_estimated = _priced(pool, leg)
        return FillLeg(
            venue=venue,
            pool=leg.pool,
            base_amount=abs(leg.base.change),
            quote_amount=abs(leg.usdc.change),
            fee=Decimal(0) if priced is None else priced.fee,
            market_impact_bps=Decimal(0) if priced is None else priced.market_impact_bps,
            fee_is_estimated=True if is_estimated else None,
        )


def _priced(pool: Pool, leg: LandedLeg) -> tuple[PricedSwap | None, bool]:
    """The executed input at the pool's state before the swap, or at a later one: an estimate."""
    before = _before(pool, leg)
    try:
        if leg.usdc.change > 0:  # the wallet paid USDC
            liquidity = (before or pool).liquidity(Side.BUY).in_usdc()
            return liquidity.price(leg.usdc.change), before is None
        liquidity = (before or pool).liquidity(Side.SELL)
        return liquidity.price(leg.base.change), before is None
    except (AmmError, ArithmeticError):  # a node may tell of an account that held nothing
        return None, True


def _before(pool: Pool, leg: LandedLeg) -> Pool | None:
    """The pool as it was before the swap, if its vaults alone tell it."""
    base = replace(pool.base, amount=leg.base.before)
    usdc = replace(pool.usdc, amount=leg.usdc.before)
    if isinstance(pool, LocalnetPool):
        return replace(pool, base=base, usdc=usdc)
    if isinstance(pool, LiveCpmm):
        kept = pool.base.amount - pool.reserves[0], pool.usdc.amount - pool.reserves[1]
        reserves = base.amount - kept[0], usdc.amount - kept[1]
        return replace(pool, base=base, usdc=usdc, reserves=reserves)
    if isinstance(pool, LiveAmmV4):
        state = pool.pool
        kept = pool.base.amount - state.reserve_x, pool.usdc.amount - state.reserve_y
        reserves = base.amount - kept[0], usdc.amount - kept[1]
        former = replace(state, reserve_x=reserves[0], reserve_y=reserves[1])
        return replace(pool, base=base, usdc=usdc, pool=former)
    return None
