"""Takes the connection of a request over from the server, which then leaves it alone."""

import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Response
from werkzeug.http import http_date

_SOCKET = "gunicorn.socket"


def taken(sock: socket.socket) -> socket.socket:
    """The connection under a new name; the server's own socket counts as closed from now on."""
    return socket.socket(fileno=sock.detach())


def taken_from(environ: dict[str, Any]) -> socket.socket | None:
    """The connection of a request; None from a server that does not give it away."""
    held = environ.get(_SOCKET)
    return None if held is None else taken(held)


def raw_head(answer: Response) -> bytes:
    """The head of an answer after which the connection ends."""
    answer.headers.update({"Connection": "close", "Date": http_date()})
    return f"HTTP/1.1 {answer.status}\r\n{answer.headers}".encode("latin-1")


class Streamed(Response):
    """An answer that goes on over its connection after the request: `begin` gets both.

    Without a connection to take, such as in memory, the answer passes on what `begin` sends.
    """

    begin: Callable[[socket.socket, bytes], None]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Give the connection away, and leave the server nothing to do."""
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        sock = taken_from(environ)
        if sock is not None:
            self.begin(sock, raw_head(self))
            raise StopIteration  # closes the connection, says gunicorn: but it has none any more
        ours, theirs = socket.socketpair()
        self.begin(theirs, b"")
        self.call_on_close(ours.close)
        self.response = _paragraphs(ours)
        return super().__call__(environ, start_response)


def _paragraphs(sock: socket.socket) -> Iterator[bytes]:
    with sock, sock.makefile("rb") as lines:
        paragraph = b""
        for line in lines:
            paragraph += line
            if line == b"\n":
                yield paragraph
                paragraph = b""
