"""The circuit breaker: while Redis does not answer, no caller waits for it."""

import threading
import time
from collections.abc import Callable

import structlog

from orderengine.redis.errors import RedisCause, cause_of

log = structlog.get_logger(__name__)

STEADY_S = 3.0


class Breaker:
    """After a failure, calls skip Redis for `skip_s` seconds; then one caller tries.

    Implements `dispatch.dispatcher.Circuit`. After a success all callers may go on. All users of
    Redis in a process share one breaker, from any thread, so that an outage costs the process one
    time-out per period, not one per request. An outage is one line in the log, also if Redis
    answers reads and refuses writes: it ends with the first success that comes `STEADY_S` after the
    last failure.
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
        """The cause of the last failure: a `RedisCause`."""
        return self._cause

    def allows(self) -> bool:
        """True if Redis may be called now; the caller then reports the result."""
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
