"""How many orders a process has in hand, and how many it takes along with another one."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

GROUP_MAX = 10
"""The most orders in a group: all default slots."""
QUICK_S = 0.05
"""Quotes that take longer are worth waiting for side by side, one order to a thread.

On a busy machine quotes without a delay take up to some 20 ms.
"""
RECENT = 9
REMEMBERED = 4096
"""More orders than are taken along while their own messages wait in a queue."""

Started = tuple[UUID, int]
"""An order, and the version at which it is to be routed: one that rests starts several times."""


class Slots:
    """The slots of a process: one for each order in hand, however the orders are grouped.

    A thread holds the slots of the orders that it runs. Threads that wait get theirs in turn, those
    of orders already routed first.
    """

    def __init__(self, limit: int, freed: Callable[[], None] = lambda: None) -> None:
        """`freed` is called after slots were given back while `is_full`."""
        self.limit = limit
        self._freed = freed
        self._free = limit
        self._lock = threading.Lock()
        self._waiting: list[_Turn] = []
        self._here = _Held()
        self._enough = 1
        self._taken_along: dict[Started, Sequence[Started]] = {}

    def take(self, least: int, most: int | None = None, *, urgent: bool = False) -> int:
        """Wait for `least` slots, and take up to `most` if they are free then; returns how many.

        Gives back what this thread held before. Never more than all slots.
        """
        turn = _Turn(min(least, self.limit), min(most or least, self.limit), urgent=urgent)
        return self._wait_for(turn)

    def take_for_group(self, most: int, own: Started) -> int:
        """Wait for slots for an order and those taken along with it, at most `most` in all.

        Returns how many. One is enough, unless the last group filled the room that it had: then
        there are more orders than slots, and small groups would keep the slots in small parts. 0,
        and without a wait for slots, if another thread has taken this order along meanwhile.
        """
        turn = _Turn(min(self._enough, most, self.limit), min(most, self.limit), started=own)
        return self._wait_for(turn)

    def note_group(self, size: int, room: int, started: Sequence[Started], own: Started) -> None:
        """Note the orders of a group that had room for so many orders, and `size` at most.

        The messages of those taken along with `own` need no statement.
        """
        with self._lock:
            # More orders may wait only if the group filled the room that it had.
            self._enough = size if len(started) >= room else 1
            others = [each for each in started if each != own]
            self._taken_along.update(dict.fromkeys(others, others))
            while len(self._taken_along) > REMEMBERED:
                del self._taken_along[next(iter(self._taken_along))]
            self._send_away()

    def hold(self, count: int) -> None:
        """Have `count` slots: keep as many of those held, or else wait for them in turn.

        A thread that goes on with the same orders, or some of them, never waits.
        """
        if self._here.count < count:
            self.take(count, urgent=True)
        else:
            self._keep(count)

    def leave(self) -> None:
        """Give back all slots of this thread."""
        if self._here.count:
            self._keep(0)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Give back the slots of this thread meanwhile, and wait for as many afterwards."""
        count = self._here.count
        self.leave()
        try:
            yield
        finally:
            if count:
                self.hold(count)

    @property
    def is_full(self) -> bool:
        """Whether all slots are taken, and a new order waits: another one would wait behind it."""
        with self._lock:
            return self._has_no_room()

    def took_along(self, started: Started) -> bool:
        """Whether this process has taken this order along, as far as it remembers."""
        return started in self._taken_along

    def companions(self, started: Started) -> Sequence[Started]:
        """The others that were taken along with this order; only the first time for each group."""
        with self._lock:
            others = self._taken_along.get(started, ())
            self._taken_along.update(dict.fromkeys(self._taken_along.keys() & others, ()))
        return [each for each in others if each != started]

    def _wait_for(self, turn: "_Turn") -> int:
        with self._lock:
            self._free += self._here.count
            self._here.count = 0
            at = sum(other.urgent >= turn.urgent for other in self._waiting)
            self._waiting.insert(at, turn)
            self._send_away()
        turn.come.wait()
        self._here.count = turn.got
        return turn.got

    def _send_away(self) -> None:
        """Let those go whose order was taken along, and give the others what is free."""
        for turn in [each for each in self._waiting if each.started in self._taken_along]:
            self._waiting.remove(turn)
            turn.come.set()
        self._grant()

    def _keep(self, count: int) -> None:
        surplus = self._here.count - count
        if not surplus:
            return
        self._here.count = count
        with self._lock:
            was_full = self._has_no_room()
            self._free += surplus
            self._grant()
            if self._free == self.limit:
                self._enough = 1  # nothing is in hand, and nobody waits
        if was_full:
            self._freed()

    def _has_no_room(self) -> bool:
        # Those of orders already routed come first, so the last one is of a new order if any is.
        return not self._free and bool(self._waiting) and not self._waiting[-1].urgent

    def _grant(self) -> None:
        while self._waiting and self._waiting[0].least <= self._free:
            turn = self._waiting.pop(0)
            turn.got = min(turn.most, self._free)
            self._free -= turn.got
            turn.come.set()


class _Held(threading.local):
    count = 0


class _Turn:
    """A thread that waits for slots."""

    def __init__(
        self, least: int, most: int, *, urgent: bool = False, started: Started | None = None
    ) -> None:
        self.least = least
        self.most = most
        self.urgent = urgent
        self.started = started
        self.got = 0
        self.come = threading.Event()


class Pace:
    """How long the latest quotes took, which decides the size of the next group.

    With slow venues each order waits for its quotes in a thread of its own: ten wait side by side,
    and none waits for the slowest quotes of another one. `quick_s` is what is still quick: where
    all orders share the reads of their symbols, as on a live network, small groups gain nothing.

    The fastest of the latest quotes counts. Waiting for a processor only adds to what the venues
    take, and orders that go alone need more of it than groups: a busy process would stay busy.
    """

    def __init__(self, quick_s: float = QUICK_S) -> None:
        self._quick_s = quick_s
        self._latest: deque[float] = deque(maxlen=RECENT)

    def took(self, seconds: float) -> None:
        """Note how long the quotes of one order or group took."""
        self._latest.append(seconds)

    @property
    def group_size(self) -> int:
        """How many orders may be routed together now."""
        is_quick = min(self._latest, default=self._quick_s + 1) <= self._quick_s
        return GROUP_MAX if is_quick else 1
