"""Addresses that a process listens on, and how this machine reaches it there."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """True if nobody but this machine can reach a process that listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable_host(host: str) -> str:
    """Where this machine reaches a process that listens there: loopback if on all interfaces."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
