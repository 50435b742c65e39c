"""A gunicorn worker that closes idle connections when it holds as many as it can."""

import errno
import time
from typing import Any

from orderengine.webserver.head_reading_worker import HeadReadingWorker

HTTP_THREADS = 24
"""Threads kept free of sockets and of requests that wait for their order."""

FAIR_S = 1.0
"""A connection that was active within this time stays open: a request may be on its way."""

RESERVE = 16
"""At most this many idle connections are closed when the system runs out of descriptors."""

PAUSE_S = 1.0
NARROW_S = 5.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# The connection failed before it was accepted: accept(2) says to treat these like EAGAIN.
_LOST = {
    *(errno.EPROTO, errno.ENOPROTOOPT, errno.EOPNOTSUPP),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
}


class CapacityWorker(HeadReadingWorker):
    """Closes the longest idle connections; new ones wait in the listener's backlog."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._capacity = int(self.cfg.worker_connections)
        self._accepts_from = 0.0
        self._narrow_until = 0.0

    def accept(self, listener: Any) -> None:
        """Accept a new connection, if one is pending and the system has room for it."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._narrow(error)
            elif error.errno not in _LOST:
                raise

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Start or stop accepting; it does not start during the pause after an exhaustion."""
        if not enabled or time.monotonic() >= self._accepts_from:
            super().set_accept_enabled(enabled)

    def murder_pending(self) -> None:
        """Close the connections whose time is up, or whose place others need."""
        super().murder_pending()
        if self._narrow_until and time.monotonic() >= self._narrow_until:
            self._narrow_until = 0.0
            self.worker_connections = self._capacity
        if self.alive:
            self._make_room()

    def _narrow(self, error: OSError) -> None:
        """Lower the limit of connections for a while; only idle ones are closed for that."""
        now = time.monotonic()
        self._accepts_from, self._narrow_until = now + PAUSE_S, now + NARROW_S
        self.worker_connections = self.nr_conns + 1 - min(self.waiting_count(), RESERVE)
        self.log.warning(
            "Accepts at most %d connections for now: %s", self.worker_connections, error
        )
        self.set_accept_enabled(False)

    def _make_room(self) -> None:
        heard_before = time.monotonic() - FAIR_S
        while self.nr_conns >= self.worker_connections:
            longest = self.longest_idle()
            silent = min(longest, key=longest.__getitem__, default=None)
            if silent is None or longest[silent] > heard_before:
                return
            self.close_now(silent)
