"""Malformed messages: dropped, counted and logged, whoever put them into a queue.

No message stops the worker; recovery restores the order of a dropped message from its row.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import structlog
from celery.utils.dispatch import Signal

from orderengine.dispatch.encoding import decoded
from orderengine.dispatch.held import Message, queue_of

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


_TEXT = (str, type(None))
_HEADERS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "task", "shadow", "eta", "root_id", "parent_id", "argsrepr"), _TEXT),
    "expires": (str, int, float, type(None)),
    "retries": (int, type(None)),
    **dict.fromkeys(("callbacks", "errbacks", "chain", "timelimit"), (list, type(None))),
    "stamped_headers": (list, type(None)),
    "stamps": (dict, type(None)),
}
"""The headers that Celery uses without a check, with their types."""


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


def read_message(text: bytes, queues: Sequence[str] = ()) -> Message | None:
    """Read a message from a queue; None if it is malformed and was dropped.

    With `queues`, a message that was sent to any other queue is dropped, too.
    """
    try:
        message = _with_text(decoded(text))
    except (ValueError, RecursionError) as error:
        drop(Reason.UNREADABLE, error, text)
        return None
    fault = fault_of(message)
    if fault is None and queues and queue_of(message) not in queues:
        fault = "it was sent to another queue"
    if fault is not None:
        drop(Reason.UNREADABLE, fault, text)
        return None
    read: Message = message
    return read


def _with_text(message: Any) -> Any:
    """The message with its body as text: a worker that ends returns it with a body of bytes."""
    if isinstance(message, dict) and isinstance(body := message.get("body"), bytes):
        return {**message, "body": body.decode()}
    return message


def fault_of(message: object) -> str | None:
    """Which part of a proper message is missing or wrong; None for a proper message."""
    if not isinstance(message, dict):
        return f"it is no object but {type(message).__name__}"
    properties = message.get("properties")
    if not isinstance(message.get("headers"), dict) or not isinstance(properties, dict):
        return "it has no headers or no properties"
    for name, types in _HEADERS.items():
        if not isinstance(message["headers"].get(name), types):
            return f"its header {name} is no {types[0].__name__}"
    delivery = properties.get("delivery_info")
    if not isinstance(delivery, dict) or not isinstance(delivery.get("routing_key"), str):
        return "it does not say where it was sent to"
    if not isinstance(message.get("body"), str) or "delivery_tag" not in properties:
        return "it has no body or no delivery tag"
    return None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:SEARCHED_CHARS].decode("utf-8", "replace")
    return str(value)[:SEARCHED_CHARS]
