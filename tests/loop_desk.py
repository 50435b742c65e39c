"""A loop with sockets and streams of orders that move when told, and an account of their ends."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from orderengine.api.updates import event_stream, web_socket
from orderengine.api.updates.connection import Connection, SocketEnd, SocketKind
from orderengine.api.updates.encoding import Encoder, sent_event, text_frame
from orderengine.api.updates.loop import Loop, Wheel
from orderengine.domain.access import Caller
from orderengine.domain.events import OrderEvent
from orderengine.stream.follower import Follower
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, RECOVER, Walk

PATIENT_S = 600.0
NOBODY = Caller("local")


class Account:
    """Keeps account of the connections of a test."""

    def __init__(self) -> None:
        self.open = 0
        self.ends: Counter[SocketEnd] = Counter()
        self.times: list[float] = []

    def opened(self, connection: Connection) -> None:
        self.open += 1

    def ending(self, connection: Connection, end: SocketEnd) -> None:
        self.ends[end] += 1

    def closed_one(self, connection: Connection) -> None:
        self.open -= 1

    def sent(self, times: tuple[float, ...]) -> None:
        self.times += times


@dataclass
class Desk:
    """A loop, and the connections that it serves, each of an order that moves when told."""

    loop: Loop = field(default_factory=Loop)
    account: Account = field(default_factory=Account)
    ping_s: float = PATIENT_S
    frame: Callable[[str, int | None], bytes] = text_frame

    def web_socket(self, sock: socket.socket) -> tuple[Follower, Walk]:
        """Serve a WebSocket; returns its follower, and its order."""
        wheel = Wheel(self.loop, self.ping_s)
        shared = web_socket.Shared(self.loop, Encoder(self.frame), wheel, 1024)
        return self._serve(
            web_socket.WebSocket(shared, self.account, sock, NOBODY, SocketKind.ORDER)
        )

    def event_stream(self, sock: socket.socket, head: bytes) -> tuple[Follower, Walk]:
        """Serve an event stream; returns its follower, and its order."""
        wheel = Wheel(self.loop, PATIENT_S)
        shared = event_stream.Shared(self.loop, Encoder(sent_event), wheel)
        return self._serve(event_stream.EventStream(shared, self.account, sock, NOBODY, head))

    def _serve(self, served: Connection) -> tuple[Follower, Walk]:
        walk = Walk(FakeOrders())
        follower = Follower(walk.order_id, 0, 64, nothing, nothing, served.wake)
        served.follower = follower
        self.loop.begin(served, served.open)
        return follower, walk


def nothing(_: Any) -> None:
    """Reads nothing again, and forgets nobody."""


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A loop, which ends with the test."""
    desk = Desk()
    yield desk
    desk.loop.close()


@pytest.fixture
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end over TCP, with small buffers.

    A client that reads nothing fills large ones for longer than USER_TIMEOUT_MS on a slow machine.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        with server:
            yield server, client


def deliver_until(
    has_ended: Callable[[], bool], follower: Follower, walk: Walk
) -> list[OrderEvent]:
    """Deliver events until then; an event that the queue drops is delivered again."""
    walk.step(CONFIRMED[0])
    told = list(walk.events)
    waiting = threading.Event()
    while not has_ended():
        if follower.waiting < 32:
            walk.step(RECOVER)
            told.append(walk.moved.event)
        for event in told[follower.seen :]:
            follower.deliver(event)
        waiting.wait(0.0001)
    return told


def read_all(client: socket.socket) -> bytes:
    """What comes until the end."""
    client.settimeout(10)
    read = bytearray()
    while data := client.recv(4096):
        read += data
    return bytes(read)
