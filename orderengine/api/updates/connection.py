"""The connection of one client that follows orders, owned by the loop."""

import asyncio
import socket
import time
from enum import StrEnum
from typing import NamedTuple, Protocol

from orderengine.api.updates.loop import Loop
from orderengine.domain.access import Caller
from orderengine.stream.client_follower import ClientFollower
from orderengine.stream.follower import Follower

SEND_TIMEOUT_S = 3
"""How long a client may leave no room for the next message."""

CLOSE_TIMEOUT_S = 1.0
"""How long a client has to close its side after the last message."""

USER_TIMEOUT_MS = 20_000

OVERHEAD_BYTES = 1024
"""The most of the kernel's buffer that a small message takes besides its own bytes."""

BATCH_BYTES = 16 * 1024
READ_BYTES = 16 * 1024

Followed = Follower | ClientFollower


class SocketKind(StrEnum):
    """What a connection follows, and how."""

    ORDER = "order"
    """A WebSocket of one order."""
    CLIENT = "client"
    """A WebSocket of all orders of a client."""
    STREAM = "stream"
    """Server-Sent Events of one order."""
    WAIT = "wait"
    """The answer to a request that waited for its order."""


class SocketEnd(StrEnum):
    """Why a socket ended, for the metrics."""

    ENDED = "ended"
    """After the last event of its order."""
    GONE = "gone"
    """The client closed it, or is gone."""
    SLOW = "slow"
    """The client read nothing for too long, or fell too far behind its orders."""
    FLOODED = "flooded"
    """The client sent too much."""
    REVOKED = "revoked"
    """The client's key was revoked."""
    RESTART = "restart"
    """This process shuts down; the client reconnects to another."""


class Batch(NamedTuple):
    """Messages to send together, and when their events were stored."""

    data: bytes
    times: tuple[float, ...] = ()


NOTHING = Batch(b"")


class Keeper(Protocol):
    """Keeps account of connections; the loop's thread makes every call."""

    def opened(self, connection: "Connection") -> None:
        """A connection was opened."""

    def ending(self, connection: "Connection", end: SocketEnd) -> None:
        """It gets no more messages."""

    def closed_one(self, connection: "Connection") -> None:
        """It is closed."""

    def sent(self, times: tuple[float, ...]) -> None:
        """The last byte of messages was handed to the kernel, with the times of their events."""


