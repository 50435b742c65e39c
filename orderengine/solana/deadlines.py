"""HTTP connections whose answers have an end in time, head and body together.

A socket's own time-out begins anew with each piece that arrives, so that a server which sends byte
by byte is waited for without end.
"""

import io
import socket
import time
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection


def bound_pool(
    url: str, answer_s: Callable[[], float], **options: Any
) -> urllib3.HTTPConnectionPool:
    """Connections to the host of a URL; `answer_s` gives the most seconds of an answer.

    Beyond them the answer ends in urllib3's error of a time-out.
    """
    pool = urllib3.connection_from_url(url, **options)

    class Response(_BoundResponse):
        most_s = staticmethod(answer_s)

    class Plain(HTTPConnection):
        response_class = Response

    class Encrypted(HTTPSConnection):
        response_class = Response

    pool.ConnectionCls = Encrypted if pool.scheme == "https" else Plain
    return pool


class _BoundResponse(HTTPResponse):
    """An answer that is read until its end in time; it begins when the request has been sent."""

    most_s: Callable[[], float]

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        bound = _BoundReader(sock, time.monotonic() + self.most_s())
        self.fp = io.BufferedReader(bound)


class _BoundReader(io.RawIOBase):
    """What a socket receives until a moment of `time.monotonic`; then it raises TimeoutError."""

    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._sock = sock
        # It keeps the socket open for as long as the answer is read.
        self._raw = sock.makefile("rb", buffering=0)
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer takes too long")
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
