"""The latest steps of a client's orders, against which a stream of them is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

LONGEST_COMMIT = timedelta(minutes=10)
"""The longest time that PostgreSQL may take from the beginning of a step to its commit."""


@dataclass(frozen=True, slots=True)
class OrderState:
    """The latest step of an order: its `seq`, its time, and the number of its transaction."""

    seq: int
    moved_at: datetime
    has_ended: bool
    written_in: int
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class ClientSnapshot:
    """The requested orders of a client, at one moment of the database's clock.

    Every transaction with a number below `horizon` had ended, and all its writes were visible.
    `oldest_waiting` is when the last step of a waiting order began that waits longest, whether that
    order was requested or not. `has_all_waiting` is False if only changed ones were requested.
    """

    taken_at: datetime
    horizon: int
    orders: Mapping[UUID, OrderState]
    oldest_waiting: datetime | None = None
    has_all_waiting: bool = True


class ClientOrders(Protocol):
    """Finds the orders of clients; raises StorageUnavailable when there is no answer."""

    def snapshot(
        self,
        ended_since: Mapping[str, datetime | None],
        limit: int,
        waiting_from: Mapping[str, int] | None = None,
    ) -> Mapping[str, ClientSnapshot]:
        """For each client all open orders, and those that ended since the given time.

        None asks for open ones only. Clients in `waiting_from` get only those waiting orders that
        were written by a transaction with this number or a later one, which takes the `horizon` of
        an earlier look and the time `ended_since` of that look. Returns at most `limit` per client
        of the orders that move, of those that wait, and of those that ended.
        """
