"""An offer of one pool, simulated or live: it prices any amount without another request."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from orderengine.amm.errors import AmmError
from orderengine.amm.integers import U64_MAX
from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import BPS, USDC_DECIMALS, effective_price, limit_amount, to_tokens
from orderengine.domain.routing import Quote
from orderengine.domain.side import Asset, Side, side_of
from orderengine.market.liquidity import Liquidity
from orderengine.market.swaps import PricedSwap

QUOTE_VALIDITY = timedelta(seconds=5)


@dataclass(frozen=True)
class PoolOffer:
    """Implements `domain.routing.Offer` on one pool.

    A simulated market moves its pools by up to `wander_bps` on its own; a live pool's reserves are
    what they are. `kind` is the pool's, if its liquidity is that of another kind. `slot` is that of
    the read of a live pool.
    """

    venue: str
    pool_id: str
    instrument: Instrument
    side: Side
    liquidity: Liquidity
    seen_at: datetime
    wander_bps: int | None = None
    kind: str | None = None
    slot: int | None = None

    @property
    def usdc_depth(self) -> Decimal:
        """The USDC in the pool, in whole USDC."""
        return to_tokens(self.liquidity.usdc, USDC_DECIMALS)

    def in_usdc(self) -> "PoolOffer":
        """The offer of the same pool whose exact amounts are USDC; see `Offer`."""
        return self._in_usdc

    @cached_property
    def _in_usdc(self) -> "PoolOffer":
        return replace(self, liquidity=self.liquidity.in_usdc())

    def largest(self, slippage_tolerance_bps: int) -> int:
        """The largest amount that one swap may trade, in base units; see `Offer`."""
        return self.liquidity.largest(self._rise_bps(slippage_tolerance_bps))

    def marginal_price(self, amount: int) -> int:
        """The cost or proceeds of one more base unit; see `Offer`."""
        return self.liquidity.marginal_price(amount)

    def quote(self, amount: int, slippage_tolerance_bps: int) -> Quote:
        """Price exactly this amount; raises OrderUnfillable if it is too large or too small."""
        exact = self.liquidity.exact
        if not self.liquidity.suffices(amount, self._rise_bps(slippage_tolerance_bps)):
            raise self._too_large(slippage_tolerance_bps)
        swap = self._price(amount)
        other = swap.quote_amount if exact is Asset.BASE else swap.base_amount
        if exact is Asset.QUOTE and other > U64_MAX:
            raise self._unfillable("its program takes no amount above 2^64 - 1 base units")
        limit = limit_amount(side_of(exact, self.side), other, slippage_tolerance_bps)
        if limit == 0 and slippage_tolerance_bps < BPS:
            unit = "USDC" if exact is Asset.BASE else self.instrument.symbol
            raise self._unfillable(
                f"at its tolerance it is worth less than the smallest unit of {unit}"
            )
        return self._quote(swap, limit)

    def _quote(self, swap: PricedSwap, limit: int) -> Quote:
        decimals = self.instrument.decimals
        return Quote(
            venue=self.venue,
            pool=self.pool_id,
            pool_kind=self.kind or self.liquidity.kind,
            side=self.side,
            base_amount=swap.base_amount,
            base_decimals=decimals,
            quote_amount=swap.quote_amount,
            limit_amount=limit,
            price=effective_price(swap.base_amount, swap.quote_amount, decimals, self.side),
            mid_price=swap.mid_price,
            fee=swap.fee,
            market_impact_bps=swap.market_impact_bps,
            quoted_at=self.seen_at,
            expires_at=self.seen_at + QUOTE_VALIDITY,
            exact=self.liquidity.exact,
            slot=self.slot,
        )

    def _rise_bps(self, slippage_tolerance_bps: int) -> int:
        """The rise that a swap must survive: only a rise leaves the pool with fewer base units.

        The market itself may rise by `wander_bps`. A simulated drift against a buy is a rise, up to
        its tolerance; a drift against a sale is a fall. A live pool executes or refuses.
        """
        if self.wander_bps is None:
            return 0
        against = slippage_tolerance_bps if self.side is Side.BUY else 0
        return against + self.wander_bps

    def _price(self, amount: int) -> PricedSwap:
        try:
            return self.liquidity.price(amount)
        except AmmError as error:
            raise self._unfillable(str(error)) from error

    def _too_large(self, slippage_tolerance_bps: int) -> OrderUnfillable:
        largest, symbol = self.largest(slippage_tolerance_bps), self.instrument.symbol
        most = (
            f"at most {to_tokens(largest, self.instrument.decimals):f} {symbol}"
            if self.liquidity.exact is Asset.BASE
            else f"for at most {to_tokens(largest, USDC_DECIMALS):f} USDC"
        )
        return self._unfillable(f"one swap may {self.side.value} {most}")

    def _unfillable(self, why: str) -> OrderUnfillable:
        detail = f"{self.venue} cannot fill this {self.side.value}: {why}"
        return OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail)
