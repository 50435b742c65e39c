"""Looks for the messages of orders in the broker's queues, without taking any.

The arguments shown to Flower start with order and version, and are found without parsing. Otherwise
the message's body is parsed. A message that belongs to no order is skipped.
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
"""Messages per read: about 600 KB in memory at most."""
SCAN_LIMIT_S = 2.5
"""Shorter than the time after which another reconciler may claim the same orders."""

_SHOWN = re.compile(rb'"argsrepr": ?"')
_SHOWN_CHARS = 120
_ORDER = re.compile(
    rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})[^0-9a-f]\D{0,19}?(\d+)"
)


class Lists(Protocol):
    """The part of a Redis client that reads queues."""

    def lrange(self, name: str, start: int, end: int) -> Sequence[bytes]:
        """The items of a list from `start` to `end`, inclusive."""


def find_waiting(
    lists: Lists,
    queues: Sequence[str],
    wanted: Mapping[UUID, int],
    clock: Callable[[], float] = time.monotonic,
) -> set[UUID]:
    """Those of the wanted orders that have a message of the wanted version in a queue.

    Raises QueuesTooLong if reading the queues takes longer than `SCAN_LIMIT_S`.
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
                raise QueuesTooLong("too many messages are waiting to search them in time")
    return found


def _messages(lists: Lists, queue: str) -> Iterator[bytes]:
    """All messages of a queue, newest first.

    Messages that arrive meanwhile push the others towards the end and are not read themselves.
    Workers take messages from the end. So no message that stays is skipped.
    """
    start = 0
    while read := lists.lrange(queue, start, start + READ_AT_ONCE - 1):
        yield from read
        start += len(read)


def order_of(message: bytes) -> tuple[str, int] | None:
    """The order ID and version that a message is about; None if it is about no order."""
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
