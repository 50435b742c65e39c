"""gunicorn's threaded worker, which gives a request a thread once its head has come.

gunicorn gives a thread to whoever has sent a byte, for as long as another one comes from time to
time: as many such clients as there are threads keep everybody else out (RFC 9112, section 9.5; the
attack is known as slowloris).
"""

import math
import socket
import time
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, ParseException
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from orderengine.api.closing import READ_BYTES, ClosingWorker

REQUEST_TIMEOUT_S = 10
"""For the head of a request, and then for its body."""

REST_S = 0.05
"""For what is left of a body that no view has read."""

MAX_LINE_BYTES = 4094
MAX_HEAD_BYTES = 32_768


class RequestTimedOut(ParseException):
    """The rest of a request did not come in time."""

    def __str__(self) -> str:
        return f"not sent within {REQUEST_TIMEOUT_S} s"


class TimedUnreader(SocketUnreader):
    """Reads from a client that has `REQUEST_TIMEOUT_S` from `begin` on.

    That is looked at before each read, which itself waits no longer than its socket does. Raises
    RequestTimedOut.
    """

    def __init__(self, sock: socket.socket, parser: Any) -> None:
        super().__init__(sock)
        self._parser = parser
        self._until = math.inf

    def begin(self) -> None:
        """Count from now."""
        self._until = time.monotonic() + REQUEST_TIMEOUT_S

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return what the client sent next; empty at its end."""
        with suppress(BlockingIOError):
            if time.monotonic() < self._until:
                data: bytes = super().chunk(size_hint)
                return data
        if self._parser.mesg:
            # Where on this connection a next request would begin is not known.
            self._parser.mesg.force_close()
        raise RequestTimedOut


class ReadingWorker(ClosingWorker):
    """Has its loop read the heads of requests."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Whose head has begun, the oldest first: until when it must be there, and what is.
        self._begun: dict[Any, tuple[float, bytearray]] = {}

    def enqueue_req(self, conn: Any) -> None:
        """Wait for a request of a new client, or read the one that has begun."""
        conn.sock.settimeout(0)
        if conn.initialized or conn.data_ready:
            # Some of it may have been read together with the request before.
            buffered = conn.parser.unreader.take_buffered() if conn.initialized else b""
            self._begin_to_read(conn, bytearray(buffered))
            return
        conn.set_timeout()
        self.pending_conns.append(conn)
        heard = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, heard)

    def handle(self, conn: Any) -> Any:
        """Serve a request whose head is there, in a thread."""
        conn.parser.unreader.begin()
        return super().handle(conn)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:  # noqa: FBT001 - gunicorn's
        """Tell whether a connection can be used again: what a view left of a body must be there.

        gunicorn has a thread wait five seconds for it.
        """
        return bool(keepalive and conn.parser.finish_body(time.monotonic() + REST_S))

    def murder_pending(self) -> None:
        """Close the connections that had their time."""
        now = time.monotonic()
        if not self.alive:
            # As gunicorn does with those that it has served before: else it would stop later.
            for conn in self.pending_conns:
                conn.timeout = min(conn.timeout, now + STOP_KEEPALIVE_LINGER)
            for conn, (until, head) in self._begun.items():
                self._begun[conn] = min(until, now + STOP_KEEPALIVE_LINGER), head
        super().murder_pending()
        while self._begun:
            oldest, (until, _) = next(iter(self._begun.items()))
            if until > now:
                break
            self._refuse(oldest, RequestTimedOut())

    def let_go(self, conn: Any) -> None:
        """Close a connection that the loop waits for."""
        self._begun.pop(conn, None)
        super().let_go(conn)

    def waiting(self) -> dict[Any, float]:
        """Of each kind of connection that the loop waits for, the one silent for longest.

        A head that has begun is said when it is all there.
        """
        longest = super().waiting()
        for conn, (until, _) in self._begun.items():
            return longest | {conn: until - REQUEST_TIMEOUT_S}
        return longest

    def _begin_to_read(self, conn: Any, head: bytearray) -> None:
        self._begun[conn] = time.monotonic() + REQUEST_TIMEOUT_S, head
        if is_read(head):
            self._hand_over(conn)
        else:
            self.poller.register(conn.sock, EVENT_READ, partial(self._read, conn))
            self._read(conn, conn.sock)

    def _read(self, conn: Any, sock: Any) -> None:
        head = self._begun[conn][1]
        try:
            data = sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        head += data
        if not data:
            self.let_go(conn)
        elif is_read(head):
            self.poller.unregister(sock)
            self._hand_over(conn)
        elif len(head) > MAX_HEAD_BYTES:
            self._refuse(conn, LimitRequestHeaders("too large in all"))

    def _hand_over(self, conn: Any) -> None:
        """Give a connection a thread, and what was read of it back to its parser."""
        _, head = self._begun.pop(conn)
        if not conn.initialized:
            conn.data_ready = True
            conn.init()
            conn.parser.unreader = TimedUnreader(conn.sock, conn.parser)
        conn.parser.unreader.unread(bytes(head))
        super().enqueue_req(conn)

    def _refuse(self, conn: Any, error: ParseException) -> None:
        del self._begun[conn]
        self.poller.unregister(conn.sock)
        self.handle_error(None, conn.sock, conn.client, error)
        self.begin_to_close(conn)


def is_read(head: bytes | bytearray) -> bool:
    """Whether a parser will say something of it without waiting for more.

    It does of a line that is too long, and of one that ends with a mere LF.
    """
    line = head[: MAX_LINE_BYTES + 2]
    return b"\r\n\r\n" in head or b"\n\n" in head or (len(head) > len(line) and b"\n" not in line)
