"""The messages of sockets and streams as bytes: an event is encoded once for all its followers."""

from collections.abc import Callable
from uuid import UUID

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from orderengine.api.updates.connection import BATCH_BYTES, NOTHING, Batch, Followed
from orderengine.domain.events import OrderEvent
from orderengine.stream.messages import cursor_message, event_text
from orderengine.stream.replay import Cursor

KEPT = 1024
"""How many encoded events are kept, the latest ones."""


class Encoder:
    """Encodes events and cursors, for the loop's thread; `frame` makes a message of a text.

    An event never changes, so it is encoded for its first follower and kept for the next ones.
    """

    def __init__(self, frame: Callable[[str, int | None], bytes]) -> None:
        self._frame = frame
        self._kept: dict[tuple[UUID, int], tuple[bytes, float]] = {}

    def batch(self, follower: Followed, since: float) -> Batch:
        """What the follower has, about BATCH_BYTES of it, with the times of events after `since`.

        Times are seconds since the epoch.
        """
        parts: list[bytes] = []
        times: list[float] = []
        size = 0
        while size < BATCH_BYTES and (item := follower.next(0)) is not None:
            if isinstance(item, Cursor):
                data = self._frame(cursor_message(item), None)
            else:
                data, at = self._encoded(item)
                if at > since:
                    times.append(at)
            parts.append(data)
            size += len(data)
        return Batch(b"".join(parts), tuple(times)) if parts else NOTHING

    def _encoded(self, event: OrderEvent) -> tuple[bytes, float]:
        key = event.order_id, event.seq
        found = self._kept.get(key)
        if found is None:
            found = self._frame(event_text(event), event.seq), event.occurred_at.timestamp()
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = found
        return found


_SERVER = Connection(ConnectionType.SERVER)


def text_frame(text: str, _: int | None = None) -> bytes:
    """A server's WebSocket frame with a text; the same for every client, since it has no mask."""
    return bytes(_SERVER.send(TextMessage(data=text)))


def sent_event(text: str, seq: int | None) -> bytes:
    """A text as a server-sent event, whose id is the event's `seq`."""
    return f"id: {seq}\ndata: {text}\n\n".encode()
