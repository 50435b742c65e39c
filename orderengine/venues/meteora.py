from typing import ClassVar

from orderengine.venues.simulated import SimulatedVenue


class Meteora(SimulatedVenue):
    """Meteora on the simulated market: constant product pools."""

    name: ClassVar[str] = "meteora"
    pool_kind: ClassVar[str] = "cpmm"
