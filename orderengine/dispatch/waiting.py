"""Looks for the messages of orders in the broker's queues, and takes needless ones away.

The arguments shown to Flower start with order and version, for each order of a group, and are found
without parsing. Otherwise the message's body is parsed. A message that belongs to no order is
skipped.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import orjson

from orderengine.domain.errors import QueuesTooLong
from orderengine.redis.client import Script

READ_AT_ONCE = 200
"""Messages per read: about 600 KB in memory at most."""
SCAN_LIMIT_S = 2.5
"""Shorter than the time after which another reconciler may claim the same orders."""

_SHOWN = re.compile(rb'"argsrepr": ?"')
_OWN_FORM = b"(orderId="
_CELERYS_FORM_OF_A_GROUP = b"(["
"""Celery shows a list only in part, as in a message for another try, or of an older release."""
_ORDER = re.compile(
    rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})[^0-9a-f]\D{0,19}?(\d+)"
)


# kombu adds messages on the left and takes them from the right. So those of the orders that were
# the oldest a moment ago are among the first on the right, unless they are still to come.
TAKE_BACK = Script(
    r"""
local wanted = {}
for _, started in ipairs(ARGV) do wanted[started] = true end
for _, message in ipairs(redis.call('LRANGE', KEYS[1], -2 * #ARGV, -1)) do
  local id, version = string.match(message, [["argsrepr": ?"%('([%x-]+)', (%d+), 'order'%)"]])
  if id and wanted[id .. ' ' .. version] then redis.call('LREM', KEYS[1], -1, message) end
end
"""
)
"""Takes away the messages to route the orders that its arguments name, each with its version."""


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
            named = missing.intersection(orders_of(message))
            missing -= named
            found.update(UUID(order_id) for order_id, _ in named)
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


def orders_of(message: bytes) -> list[tuple[str, int]]:
    """The ids and versions of the orders that a message is about; none if it is about no order."""
    shown = _SHOWN.search(message)
    if shown is not None:
        text = message[shown.end() : message.find(b'"', shown.end())]
        if not text.startswith(_CELERYS_FORM_OF_A_GROUP):
            named = _ORDER.findall(text)
            if named:
                told = named if text.startswith(_OWN_FORM) else named[:1]
                return [(order_id.decode(), int(version)) for order_id, version in told]
    return _orders_in_body(message)


def _orders_in_body(message: bytes) -> list[tuple[str, int]]:
    try:
        document = orjson.loads(message)
        body = document["body"]
        if document["properties"]["body_encoding"] == "base64":
            body = base64.b64decode(body)
        first, *rest = orjson.loads(body)[0]
        handed = first if isinstance(first, list) else [first]
        if isinstance(handed[0], Mapping):
            return [(str(UUID(each["orderId"])), int(each["version"])) for each in handed]
        return [(str(UUID(first)), int(rest[0]))]
    except (AttributeError, LookupError, TypeError, ValueError):
        return []
