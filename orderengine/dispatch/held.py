"""Messages to the next stage, held for the thread that runs the stages.

It may run the next stage itself. What a stage sends for another reason goes at once: it wants to
know whether the broker took it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Message = dict[str, Any]
"""A message as kombu's virtual transports write it: headers, properties and body."""


class _ThreadState(threading.local):
    held: list[Message] | None = None
    hands_on = False


_here = _ThreadState()


@contextmanager
def holding() -> Iterator[list[Message]]:
    """Hold what this thread hands on in this block; the caller then runs it or sends it."""
    held: list[Message] = []
    _here.held = held
    try:
        yield held
    finally:
        _here.held = None


@contextmanager
def handing_on() -> Iterator[None]:
    """What is sent in this block hands an order on to its next stage."""
    _here.hands_on = True
    try:
        yield
    finally:
        _here.hands_on = False


def hold(message: Message) -> bool:
    """Hold a message, if it hands on and this thread holds; else it is to be sent at once."""
    if _here.held is None or not _here.hands_on:
        return False
    _here.held.append(message)
    return True


def queue_of(message: Message) -> str:
    """Where a message goes to."""
    return str(message["properties"]["delivery_info"]["routing_key"])
