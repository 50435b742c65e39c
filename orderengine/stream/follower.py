"""The follower: one socket's view of one order, each event once and in order."""

import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType
from typing import Self
from uuid import UUID

from orderengine.domain.events import OrderEvent


def nobody_waits() -> None:
    """Wakes nobody: a thread waits in `next`, or nothing does."""


class Delivery(Enum):
    """The result of delivering an event."""

    KEPT = auto()
    GAP = auto()
    """An event before it is missing: a `Follower` keeps it nonetheless, a `ClientFollower` not."""
    OVERFLOW = auto()
    """The queue is full: the last event in order was dropped."""


class Follower:
    """Sorts the events of one order, whatever their sources and repetitions.

    Live and stored events are delivered in any order, repeated and with gaps; `next` returns them
    by `seq`, without a gap, up to the terminal one. At most `limit` events wait, the earliest ones;
    a slower reader gets the rest from PostgreSQL, through `ask`. `wake` is called, by the thread
    that delivers, when `next` has an event; it must not block. A stream of one order never falls
    too far behind: `overrun` is always False.
    """

    def __init__(
        self,
        order_id: UUID,
        after: int,
        limit: int,
        ask: Callable[[UUID], None],
        leave: Callable[["Follower"], None],
        wake: Callable[[], None] = nobody_waits,
    ) -> None:
        self.order_id = order_id
        self.ended = False
        self.overrun = False
        self._limit = limit
        self._ask = ask
        self._leave = leave
        self._wake = wake
        self._changed = threading.Condition()
        self._last = after
        self._waiting: dict[int, OrderEvent] = {}
        self._overflowed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop following; can be repeated."""
        self._leave(self)

    def next(self, timeout_s: float) -> OrderEvent | None:
        """The next event, or None if none came within `timeout_s` seconds.

        After the terminal event `ended` is True, and None is returned at once.
        """
        deadline = time.monotonic() + timeout_s
        if self.ended:
            return None
        if self._overflowed and self._forgot_what_is_due():
            self._ask(self.order_id)
        with self._changed:
            due = self._last + 1
            if due not in self._waiting and not (
                timeout_s > 0
                and self._changed.wait_for(
                    lambda: due in self._waiting, deadline - time.monotonic()
                )
            ):
                return None
            event = self._waiting.pop(due)
            self._last = due
            self.ended = event.status.is_terminal
            return event

    @property
    def seen(self) -> int:
        """The `seq` up to which this follower has every event."""
        with self._changed:
            return self._seen()

    @property
    def waiting(self) -> int:
        """How many events wait for `next`, those beyond a gap included."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """False if reading stored events could bring nothing that the full queue would keep."""
        with self._changed:
            return len(self._waiting) < self._limit or self._last + 1 not in self._waiting

    @property
    def wants_after(self) -> int | None:
        """Beyond which `seq` stored events are of use; None while the queue is full."""
        if not self._waiting:  # read without the lock: at worst an event is read in vain
            return self._last
        return self.seen if self.has_room else None

    def deliver(self, event: OrderEvent) -> Delivery:
        """Take an event from any thread, never blocking."""
        with self._changed:
            if event.seq <= self._last:
                return Delivery.KEPT
            self._waiting[event.seq] = event
            self._changed.notify()
            if event.seq == self._last + 1:
                self._wake()
            if len(self._waiting) > self._limit:
                del self._waiting[max(self._waiting)]
                self._overflowed = True
                return Delivery.OVERFLOW
            return Delivery.KEPT if event.seq <= self._seen() else Delivery.GAP

    def _seen(self) -> int:
        seen = self._last
        while seen + 1 in self._waiting:
            seen += 1
        return seen

    def _forgot_what_is_due(self) -> bool:
        """True once per overflow, when all kept events are used up."""
        with self._changed:
            forgot = self._overflowed and self._last + 1 not in self._waiting
            if forgot:
                self._overflowed = False
            return forgot
