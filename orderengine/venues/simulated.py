"""The simulated venues: answer late or never, from the market's pools."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from orderengine.amm.errors import AmmError, PoolNotOpen
from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.ports import Clock, Wanted
from orderengine.market.pools import SimulatedPool, liquidity_of, market_of
from orderengine.market.simulation import Simulation
from orderengine.venues.apart import each_apart
from orderengine.venues.offers import PoolOffer

WANDER_BPS = 50
"""More than the reference price moves by itself while a swap is in flight, without volatility."""
MOST_WANDER_BPS = 5_000


class SimulatedVenue:
    """Implements `execution.ports.Venue` for a name in `market.venues.VENUES`."""

    reads_by_symbol = False

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
        self._answer_late()
        return self._offer(instrument, side, self._clock.now(), {})

    def offers(self, wanted: Sequence[Wanted]) -> list[Offer | Exception]:
        """All at one moment, after one latency; each fails as often as one that is asked alone."""
        self._answer_late()
        now = self._clock.now()
        pools: dict[str, SimulatedPool] = {}
        return each_apart(partial(self._offer, now=now, pools=pools), wanted)

    def _offer(
        self, instrument: Instrument, side: Side, now: datetime, pools: dict[str, SimulatedPool]
    ) -> PoolOffer:
        """The offer; both sides of a symbol share the pool in `pools`."""
        if self._rng.random() < self._simulation.quote_fail_rate:
            raise VenueUnavailable(f"{self.name} gave no answer")
        symbol, pool_id = instrument.symbol, self._market.pool_id(instrument, now)
        try:
            if symbol not in pools:
                pools[symbol] = self._market.pool_state(instrument, self.name, pool_id, now)
            liquidity = liquidity_of(pools[symbol], side, instrument.decimals, now)
        except PoolNotOpen as error:
            raise OrderUnfillable(FailureReason.NOT_OPEN, f"{self.name}: {error}") from error
        except AmmError as error:
            detail = f"{self.name} cannot hold {symbol}: {error}"
            raise OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail) from error
        wander_bps = wander_of(self._simulation.volatility)
        return PoolOffer(self.name, pool_id, instrument, side, liquidity, now, wander_bps)

    def _answer_late(self) -> None:
        latency = self._simulation.quote_latency_ms
        if latency.high > 0:  # even a sleep of 0 s yields to other threads
            self._sleep(self._rng.uniform(latency.low, latency.high) / 1000)


def wander_of(volatility: int) -> int:
    """More than the reference price moves while a swap is in flight, in bps; half at most."""
    return min(WANDER_BPS * volatility, MOST_WANDER_BPS)
