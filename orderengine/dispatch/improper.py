"""Malformed messages: dropped, counted and logged, whoever put them into a queue.

No message stops the worker; recovery restores the order of a dropped message from its row.
"""

import re
from enum import StrEnum
from typing import Any

import structlog
from celery.utils.dispatch import Signal

log = structlog.get_logger(__name__)

message_dropped = Signal(name="message_dropped", providing_args=["reason"])
"""Sent for each message that is dropped; `reason` is a `Reason`."""

SHOWN_CHARS = 200
SEARCHED_CHARS = 20_000
_UUID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_ORDER_ID = re.compile(rf"order_?id\W{{1,8}}{_UUID}|\[\[\W{{1,3}}{_UUID}", re.IGNORECASE)


class Reason(StrEnum):
    """Why a message is malformed."""

    UNREADABLE = "unreadable"
    """Not JSON, or JSON that is not a Celery message."""
    UNKNOWN_TASK = "unknownTask"
    """A task that this release does not have."""
    ARGUMENTS = "arguments"
    """Arguments that its task does not take."""
    CONTROL = "control"
    """An invalid command to the workers."""


def drop(reason: Reason, error: object, message: object, queue: str | None = None) -> None:
    """Count a dropped message, and log it once, with its order ID if it names one."""
    text = _text(message)
    fields = {"order_id": order_id} if (order_id := order_id_in(text)) else {}
    log.warning(
        "message_dropped",
        reason=reason.value,
        error=_text(error)[:SHOWN_CHARS],
        queue=queue,
        message=text[:SHOWN_CHARS],
        **fields,
    )
    message_dropped.send(sender=None, reason=reason)


def order_id_in(text: str) -> str | None:
    """The order ID in a message, however broken the message is; None if there is none."""
    found = _ORDER_ID.search(text.replace("\\", ""))
    return found and (found[1] or found[2])


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:SEARCHED_CHARS].decode("utf-8", "replace")
    return str(value)[:SEARCHED_CHARS]
