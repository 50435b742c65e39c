"""The worker's consumer: it outlives every answer of Redis and every message.

Celery's own ends its worker at an error answer such as READONLY, and at some messages that are
none. See `docs/decisions/0046-broker-refusals.md`.
"""

import contextlib
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu.common import ignore_errors

from orderengine.dispatch.improper import Reason, drop
from orderengine.dispatch.names import INTAKE, SETTLE
from orderengine.redis_look import explained
from orderengine.worker.outage import Outage

log = structlog.get_logger(__name__)

CLEAN_UP_S = 5.0
WORKS_AFTER_S = 2.0
"""A broker that refuses to hand out messages does so within this time: each question for one ends
after a second."""
TASK_EVENTS_S = 30.0
"""For how long tasks tell their events after somebody asked for them: Flower asks every 5 s."""


class BrokerConsumer(Consumer):
    """Waits for the broker as long as it must, and drops what is no proper message."""

    app: Any
    connection: Any
    connection_errors: Any
    event_dispatcher: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        self._outage = Outage(explain=self._explained)
        self._has_worked = False
        self._working: Any = None
        self._task_events: Any = None
        super().__init__(*args, **options)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect as soon as the broker takes messages; ends also when the worker is to end."""
        while True:
            self._outage.wait(maybe_shutdown)
            try:
                conn.ensure_connection(max_retries=0)
                conn.default_channel.probe((SETTLE, INTAKE))
            except self.connection_errors as error:
                self._outage.met(error)
                # Also what kombu keeps of an attempt that failed: it has 65,535 numbers for them.
                with contextlib.suppress(Exception):
                    conn.collect(socket_timeout=CLEAN_UP_S)
            else:
                return conn

    def on_ready(self) -> None:
        """Note that the broker works, if it does so for a moment: it is asked for messages now."""
        super().on_ready()
        self._working = self.timer.call_after(WORKS_AFTER_S, self._works)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Note what happened; the next attempt to connect waits."""
        self._outage.met(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Leave the server, which may be an old primary; the next attempt to connect waits."""
        if self._working is not None:
            self._working.cancel()
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
        """Drop a message with arguments that its task does not take."""
        drop(Reason.ARGUMENTS, exc, _told(message))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message that cannot be read."""
        drop(Reason.UNREADABLE, exc, _told(message))

    def _works(self) -> None:
        self._has_worked = True
        self._outage.ended()

    def _explained(self, error: Exception) -> object:
        """What an error means; after a good start the URL is right, and nobody looks around."""
        return str(error) if self._has_worked else explained(error, self.app.broker_address)

    def keep_task_events(self) -> None:
        """Tell the events of tasks for another while; who wants them longer asks again."""
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
