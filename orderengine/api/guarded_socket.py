"""The socket of one WebSocket client: no peer can hold a thread, fill memory or garble a frame."""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from wsproto.frame_protocol import CloseReason

from orderengine.api.frames import FrameCounter, close_frame

SEND_TIMEOUT_S = 3
USER_TIMEOUT_MS = 20_000
BUDGET_BYTES = 16 * 1024
BUDGET_BYTES_PER_S = 256
BUDGET_FRAMES = 128
BUDGET_FRAMES_PER_S = 4
"""A client's pongs, its own pings, and what it says although nobody listens."""


class Budget:
    """What a client may send: `burst` of it at once, and `per_s` a second after that."""

    def __init__(self, burst: int, per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = float(burst)
        self._per_s = per_s
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def spend(self, count: int) -> bool:
        """False once more was sent than is allowed."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - count
        self._at = now
        return self._left >= 0


class GuardedSocket:
    """Stands in for the server's socket where simple-websocket expects it.

    simple-websocket takes one short `send` for the whole frame, sends from two threads without a
    lock, and keeps whatever the client sends. Here a frame is sent whole, one at a time and in
    bounded time, or the connection ends: with 1013 and `slow` set where the client did not make
    room for a frame. Input beyond the budgets, of bytes and of frames, is thrown away and `flooded`
    set.
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
        """Send all of it; raises OSError and ends the connection if that can not be done.

        BlockingIOError: the client has read too little within the time for one frame.
        """
        with self._sending:
            try:
                self._send(memoryview(data))
            except OSError as error:
                self.slow = self.slow or isinstance(error, BlockingIOError)
                self.close()  # half a frame may be out: nothing that follows would be understood
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
        """Tell a client that reads too little why it is cut off; it finds that if it reads on.

        The kernel wants a third of its buffer to be free before it calls a socket writable, so that
        there nearly always is room for these four bytes. In the middle of a frame they would be
        taken for a part of it.
        """
        self._raw.send(close_frame(CloseReason.TRY_AGAIN_LATER), socket.MSG_DONTWAIT)

    def recv(self, size: int) -> bytes:
        """What the client sent next; empty at its end, or when it has spent a budget."""
        data = self._raw.recv(size)
        frames = self._counter.count(data)
        if self._bytes.spend(len(data)) and self._frames.spend(frames):
            return data
        self.flooded = True
        # Read on: a connection that is closed with unread input is reset, and the reason with it.
        while self._raw.recv(size):
            pass
        return b""

    def close(self) -> None:
        """End the connection for both sides and wake whoever waits on it; the server closes it."""
        try:
            self._raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already


def limit_waits(sock: socket.socket, *, receive_s: int, send_s: int) -> None:
    """Bound each wait of a blocking socket, in seconds; 0 is no bound.

    Unlike `settimeout` it tells receiving and sending apart, and on a listener it also holds for
    the connections that are accepted later. A wait that takes longer raises BlockingIOError.
    """
    for option, seconds in ((socket.SO_RCVTIMEO, receive_s), (socket.SO_SNDTIMEO, send_s)):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
