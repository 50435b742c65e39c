"""The choice of what orders trade and settle on: the simulated market, or a live network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Engine as DatabaseEngine

from orderengine.config.settings import ConfigurationError, Settings
from orderengine.domain.instruments import Instruments
from orderengine.execution.intake.notional import ReferencePrices
from orderengine.execution.network import SettlementNetwork
from orderengine.execution.ports import Clock, QuoteBoard, Venue
from orderengine.execution.waiting.looking import References
from orderengine.market.simulation import Simulation
from orderengine.market.venues import VENUES
from orderengine.settlement.simulated import SimulatedNetwork
from orderengine.venues.board import ConcurrentQuoteBoard
from orderengine.venues.reference import SimulatedPrices
from orderengine.venues.simulated import SimulatedVenue

QUOTE_TIMEOUT_S = 1.0


class Prices(ReferencePrices, References, Protocol):
    """The prices without a venue: for limits of value, stops, and launches."""


class Trading(Protocol):
    """The market and the network of one process; each part is made when it is asked for."""

    def venues(self) -> Sequence[Venue]:
        """The venues, in the order in which they are asked."""

    def prices(self) -> Prices:
        """The reference prices."""

    def network(self, database: DatabaseEngine) -> SettlementNetwork:
        """The settlement network; for a worker alone, since it may need the wallet's key."""


@dataclass(frozen=True, slots=True)
class SimulatedTrading:
    """The simulated market and network."""

    simulation: Simulation
    instruments: Instruments
    clock: Clock

    def venues(self) -> Sequence[Venue]:
        """The simulated venues."""
        return [SimulatedVenue(name, self.simulation, self.clock) for name in VENUES]

    def prices(self) -> Prices:
        """The prices at the center of the simulated pools."""
        return SimulatedPrices(self.simulation, self.clock)

    def network(self, database: DatabaseEngine) -> SettlementNetwork:
        """The simulated network, whose ledger is in PostgreSQL."""
        return SimulatedNetwork(database, self.instruments, self.simulation)


def trading_of(settings: Settings, instruments: Instruments, clock: Clock) -> Trading:
    """The market and the network that NETWORK names.

    Raises ConfigurationError if a live one cannot be used with these settings and packages.
    """
    if settings.solana is None:
        return SimulatedTrading(settings.simulation, instruments, clock)
    raise ConfigurationError("NETWORK=solana is not part of this release yet")


def quote_board(trading: Trading, callers: int, timeout_s: float = QUOTE_TIMEOUT_S) -> QuoteBoard:
    """All venues, asked concurrently by at most `callers` callers."""
    return ConcurrentQuoteBoard(trading.venues(), timeout_s=timeout_s, max_workers=callers)
