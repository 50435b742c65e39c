"""Whether the children answer, asked over plain sockets to save memory."""

import json
import socket
import threading
from collections.abc import Callable

from orderengine.local.environment import Address

_TIMEOUT_S = 1.0
_INTERVAL_S = 0.1
_OK = 200
_SERVER_ERROR = 500


def http_get(
    address: Address, path: str, timeout_s: float = _TIMEOUT_S
) -> tuple[int, bytes] | None:
    """Status and body; None if there was no answer in time or none that is HTTP."""
    request = f"GET {path} HTTP/1.0\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
    try:
        endpoint = (address.reachable_host, address.port)
        with socket.create_connection(endpoint, timeout=timeout_s) as connection:
            connection.sendall(request.encode())
            with connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
        return int(head.split(maxsplit=2)[1]), body
    except (OSError, ValueError, IndexError):
        return None


def web_is_ready(api: Address) -> bool:
    """Whether /readyz says 200."""
    answer = http_get(api, "/readyz")
    return answer is not None and answer[0] == _OK


def worker_is_ready(api: Address) -> bool:
    """Whether /readyz sees a worker's heartbeat."""
    answer = http_get(api, "/readyz")
    if answer is None or answer[0] != _OK:
        return False
    try:
        return "worker" not in json.loads(answer[1]).get("degraded", [])
    except (ValueError, AttributeError, TypeError):
        return False


def redis_trouble(api: Address) -> str | None:
    """Why Redis takes no messages, by a web process's /readyz; None if it does, or if unknown."""
    answer = http_get(api, "/readyz")
    if answer is None or answer[0] != _OK:
        return None
    try:
        cause = json.loads(answer[1])["causes"].get("redis")
    except (ValueError, AttributeError, TypeError, KeyError):
        return None
    return None if cause is None else str(cause)


def flower_is_ready(flower: Address) -> bool:
    """Whether it answers at all, even if it wants a password or has a URL prefix."""
    answer = http_get(flower, "/healthcheck")
    return answer is not None and answer[0] < _SERVER_ERROR


class ReadinessProbe:
    """Repeats a probe in its own thread until it succeeds."""

    def __init__(self, probe: Callable[[], bool], wake: Callable[[], None]) -> None:
        self._probe = probe
        self._wake = wake
        self._canceled = threading.Event()
        self._ready = threading.Event()
        threading.Thread(target=self._ask, daemon=True).start()

    @property
    def is_ready(self) -> bool:
        """Whether the probe has succeeded."""
        return self._ready.is_set()

    def cancel(self) -> None:
        """Stops probing."""
        self._canceled.set()

    def _ask(self) -> None:
        while not self._canceled.is_set():
            if self._probe():
                self._ready.set()
                self._wake()
                return
            self._canceled.wait(_INTERVAL_S)
