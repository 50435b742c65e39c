"""What swaps are promised of a wallet, and whose wallet it is: ports of a live network."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Purse:
    """A wallet on a network."""

    network: str
    wallet: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """The most that an order's swap takes from the wallet, and what the wallet has for it.

    `units` are base units of the token `mint`, `lamports` the fees. A swap that pays SOL takes
    lamports alone. `units_held` and `lamports_held` are the balances before any promise.
    """

    order_id: UUID
    mint: str
    units: int
    lamports: int
    units_held: int
    lamports_held: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What others are promised: units of the token that was asked for, and lamports."""

    units: int
    lamports: int


class Promises(Protocol):
    """What swaps may take, from just before they are signed; all raise StorageUnavailable.

    Shared by all workers. A promise counts for as long as its order is submitted, and at least for
    some seconds.
    """

    def promise(
        self, purse: Purse, wanted: Sequence[Wanted], landed: Collection[UUID] = ()
    ) -> Taken | None:
        """Promise all of these, or, if that would be more than the purse has, none: what is taken.

        An order has one promise, the latest. Promises of `landed` orders do not count: the balances
        are without them already. No two calls for one purse overlook each other.
        """

    def signed(self, purse: Purse) -> list[tuple[UUID, str]]:
        """The orders with a promise whose signatures are stored, with these."""

    def withdraw(self, purse: Purse, order_ids: Collection[UUID]) -> None:
        """Give back what was promised to orders that are not submitted."""


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
