"""The worker's consumer, which no Redis error and no message can end.

Celery's own consumer ends its worker at an error such as READONLY, and at some malformed messages.
See `docs/decisions/0046-broker-refusals.md`.
"""

import contextlib
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from celery.worker.loops import asynloop, synloop
from celery.worker.state import maybe_shutdown
from kombu.common import ignore_errors
from kombu.exceptions import OperationalError
from redis import RedisError

from orderengine.dispatch.improper import Reason, drop
from orderengine.redis.check import explained
from orderengine.worker.outage import Outage

log = structlog.get_logger(__name__)

CLEAN_UP_S = 5.0
WORKS_AFTER_S = 2.0
"""A broker that refuses to deliver messages does so within this time: each poll ends after 1 s."""
TASK_EVENTS_S = 30.0
"""How long tasks send events after a request for them; Flower repeats its request every 5 s."""


_BY_MESSAGES = (ValueError, TypeError, LookupError, AttributeError)
"""Errors of kombu's and Celery's code when it reads a malformed message."""


class BrokenMessage(OperationalError):
    """A message that the transport took and could not read; it is gone."""


class BrokerConsumer(Consumer):
    """Waits for the broker without limit, and drops malformed messages."""

    app: Any
    connection: Any
    connection_errors: Any
    hub: Any
    event_dispatcher: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        self._outage = Outage(explain=self._explained)
        self._has_worked = False
        self._working: Any = None
        self._task_events: Any = None
        super().__init__(*args, **options)
        # kombu's own transport takes most error answers of Redis for errors that end a worker.
        self.connection_errors = (*self.connection_errors, RedisError, OperationalError)

    def loop(self, *args: Any) -> None:
        """Run Celery's event loop; a message that breaks it is dropped, and the loop starts again.

        The fast lane's transport drops such messages before they get here.
        """
        try:
            (asynloop if self.hub else synloop)(*args)
        except self.connection_errors:
            raise
        except _BY_MESSAGES as error:
            text = getattr(error, "doc", None) or getattr(error, "object", "")
            drop(Reason.UNREADABLE, f"{type(error).__name__}: {error}", text)
            raise BrokenMessage(str(error)) from error

    def ensure_connected(self, conn: Any) -> Any:
        """Connect as soon as the broker accepts messages; stops waiting when the worker stops."""
        while True:
            self._outage.wait(maybe_shutdown)
            try:
                conn.ensure_connection(max_retries=0)
                self.app.probe(conn)
            except self.connection_errors as error:
                self._outage.met(error)
                # Also frees kombu's channel of a failed attempt: it has 65,535 channel numbers.
                with contextlib.suppress(Exception):
                    conn.collect(socket_timeout=CLEAN_UP_S)
            else:
                return conn

    def on_ready(self) -> None:
        """Count the broker as working if no error follows for `WORKS_AFTER_S`."""
        super().on_ready()
        self._working = self.timer.call_after(WORKS_AFTER_S, self._works)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Record the error; the next attempt to connect waits."""
        self._outage.met(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Disconnect from the server, maybe a former primary; the next attempt to connect waits."""
        if self._working is not None:
            self._working.cancel()
        if not isinstance(exc, BrokenMessage):
            self._outage.met(exc)
        connection, self.connection = self.connection, None
        with contextlib.suppress(Exception):
            connection.collect(socket_timeout=CLEAN_UP_S)
        ignore_errors(connection, connection.close)

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002 - Celery's
        """Drop a message that names no task."""
        drop(Reason.UNREADABLE, "it names no task", _told(message))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Drop a message for a task that this release does not have."""
        drop(Reason.UNKNOWN_TASK, exc, _told(message))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Drop a message whose arguments its task does not take."""
        drop(Reason.ARGUMENTS, exc, _told(message))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message that cannot be read."""
        drop(Reason.UNREADABLE, exc, _told(message))

    def _works(self) -> None:
        self._has_worked = True
        self._outage.ended()

    def _explained(self, error: Exception) -> object:
        """Explain an error by its URL, unless the connection has worked: then the URL is right."""
        return str(error) if self._has_worked else explained(error, self.app.broker_address)

    def keep_task_events(self) -> None:
        """Keep sending task events for `TASK_EVENTS_S`; whoever needs them longer asks again."""
        if self._task_events is not None:
            self._task_events.cancel()
        self._task_events = self.timer.call_after(TASK_EVENTS_S, self._end_task_events)

    def _end_task_events(self) -> None:
        dispatcher = self.event_dispatcher
        if dispatcher is not None and "task" in dispatcher.groups:
            dispatcher.groups.discard("task")
            log.info("task_events_off")


def _told(message: Any) -> str:
    body = message.body
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    return f"{message.headers} {text}"
