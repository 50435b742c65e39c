"""Finds out what listens at an address where no Redis answered as `REDIS_URL` asks it to.

No user and no password are sent.
"""

import socket
import ssl
from collections.abc import Callable
from enum import Enum

TIMEOUT_S = 0.5
_READ_BYTES = 512
_SSL_REQUEST = bytes((0, 0, 0, 8, 4, 210, 22, 47))
"""How a client asks PostgreSQL for TLS, before it says anything else; `S` and `N` are answers."""


class Peer(Enum):
    """What listens."""

    REDIS = "a server that speaks the protocol of Redis without TLS"
    TLS = "a server that speaks TLS"
    HTTP = "a web server"
    POSTGRESQL = "PostgreSQL"
    UNKNOWN = "nothing that is known here"


def peer_at(host: str, port: int) -> Peer:
    """What listens there; takes 2 seconds at the most."""
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
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent over it
    try:
        with context.wrap_socket(connection):
            return b"agreed"
    except ssl.SSLError as error:
        # Also a server that refuses, for want of a client's certificate for instance, speaks TLS.
        return b"refused" if "ALERT" in (error.reason or "") else b""


def _request_tls(connection: socket.socket) -> bytes:
    connection.sendall(_SSL_REQUEST)
    return connection.recv(1)
