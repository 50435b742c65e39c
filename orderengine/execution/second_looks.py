"""What one worker looks at for all: settlements made final, and strange transactions. A port."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Settled:
    """The transaction of a confirmed order: when it was confirmed, and how long ago, in seconds.

    `slot` is the one that it was signed for.
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

    def begin_strangers(self, network: str) -> bool:
        """Whether it is time to look at the wallet's transactions; no other worker looks then."""

    def unknown(self, signatures: Sequence[str]) -> Collection[str]:
        """Those of these transactions that no order of this database has had."""

    def note_strangers(self, network: str, count: int) -> None:
        """Note how many of the wallet's transactions of the last hour are unknown here."""
