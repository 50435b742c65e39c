"""A broker outage as a worker sees it: how long to wait, and one log line per cause."""

import time
from collections.abc import Callable

import structlog

from orderengine.redis.errors import RedisCause, cause_of

log = structlog.get_logger(__name__)

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 1.0
"""Bounds how late work resumes after an outage; a new connection each second is cheap."""
SLICE_S = 0.05


class Outage:
    """An outage of the broker, from its first error until it has worked for a while."""

    def __init__(
        self,
        sleep: Callable[[float], object] = time.sleep,
        explain: Callable[[Exception], object] = str,
    ) -> None:
        self._sleep = sleep
        self._explain = explain
        self._causes: set[RedisCause] = set()
        self._wait_s = 0.0

    def met(self, error: Exception) -> None:
        """Record an error; each cause is logged once per outage."""
        cause = cause_of(error)
        if cause not in self._causes:
            self._causes.add(cause)
            told = str(self._explain(error))
            log.warning(
                "worker_waits_for_broker", setting="REDIS_URL", cause=cause.value, error=told
            )
        self._wait_s = min(max(FIRST_WAIT_S, self._wait_s * 2), LONGEST_WAIT_S)

    def wait(self, is_over: Callable[[], object]) -> None:
        """Wait before the next attempt, longer each time; `is_over` may raise to end the wait."""
        left_s = self._wait_s
        while left_s > 0:
            is_over()
            self._sleep(min(left_s, SLICE_S))
            left_s -= SLICE_S
        is_over()

    def ended(self) -> None:
        """Record that the broker works."""
        if self._causes:
            log.info("worker_resumed")
        self._causes.clear()
        self._wait_s = 0.0
