"""The places at which a process can be killed, and the trap that does it."""

import os
import signal
import threading
from collections.abc import Callable
from enum import StrEnum

import structlog

from orderengine.config.settings import ArmedPoint, ConfigurationError

log = structlog.get_logger(__name__)

STRUCK = "fail_point_struck"


class FailPoint(StrEnum):
    """A place right before or after an action that is irreversible or may be lost."""

    ACCEPT_BEFORE_COMMIT = "accept.before_commit"
    ACCEPT_AFTER_COMMIT = "accept.after_commit"
    ACCEPT_AFTER_PUBLISH = "accept.after_publish"
    ACCEPT_AFTER_DISPATCH = "accept.after_dispatch"

    ROUTE_BEFORE_COMMIT = "route.before_commit"
    ROUTE_AFTER_COMMIT = "route.after_commit"
    ROUTE_AFTER_PUBLISH = "route.after_publish"
    ROUTE_BEFORE_HANDOVER = "route.before_handover"

    BUILD_BEFORE_COMMIT = "build.before_commit"
    BUILD_AFTER_COMMIT = "build.after_commit"
    BUILD_BEFORE_HANDOVER = "build.before_handover"

    SUBMIT_BEFORE_SIGNING = "submit.before_signing"
    SUBMIT_BEFORE_COMMIT = "submit.before_commit"
    SUBMIT_AFTER_COMMIT = "submit.after_commit"
    SUBMIT_BEFORE_SEND = "submit.before_send"
    SUBMIT_BEFORE_HANDOVER = "submit.before_handover"

    CONFIRM_TAKEN = "confirm.taken"
    CONFIRM_BEFORE_COMMIT = "confirm.before_commit"
    CONFIRM_AFTER_COMMIT = "confirm.after_commit"
    CONFIRM_AFTER_PUBLISH = "confirm.after_publish"

    RETRY_BEFORE_COMMIT = "retry.before_commit"
    RETRY_AFTER_COMMIT = "retry.after_commit"
    RETRY_AFTER_DISPATCH = "retry.after_dispatch"

    RECOVER_AFTER_CLAIM = "recover.after_claim"
    RECOVER_AFTER_DISPATCH = "recover.after_dispatch"

    @property
    def is_in_web(self) -> bool:
        """True for a place in a web process; all others are in a worker."""
        return self.value.startswith("accept.")


def kill_this_process() -> None:
    """Die as from SIGKILL: nothing is flushed, closed or logged."""
    os.kill(os.getpid(), signal.SIGKILL)


class Trap:
    """Kills the process at the n-th passage of one place.

    Raises ConfigurationError for a place that does not exist.
    """

    def __init__(self, armed: ArmedPoint, strike: Callable[[], None] = kill_this_process) -> None:
        try:
            self._point = FailPoint(armed.name)
        except ValueError:
            message = f"FAIL_POINT must name one of {', '.join(FailPoint)}"
            raise ConfigurationError(message) from None
        self._passages_left = armed.passage
        self._strike = strike
        self._lock = threading.Lock()

    def passes(self, *points: FailPoint) -> None:
        """Report that the process is at these places; may not return."""
        if self._point not in points:
            return
        with self._lock:
            self._passages_left -= 1
            strikes = self._passages_left == 0
        if strikes:
            log.warning(STRUCK, point=self._point.value)
            self._strike()
