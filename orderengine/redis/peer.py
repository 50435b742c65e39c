"""Identifies the server at an address where no Redis answered as `REDIS_URL` requires.

It sends no user and no password.
"""

import socket
import ssl
from collections.abc import Callable
from enum import Enum

TIMEOUT_S = 0.5
_READ_BYTES = 512
_SSL_REQUEST = bytes((0, 0, 0, 8, 4, 210, 22, 47))
"""A client's request to PostgreSQL for TLS, sent before anything else; answered by `S` or `N`."""


class Peer(Enum):
    """The kind of server that listens."""

    REDIS = "a server that speaks the protocol of Redis without TLS"
    TLS = "a server that speaks TLS"
    HTTP = "a web server"
    POSTGRESQL = "PostgreSQL"
    UNKNOWN = "nothing that is known here"


def peer_at(host: str, port: int) -> Peer:
    """Identify the server; takes 2 seconds at most."""
    answer = _asked(host, port, _ping)
    if answer.startswith((b"+", b"-")):
        return Peer.REDIS
    if answer.startswith(b"HTTP/") or b"<html" in answer.lower():
        return Peer.HTTP
    if _asked(host, port, _greet):
        return Peer.TLS
    if _asked(host, port, _request_tls) in {b"S", b"N"}:
        return Peer.POSTGRESQL
    return Peer.UNKNOWN


def _asked(host: str, port: int, ask: Callable[[socket.socket], bytes]) -> bytes:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
            return ask(connection)
    except (OSError, UnicodeError):
        return b""


def _ping(connection: socket.socket) -> bytes:
    connection.sendall(b"PING\r\n")
    return connection.recv(_READ_BYTES)


def _greet(connection: socket.socket) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # no data is sent over it
    try:
        with context.wrap_socket(connection):
            return b"agreed"
    except ssl.SSLError as error:
        # A server that refuses, for instance without a client certificate, speaks TLS as well.
        return b"refused" if "ALERT" in (error.reason or "") else b""


def _request_tls(connection: socket.socket) -> bytes:
    connection.sendall(_SSL_REQUEST)
    return connection.recv(1)
