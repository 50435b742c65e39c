"""The reference price of the simulated market, which needs no venue."""

from decimal import Decimal

from orderengine.domain.instruments import Instrument
from orderengine.execution.ports import Clock
from orderengine.market.reference import reference_price


class SimulatedPrices:
    """Implements `execution.intake.notional.ReferencePrices`: the price at the pools' center."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock

    def price(self, instrument: Instrument) -> Decimal:
        """USDC per whole token, now; raises StorageUnavailable if the time is not known."""
        return reference_price(self._seed, instrument, self._clock.now())
