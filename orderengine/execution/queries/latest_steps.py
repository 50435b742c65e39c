"""The latest steps of a client's orders, against which a stream of them is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OrderState:
    """The latest step of an order: its `seq`, its time, and the number of its transaction."""

    seq: int
    moved_at: datetime
    has_ended: bool
    written_in: int


@dataclass(frozen=True, slots=True)
class ClientSnapshot:
    """The requested orders of a client, at one moment of the database's clock.

    Every transaction with a number below `horizon` had ended, and all its writes were visible.
    """

    taken_at: datetime
    horizon: int
    orders: Mapping[UUID, OrderState]


class ClientOrders(Protocol):
    """Finds the orders of clients; raises StorageUnavailable when there is no answer."""

    def snapshot(
        self, ended_since: Mapping[str, datetime | None], limit: int
    ) -> Mapping[str, ClientSnapshot]:
        """For each client all open orders, and those whose last step began since the given time.

        None asks for open ones only. Returns at most `limit` of either kind per client.
        """
