"""Where a process trades: the network and the wallet that its orders must belong to."""

from dataclasses import dataclass
from typing import Final

SIMULATED: Final = "simulated"
LIVE: Final = "solana:"
"""What the names of all live networks begin with; the rest is the cluster's genesis hash."""


def live_network(genesis_hash: str | None) -> str:
    """The name of the network with this genesis hash; without one, what all names begin with."""
    return f"{LIVE}{genesis_hash or ''}"


@dataclass(frozen=True, slots=True)
class Home:
    """A network, by its name or by what its name begins with, and the wallet that signs there.

    An empty network stands for any network, and None for any wallet. On the simulated network the
    wallet is empty.
    """

    network: str = ""
    wallet: str | None = None

    def has(self, placed_on: str | None) -> bool:
        """Whether an order that was placed on this network belongs here; None is any network."""
        return placed_on is None or placed_on.startswith(self.network)


ANYWHERE: Final = Home()


def anywhere() -> Home:
    """The home of a process that signs nothing: all orders are its own."""
    return ANYWHERE
