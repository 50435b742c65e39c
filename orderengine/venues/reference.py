"""The reference price of the simulated market, which needs no venue."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from orderengine.domain.instruments import Instrument
from orderengine.execution.ports import Clock
from orderengine.execution.waiting.prices import REFERENCE, SeenPrice
from orderengine.market.pools import market_of
from orderengine.market.reference import reference_price
from orderengine.market.simulation import Simulation


class SimulatedPrices:
    """The prices at the pools' center.

    Implements `execution.intake.notional.ReferencePrices` and
    `execution.waiting.looking.References`.
    """

    def __init__(self, simulation: Simulation, clock: Clock) -> None:
        self._simulation = simulation
        self._market = market_of(simulation)
        self._clock = clock

    def price(self, instrument: Instrument) -> Decimal:
        """USDC per whole token, now; raises StorageUnavailable if the time is not known."""
        return self.seen(instrument).price

    def seen(self, instrument: Instrument) -> SeenPrice:
        """The price and its time; raises StorageUnavailable if the time is not known."""
        now, simulation = self._clock.now(), self._simulation
        price = reference_price(simulation.seed, instrument, now, simulation.volatility)
        return SeenPrice(price, now, REFERENCE)

    def seen_all(self, instruments: Sequence[Instrument]) -> list[SeenPrice | None]:
        """The prices of many; raises StorageUnavailable if the time is not known."""
        return [self.seen(instrument) for instrument in instruments]

    def opens_at(self, instrument: Instrument) -> datetime | None:
        """When the instrument's pools will open; None if they are open.

        Raises StorageUnavailable if the time is not known.
        """
        if not instrument.launched:
            return None
        return self._market.opens_at(instrument, self._clock.now())