class Connection:
    """Sends a client the events of its follower, each message whole, and reads the client's input.

    It parts from a client (`part`) that makes no room for a message within SEND_TIMEOUT_S. Derived
    classes say how messages and goodbyes look, and what the input means. After the goodbye it reads
    on for a while: unread input would cost the client the last messages (RFC 9112, section 9.6).
    Only `wake` is for any thread.
    """

    kind: SocketKind

    def __init__(self, loop: Loop, keeper: Keeper, sock: socket.socket, caller: Caller) -> None:
        self.caller = caller
        self.follower: Followed | None = None
        self.opened_at = time.monotonic()
        self.end: SocketEnd | None = None
        self._loop = loop
        self._keeper = keeper
        self._sock = sock
        self._unsent = NOTHING
        self._is_begun = False
        self._credit = 0
        # Linux calls a connection writable while a third of its buffer is free.
        self._most_credit = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 4
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self._is_closed = False
        sock.settimeout(0)
        if sock.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_USER_TIMEOUT"):
            # A peer that is gone acknowledges nothing, not even the pings.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def wake(self) -> None:
        """Let the loop send the follower's events."""
        self._loop.wake(self)

    def open(self) -> None:
        """Begin to read and to send."""
        self._is_open = True
        self._keeper.opened(self)
        self._loop.read_from(self._sock, self, self._on_input)
        self.on_news()

    def on_news(self) -> None:
        """Send the follower's events, as far as there is room."""
        while self._is_open and self.end is None and self._has_something() and self._send():
            pass

    @property
    def waiting(self) -> int:
        """How many messages wait for the client; may be asked by any thread."""
        follower = self.follower
        begun = bool(self._unsent.data)
        return begun if self.end or follower is None else begun + follower.waiting

    def part(self, end: SocketEnd) -> None:
        """Say goodbye, and close the connection once the client has closed its side."""
        if self.end is not None:
            return
        cut = self._is_begun and self._unsent.data
        rest = self._unsent.data if cut and end is not SocketEnd.SLOW else b""
        # In the middle of a message a goodbye would be taken for a part of it.
        goodbye = b"" if cut and not rest else self.goodbye(end)
        self._stop(end)
        try:
            if rest or goodbye:
                self._sock.send(rest + goodbye)
            if not (goodbye and self.waits_for_a_reply(end)):
                self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close()
        else:
            self._timer = self._loop.later(CLOSE_TIMEOUT_S, self._close)

    def abandon(self) -> None:
        """Close the connection without a goodbye; can be repeated."""
        if self.end is None:
            self._stop(SocketEnd.GONE)
        self._close()

    def next_batch(self) -> Batch:
        """The next messages, about BATCH_BYTES of them; empty if there is none."""
        raise NotImplementedError

    def goodbye(self, end: SocketEnd) -> bytes:
        """What to send at the end."""
        raise NotImplementedError

    def waits_for_a_reply(self, end: SocketEnd) -> bool:  # noqa: ARG002 - most kinds do not ask
        """True if the client answers this goodbye before either side is closed."""
        return False

    def is_reply(self, data: bytes) -> bool:  # noqa: ARG002 - most kinds do not ask
        """True if the client has answered a goodbye for which `waits_for_a_reply`."""
        return False

    def receive(self, data: bytes) -> None:
        """Take the client's input."""
        raise NotImplementedError

    def stopped(self) -> None:
        """Give up whatever a derived class holds."""

    def say(self, data: bytes) -> None:
        """Send something that is no event of the follower, after the message that is being sent."""
        self._unsent = Batch(self._unsent.data + data, self._unsent.times)
        if self._is_open and self.end is None and self._timer is None:
            self._send()  # else it is sent when there is room

    def _has_something(self) -> bool:
        """True if there is something to send; parts from the client after the last message."""
        follower = self.follower
        if follower is not None and follower.overrun:
            self.part(SocketEnd.SLOW)
            return False
        if not self._unsent.data:
            self._unsent, self._is_begun = self.next_batch(), False
        if not self._unsent.data and (follower is None or follower.ended):
            self.part(SocketEnd.ENDED)
        return bool(self._unsent.data)

    def _send(self) -> bool:
        """Hand messages to the kernel; False if there is no room for all of them."""
        data, times = self._unsent
        if not self._is_begun and not self._has_room(len(data) + OVERHEAD_BYTES):
            self._wait_for_room()
            return False
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abandon()
            return False
        self._is_begun = True
        if sent < len(data):
            self._unsent = Batch(data[sent:], times)
            self._wait_for_room()
            return False
        self._unsent, self._is_begun = NOTHING, False
        if self._timer is not None:
            self._stop_waiting()
        if times:
            self._keeper.sent(times)
        return True

    def _has_room(self, cost: int) -> bool:
        """True if there will be room for a goodbye, even if there is not for all of a message.

        The kernel is asked when that may have changed: each question costs as much as a message.
        """
        if cost > self._credit:
            if not self._loop.has_room(self._sock):
                return False
            self._credit = self._most_credit
        self._credit -= cost
        return True

    def _wait_for_room(self) -> None:
        if self._timer is None:
            self._timer = self._loop.later(SEND_TIMEOUT_S, self._give_up)
            self._loop.wait_for_room(self._sock, self)

    def _give_up(self) -> None:
        self.part(SocketEnd.SLOW)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._loop.stop_waiting_for_room(self._sock)

    def _on_input(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.abandon()
        elif self.end is None:
            self.receive(data)
        elif self.is_reply(data):
            self._close()

    def _stop(self, end: SocketEnd) -> None:
        """Send no more messages."""
        self.end = end
        self._unsent = NOTHING
        self._stop_waiting()
        self.stopped()
        if self.follower is not None:
            self.follower.close()
        self._keeper.ending(self, end)

    def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        # Both lead back to this connection: it would stay in memory until the next full collection.
        self._timer = self.follower = None
        self._loop.forget(self._sock)
        self._sock.close()
        self._keeper.closed_one(self)
