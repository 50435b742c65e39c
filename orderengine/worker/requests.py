"""The request that a worker makes of a message before it runs the message's task."""

import time
from typing import Any

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]
from celery.exceptions import Ignore, InvalidTaskError
from celery.worker.request import Request

from orderengine.worker.arguments import fault_of_body


class CheckedRequest(Request):
    """A request whose arguments are checked before it becomes a task."""

    def __init__(self, message: Any, **options: Any) -> None:
        if fault := fault_of_body(message.headers.get("task"), message.payload):
            raise InvalidTaskError(fault)
        super().__init__(message, **options)

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """Send a task's end, also when the task ended its chain.

        Celery sends no event for that end, and Flower would show the task as running forever.
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
