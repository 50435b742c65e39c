"""The loop: the one thread of a process that owns its sockets, streams and waiting requests."""

import asyncio
import contextvars
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

AT_ONCE = 128
"""How many members get their news before the loop attends to input and timers again."""

CLOSE_TIMEOUT_S = 5.0


class Member(Protocol):
    """A connection or a waiting request, of which the loop takes care.

    The loop's thread makes every call. After an error in a step it abandons the member, and the
    others go on.
    """

    def on_news(self) -> None:
        """Take what its follower has, or use the room for output."""

    def abandon(self) -> None:
        """End without a goodbye; can be repeated."""


class Loop:
    """Reads and writes connections, keeps timers, and passes on news from other threads.

    asyncio's event loop waits for all of them. It starts with the first call, hence after a
    server's fork. `call`, `begin`, `wake` and `close` are for any thread, all others for the loop's
    own. Whatever it calls must not block.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._news: deque[Member] = deque()
        self._is_told = False
        self._room = select.poll()

    def call(self, function: Callable[[], None]) -> None:
        """Let the loop's thread call a function soon."""
        # Empty: the context of a request would be kept for as long as its socket is open.
        self._started().call_soon_threadsafe(function, context=contextvars.Context())

    def begin(self, member: Member, step: Callable[[], None]) -> None:
        """Let the loop's thread take the first step of a member soon."""
        self.call(partial(self.attend, member, step))

    def wake(self, member: Member) -> None:
        """Call `on_news` of a member soon; cheap for many members at once."""
        self._news.append(member)
        if not self._is_told:
            self._is_told = True
            self.call(self._tell)

    def close(self) -> None:
        """End the thread; its members are left as they are."""
        with self._starting:
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_TIMEOUT_S)
        if not thread.is_alive():
            loop.close()

    def later(self, delay_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        """Call a function after a delay, unless it is canceled."""
        return self._started().call_later(delay_s, function)

    def attend(self, member: Member, step: Callable[[], None]) -> None:
        """Take a step of a member; after an error the member is abandoned."""
        try:
            step()
        except Exception:
            log.exception("socket_failed")
            member.abandon()

    def read_from(self, sock: socket.socket, member: Member, step: Callable[[], None]) -> None:
        """Take a step of a member whenever there is input."""
        self._started().add_reader(sock, self.attend, member, step)

    def wait_for_room(self, sock: socket.socket, member: Member) -> None:
        """Call `on_news` whenever there is room for output, until `stop_waiting_for_room`."""
        self._started().add_writer(sock, self.attend, member, member.on_news)

    def stop_waiting_for_room(self, sock: socket.socket) -> None:
        """Stop waiting for room; can be repeated."""
        self._started().remove_writer(sock)

    def forget(self, sock: socket.socket) -> None:
        """Stop waiting for a connection that is about to be closed."""
        self._started().remove_reader(sock)
        self._started().remove_writer(sock)

    def has_room(self, sock: socket.socket) -> bool:
        """True if the kernel calls a connection writable: a third of its buffer is free."""
        self._room.register(sock, select.POLLOUT)
        try:
            return bool(self._room.poll(0))
        finally:
            self._room.unregister(sock)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None:
            return self._loop
        with self._starting:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=loop.run_forever, name="sockets", daemon=True
                )
                self._thread.start()
                self._loop = loop
            return self._loop

    def _tell(self) -> None:
        """Pass on news: to AT_ONCE members at most, so that input and timers get their turn."""
        self._is_told = False
        for _ in range(min(len(self._news), AT_ONCE)):
            member = self._news.popleft()
            self.attend(member, member.on_news)
        if self._news and not self._is_told:
            self._is_told = True
            self.call(self._tell)


class Wheel:
    """Takes a step of each member in turn, once in `every_s` seconds, with one timer for all."""

    BUCKETS = 250
    """So many that few members share one: the loop attends to all members of a bucket at once."""

    def __init__(self, loop: Loop, every_s: float) -> None:
        self._loop = loop
        self._buckets: list[dict[Member, Callable[[], None]]] = [{} for _ in range(self.BUCKETS)]
        self._tick_s = every_s / self.BUCKETS
        self._at = 0
        self._is_turning = False

    def add(self, member: Member, step: Callable[[], None]) -> int:
        """Take this step from now on, first after a whole turn; returns the member's bucket."""
        bucket = self._at
        self._buckets[bucket][member] = step
        if not self._is_turning:
            self._is_turning = True
            self._loop.later(self._tick_s, self._turn)
        return bucket

    def discard(self, bucket: int, member: Member) -> None:
        """Leave a member out from now on; can be repeated."""
        self._buckets[bucket].pop(member, None)

    def _turn(self) -> None:
        self._is_turning = any(self._buckets)
        if not self._is_turning:
            return
        self._loop.later(self._tick_s, self._turn)
        self._at = (self._at + 1) % self.BUCKETS
        for member, step in list(self._buckets[self._at].items()):
            self._loop.attend(member, step)
