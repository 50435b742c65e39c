"""gunicorn's threaded worker, which gives a request a thread once its head has come.

gunicorn gives a thread to whoever has sent a byte, for as long as another one comes from time to
time: as many such clients as there are threads keep everybody else out (RFC 9112, section 9.5; the
attack is known as slowloris).
"""

import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, ParseException
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from orderengine.api.closing import READ_BYTES, ClosingWorker

REQUEST_TIMEOUT_S = 10
"""For the head of a request, and then for its body."""

REST_S = 0.05
"""For what is left of a body that no view has read, before the answer."""

_END = b"\r\n\r\n"
_MERE_LF = re.compile(rb"(?<!\r)\n")

MAX_LINE_BYTES = 4094
MAX_HEAD_BYTES = 32_768


class RequestTimedOut(ParseException):
    """The rest of a request did not come in time."""

    def __str__(self) -> str:
        return f"not sent within {REQUEST_TIMEOUT_S} s"


DECISIVE_HEADERS = (
    "Idempotency-Key",
    "Authorization",
    "Prefer",
    "Last-Event-ID",
    "Content-Encoding",
    "If-Match",
    "Origin",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
)
"""Headers of which one value decides. Two values would be joined to one that nobody sent.

gunicorn itself refuses two of Content-Length, Content-Type and Host.
"""
_DECISIVE = {name.upper(): name for name in DECISIVE_HEADERS}


class RepeatedHeader(InvalidHeader):
    """A header that decides about the request is given twice; `hdr` is its name."""


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
        self._serving = threading.local()

    def enqueue_req(self, conn: Any) -> None:
        """Wait for a request of a new client, or read the one that has begun."""
        conn.sock.settimeout(0)
        if conn.initialized or conn.data_ready:
            # Some of it may have been read together with the request before.
            buffered = conn.parser.unreader.take_buffered() if conn.initialized else b""
            self._begin_to_read(conn, bytearray(buffered))
            return
        conn.set_timeout()
        if self._listens(conn, self.on_pending_socket_readable):
            self.pending_conns.append(conn)

    def handle(self, conn: Any) -> Any:
        """Serve a request whose head is there, in a thread."""
        self._serving.conn = conn
        conn.parser.unreader.begin()
        return super().handle(conn)

    def load_wsgi(self) -> None:
        """Load the application, whose answers tell whether the connection can be used again."""
        super().load_wsgi()
        self.wsgi: Any = partial(self._answer, self.app.wsgi())

    def _answer(self, app: Any, environ: dict[str, Any], start_response: Any) -> Any:
        """Ask the application; what it has left of a body must be there, or nothing follows.

        gunicorn has promised by then that something may, and has a thread wait five seconds for it.
        """
        _refuse_repeated(self._serving.conn.parser.mesg.headers)
        answer = app(environ, start_response)
        if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
            parser = self._serving.conn.parser
            try:
                is_read = parser.finish_body(time.monotonic() + REST_S)
            except ParseException:
                is_read = False
            if not is_read:
                parser.mesg.force_close()
        return answer

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
            if self._begun[oldest][1].strip(b"\r\n"):
                self._refuse(oldest, RequestTimedOut())
            else:  # the end of a line, which some send after a body
                self.let_go(oldest)

    def let_go(self, conn: Any) -> None:
        """Close a connection that the loop waits for."""
        self._begun.pop(conn, None)
        super().let_go(conn)

    def waiting(self) -> dict[Any, float]:
        """Of each kind of connection that the loop waits for, the one silent for longest.

        Whoever has begun a head counts as silent since its first byte.
        """
        longest = super().waiting()
        for conn, (until, _) in self._begun.items():
            return longest | {conn: until - REQUEST_TIMEOUT_S}
        return longest

    def waiting_count(self) -> int:
        """How many connections the loop waits for."""
        return super().waiting_count() + len(self._begun)

    def _begin_to_read(self, conn: Any, head: bytearray) -> None:
        if is_read(head):
            self._hand_over(conn, head)
        elif self._listens(conn, self._read):
            self._begun[conn] = time.monotonic() + REQUEST_TIMEOUT_S, head
            self._read(conn, conn.sock)

    def _listens(self, conn: Any, callback: Callable[[Any, Any], None]) -> bool:
        """Have the poller tell when a client is heard of; without one, it is let go."""
        try:
            self.poller.register(conn.sock, EVENT_READ, partial(callback, conn))
        except (OSError, KeyError, ValueError) as error:
            self.log.warning("Let go of a connection that can not be watched: %s", error)
            self.let_go(conn)
            return False
        return True

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
        elif head_size(head) > MAX_HEAD_BYTES:
            self._refuse(conn, LimitRequestHeaders("too large in all"))
        elif is_read(head):
            del self._begun[conn]
            self.poller.unregister(sock)
            self._hand_over(conn, head)

    def _hand_over(self, conn: Any, head: bytearray) -> None:
        """Give a connection a thread, and what was read of it back to its parser."""
        if not conn.initialized:
            conn.data_ready = True
            conn.init()
            conn.parser.unreader = TimedUnreader(conn.sock, conn.parser)
        conn.parser.unreader.unread(bytes(head))
        try:
            super().enqueue_req(conn)
        except RuntimeError as error:
            self.log.warning("Let go of a connection for which there is no thread: %s", error)
            self.let_go(conn)

    def _refuse(self, conn: Any, error: ParseException) -> None:
        del self._begun[conn]
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.handle_error(None, conn.sock, conn.client, error)
        self.begin_to_close(conn)


def _refuse_repeated(headers: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for name, _ in headers:
        if name in _DECISIVE and name in seen:
            raise RepeatedHeader(_DECISIVE[name])
        seen.add(name)


def head_size(head: bytearray) -> int:
    """The bytes of a head, of which some may be missing, without those of a body after it."""
    end = head.find(_END)
    return len(head) if end < 0 else end


def is_read(head: bytearray) -> bool:
    """Whether a parser will say something of it without waiting for more.

    It does of a first line that is too long, and of one that ends with a mere LF.
    """
    begun = head[2:] if head.startswith(b"\r\n") else head
    line = begun[: MAX_LINE_BYTES + 2]
    is_long = len(begun) > len(line) and b"\n" not in line
    return is_long or _END in begun or _MERE_LF.search(begun) is not None
