"""A gunicorn worker that closes connections without blocking its loop.

A closing connection gives its client some time to read the end of the answer and to close its side.
Unread input would otherwise make the kernel reset the connection and cut the answer short (RFC
9112, section 9.6). gunicorn itself waits in the loop that accepts and hands out connections, up to
two seconds for each client that does not close.
"""

import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_S = 2.0
MAX_LINGERING = 256
MAX_DRAINED_BYTES = 65_536
READ_BYTES = 16_384


class LingeringCloseWorker(ThreadWorker):
    """Registers closing connections with its poller, like all other waiting connections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Closing connections, oldest first: the deadline, and the bytes drained so far.
        self._lingering: dict[Any, tuple[float, int]] = {}

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        """Keep the connection open, or begin to close it."""
        if not fs.cancelled() and fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
        else:
            self.begin_to_close(conn)

    def murder_pending(self) -> None:
        """Close the connections whose time is up."""
        super().murder_pending()
        now = time.monotonic()
        while self._lingering:
            oldest, (until, _) = next(iter(self._lingering.items()))
            if until > now and len(self._lingering) <= MAX_LINGERING:
                break
            self.close_now(oldest)

    def begin_to_close(self, conn: Any) -> None:
        """Shut down sending, and drain the client's input until it closes its side."""
        try:
            conn.sock.settimeout(0)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        except Exception:  # noqa: BLE001 - its handler closed it, its client is gone, or the like
            self._end(conn)
        else:
            self._lingering[conn] = time.monotonic() + LINGER_S, 0

    def close_now(self, conn: Any) -> None:
        """Close a waiting connection; a pending or kept-alive one must be its queue's first."""
        self._lingering.pop(conn, None)
        for conns in (self.pending_conns, self.keepalived_conns):
            if conns and conns[0] is conn:
                conns.popleft()
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self._end(conn)

    def longest_idle(self) -> dict[Any, float]:
        """For each kind of waiting connection, the one idle longest, with the time it went idle."""
        kept = [conns[0] for conns in (self.pending_conns, self.keepalived_conns) if conns]
        longest = {conn: conn.timeout - self.cfg.keepalive for conn in kept}
        for conn, (until, _) in self._lingering.items():
            return longest | {conn: until - LINGER_S}
        return longest

    def waiting_count(self) -> int:
        """How many connections the loop waits for."""
        return len(self.pending_conns) + len(self.keepalived_conns) + len(self._lingering)

    def _drain(self, conn: Any, sock: socket.socket) -> None:
        """Discard input; close at the client's end, or after MAX_DRAINED_BYTES."""
        try:
            read = len(sock.recv(READ_BYTES))
        except BlockingIOError:
            return
        except OSError:
            read = 0
        until, drained = self._lingering[conn]
        if read and drained + read < MAX_DRAINED_BYTES:
            self._lingering[conn] = until, drained + read
        else:
            self.close_now(conn)

    def _end(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()
