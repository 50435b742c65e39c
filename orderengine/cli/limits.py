"""Keeps the commands within the limits that a service announces in its answers."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

BUSY = frozenset(
    {
        *("RATE_LIMITED", "TOO_MANY_OPEN_ORDERS", "QUEUE_FULL", "LISTS_BUSY"),
        *("TOO_MANY_SOCKETS", "TOO_MANY_CLIENT_SOCKETS"),
    }
)
"""Codes of refusals that stored nothing, and that pass once others have been served."""
SHARE = 0.4
"""The share of the limit per second that may be sent at once, and again in each second after that.

Both together stay below the limit in every second, and leave a fifth of it for others.
"""


SHORTEST_S = 0.1
"""The shortest wait before a retry, even if the service asks for a shorter one."""
LONGEST_S = 3600.0
"""The longest wait before a retry, even if the service asks for a longer one."""


class Answer(NamedTuple):
    """An answer of a service: a JSON object, and the headers by their names in lower case."""

    status: int
    document: dict[str, Any]
    headers: Mapping[str, str]


class Pace:
    """Spaces requests to one service, across all threads."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._a_second = 0.0
        self._left = 0.0
        self._at = clock()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take the limit from an answer's headers, if they name one."""
        limit = headers.get("ratelimit-limit", "")
        if not limit.isascii() or not limit.isdigit() or not int(limit):
            return
        with self._lock:
            if not self._a_second:
                self._left = max(SHARE * int(limit), 1.0)
            self._a_second = max(SHARE * int(limit), 1.0)

    def wait(self) -> None:
        """Wait until one more request may be sent."""
        with self._lock:
            if not self._a_second:
                return
            now = self._clock()
            gained = (now - self._at) * self._a_second
            self._left = min(self._a_second, self._left + gained) - 1
            self._at = now
            pause_s = -self._left / self._a_second
        if pause_s > 0:
            self._pause(pause_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of the Retry-After header, within bounds; None if there is none."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return _bounded(float(value))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _bounded((moment - datetime.now(UTC)).total_seconds())


def _bounded(seconds: float) -> float:
    return min(max(SHORTEST_S, seconds), LONGEST_S)
