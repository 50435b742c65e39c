"""gunicorn's threaded worker, which has neither its loop nor a thread wait for a silent client.

Before a connection is closed its client gets some time to read the end of the answer and to close
its side: what it may have sent meanwhile would otherwise have the kernel reset the connection, and
cut the answer short (RFC 9112, section 9.6). gunicorn waits for that in the one loop that takes new
connections and hands them out, up to two seconds for each client that does not close; and for the
first byte of a new client in a thread, up to five.
"""

import errno
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

LINGER_S = 2.0
MAX_CLOSING = 256
MAX_DRAINED_BYTES = 65_536
PAUSE_S = 1.0
_READ_BYTES = 16_384
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class ClosingWorker(ThreadWorker):
    """Has its loop wait for these clients as it waits for all others: until one is heard of.

    Where there is no room for another connection the one that is missed least makes some.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Those that are being closed, the oldest first: until when, and how much was read.
        self._closing: dict[Any, tuple[float, int]] = {}
        self._accepts_from = 0.0
        self._needs_room = False

    def accept(self, listener: Any) -> None:
        """Take a new connection, if one is there."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            self.log.warning("No new connections for a moment: %s", error)
            self._accepts_from = time.monotonic() + PAUSE_S
            self.set_accept_enabled(False)
            # Not here: the loop may just be about to tell of the one that would be closed.
            self._needs_room = True

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Take new connections from now on, or none."""
        if not enabled or time.monotonic() >= self._accepts_from:
            super().set_accept_enabled(enabled)

    def enqueue_req(self, conn: Any) -> None:
        """Hand a connection to a thread, once its client has said something."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock.settimeout(0)
        conn.set_timeout()
        self.pending_conns.append(conn)
        heard = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, heard)

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        """Do with a connection what its last request has come to."""
        if not fs.cancelled() and fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
            return
        try:
            self._begin_to_close(conn)
        except Exception:  # noqa: BLE001 - its handler closed it, its client is gone, or the like
            self._end(conn)

    def murder_pending(self) -> None:
        """Close the connections that had their time, or that others need."""
        now = time.monotonic()
        if not self.alive:
            # As gunicorn does with those that it has served before: else it would stop later.
            for conn in self.pending_conns:
                conn.timeout = min(conn.timeout, now + STOP_KEEPALIVE_LINGER)
        super().murder_pending()
        while self._closing:
            oldest, (until, _) = next(iter(self._closing.items()))
            if until > now and len(self._closing) <= MAX_CLOSING:
                break
            self._close(oldest)
        if self._needs_room or self.nr_conns >= self.worker_connections:
            self._needs_room = False
            self._make_room()

    def _begin_to_close(self, conn: Any) -> None:
        conn.sock.settimeout(0)
        conn.sock.shutdown(socket.SHUT_WR)
        self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        self._closing[conn] = time.monotonic() + LINGER_S, 0

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

    def _make_room(self) -> None:
        """Close the connection that is missed least: one that is ending, or the longest silent."""
        if self._closing:
            self._close(next(iter(self._closing)))
            return
        for silent in (self.pending_conns, self.keepalived_conns):
            if silent:
                self._let_go(silent.popleft())
                return

    def _close(self, conn: Any) -> None:
        del self._closing[conn]
        self._let_go(conn)

    def _let_go(self, conn: Any) -> None:
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self._end(conn)

    def _end(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()
