"""A gunicorn worker that gives a request a thread only once its whole head has arrived.

gunicorn gives a client a thread at its first byte, for as long as bytes keep trickling in. As many
such clients as there are threads keep everybody else out (slowloris; RFC 9112, section 9.5).
"""

import math
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, ParseException
from gunicorn.http.unreader import SocketUnreader

from orderengine.webserver.lingering_close_worker import (
    LINGER_S,
    READ_BYTES,
    LingeringCloseWorker,
)

REQUEST_TIMEOUT_S = 10
"""The time limit for the head of a request, and again for its body."""

REST_S = 0.05
"""The time limit for the rest of a body that the view has not read, before the answer."""

FORCE_CLOSE = "orderengine.force_close"
"""In a request's environment: the function that lets its answer close the connection."""

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
"""Headers that may be given once only: two values would be joined to one that nobody sent.

gunicorn itself refuses two of Content-Length, Content-Type and Host.
"""
_DECISIVE = {name.upper(): name for name in DECISIVE_HEADERS}


class RepeatedHeader(InvalidHeader):
    """One of DECISIVE_HEADERS is given twice; `hdr` is its name."""


class TimedUnreader(SocketUnreader):
    """Reads from a client until `REQUEST_TIMEOUT_S` after `begin`, then raises RequestTimedOut.

    It checks the deadline before each read; the socket's own timeout bounds a read.
    """

    def __init__(self, sock: socket.socket, parser: Any) -> None:
        super().__init__(sock)
        self._parser = parser
        self._until = math.inf

    def begin(self) -> None:
        """Start the time limit."""
        self._until = time.monotonic() + REQUEST_TIMEOUT_S

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return what the client sent next; empty at its end."""
        with suppress(BlockingIOError):
            if time.monotonic() < self._until:
                data: bytes = super().chunk(size_hint)
                return data
        if self._parser.mesg:
            # The start of a next request on this connection is unknown.
            self._parser.mesg.force_close()
        raise RequestTimedOut


class HeadReadingWorker(LingeringCloseWorker):
    """Reads the heads of requests in its loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Connections whose head has begun, oldest first: its deadline, and its bytes so far.
        self._begun: dict[Any, tuple[float, bytearray]] = {}
        self._serving = threading.local()

    def enqueue_req(self, conn: Any) -> None:
        """Wait for a request of a new client, or read the one that has begun."""
        conn.sock.settimeout(0)
        if conn.initialized or conn.data_ready:
            # The parser may have read part of it with the previous request.
            buffered = conn.parser.unreader.take_buffered() if conn.initialized else b""
            self._begin_to_read(conn, bytearray(buffered))
            return
        conn.set_timeout()
        if self._listens(conn, self.on_pending_socket_readable):
            self.pending_conns.append(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request whose head is complete, in a thread."""
        self._serving.parser = conn.parser
        conn.parser.unreader.begin()
        return super().handle_request(req, conn)

    def load_wsgi(self) -> None:
        """Load the application, wrapped so that an unread body closes the connection."""
        super().load_wsgi()
        self.wsgi: Any = partial(self._answer, self.app.wsgi())

    def _answer(self, app: Any, environ: dict[str, Any], start_response: Any) -> Any:
        """Call the application; close the connection unless the rest of the body is there.

        gunicorn has already promised keep-alive, and a thread would wait five seconds for the rest.
        """
        parser = self._serving.parser
        environ[FORCE_CLOSE] = parser.mesg.force_close
        _refuse_repeated(parser.mesg.headers)
        answer = app(environ, start_response)
        if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
            try:
                is_read = parser.finish_body(time.monotonic() + REST_S)
            except ParseException:
                is_read = False
            if not is_read:
                parser.mesg.force_close()
        return answer

    def murder_pending(self) -> None:
        """Close the connections whose time is up."""
        now = time.monotonic()
        if not self.alive:
            # As gunicorn does with kept-alive connections: otherwise it would stop later.
            for conn in self.pending_conns:
                conn.timeout = min(conn.timeout, now + LINGER_S)
            for conn, (until, head) in self._begun.items():
                self._begun[conn] = min(until, now + LINGER_S), head
        super().murder_pending()
        while self._begun:
            oldest, (until, _) = next(iter(self._begun.items()))
            if until > now:
                break
            if self._begun[oldest][1].strip(b"\r\n"):
                self._refuse(oldest, RequestTimedOut())
            else:  # an end of line, which some clients send after a body
                self.close_now(oldest)

    def close_now(self, conn: Any) -> None:
        """Close a waiting connection."""
        self._begun.pop(conn, None)
        super().close_now(conn)

    def longest_idle(self) -> dict[Any, float]:
        """For each kind of waiting connection, the one idle longest, with the time it went idle.

        A connection that has begun a head counts as idle since its first byte.
        """
        longest = super().longest_idle()
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
        """Watch a connection for input; if the poller can not, close it and return False."""
        try:
            self.poller.register(conn.sock, EVENT_READ, partial(callback, conn))
        except (OSError, KeyError, ValueError) as error:
            self.log.warning("Closed a connection that could not be watched: %s", error)
            self.close_now(conn)
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
            self.close_now(conn)
        elif head_size(head) > MAX_HEAD_BYTES:
            self._refuse(conn, LimitRequestHeaders("too large in all"))
        elif is_read(head):
            del self._begun[conn]
            self.poller.unregister(sock)
            self._hand_over(conn, head)

    def _hand_over(self, conn: Any, head: bytearray) -> None:
        """Queue a connection for a thread, and give its parser back what was read."""
        if not conn.initialized:
            conn.data_ready = True
            conn.init()
            conn.parser.unreader = TimedUnreader(conn.sock, conn.parser)
        conn.parser.unreader.unread(bytes(head))
        try:
            super().enqueue_req(conn)
        except RuntimeError as error:
            self.log.warning("Closed a connection, as no thread could take it: %s", error)
            self.close_now(conn)

    def _refuse(self, conn: Any, error: ParseException) -> None:
        del self._begun[conn]
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.handle_error(None, conn.sock, conn.client, error)
        self.begin_to_close(conn)


def limit_waits(listener: socket.socket, seconds: int) -> None:
    """Bound each wait of a thread for a connection that this listener accepts.

    Unlike the timeout of `settimeout`, the bound passes on to accepted connections. A wait that
    takes longer raises BlockingIOError.
    """
    bound = struct.pack("ll", seconds, 0)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        listener.setsockopt(socket.SOL_SOCKET, option, bound)


def _refuse_repeated(headers: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for name, _ in headers:
        if name in _DECISIVE and name in seen:
            raise RepeatedHeader(_DECISIVE[name])
        seen.add(name)


def head_size(head: bytearray) -> int:
    """The size of a head, complete or not, without the bytes of a body after it."""
    end = head.find(_END)
    return len(head) if end < 0 else end


def is_read(head: bytearray) -> bool:
    """True if the parser can accept or refuse it without waiting for more bytes.

    It refuses a first line that is too long, and a line that ends with a mere LF, at once.
    """
    begun = head[2:] if head.startswith(b"\r\n") else head
    line = begun[: MAX_LINE_BYTES + 2]
    is_long = len(begun) > len(line) and b"\n" not in line
    return is_long or _END in begun or _MERE_LF.search(begun) is not None
