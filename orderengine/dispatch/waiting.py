"""Looks for the messages of orders in the broker's queues, without taking any.

Each message names its order and its version first, in what Flower is shown of its arguments; one
that was written otherwise is read from its body. What is no message of an order is passed over.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import orjson

from orderengine.domain.errors import QueuesTooLong

READ_AT_ONCE = 200
"""Messages of one answer: about 600 KB at most are held at a time."""
SCAN_LIMIT_S = 2.5
"""Less than the time after which another reconciler may claim the same orders."""

_SHOWN = re.compile(rb'"argsrepr": ?"')
_SHOWN_CHARS = 120
_ORDER = re.compile(
    rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})[^0-9a-f]\D{0,19}?(\d+)"
)


class Lists(Protocol):
    """The part of a Redis client that reading queues needs."""

    def lrange(self, name: str, start: int, end: int) -> Sequence[bytes]:
        """Some items of a list."""


def find_waiting(
    lists: Lists,
    queues: Sequence[str],
    wanted: Mapping[UUID, int],
    clock: Callable[[], float] = time.monotonic,
) -> set[UUID]:
    """Those of the wanted orders, each at a version, of which a message waits in a queue.

    Raises QueuesTooLong if they can not be read in time.
    """
    stops_at = clock() + SCAN_LIMIT_S
    missing = {(str(order_id), version) for order_id, version in wanted.items()}
    found: set[UUID] = set()
    for queue in queues:
        for message in _messages(lists, queue):
            named = order_of(message)
            if named in missing:
                missing.discard(named)
                found.add(UUID(named[0]))
                if not missing:
                    return found
            if clock() > stops_at:
                raise QueuesTooLong("too many messages wait to look through them in time")
    return found


def _messages(lists: Lists, queue: str) -> Iterator[bytes]:
    """All messages of a queue, from the newest on.

    New ones push the others towards the end and are themselves not looked for; what is taken is
    taken from the end. So none that stays meanwhile is passed over.
    """
    start = 0
    while read := lists.lrange(queue, start, start + READ_AT_ONCE - 1):
        yield from read
        start += len(read)


def order_of(message: bytes) -> tuple[str, int] | None:
    """The order and the version that a message is about; None if it is about none."""
    shown = _SHOWN.search(message)
    if shown is not None:
        named = _ORDER.search(message, shown.end(), shown.end() + _SHOWN_CHARS)
        if named is not None:
            return named[1].decode(), int(named[2])
    return _order_in_body(message)


def _order_in_body(message: bytes) -> tuple[str, int] | None:
    try:
        document = orjson.loads(message)
        body = document["body"]
        if document["properties"]["body_encoding"] == "base64":
            body = base64.b64decode(body)
        first, *rest = orjson.loads(body)[0]
        if isinstance(first, Mapping):
            first, *rest = first["orderId"], first["version"]
        return str(UUID(first)), int(rest[0])
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
