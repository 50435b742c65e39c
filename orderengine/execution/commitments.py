"""What signed orders may still take from the wallet, and whose wallet it is: ports of a network."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from orderengine.domain.side import Asset


@dataclass(frozen=True, slots=True)
class Commitment:
    """The most that the transaction of a submitted order may still take, in base units.

    `asset` is what it pays: USDC, or the base asset of its symbol.
    """

    order_id: UUID
    signature: str
    symbol: str
    asset: Asset
    most: int


class Commitments(Protocol):
    """The submitted orders; every method raises StorageUnavailable."""

    def submitted(self) -> list[Commitment]:
        """What each submitted order may still take."""


@dataclass(frozen=True, slots=True)
class WalletFigures:
    """What the wallet holds, in lamports and in base units of USDC, and how late its nodes are."""

    lamports: int
    usdc: int
    slots_behind: int


class Wallets(Protocol):
    """Which wallet the workers sign with on each network; every method raises StorageUnavailable.

    Two wallets on one database would each leave the other's orders alone.
    """

    def claim(self, network: str, wallet: str, figures: WalletFigures | None = None) -> bool:
        """Say that this wallet signs on a network, and what it holds, if that is known.

        False, and nothing stored, if another wallet did so a moment ago.
        """
