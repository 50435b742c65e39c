"""Listening addresses, and how this machine reaches them."""

import socket
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit


def is_loopback(host: str) -> bool:
    """True if only this machine can reach a process that listens on `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable_host(host: str) -> str:
    """The host by which this machine reaches a listening process: loopback for all interfaces."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def is_address(host: str) -> bool:
    """True for an IP address or `localhost`; a shell or another tool sets HOST to a name."""
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def obstacle_to_listen(host: str) -> str | None:
    """Why no process of this machine can listen on `host`, on any port; None if one can."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def place_of(url: str) -> str:
    """The server and the database in a URL, without any part that may be secret."""
    parts = urlsplit(url)
    host = parts.hostname or dict(parse_qsl(parts.query)).get("host") or "the local socket"
    shown = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return f"{shown}{port}{parts.path}"
