"""The client's follower: one socket's view of all orders of a client."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Self
from uuid import UUID

from orderengine.domain.events import OrderEvent
from orderengine.execution.queries.latest_steps import ClientSnapshot
from orderengine.stream.follower import Delivery, nobody_waits
from orderengine.stream.looks import Looks
from orderengine.stream.order_progress import KnownOrders, OrderProgress
from orderengine.stream.replay import Cursor, Replay, Sent, safe_time

BATCH = 100
ROOM_FOR_ORDER = 5
CLOCK_SLACK = timedelta(seconds=5)
"""How far the database's clock may be set back without an order being missed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits: events waiting for a slow reader, and orders followed at once."""

    events: int = 512
    orders: int = 10_000


class ClientFollower:
    """Queues the events of all orders of one client, each order's events in order.

    It follows the orders in `first`, except those already `sent` on an earlier stream, and all
    orders accepted later. It takes a live event if that is the next of its order, and reads any
    other from the store, ordered by the orders' last steps. The queue never exceeds the bounds;
    further events are read when there is room. `next` also returns cursors, from the beginning on:
    a stream that resumes at one misses nothing. `wake` is called as a `Follower` does.

    Any thread may call `deliver` and `next`; all snapshots and reads are for one thread.
    """

    ended = False

    def __init__(
        self,
        client_id: str,
        first: ClientSnapshot,
        since: datetime,
        bounds: Bounds,
        ask: Callable[[], None],
        leave: Callable[["ClientFollower"], None],
        sent: Sent | None = None,
        wake: Callable[[], None] = nobody_waits,
    ) -> None:
        self.client_id = client_id
        self._wake = wake
        self._bounds = bounds
        self._ask = ask
        self._leave = leave
        self._changed = threading.Condition()
        self._queue: deque[OrderEvent | Cursor] = deque()
        self._known = KnownOrders()
        self._orders_to_read: OrderedDict[UUID, None] = OrderedDict()
        self._since = since
        self._needs_snapshot = True
        self._looks = Looks(first)
        self._has_asked = False
        self._cursor: datetime | None = None
        self._cursor_waits: dict[UUID, int | None] = {}
        self._last_cursor: datetime | None = None
        self._has_news = True
        self._replay: Replay | None = Replay(first)
        self._replayed = None if sent is None else sent.before
        with self._changed:
            self._leave_out(first, sent)
            self._compare(first)
            self._queue_replay_cursor()

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

    def next(self, timeout_s: float) -> OrderEvent | Cursor | None:
        """The next event or cursor, or None if none came within `timeout_s` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._queue, timeout_s):
                return None
            item = self._queue.popleft()
            asks = self._asks_for_more()
        if asks:
            self._ask()
        return item

    @property
    def waiting(self) -> int:
        """How many events and cursors wait for `next`."""
        return len(self._queue)

    @property
    def overrun(self) -> bool:
        """True when more orders are open than can be followed: the stream must end."""
        with self._changed:
            return len(self._known) > self._bounds.orders

    @property
    def needs_snapshot(self) -> bool:
        """True for a new follower, and after an event of an order that it does not know."""
        with self._changed:
            return self._needs_snapshot

    def deliver(self, event: OrderEvent) -> bool:
        """Take a live event without blocking; True if missing events must be read."""
        with self._changed:
            if event.order_id not in self._known and not self._meet(event):
                return self._needs_snapshot and self._has_room()
            if self._take(event) is not Delivery.KEPT:
                self._orders_to_read[event.order_id] = None
            return self._asks_for_more()

    def deliver_stored(self, event: OrderEvent) -> None:
        """Take an event that was read from the store."""
        with self._changed:
            if self._take(event) is Delivery.OVERFLOW:
                self._orders_to_read[event.order_id] = None
                self._orders_to_read.move_to_end(event.order_id, last=False)

    def begin_snapshot(self) -> tuple[datetime, int | None]:
        """The time from which ended orders matter, and from which transaction on waiting ones do.

        None means that all waiting orders do. An unknown order later needs another snapshot.
        """
        with self._changed:
            self._needs_snapshot = False
            return self._since, self._looks.waiting_from()

    def learn(self, snapshot: ClientSnapshot) -> None:
        """Compare with the orders' latest steps, and mark missing events to be read."""
        with self._changed:
            self._looks.note(snapshot)
            absent = self._compare(snapshot)
            self._since = max(self._since, snapshot.taken_at - CLOCK_SLACK)
            for order_id in self._known.forget_ended(self._since, snapshot):
                self._orders_to_read.pop(order_id, None)
            if not self._looks.needs_full:
                self._make_cursor(snapshot, absent)

    def due(self, most: int = BATCH) -> Mapping[UUID, int]:
        """Up to `most` orders to read, each with the `seq` that it has; empty without room."""
        with self._changed:
            self._has_asked = False
            if not self._has_room():
                return {}
            room = self._bounds.events - len(self._queue)
            orders = list(islice(self._orders_to_read, min(most, max(1, room // ROOM_FOR_ORDER))))
            for order_id in orders:
                del self._orders_to_read[order_id]
            return {order_id: self._known[order_id].seen for order_id in orders}

    def finish_read(self, due: Collection[UUID], found: Collection[UUID]) -> bool:
        """Finish the reading of due orders; True if more must be read at once.

        An ended order with no events left in the store is not waited for.
        """
        with self._changed:
            for order_id in due:
                state = self._known[order_id].state
                if order_id not in found and state is not None and state.has_ended:
                    self._known.put(order_id, OrderProgress.in_full(state))
                    self._cursor_waits.pop(order_id, None)
            self._queue_cursor_when_complete()
            self._queue_replay_cursor()
            return self._asks_for_more()

    def _meet(self, event: OrderEvent) -> bool:
        """Follow an unknown order; False if it may be one that this follower has dropped.

        A dropped order ended before `_since`, so all of its events began earlier.
        """
        if len(self._known) > self._bounds.orders:
            return False
        if event.occurred_at < self._since:
            self._needs_snapshot = True
            return False
        self._known.put(event.order_id, OrderProgress())
        return True

    def _take(self, event: OrderEvent) -> Delivery:
        """Queue an event if it is the next of its order."""
        known = self._known[event.order_id]
        if event.seq <= known.seen:
            return Delivery.KEPT
        if len(self._queue) >= self._bounds.events:
            return Delivery.OVERFLOW
        if event.seq > known.seen + 1:
            return Delivery.GAP
        known.seen = event.seq
        known.ended_at = event.occurred_at if event.status.is_terminal else None
        self._has_news = True
        self._queue.append(event)
        self._changed.notify()
        self._wake()
        if event.order_id in self._cursor_waits:
            awaited = self._cursor_waits[event.order_id]
            if event.status.is_terminal or (awaited is not None and event.seq >= awaited):
                del self._cursor_waits[event.order_id]
                self._queue_cursor_when_complete()
        return Delivery.KEPT

    def _has_room(self) -> bool:
        return 2 * len(self._queue) <= self._bounds.events

    def _asks_for_more(self) -> bool:
        """True if events are missing and there is room, once until the request is answered."""
        if not self._orders_to_read or self._has_asked or not self._has_room():
            return False
        self._has_asked = True
        return True

    def _leave_out(self, first: ClientSnapshot, sent: Sent | None) -> None:
        """Mark the orders that were already sent as known."""
        for order_id, state in first.orders.items():
            if sent and sent.includes(state):
                self._known.put(order_id, OrderProgress.in_full(state))

    def _compare(self, snapshot: ClientSnapshot) -> list[UUID]:
        """Mark missing events to be read; returns the orders that the snapshot lacks."""
        lacking: list[tuple[datetime, UUID]] = []
        for order_id, state in snapshot.orders.items():
            is_new = order_id not in self._known
            if is_new and state.has_ended and state.moved_at < self._since:
                continue  # found only because another stream of this client asked for it
            if self._known.learn(order_id, state).seen < state.seq:
                lacking.append((state.moved_at, order_id))
        self._orders_to_read.update((order_id, None) for _, order_id in sorted(lacking))
        absent = self._known.absent(snapshot)
        if not snapshot.has_all_waiting and not all(map(self._is_to_end, absent)):
            self._needs_snapshot = self._looks.needs_full = True  # it has ended, or waits
        # It has ended, by a step that began long before.
        self._orders_to_read.update(dict.fromkeys(absent))
        return absent

    def _is_to_end(self, order_id: UUID) -> bool:
        """True if the order is known to have ended, and only events are missing."""
        state = self._known[order_id].state
        return state is not None and state.has_ended

    def _make_cursor(self, snapshot: ClientSnapshot, absent: Collection[UUID]) -> None:
        """Prepare the cursor to send once everything that was found is queued."""
        if self._cursor is not None:
            return
        self._cursor = safe_time(snapshot, self._looks.oldest_waiting)
        self._cursor_waits = dict.fromkeys(absent)
        for order_id in self._orders_to_read:
            known = self._known[order_id]
            if known.state is not None and known.seen < known.state.seq:
                self._cursor_waits.setdefault(order_id, known.state.seq)
        self._queue_cursor_when_complete()

    def _queue_cursor_when_complete(self) -> None:
        """Queue the prepared cursor when nothing before it is missing, if it brings news."""
        cursor = self._cursor
        if cursor is None or self._cursor_waits:
            return
        self._cursor = None
        last = self._last_cursor
        # The end of the replay is sent even if no order has moved since the last cursor.
        if self._has_news and (last is None or cursor > last or self._replay):
            self._has_news = False
            self._replay = None
            self._queue_cursor(Cursor(cursor if last is None else max(cursor, last)))

    def _queue_replay_cursor(self) -> None:
        """Queue the position of the replay if it has advanced."""
        reached = None if self._replay is None else self._replay.reached(self._known.has_queued)
        if reached is None:
            return
        if self._replayed is None or reached.before > self._replayed:
            self._replayed = reached.before
            self._queue_cursor(reached)

    def _queue_cursor(self, cursor: Cursor) -> None:
        self._last_cursor = cursor.at
        self._queue.append(cursor)
        self._changed.notify()
        self._wake()
