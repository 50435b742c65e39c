"""Messages that are not sent at once: to the next stage, or those of a batch.

The thread that runs the stages may run the next one itself. The first messages of a batch of orders
are sent together. Any other message is sent at once, because its sender needs to know whether the
broker accepted it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orderengine.dispatch.messages import Message


class _ThreadState(threading.local):
    held: list[Message] | None = None
    hands_on = False
    gathered: list[Message] | None = None


_here = _ThreadState()


@contextmanager
def holding() -> Iterator[list[Message]]:
    """Hold this thread's handovers during this block; the caller then runs or sends them."""
    held: list[Message] = []
    _here.held = held
    try:
        yield held
    finally:
        _here.held = None


@contextmanager
def handing_on() -> Iterator[None]:
    """Mark the messages sent in this block as handovers to an order's next stage."""
    _here.hands_on = True
    try:
        yield
    finally:
        _here.hands_on = False


@contextmanager
def gathering() -> Iterator[list[Message]]:
    """Gather all messages of this thread during this block; the caller then sends them."""
    gathered: list[Message] = []
    _here.gathered = gathered
    try:
        yield gathered
    finally:
        _here.gathered = None


def hold(message: Message) -> bool:
    """Hold a message if this thread is holding it; False means that the caller must send it."""
    if _here.gathered is not None:
        _here.gathered.append(message)
        return True
    if _here.held is None or not _here.hands_on:
        return False
    _here.held.append(message)
    return True
