"""Messages to the next stage, held until the thread that runs the stages asks for more work.

Both then go to the broker in one command. What a stage sends for another reason goes at once: it
wants to know whether the broker took it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

Addressed = tuple[str, str]
"""The queue, and the message as it stands in it."""


class _Thread(threading.local):
    held: list[Addressed] | None = None
    hands_on = False


_thread = _Thread()


@contextmanager
def holding() -> Iterator[list[Addressed]]:
    """Hold what this thread hands on in this block; the caller sends it afterwards."""
    held: list[Addressed] = []
    _thread.held = held
    try:
        yield held
    finally:
        _thread.held = None


@contextmanager
def handing_on() -> Iterator[None]:
    """What is sent in this block hands an order on to its next stage."""
    _thread.hands_on = True
    try:
        yield
    finally:
        _thread.hands_on = False


def hold(message: Addressed) -> bool:
    """Hold a message, if it hands on and this thread holds; else it is to be sent at once."""
    if _thread.held is None or not _thread.hands_on:
        return False
    _thread.held.append(message)
    return True
