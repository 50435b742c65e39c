from typing import ClassVar

from orderengine.venues.simulated import SimulatedVenue


class Meteora(SimulatedVenue):
    """Meteora on the simulated market: pools of bins."""

    name: ClassVar[str] = "meteora"
