"""The choice of what orders trade and settle on: the simulated market, or a live network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Protocol

from sqlalchemy import Engine as DatabaseEngine

from orderengine.config.settings import ConfigurationError, Settings
from orderengine.domain.home import SIMULATED, Home
from orderengine.domain.instruments import Instruments
from orderengine.execution.intake.notional import ReferencePrices
from orderengine.execution.network import SettlementNetwork
from orderengine.execution.operations.counters import Metrics, ProcessMetrics
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


def _nothing_to_watch() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Settlement:
    """The network of a worker, and whose orders it takes.

    `watch` is to be called about every second, and never raises.
    """

    network: SettlementNetwork
    home: Callable[[], Home]
    watch: Callable[[], None] = _nothing_to_watch


class Trading(Protocol):
    """The market and the network of one process; each part is made when it is asked for."""

    def venues(self) -> Sequence[Venue]:
        """The venues, in the order in which they are asked."""

    def prices(self) -> Prices:
        """The reference prices."""

    def placed_on(self) -> str | None:
        """The name of the network that new orders are for; None while no node has told it."""

    def settlement(self, database: DatabaseEngine) -> Settlement:
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

    def placed_on(self) -> str:
        """The name of the simulated network."""
        return SIMULATED

    def settlement(self, database: DatabaseEngine) -> Settlement:
        """The simulated network, whose ledger is in PostgreSQL."""
        network = SimulatedNetwork(database, self.instruments, self.simulation)
        return Settlement(network, lambda: Home(SIMULATED, ""))


def trading_of(
    settings: Settings, instruments: Instruments, clock: Clock, metrics: Metrics
) -> Trading:
    """The market and the network that NETWORK names.

    Raises ConfigurationError if a live one cannot be used with these settings and packages, or if
    its nodes are not those of a cluster that may be traded on. A node that gives no answer is no
    error: nothing is signed until it has told its cluster.
    """
    if settings.solana is None:
        return SimulatedTrading(settings.simulation, instruments, clock)
    trading: Trading = live_module().live_trading(settings.solana, instruments, clock, metrics)
    return trading


def require_network(settings: Settings) -> None:
    """Raise ConfigurationError if a live network may not be used, as `trading_of` does."""
    if settings.solana is not None:
        live_module().usable_cluster(settings.solana, ProcessMetrics())


def live_module(name: str = "live") -> ModuleType:
    """A module of the live network, whose packages are optional.

    Raises ConfigurationError that says how to install them.
    """
    try:
        return import_module(f"orderengine.bootstrap.{name}")
    except ModuleNotFoundError as error:
        package, _, _ = (error.name or "").partition(".")
        if package not in {"solders", "urllib3"}:
            raise
        raise ConfigurationError(
            f"NETWORK=solana needs the package {package}:"
            " pip install --require-hashes -r requirements-solana.txt"
        ) from None


def quote_board(trading: Trading, callers: int, timeout_s: float = QUOTE_TIMEOUT_S) -> QuoteBoard:
    """All venues, asked concurrently by at most `callers` callers."""
    return ConcurrentQuoteBoard(trading.venues(), timeout_s=timeout_s, max_workers=callers)
