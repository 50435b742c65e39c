"""Cursors of a client's list of orders: where the next page begins."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from uuid import UUID

from orderengine.api.validation.inputs import validation_error
from orderengine.domain.errors import Violation
from orderengine.execution.queries.lists import OrderLists, Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(r"([0-9a-f]{16})([0-9a-f]{32})([0-9a-f]{8})")
_OF_BEFORE = re.compile(r"[0-9a-f]{32}")
"""A cursor of an earlier release: the id of an order alone."""

PATTERN = "^[0-9a-f]{32}([0-9a-f]{24})?$"
MESSAGE = "must be the nextCursor of an answer, unchanged"


def page_cursor_text(client_id: str, place: Position) -> str:
    """The cursor for the page that follows this place in the list of a client.

    It holds the time and the id of the order, so that it still works after the row is deleted.
    """
    microseconds = (place.created_at - _EPOCH) // _MICROSECOND
    return _checked(client_id, f"{microseconds:016x}{place.order_id.hex}")


def place_of(lists: OrderLists, client_id: str, cursor: str) -> Position:
    """The place that a cursor holds; raises Refused (400) for one that is not of this client.

    It looks up the time of an earlier release's cursor, and may raise StorageUnavailable.
    """
    found = _told(client_id, cursor)
    if found is None and _OF_BEFORE.fullmatch(cursor):
        found = lists.position(client_id, UUID(hex=cursor))
    if found is None:
        raise validation_error([Violation("cursor", "cursor", MESSAGE)])
    return found


def _told(client_id: str, cursor: str) -> Position | None:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None or cursor != _checked(client_id, parts[1] + parts[2]):
        return None
    try:
        created_at = _EPOCH + int(parts[1], 16) * _MICROSECOND
    except OverflowError:
        return None
    return Position(created_at, UUID(hex=parts[2]))


def _checked(client_id: str, place: str) -> str:
    """The place with a checksum, which detects mistakes; access is protected by the key alone."""
    check = blake2s(f"{client_id}:{place}".encode(), digest_size=4)
    return place + check.hexdigest()
