"""The simulated venues: answer late or never, from the market's pools."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from orderengine.amm.errors import AmmError, PoolNotOpen
from orderengine.amm.integers import U64_MAX
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import BPS, USDC_DECIMALS, effective_price, limit_amount, to_tokens
from orderengine.domain.routing import Quote
from orderengine.domain.side import Asset, Side, side_of
from orderengine.execution.ports import Clock
from orderengine.market.liquidity import Liquidity
from orderengine.market.pools import market_of
from orderengine.market.simulation import Simulation
from orderengine.market.swaps import PricedSwap

QUOTE_VALIDITY = timedelta(seconds=5)

WANDER_BPS = 50
"""More than the reference price moves by itself while a swap is in flight, without volatility."""
MOST_WANDER_BPS = 5_000


class SimulatedVenue:
    """Implements `execution.ports.Venue` for a name in `market.venues.VENUES`."""

    def __init__(
        self,
        name: str,
        simulation: Simulation,
        clock: Clock,
        *,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self._simulation = simulation
        self._clock = clock
        self._market = market_of(simulation)
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - latencies and faults, not secrets

    def offer(self, instrument: Instrument, side: Side) -> "PoolOffer":
        """The current best pool; its quotes are valid for 5 s.

        Raises VenueUnavailable for a simulated fault, OrderUnfillable before the pool opens
        (`NOT_OPEN`), or if no pool of the venue's program can hold the instrument's price and
        depth.
        """
        self._answer_late_or_never()
        now = self._clock.now()
        pool_id = self._market.pool_id(instrument, now)
        try:
            liquidity = self._market.liquidity(instrument, side, self.name, pool_id, now)
        except PoolNotOpen as error:
            raise OrderUnfillable(FailureReason.NOT_OPEN, f"{self.name}: {error}") from error
        except AmmError as error:
            detail = f"{self.name} cannot hold {instrument.symbol}: {error}"
            raise OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail) from error
        wander_bps = wander_of(self._simulation.volatility)
        return PoolOffer(self.name, pool_id, instrument, side, liquidity, now, wander_bps)

    def _answer_late_or_never(self) -> None:
        latency = self._simulation.quote_latency_ms
        if latency.high > 0:  # even a sleep of 0 s yields to other threads
            self._sleep(self._rng.uniform(latency.low, latency.high) / 1000)
        if self._rng.random() < self._simulation.quote_fail_rate:
            message = f"{self.name} gave no answer"
            raise VenueUnavailable(message)


def wander_of(volatility: int) -> int:
    """More than the reference price moves while a swap is in flight, in bps; half at most."""
    return min(WANDER_BPS * volatility, MOST_WANDER_BPS)


@dataclass(frozen=True)
class PoolOffer:
    """Implements `domain.routing.Offer` on a simulated pool."""

    venue: str
    pool_id: str
    instrument: Instrument
    side: Side
    liquidity: Liquidity
    seen_at: datetime
    wander_bps: int = WANDER_BPS

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
            pool_kind=self.liquidity.kind,
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
        )

    def _rise_bps(self, slippage_tolerance_bps: int) -> int:
        """The rise that a swap must survive: only a rise leaves the pool with fewer base units.

        The market itself may rise by `wander_bps`. A simulated drift against a buy is a rise, up to
        its tolerance; a drift against a sale is a fall.
        """
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
