"""What one worker looks at for all: settlements made final, and strange transactions. A port."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Settled:
    """A transaction that has landed: when its landing was stored, and how long ago, in seconds.

    `slot` is that of the landing, or an earlier one.
    """

    signature: str
    slot: int
    at: datetime
    age_s: float


@dataclass(frozen=True, slots=True)
class SettledPart:
    """All settlements between the last mark and `until`, the oldest first."""

    settled: Sequence[Settled]
    until: datetime


class SecondLooks(Protocol):
    """The looks of all workers together; every method raises StorageUnavailable.

    What is remembered outlives any worker: the next look begins where the last one has ended.
    """

    def begin_settled(self, network: str, age_s: float, limit: int) -> SettledPart | None:
        """The settlements of a network that are at least so old and were not seen final.

        None if a worker has looked within seconds. There are more than `limit` only if one moment
        has them.
        """

    def are_final(self, network: str, until: datetime) -> None:
        """Note that all settlements up to then need no other look."""

    def note_failed(self, network: str, signature: str, slot: int) -> None:
        """Remember a transaction that landed with an error, until `forget_failed`."""

    def failed(self, network: str, age_s: float, limit: int) -> Sequence[Settled]:
        """Up to `limit` of those that were noted at least so long ago, the oldest first."""

    def forget_failed(self, signatures: Collection[str]) -> None:
        """Forget transactions that need no other look."""

    def begin_strangers(self, network: str) -> bool:
        """Whether it is time to look at the wallet's transactions; no other worker looks then."""

    def unknown(self, signatures: Sequence[str]) -> Collection[str]:
        """Those of these transactions that no order of this database has had."""

    def note_strangers(self, network: str, count: int) -> None:
        """Note how many of the wallet's transactions of the last hour are unknown here."""
