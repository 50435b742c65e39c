"""The request of a message that needs no acknowledgement."""

from typing import Any

from celery.worker.request import Request


class UnacknowledgedRequest(Request):
    """A request without acknowledgement: taking its message removed it from the broker.

    Celery's own request has the event loop find the message to acknowledge, once per task, and
    reads the body twice.
    """

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._body = message.payload
        self._content_type = self._content_encoding = None

    def acknowledge(self) -> None:
        """Do nothing."""
        self.acknowledged = True

    def reject(self, requeue: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - Celery's
        """Do nothing: recovery restores the order from its row."""
        self.acknowledged = True
