"""The socket of one WebSocket client: no peer can hold a thread, fill memory or garble a frame."""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from wsproto.frame_protocol import CloseReason

from orderengine.api.updates.frames import FrameCounter, close_frame

SEND_TIMEOUT_S = 3
USER_TIMEOUT_MS = 20_000
BUDGET_BYTES = 16 * 1024
BUDGET_BYTES_PER_S = 256
BUDGET_FRAMES = 128
BUDGET_FRAMES_PER_S = 4
"""The budgets cover a client's pongs, its own pings, and its messages, which are ignored."""


class Budget:
    """Limits a client's input: `burst` units at once, refilled by `per_s` a second."""

    def __init__(self, burst: int, per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = float(burst)
        self._per_s = per_s
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def spend(self, count: int) -> bool:
        """Spend `count` units; False if that overdraws the budget."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - count
        self._at = now
        return self._left >= 0


class GuardedSocket:
    """Replaces the server's socket for simple-websocket.

    simple-websocket takes one short `send` for the whole frame, sends from two threads without a
    lock, and keeps whatever the client sends. This socket sends each frame whole, one at a time and
    in bounded time, or ends the connection. It ends with 1013 and sets `slow` if the client makes
    no room for a frame. It discards input beyond the budgets of bytes and frames, and sets
    `flooded`.
    """

    def __init__(self, raw: socket.socket) -> None:
        self.flooded = False
        self.slow = False
        self._raw = raw
        self._sending = threading.Lock()
        self._bytes = Budget(BUDGET_BYTES, BUDGET_BYTES_PER_S)
        self._frames = Budget(BUDGET_FRAMES, BUDGET_FRAMES_PER_S)
        self._counter = FrameCounter()
        limit_waits(raw, receive_s=0, send_s=SEND_TIMEOUT_S)
        if raw.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_USER_TIMEOUT"):
            # A peer that is gone acknowledges nothing, not even the pings.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._raw.fileno()

    def send(self, data: bytes) -> int:
        """Send all of `data`, or end the connection and raise OSError.

        Raises BlockingIOError if the client reads too little within SEND_TIMEOUT_S.
        """
        with self._sending:
            try:
                self._send(memoryview(data))
            except OSError as error:
                self.slow = self.slow or isinstance(error, BlockingIOError)
                self.close()  # half a frame may be out: the client could not read what follows
                raise
        return len(data)

    def _send(self, left: memoryview) -> None:
        deadline = time.monotonic() + SEND_TIMEOUT_S
        is_begun = False
        poller = select.poll()
        poller.register(self._raw.fileno(), select.POLLOUT)
        while left:
            if not poller.poll(max(deadline - time.monotonic(), 0.0) * 1000):
                if not is_begun:
                    self._say_goodbye()
                raise BlockingIOError("the client reads too little")
            left = left[self._raw.send(left, socket.MSG_DONTWAIT) :]
            is_begun = True

    def _say_goodbye(self) -> None:
        """Send a close frame to a client that reads too little; it gets it if it reads on.

        The kernel calls a socket writable only when a third of its buffer is free, so these four
        bytes nearly always fit. In the middle of a frame they would be taken for a part of it.
        """
        self._raw.send(close_frame(CloseReason.TRY_AGAIN_LATER), socket.MSG_DONTWAIT)

    def recv(self, size: int) -> bytes:
        """The client's next bytes; empty at its end, or when it has overdrawn a budget."""
        data = self._raw.recv(size)
        frames = self._counter.count(data)
        if self._bytes.spend(len(data)) and self._frames.spend(frames):
            return data
        self.flooded = True
        # Read on: closing with unread input resets the connection, and the reason is lost.
        while self._raw.recv(size):
            pass
        return b""

    def close(self) -> None:
        """Shut down both sides and wake any thread that waits; the server closes the socket."""
        try:
            self._raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already


def limit_waits(sock: socket.socket, *, receive_s: int, send_s: int) -> None:
    """Bound each wait of a blocking socket, in seconds; 0 is no bound.

    Unlike `settimeout` it bounds receiving and sending separately, and a listener passes the bounds
    on to the connections that it accepts. A wait that takes longer raises BlockingIOError.
    """
    for option, seconds in ((socket.SO_RCVTIMEO, receive_s), (socket.SO_SNDTIMEO, send_s)):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
