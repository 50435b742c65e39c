"""Cursors of a client's stream, and the progress of its replay."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orderengine.execution.queries.latest_steps import LONGEST_COMMIT, ClientSnapshot, OrderState


@dataclass(frozen=True, slots=True)
class Sent:
    """The part of a replay that was sent: orders whose last step began `before` a time.

    It covers only the writes of transactions before `horizon`: a step not committed when the replay
    began has a later transaction, whatever its time.
    """

    before: datetime
    horizon: int

    def includes(self, state: OrderState) -> bool:
        """True if the order was sent and has not moved since."""
        return state.moved_at < self.before and state.written_in < self.horizon


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position from which a stream resumes without missing anything.

    A stream from here sends again the orders that ended since `at` or are still open, except those
    `sent`. `is_replay` is True until all events from before the stream's beginning were sent.
    """

    at: datetime
    sent: Sent | None = None
    is_replay: bool = False

    @property
    def before(self) -> datetime:
        """All orders whose last step began before this time were sent."""
        return self.at if self.sent is None else self.sent.before


def safe_time(snapshot: ClientSnapshot, oldest_waiting: datetime | None = None) -> datetime:
    """The latest time to resume from after all ended orders of the snapshot were sent.

    A step that was not committed yet belongs either to an order that was open then, and began after
    that order's last step; or to a later order, which ends after the snapshot. `oldest_waiting` is
    the earliest such step of orders whose end this snapshot may have overlooked.
    """
    moved = [each.moved_at for each in snapshot.orders.values() if not each.has_ended]
    moved += [each for each in (snapshot.oldest_waiting, oldest_waiting) if each is not None]
    return max(min([snapshot.taken_at, *moved]), snapshot.taken_at - LONGEST_COMMIT)


class Replay:
    """The orders with which a stream begins, sorted by their last steps."""

    def __init__(self, first: ClientSnapshot) -> None:
        self._first = first
        self._safe = safe_time(first)
        self._left = deque(
            sorted((each.moved_at, key, each.seq) for key, each in first.orders.items())
        )

    def reached(self, is_sent: Callable[[UUID, int], bool]) -> Cursor | None:
        """The cursor after everything sent so far; None if there is nothing to replay."""
        if not self._first.orders:
            return None
        while self._left and is_sent(*self._left[0][1:]):
            self._left.popleft()
        before = self._left[0][0] if self._left else self._first.taken_at
        if before <= self._safe:
            return Cursor(before, is_replay=True)
        return Cursor(self._safe, Sent(before, self._first.horizon), is_replay=True)
