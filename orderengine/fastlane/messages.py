"""Reads the messages in a queue, and drops those that are malformed."""

from collections.abc import Mapping, Sequence
from typing import Any

from orderengine.dispatch.improper import Reason, drop
from orderengine.fastlane.encoding import decoded

Message = dict[str, Any]
"""A message as kombu's virtual transports write it: headers, properties and body."""

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


def queue_of(message: Message) -> str:
    """The queue that a message is sent to."""
    return str(message["properties"]["delivery_info"]["routing_key"])


def is_put_off(message: Message) -> bool:
    """True if a message must not run before a set time."""
    return message["headers"].get("eta") is not None


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
        return f"it is not an object but {type(message).__name__}"
    properties = message.get("properties")
    if not isinstance(message.get("headers"), dict) or not isinstance(properties, dict):
        return "it has no headers or no properties"
    for name, types in _HEADERS.items():
        if not isinstance(message["headers"].get(name), types):
            return f"its header {name} is not a {types[0].__name__}"
    delivery = properties.get("delivery_info")
    if not isinstance(delivery, dict) or not isinstance(delivery.get("routing_key"), str):
        return "it does not name the queue that it was sent to"
    if not isinstance(message.get("body"), str) or "delivery_tag" not in properties:
        return "it has no body or no delivery tag"
    return None
