"""The client's follower: one socket's view of all orders of a client."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Self
from uuid import UUID

from orderengine.domain.events import OrderEvent
from orderengine.execution.standing import Look, Standing
from orderengine.stream.follower import Offer

BATCH = 100
ROOM_FOR_ORDER = 5

CLOCK_SLACK = timedelta(seconds=5)
"""By how much the database's clock may be set back without an order being overlooked."""
LONGEST_COMMIT = timedelta(minutes=10)
"""How long PostgreSQL may take, at most, from the beginning of a step to its commit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many events wait for a slow reader at most, and how many orders are followed at once."""

    events: int = 512
    orders: int = 10_000


@dataclass(slots=True)
class _Known:
    """An order of the client: `seen` is the last of its events that was queued."""

    seen: int = 0
    standing: Standing | None = None
    ended_at: datetime | None = None


class ClientFollower:
    """Puts the events of all orders of one client into a queue, those of each order in order.

    Orders are followed from their first event on: those that `first` finds, and all that were
    accepted after it. A live event is taken if it is the next of its order; anything else is read
    from the store. At most so many events wait as the bounds allow, and what comes on top is read
    when there is room. `next` also hands out cursors: whoever has one has everything before it.

    `offer` and `next` are for any thread; what looks and reads is for one.
    """

    ended = False

    def __init__(
        self,
        client_id: str,
        first: Look,
        since: datetime,
        bounds: Bounds,
        ask: Callable[[], None],
        leave: Callable[["ClientFollower"], None],
    ) -> None:
        self.client_id = client_id
        self._bounds = bounds
        self._ask = ask
        self._leave = leave
        self._changed = threading.Condition()
        self._queue: deque[OrderEvent | datetime] = deque()
        self._known: dict[UUID, _Known] = {}
        self._behind: dict[UUID, None] = {}
        self._since = since
        self._is_hinted = True
        self._has_asked = False
        self._cursor: datetime | None = None
        self._cursor_waits: dict[UUID, int | None] = {}
        self._cursor_told: datetime | None = None
        self._has_news = True
        self._compare(first)

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

    def next(self, timeout_s: float) -> OrderEvent | datetime | None:
        """The next event or cursor, or None if none came within `timeout_s` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._queue, timeout_s):
                return None
            told = self._queue.popleft()
            asks = self._asks_for_more()
        if asks:
            self._ask()
        return told

    @property
    def overrun(self) -> bool:
        """True when more orders are on their way than can be followed: time to give up."""
        with self._changed:
            return len(self._known) > self._bounds.orders

    @property
    def wants_a_look(self) -> bool:
        """True for a new one, and after an event of an order that it does not know."""
        with self._changed:
            return self._is_hinted

    def offer(self, event: OrderEvent) -> bool:
        """Take a live event, never blocking; True if the store is to be asked for what lacks."""
        with self._changed:
            if event.order_id not in self._known and not self._meet(event):
                return self._is_hinted and self._has_room()
            if self._take(event) is not Offer.KEPT:
                self._behind[event.order_id] = None
            return self._asks_for_more()

    def offer_stored(self, event: OrderEvent) -> None:
        """Take an event that was read from the store."""
        with self._changed:
            if self._take(event) is Offer.OVERFLOW:
                self._behind[event.order_id] = None

    def about_to_look(self) -> datetime:
        """Since when ended orders matter; what is hinted from here on wants another look."""
        with self._changed:
            self._is_hinted = False
            return self._since

    def learn(self, look: Look) -> None:
        """Compare with where the orders stand: whatever is missing is to be read."""
        with self._changed:
            self._compare(look)
            self._since = max(self._since, look.looked_at - CLOCK_SLACK)
            self._forget_ended()
            self._make_cursor(look)

    def due(self, most: int = BATCH) -> Mapping[UUID, int]:
        """Up to `most` orders to be read, each with the `seq` that it has; none without room."""
        with self._changed:
            self._has_asked = False
            if not self._has_room():
                return {}
            room = self._bounds.events - len(self._queue)
            orders = list(islice(self._behind, min(most, max(1, room // ROOM_FOR_ORDER))))
            for order_id in orders:
                del self._behind[order_id]
            return {order_id: self._known[order_id].seen for order_id in orders}

    def settle(self, due: Collection[UUID], found: Collection[UUID]) -> bool:
        """Close the reading of what was due; True if more is to be read at once.

        An order that has ended, and of which nothing is stored any more, is not waited for.
        """
        with self._changed:
            for order_id in due:
                standing = self._known[order_id].standing
                if order_id not in found and standing is not None and standing.has_ended:
                    self._known[order_id] = _Known(standing.seq, standing, standing.moved_at)
                    self._cursor_waits.pop(order_id, None)
            self._tell_cursor()
            return self._asks_for_more()

    def _meet(self, event: OrderEvent) -> bool:
        """Follow an order that is not known; False if it may be one that has been forgotten.

        Such an order ended before the horizon, hence all of its events began before it.
        """
        if len(self._known) > self._bounds.orders:
            return False
        if event.occurred_at < self._since:
            self._is_hinted = True
            return False
        self._known[event.order_id] = _Known()
        return True

    def _take(self, event: OrderEvent) -> Offer:
        """Queue an event if it is the next of its order."""
        known = self._known[event.order_id]
        if event.seq <= known.seen:
            return Offer.KEPT
        if len(self._queue) >= self._bounds.events:
            return Offer.OVERFLOW
        if event.seq > known.seen + 1:
            return Offer.GAP
        known.seen = event.seq
        known.ended_at = event.occurred_at if event.status.is_terminal else None
        self._has_news = True
        self._queue.append(event)
        self._changed.notify()
        if event.order_id in self._cursor_waits:
            awaited = self._cursor_waits[event.order_id]
            if event.status.is_terminal or (awaited is not None and event.seq >= awaited):
                del self._cursor_waits[event.order_id]
                self._tell_cursor()
        return Offer.KEPT

    def _has_room(self) -> bool:
        return 2 * len(self._queue) <= self._bounds.events

    def _asks_for_more(self) -> bool:
        """True once until it was answered, if there is room for what is lacking."""
        if not self._behind or self._has_asked or not self._has_room():
            return False
        self._has_asked = True
        return True

    def _compare(self, look: Look) -> None:
        for order_id, standing in look.orders.items():
            known = self._known.get(order_id)
            if known is None:
                if standing.has_ended and standing.moved_at < self._since:
                    continue  # told because another stream of this client asked for it
                known = self._known[order_id] = _Known()
            known.standing = standing
            if known.seen < standing.seq:
                self._behind[order_id] = None
        for order_id in self._open_but_not_in(look):
            self._behind[order_id] = None  # it has ended, by a step that began long before

    def _open_but_not_in(self, look: Look) -> list[UUID]:
        """Orders of an earlier look; one that is only known live may be younger than this one."""
        return [
            order_id
            for order_id, known in self._known.items()
            if known.standing is not None and known.ended_at is None and order_id not in look.orders
        ]

    def _forget_ended(self) -> None:
        """Drop what no later look will find."""
        for order_id, known in list(self._known.items()):
            if known.ended_at is not None and known.ended_at < self._since:
                del self._known[order_id]
                self._behind.pop(order_id, None)

    def _make_cursor(self, look: Look) -> None:
        """Remember from where to go on once all that the look has found is queued.

        A step that was not committed yet belongs to an order that was open then, and began after
        that order's last step; or to one that was not there yet, which ends after the look.
        """
        if self._cursor is not None:
            return
        moved = [each.moved_at for each in look.orders.values() if not each.has_ended]
        self._cursor = max(min([look.looked_at, *moved]), look.looked_at - LONGEST_COMMIT)
        self._cursor_waits = dict.fromkeys(self._open_but_not_in(look))
        for order_id, standing in look.orders.items():
            known = self._known.get(order_id)
            if known is not None and known.seen < standing.seq:
                self._cursor_waits[order_id] = standing.seq
        self._tell_cursor()

    def _tell_cursor(self) -> None:
        """Queue the cursor when nothing of it is missing any more, if it is worth telling."""
        cursor = self._cursor
        if cursor is None or self._cursor_waits:
            return
        self._cursor = None
        if self._has_news and (self._cursor_told is None or cursor > self._cursor_told):
            self._has_news = False
            self._cursor_told = cursor
            self._queue.append(cursor)
            self._changed.notify()
