"""Cursors of a client's stream, and how far its replay has come."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from orderengine.execution.standing import Look, Standing

LONGEST_COMMIT = timedelta(minutes=10)
"""How long PostgreSQL may take, at most, from the beginning of a step to its commit."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The part of a replay that was sent: orders whose last step began `before` a time.

    Only what transactions before `horizon` have written is meant: a step that was not committed
    yet when the replay began has a later one, whatever its time.
    """

    before: datetime
    horizon: int

    def includes(self, standing: Standing) -> bool:
        """True if the order was sent, and stands where it stood then."""
        return standing.moved_at < self.before and standing.written_in < self.horizon


@dataclass(frozen=True, slots=True)
class Cursor:
    """A stream that goes on from here misses nothing.

    It tells again what has ended since `at` or is still open, but for what was `sent`.
    `is_replay` while not everything was sent that had happened before the stream began.
    """

    at: datetime
    sent: Sent | None = None
    is_replay: bool = False

    @property
    def before(self) -> datetime:
        """Everything whose last step began before this was sent."""
        return self.at if self.sent is None else self.sent.before


def safe_time(look: Look) -> datetime:
    """The latest time to go on from once all ended orders of the look were sent.

    A step that was not committed yet belongs to an order that was open then, and began after
    that order's last step; or to one that was not there yet, which ends after the look.
    """
    moved = [each.moved_at for each in look.orders.values() if not each.has_ended]
    return max(min([look.looked_at, *moved]), look.looked_at - LONGEST_COMMIT)


class Replay:
    """The orders that a stream begins with, to be sent in the order of their last steps."""

    def __init__(self, first: Look) -> None:
        self._first = first
        self._safe = safe_time(first)
        self._left = deque(
            sorted((each.moved_at, key, each.seq) for key, each in first.orders.items())
        )

    def reached(self, is_sent: Callable[[UUID, int], bool]) -> Cursor | None:
        """Where to go on from after what was sent so far; None if there is nothing to replay."""
        if not self._first.orders:
            return None
        while self._left and is_sent(*self._left[0][1:]):
            self._left.popleft()
        before = self._left[0][0] if self._left else self._first.looked_at
        if before <= self._safe:
            return Cursor(before, is_replay=True)
        return Cursor(self._safe, Sent(before, self._first.horizon), is_replay=True)
