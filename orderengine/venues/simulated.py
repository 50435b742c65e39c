"""What the simulated venues share: how they answer, late or not at all, from the market's pools."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from orderengine.amm.cpmm import CpmmPool
from orderengine.amm.errors import AmmError
from orderengine.config import Simulation
from orderengine.domain.documents import decimal_text
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import effective_price, to_tokens
from orderengine.domain.routing import Quote
from orderengine.domain.side import Side
from orderengine.execution.ports import Clock
from orderengine.market.pools import SimulatedMarket
from orderengine.market.swaps import PricedSwap, largest_swap, price_swap

QUOTE_VALIDITY = timedelta(seconds=5)


class SimulatedVenue:
    """Implements `execution.ports.Venue` on the simulated market; a venue derives from it."""

    name: ClassVar[str]
    pool_kind: ClassVar[str]

    def __init__(
        self,
        simulation: Simulation,
        clock: Clock,
        *,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        spread = simulation.spread_bps
        self._simulation = simulation
        self._clock = clock
        self._market = SimulatedMarket(simulation.seed, spread.low, spread.high)
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - latencies and faults, not secrets

    def quote(self, instrument: Instrument, side: Side, base_amount: int) -> Quote:
        """Price one swap against the pool of now; the quote is good for 5 s.

        Raises VenueUnavailable for a simulated fault, OrderUnfillable if the pool is too shallow
        or the swap too small.
        """
        self._answer_late_or_never()
        now = self._clock.now()
        pool_id = self._market.pool_id(instrument, now)
        pool = self._market.pool_state(instrument, self.name, pool_id, now)
        swap = self._price(pool, instrument, side, base_amount)
        return Quote(
            venue=self.name,
            pool=pool_id,
            pool_kind=self.pool_kind,
            side=side,
            base_amount=base_amount,
            base_decimals=instrument.decimals,
            quote_amount=swap.quote_amount,
            price=effective_price(base_amount, swap.quote_amount, instrument.decimals),
            mid_price=swap.mid_price,
            fee=swap.fee,
            market_impact_bps=swap.market_impact_bps,
            quoted_at=now,
            expires_at=now + QUOTE_VALIDITY,
        )

    def _answer_late_or_never(self) -> None:
        latency = self._simulation.quote_latency_ms
        self._sleep(self._rng.uniform(latency.low, latency.high) / 1000)
        if self._rng.random() < self._simulation.quote_fail_rate:
            message = f"{self.name} gave no answer"
            raise VenueUnavailable(message)

    def _price(
        self, pool: CpmmPool, instrument: Instrument, side: Side, base_amount: int
    ) -> PricedSwap:
        largest = largest_swap(pool, side)
        if base_amount > largest:
            possible = _whole_tokens(largest, instrument)
            raise self._refusal(f"lets you {side} at most {possible} {instrument.symbol}")
        try:
            return price_swap(pool, side, base_amount, instrument.decimals)
        except AmmError as error:
            raise self._refusal(f"cannot fill this {side}: {error}") from error

    def _refusal(self, detail: str) -> OrderUnfillable:
        return OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, f"{self.name} {detail}")


def _whole_tokens(base_amount: int, instrument: Instrument) -> str:
    tokens = to_tokens(base_amount, instrument.decimals)
    return decimal_text(tokens - tokens % instrument.quantity_step)
