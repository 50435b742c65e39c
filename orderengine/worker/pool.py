"""The worker's threads, and what they take from Celery's requests to run them."""

import time
from typing import Any

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]
from celery.concurrency import thread
from celery.exceptions import Ignore
from celery.worker.request import Request
from kombu.asynchronous import get_event_loop


class TaskPool(thread.TaskPool):
    """Celery's thread pool, waking the worker's event loop when a slot has become free.

    A worker that takes messages only for free slots looks for one when its loop wakes, and a task
    that ends in a thread does not wake it: the slots would stay empty for up to a second.
    """

    def on_apply(self, *args: Any, **options: Any) -> Any:
        """Run a task in a thread."""
        result = super().on_apply(*args, **options)
        result.f.add_done_callback(_wake_loop)
        return result


class UnacknowledgedRequest(Request):
    """A message that was gone from the broker when it was taken: there is nothing to answer.

    Celery's own request has the event loop look for the message it acknowledges, once a task, and
    its body read twice.
    """

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._body = message.payload
        self._content_type = self._content_encoding = None

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """Tell how the task ended, also one that ended its chain.

        Celery tells nobody of those, and Flower would show them as running for ever.
        """
        told = super().on_failure(exc_info, *args, **options)
        end = exc_info.exception
        if isinstance(end, ExceptionWithTraceback):
            end = end.exc
        if isinstance(end, Ignore):
            ending = f"chain ended: {end}"
            runtime = time.time() - (self.time_start or time.time())
            self.send_event("task-succeeded", result=ending, runtime=runtime)
        return told

    def acknowledge(self) -> None:
        """Do nothing."""
        self.acknowledged = True

    def reject(self, requeue: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - Celery's
        """Do nothing: the order's row brings it back."""
        self.acknowledged = True


def _wake_loop(_: object) -> None:
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(look_again)


def look_again() -> None:
    """Do nothing: what the loop is woken for is what it does before it waits again."""
