"""Events of tasks that run inline, for Flower: a worker sends them as it does for its messages."""

from collections.abc import Callable, Mapping
from traceback import format_exception
from typing import Any

from celery import Task, bootsteps
from celery.exceptions import Retry
from celery.utils.saferepr import saferepr
from celery.worker.consumer.tasks import Tasks


class TaskEvents:
    """Sends events of tasks while `are_wanted`, by `send`: a type, and the event's fields.

    Nothing is wanted until the worker's consumer has set both.
    """

    def __init__(self) -> None:
        self.are_wanted: Callable[[], bool] = lambda: False
        self.send: Callable[..., object] = lambda _type, **_fields: None

    def send_started(self, task: "Task[Any, Any]", options: Mapping[str, Any]) -> None:
        """Tell that a task was received, with these options of its signature, and has started."""
        if not self.are_wanted():
            return
        request: Any = task.request
        self.send(
            "task-received",
            uuid=request.id,
            name=task.name,
            args=options.get("argsrepr"),
            kwargs=options.get("kwargsrepr"),
            root_id=request.root_id,
            parent_id=request.parent_id,
            retries=0,
            eta=None,
            expires=None,
        )
        self._send("task-started", task)

    def send_succeeded(self, task: "Task[Any, Any]", result: object, runtime_s: float) -> None:
        """Tell that a task has ended with this result, after `runtime_s` seconds."""
        if self.are_wanted():
            shown = saferepr(result, task.resultrepr_maxsize)
            self._send("task-succeeded", task, result=shown, runtime=runtime_s)

    def send_retried(self, task: "Task[Any, Any]", again: Retry) -> None:
        """Tell that a task has sent a message for its next try."""
        if self.are_wanted():
            self._send("task-retried", task, exception=repr(again.exc), traceback="")

    def send_failed(self, task: "Task[Any, Any]", error: Exception) -> None:
        """Tell that a task has raised an error."""
        if self.are_wanted():
            trace = "".join(format_exception(error))
            self._send("task-failed", task, exception=repr(error), traceback=trace)

    def _send(self, kind: str, task: "Task[Any, Any]", **fields: Any) -> None:
        request: Any = task.request
        self.send(kind, uuid=request.id, **fields)


def task_events_step(events: TaskEvents) -> type:
    """Make the consumer's bootstep that lets tasks which run inline send events."""

    class InlineTaskEvents(bootsteps.StartStopStep):
        requires = (Tasks,)

        def start(self, consumer: Any) -> None:
            events.are_wanted = lambda: consumer.tells_tasks
            # There is none with the options that leave out all events, among them the heartbeat.
            if consumer.event_dispatcher is not None:
                events.send = consumer.event_dispatcher.send

        def stop(self, consumer: Any) -> None:
            """Do nothing: the consumer sends no events from now on."""

    return InlineTaskEvents
