"""gunicorn's threaded worker, which waits for no client while it closes a connection.

Before a connection is closed its client gets some time to read the end of the answer and to close
its side: what it may have sent meanwhile would otherwise have the kernel reset the connection, and
cut the answer short (RFC 9112, section 9.6). gunicorn waits for that in the one loop that takes new
connections and hands them out, up to two seconds for each client that does not close.
"""

import socket
import time
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_S = 2.0
MAX_DRAINED_BYTES = 65_536
_READ_BYTES = 16_384


class ClosingWorker(ThreadWorker):
    """Has its loop wait for these clients as it waits for all others: until one is heard of."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Those that are being closed, the oldest first: until when, and how much was read.
        self._closing: dict[Any, tuple[float, int]] = {}

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        """Do with a connection what its last request has come to."""
        if fs.cancelled() or (fs.exception() is None and not fs.result()):
            self._begin_to_close(conn)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Close the connections that had their time."""
        super().murder_pending()
        now = time.monotonic()
        while self._closing:
            conn, (until, _) = next(iter(self._closing.items()))
            if until > now:
                return
            self._close(conn)

    def _begin_to_close(self, conn: Any) -> None:
        try:
            conn.sock.settimeout(0)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # a socket that its handler closed, or one whose client is gone
            self._end(conn)
            return
        self._closing[conn] = time.monotonic() + LINGER_S, 0
        self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))

    def _drain(self, conn: Any, sock: socket.socket) -> None:
        """Read on; at the client's end, and when it is too much, close."""
        try:
            read = len(sock.recv(_READ_BYTES))
        except BlockingIOError:
            return
        except OSError:
            read = 0
        until, drained = self._closing[conn]
        if read and drained + read < MAX_DRAINED_BYTES:
            self._closing[conn] = until, drained + read
        else:
            self._close(conn)

    def _close(self, conn: Any) -> None:
        del self._closing[conn]
        self.poller.unregister(conn.sock)
        self._end(conn)

    def _end(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()
