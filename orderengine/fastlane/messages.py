"""Reads the messages in a queue, and drops those that are malformed."""

from collections.abc import Sequence

from orderengine.dispatch.improper import Reason, drop
from orderengine.dispatch.messages import Message, fault_of, with_text
from orderengine.fastlane.encoding import decoded


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
        message = with_text(decoded(text))
    except Exception as error:  # noqa: BLE001 - whatever it holds, it must not end a worker
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
