from typing import ClassVar

from orderengine.venues.simulated import SimulatedVenue


class Raydium(SimulatedVenue):
    """Raydium on the simulated market: constant product pools."""

    name: ClassVar[str] = "raydium"
