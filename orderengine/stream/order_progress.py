"""The states that a client's follower keeps of its orders."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from orderengine.execution.queries.latest_steps import ClientSnapshot, OrderState


@dataclass(slots=True)
class OrderProgress:
    """An order of the client; `seen` is the `seq` of its last queued event."""

    seen: int = 0
    state: OrderState | None = None
    ended_at: datetime | None = None

    @classmethod
    def in_full(cls, state: OrderState) -> Self:
        """An order whose events up to here were all sent, or are not stored any more."""
        return cls(state.seq, state, state.moved_at if state.has_ended else None)


class KnownOrders:
    """The orders that a follower knows.

    Those that waited at the last look are kept apart too: there may be thousands for weeks, and a
    look that finds none of them changed costs nothing for them.
    """

    def __init__(self) -> None:
        self._all: dict[UUID, OrderProgress] = {}
        self._active: dict[UUID, OrderProgress] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, order_id: UUID) -> bool:
        return order_id in self._all

    def __getitem__(self, order_id: UUID) -> OrderProgress:
        return self._all[order_id]

    def put(self, order_id: UUID, progress: OrderProgress) -> OrderProgress:
        """Keep the progress of an order, new or instead of the one before."""
        self._all[order_id] = progress
        if progress.state is not None and progress.state.is_waiting:
            self._active.pop(order_id, None)
        else:
            self._active[order_id] = progress
        return progress

    def learn(self, order_id: UUID, state: OrderState) -> OrderProgress:
        """Keep the latest step of an order, which may be new."""
        known = self._all.get(order_id) or OrderProgress()
        known.state = state
        return self.put(order_id, known)

    def has_queued(self, order_id: UUID, seq: int) -> bool:
        """True if this event was queued, on this stream or an earlier one."""
        known = self._all.get(order_id)
        return known is None or known.seen >= seq

    def absent(self, snapshot: ClientSnapshot) -> list[UUID]:
        """Orders whose end was not queued and that the snapshot lacks, though it looked for them.

        An order known only from live events may be newer than the snapshot.
        """
        looked_for = self._all if snapshot.has_all_waiting else self._active
        return [
            order_id
            for order_id, known in looked_for.items()
            if known.state is not None
            and known.ended_at is None
            and order_id not in snapshot.orders
        ]

    def forget_ended(self, before: datetime, snapshot: ClientSnapshot) -> list[UUID]:
        """Drop orders that ended before this time and return them.

        After a look at changed orders only, one that waited at the look before is kept.
        """
        among = self._all if snapshot.has_all_waiting else self._active
        gone = [
            order_id
            for order_id, known in among.items()
            if known.ended_at is not None and known.ended_at < before
        ]
        for order_id in gone:
            del self._all[order_id]
            self._active.pop(order_id, None)
        return gone
