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

    CANCEL_BEFORE_COMMIT = "cancel.before_commit"
    CANCEL_AFTER_COMMIT = "cancel.after_commit"
    CANCEL_AFTER_PUBLISH = "cancel.after_publish"

    AMEND_BEFORE_COMMIT = "amend.before_commit"
    AMEND_AFTER_COMMIT = "amend.after_commit"
    AMEND_AFTER_PUBLISH = "amend.after_publish"

    TRIGGER_BEFORE_COMMIT = "trigger.before_commit"
    TRIGGER_AFTER_COMMIT = "trigger.after_commit"
    TRIGGER_AFTER_DISPATCH = "trigger.after_dispatch"

    SNIPE_BEFORE_COMMIT = "snipe.before_commit"
    SNIPE_AFTER_COMMIT = "snipe.after_commit"
    SNIPE_AFTER_DISPATCH = "snipe.after_dispatch"

    REST_BEFORE_COMMIT = "rest.before_commit"
    REST_AFTER_COMMIT = "rest.after_commit"

    EXPIRE_BEFORE_COMMIT = "expire.before_commit"
    EXPIRE_AFTER_COMMIT = "expire.after_commit"

    END_BEFORE_COMMIT = "end.before_commit"
    END_AFTER_COMMIT = "end.after_commit"

    @property
    def is_in_web(self) -> bool:
        """True for a place in a web process; all others are in a worker."""
        return self.value.startswith(_IN_WEB)

    @property
    def is_of_waiting(self) -> bool:
        """True for a place that only orders pass which wait, expire, or are changed."""
        return self.value.startswith(_OF_WAITING)


_IN_WEB = ("accept.", "cancel.", "amend.")
_OF_WAITING = ("cancel.", "amend.", "trigger.", "snipe.", "rest.", "expire.", "end.")


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
