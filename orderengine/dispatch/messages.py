"""A message as it is in a queue: which parts it must have."""

from collections.abc import Mapping
from typing import Any

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


def with_text(message: Any) -> Any:
    """The message with its body as text: a worker that ends returns it with a body of bytes.

    Raises UnicodeDecodeError if these bytes are no text.
    """
    if isinstance(message, dict) and isinstance(body := message.get("body"), bytes):
        return {**message, "body": body.decode()}
    return message


def fault_of(message: object) -> str | None:
    """Which part of a proper message is missing or wrong; None for a proper message."""
    if not isinstance(message, dict):
        return f"it is not an object but {type(message).__name__}"
    headers, properties = message.get("headers"), message.get("properties")
    if not isinstance(headers, dict) or not isinstance(properties, dict):
        return "it has no headers or no properties"
    for name, types in _HEADERS.items():
        if not isinstance(headers.get(name), types):
            return f"its header {name} is not a {types[0].__name__}"
    delivery = properties.get("delivery_info")
    if not isinstance(delivery, dict) or not isinstance(delivery.get("routing_key"), str):
        return "it does not name the queue that it was sent to"
    if not isinstance(message.get("body"), str):
        return "it has no body"
    if not isinstance(properties.get("delivery_tag"), str):
        return "it has no delivery tag"
    return None
