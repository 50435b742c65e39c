"""The simulated venues: answer late or never, from the market's pools."""

import random
import time
from collections.abc import Callable

from orderengine.amm.errors import AmmError, PoolNotOpen
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.domain.side import Side
from orderengine.execution.ports import Clock
from orderengine.market.pools import market_of
from orderengine.market.simulation import Simulation
from orderengine.venues.offers import PoolOffer

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

    def offer(self, instrument: Instrument, side: Side) -> PoolOffer:
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
