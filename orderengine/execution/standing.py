"""Where the orders of a client stand: what a stream of all of them is held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest step of an order: its `seq`, when it began, and the transaction that wrote it."""

    seq: int
    moved_at: datetime
    has_ended: bool
    written_in: int


@dataclass(frozen=True, slots=True)
class Look:
    """The orders of a client that were asked for, at one moment of the database's clock.

    Transactions with a number below `horizon` were over, and all that they wrote was seen.
    """

    looked_at: datetime
    horizon: int
    orders: Mapping[UUID, Standing]


class ClientOrders(Protocol):
    """Finds the orders of clients; raises StorageUnavailable when there is no answer."""

    def look(self, ended_since: Mapping[str, datetime | None], limit: int) -> Mapping[str, Look]:
        """For each client all orders that have not ended, and those whose last step began since.

        None asks for no ended ones. At most `limit` of either kind are told for each client.
        """
