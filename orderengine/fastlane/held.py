"""Messages to the next stage, held for the thread that runs the stages.

The thread may run the next stage itself. Any other message is sent at once, because its sender
needs to know whether the broker accepted it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orderengine.dispatch.messages import Message


class _ThreadState(threading.local):
    held: list[Message] | None = None
    hands_on = False


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


def hold(message: Message) -> bool:
    """Hold a handover if this thread is holding; False means that the caller must send it."""
    if _here.held is None or not _here.hands_on:
        return False
    _here.held.append(message)
    return True
