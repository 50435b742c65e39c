"""The worker's consumer, which no Redis error and no message can end.

Celery's own consumer ends its worker at an error such as READONLY, and at some malformed messages.
See `docs/decisions/0046-broker-refusals.md`.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from celery.worker.loops import asynloop, synloop
from celery.worker.state import maybe_shutdown, task_ready
from kombu.common import ignore_errors
from kombu.exceptions import OperationalError
from redis import RedisError

from orderengine.dispatch.app import BROKER_ERRORS
from orderengine.dispatch.improper import Reason, drop
from orderengine.redis.check import explained
from orderengine.worker.outage import Outage

log = structlog.get_logger(__name__)

CLEAN_UP_S = 5.0
WORKS_AFTER_S = 2.0
"""A broker that refuses to deliver messages does so within this time: each poll ends after 1 s."""
TASK_EVENTS_S = 30.0
"""How long tasks send events after a request for them; Flower repeats its request every 5 s."""


_BY_MESSAGES = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""Errors of kombu's and Celery's code when it reads a malformed message."""

Handler = Callable[[Any], object]


class BrokenMessage(OperationalError):
    """A message that the transport took and could not read; it is gone."""


class BrokerConsumer(Consumer):
    """Waits for the broker without limit, and drops malformed messages."""

    app: Any
    connection: Any
    connection_errors: Any
    hub: Any
    event_dispatcher: Any
    task_consumer: Any
    qos: Any

    def __init__(self, on_task_request: Handler, *args: Any, **options: Any) -> None:
        self._outage = Outage(explain=self._explained)
        self._has_worked = False
        self._working: Any = None
        self._task_events: Any = None
        super().__init__(_freeing(on_task_request), *args, **options)
        # kombu takes most error answers of Redis for errors that end a worker.
        self.connection_errors = (*self.connection_errors, RedisError, OperationalError)

    def loop(self, *args: Any) -> None:
        """Run Celery's event loop; a command that breaks it is dropped, and the loop starts again.

        Messages of the queues do not get here: `worker.reading` drops those that cannot be read,
        and `create_task_handler` those that cannot be handled.
        """
        try:
            (asynloop if self.hub else synloop)(*args)
        except Exception as error:
            if not self._is_of_message(error):
                raise
            text = getattr(error, "doc", None) or getattr(error, "object", "")
            drop(Reason.CONTROL, _named(error), text)
            raise BrokenMessage(str(error)) from error

    def _is_of_message(self, error: Exception) -> bool:
        """Whether a malformed message caused an error.

        kombu counts KeyError as a lost connection, because of sockets that it knows no more, which
        are numbers. A missing part of a message is a name.
        """
        if isinstance(error, KeyError):
            return isinstance(next(iter(error.args), None), str)
        return isinstance(error, _BY_MESSAGES) and not isinstance(error, self.connection_errors)

    def create_task_handler(self, *args: Any, **options: Any) -> Handler:
        """Handle messages as Celery does; one that breaks Celery's code is dropped."""
        handle: Handler = super().create_task_handler(*args, **options)

        def handled(message: Any) -> None:
            try:
                handle(message)
            except BROKER_ERRORS:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it holds, it must not end a worker
                self._drop(Reason.UNREADABLE, _named(error), message)

        return handled

    def apply_eta_task(self, task: Any) -> None:
        """Run a task that was put off; a message that breaks Celery's code is dropped."""
        try:
            super().apply_eta_task(task)
        except BROKER_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it holds, it must not end a worker
            self.qos.decrement_eventually()
            self._drop(Reason.UNREADABLE, _named(error), task.message)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect as soon as the broker accepts messages; stops waiting when the worker stops."""
        while True:
            self._outage.wait(maybe_shutdown)
            try:
                conn.ensure_connection(max_retries=0)
                self.app.probe()
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
        self._drop(Reason.UNREADABLE, "it names no task", message)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Drop a message for a task that this release does not have."""
        self._drop(Reason.UNKNOWN_TASK, exc, message)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Drop a message whose arguments its task does not take."""
        self._drop(Reason.ARGUMENTS, exc, message)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message that cannot be read."""
        self._drop(Reason.UNREADABLE, exc, message)

    def _drop(self, reason: Reason, error: object, message: Any) -> None:
        drop(reason, error, _told(message), message.delivery_info.get("routing_key"))
        # An unacknowledged message would take up one of the worker's slots for good, and come back
        # when the connection is closed.
        consumer = self.task_consumer
        if consumer is not None and not consumer.no_ack and not message.acknowledged:
            message.ack()

    def _works(self) -> None:
        self._has_worked = True
        self._outage.ended()

    def _explained(self, error: Exception) -> object:
        """Explain an error by its URL, unless the connection has worked: then the URL is right."""
        return str(error) if self._has_worked else explained(error, self.app.broker_address)

    @property
    def tells_tasks(self) -> bool:
        """Whether the worker sends events of its tasks, as it does while Flower runs."""
        dispatcher = self.event_dispatcher
        # An empty set stands for all groups.
        return dispatcher is not None and (not dispatcher.groups or "task" in dispatcher.groups)

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


def _freeing(handle: Handler) -> Handler:
    """Free the slot of a request that could not be handed to the pool.

    Celery counts a request as running before it does so, and without this for ever.
    """

    def handled(request: Any) -> None:
        try:
            handle(request)
        except Exception:
            task_ready(request)
            raise

    return handled


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _told(message: Any) -> str:
    body = message.body
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    return f"{message.headers} {text}"
