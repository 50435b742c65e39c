"""The breaker: while Redis does not answer, nobody waits for it."""

import threading
import time
from collections.abc import Callable

import structlog

from orderengine.redis_errors import RedisCause, cause_of

log = structlog.get_logger(__name__)

STEADY_S = 3.0


class Breaker:
    """Implements `execution.ports.Circuit`: after a failure Redis is skipped for `skip_s` seconds.

    Then one caller may try, and everybody again once that went well. Shared by all that uses Redis
    in one process, from any thread: an outage costs the process one time-out a period, not one a
    request. It is one line in the log, also where Redis answers reads and refuses writes: it ends
    there with the first success that comes `STEADY_S` after the last failure.
    """

    def __init__(self, skip_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._skip_s = skip_s
        self._clock = clock
        self._lock = threading.Lock()
        self._out = False
        self._is_told = False
        self._failed_at = 0.0
        self._retry_at = 0.0
        self._cause = RedisCause.NO_ANSWER

    @property
    def cause(self) -> str:
        """Why Redis was not of use the last time that it was not: a `RedisCause`."""
        return self._cause

    def allows(self) -> bool:
        """True if Redis may be asked now; the caller then reports how that went."""
        with self._lock:
            if not self._out:
                return True
            now = self._clock()
            if now < self._retry_at:
                return False
            self._retry_at = now + self._skip_s
            return True

    def failed(self, error: Exception) -> None:
        """Report that Redis gave no answer, or a refusal."""
        cause = cause_of(error)
        with self._lock:
            self._failed_at = self._clock()
            self._retry_at = self._failed_at + self._skip_s
            began, self._is_told = not self._is_told or cause is not self._cause, True
            self._out = True
            self._cause = cause
        if began:
            log.warning("redis_unavailable", cause=cause, error=str(error))

    def succeeded(self) -> None:
        """Report that Redis answered."""
        with self._lock:
            self._out = False
            ended = self._is_told and self._clock() - self._failed_at >= STEADY_S
            self._is_told = self._is_told and not ended
        if ended:
            log.info("redis_available")
