"""The WebSocket of one client after its handshake (RFC 6455)."""

import socket
import time
from dataclasses import dataclass

from wsproto.connection import Connection as Protocol
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection, Event, Message, Ping, Pong
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from orderengine.api.updates.budget import (
    BUDGET_BYTES,
    BUDGET_BYTES_PER_S,
    BUDGET_FRAMES,
    BUDGET_FRAMES_PER_S,
    Budget,
)
from orderengine.api.updates.connection import (
    NOTHING,
    Batch,
    Connection,
    Keeper,
    SocketEnd,
    SocketKind,
)
from orderengine.api.updates.encoding import Encoder
from orderengine.api.updates.frames import FrameCounter, close_frame
from orderengine.api.updates.loop import Loop, Wheel
from orderengine.domain.access import Caller

CODES = {
    SocketEnd.ENDED: CloseReason.NORMAL_CLOSURE,
    SocketEnd.SLOW: CloseReason.TRY_AGAIN_LATER,
    SocketEnd.FLOODED: CloseReason.POLICY_VIOLATION,
    SocketEnd.REVOKED: CloseReason.POLICY_VIOLATION,
    SocketEnd.RESTART: CloseReason.SERVICE_RESTART,
}
PATIENT = {SocketEnd.ENDED, SocketEnd.REVOKED, SocketEnd.RESTART}
"""The ends after which the client may answer: the others read too little, or send too much."""
PONG_HEAD, PONG_BYTES = b"\x8a\x80", 6
PING = bytes(Protocol(ConnectionType.SERVER).send(Ping()))


@dataclass(frozen=True, slots=True)
class Shared:
    """What all WebSockets of a process share."""

    loop: Loop
    encoder: Encoder
    pings: Wheel
    largest: int
    """The most bytes of a client's message, however many frames it comes in."""


class WebSocket(Connection):
    """Frames, pings and a client's chatter, which is read and ignored within budgets."""

    def __init__(
        self,
        shared: Shared,
        keeper: Keeper,
        sock: socket.socket,
        caller: Caller,
        kind: SocketKind,
    ) -> None:
        super().__init__(shared.loop, keeper, sock, caller)
        self.kind = kind
        self._shared = shared
        self._since = time.time()
        self._reader: Protocol | None = None
        self._bytes = Budget(BUDGET_BYTES, BUDGET_BYTES_PER_S)
        self._frames = Budget(BUDGET_FRAMES, BUDGET_FRAMES_PER_S)
        self._counter = FrameCounter()
        self._message_bytes = 0
        self._has_answered = True
        self._parting_frame: bytes | None = None
        self._bucket = -1

    def open(self) -> None:
        """Begin to read, to send and to ping."""
        self._bucket = self._shared.pings.add(self, self._send_ping)
        super().open()

    def next_batch(self) -> Batch:
        """The next frames."""
        if self.follower is None:
            return NOTHING
        return self._shared.encoder.batch(self.follower, self._since)

    def goodbye(self, end: SocketEnd) -> bytes:
        """The close frame."""
        if self._parting_frame is not None:
            return self._parting_frame
        return close_frame(CODES[end]) if end in CODES else b""

    def waits_for_a_reply(self, end: SocketEnd) -> bool:
        """True for clients that read in time and did not send too much.

        A proxy may end both directions at once, and the goodbye would be lost (RFC 6455, 7.1.1).
        """
        return end in PATIENT

    def is_reply(self, data: bytes) -> bool:
        """True once the client's close frame has come, or nothing that can be read."""
        if self.end not in PATIENT:
            return False
        try:
            self._protocol.receive_data(data)
            return any(isinstance(each, CloseConnection) for each in self._protocol.events())
        except ProtocolError:
            return True

    def receive(self, data: bytes) -> None:
        """Answer pings and a goodbye, ignore messages; part from clients that send too much."""
        # Most of the input of most sockets: the whole answer to a ping, which has no payload.
        is_answer = data[:2] == PONG_HEAD and len(data) == PONG_BYTES and self._counter.is_between
        frames = 1 if is_answer else self._counter.count(data)
        if not (self._bytes.spend(len(data)) and self._frames.spend(frames)):
            self.part(SocketEnd.FLOODED)
            return
        if is_answer:
            self._has_answered = True
            return
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                self._take(event)
                if self.end is not None:
                    return
        except ProtocolError:  # an answer that can not be sent
            self.part(SocketEnd.GONE)

    def stopped(self) -> None:
        """Stop the pings."""
        if self._bucket >= 0:
            self._shared.pings.discard(self._bucket, self)

    @property
    def _protocol(self) -> Protocol:
        """Made when it is needed: most clients send nothing but whole answers to pings."""
        if self._reader is None:
            self._reader = Protocol(ConnectionType.SERVER)
        return self._reader

    def _take(self, event: Event) -> None:
        if isinstance(event, CloseConnection):  # its own, or that for a broken frame
            self._part_with(event.response())
        elif isinstance(event, Ping):
            self.say(bytes(self._protocol.send(event.response())))
        elif isinstance(event, Pong):
            self._has_answered = True
        elif isinstance(event, Message):
            # In characters for a text, as its pieces come.
            self._message_bytes += len(event.data)
            if self._message_bytes > self._shared.largest:
                self._part_with(CloseConnection(CloseReason.MESSAGE_TOO_BIG))
            elif event.message_finished:
                self._message_bytes = 0

    def _part_with(self, event: CloseConnection) -> None:
        self._parting_frame = bytes(self._protocol.send(event))
        self.part(SocketEnd.GONE)

    def _send_ping(self) -> None:
        if not self._has_answered:
            self._part_with(CloseConnection(CloseReason.POLICY_VIOLATION))
            return
        self._has_answered = False
        self.say(PING)
