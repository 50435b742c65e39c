"""Server-Sent Events of one order, over the connection of a request that has been answered."""

import socket
import time
from dataclasses import dataclass

from orderengine.api.updates.connection import (
    NOTHING,
    Batch,
    Connection,
    Keeper,
    SocketEnd,
    SocketKind,
)
from orderengine.api.updates.encoding import Encoder
from orderengine.api.updates.loop import Loop, Wheel
from orderengine.domain.access import Caller

RETRY_MS = 1000
COMMENT_AFTER_S = 15.0

FIRST = f"retry: {RETRY_MS}\n\n".encode()
COMMENT = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Shared:
    """What all event streams of a process share."""

    loop: Loop
    encoder: Encoder
    comments: Wheel


class EventStream(Connection):
    """Sends events, and a comment from time to time, which detects a client that is gone.

    The end of the connection is the end of the stream: browsers reconnect, and get a 204 if nothing
    follows. Whatever the client sends is discarded.
    """

    kind = SocketKind.STREAM

    def __init__(
        self, shared: Shared, keeper: Keeper, sock: socket.socket, caller: Caller, head: bytes
    ) -> None:
        super().__init__(shared.loop, keeper, sock, caller)
        self._shared = shared
        self._since = time.time()
        self._head = head + FIRST
        self._bucket = -1

    def open(self) -> None:
        """Begin with the head of the answer."""
        self._bucket = self._shared.comments.add(self, self._send_comment)
        super().open()

    def next_batch(self) -> Batch:
        """The head of the answer, then the next events."""
        if self._head:
            head, self._head = self._head, b""
            return Batch(head)
        if self.follower is None:
            return NOTHING
        return self._shared.encoder.batch(self.follower, self._since)

    def goodbye(self, end: SocketEnd) -> bytes:  # noqa: ARG002 - a stream ends without a reason
        """Nothing."""
        return b""

    def receive(self, data: bytes) -> None:
        """Discard it."""

    def stopped(self) -> None:
        """Stop the comments."""
        if self._bucket >= 0:
            self._shared.comments.discard(self._bucket, self)

    def _send_comment(self) -> None:
        self.say(COMMENT)
