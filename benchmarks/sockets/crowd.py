"""The clients of all sockets, in a process of their own that waits with epoll.

It knows just enough of WebSockets to read unmasked frames and to answer pings.
"""

import resource
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from orderengine.local.ports import LOOPBACK

AT_ONCE = 200
"""Handshakes under way at once."""

READ_BYTES = 65_536
BACKWARD = "a sequence number came twice, or one was left out"
_KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="
_END = b"\r\n\r\n"
_TEXT, _CLOSE, _PING = 0x1, 0x8, 0x9
_SEQ = b'"seq":'
_MASKED_PONG = b"\x8a\x80\0\0\0\0"


@dataclass
class Report:
    """What the crowd has seen since the last report; times are seconds since 1970."""

    open: int = 0
    behind: int = 0
    """Sockets that have not got as far as their orders, as the parent named them."""
    refused: int = 0
    """Handshakes that were refused for the moment, and tried again."""
    faults: Counter[str] = field(default_factory=Counter)
    arrived: list[tuple[str, int, float]] = field(default_factory=list)
    """Messages: order, `seq`, time."""


class Client:
    """One socket."""

    __slots__ = ("begun", "is_open", "order_id", "seq", "sock")

    def __init__(self, order_id: str, after: int) -> None:
        self.order_id = order_id
        self.seq = after
        self.is_open = False
        self.begun = b""
        self.sock = socket.socket()


class Crowd:
    """All sockets; `serve` obeys the parent until it says `end`."""

    def __init__(self, port: int, parent: Connection) -> None:
        self._port = port
        self._parent = parent
        self._poller = select.epoll()
        self._clients: dict[int, Client] = {}
        self._to_open: deque[Client] = deque()
        self._opening = 0
        self._deaf: list[Client] = []
        self._report = Report()
        self._poller.register(parent, select.EPOLLIN)

    def serve(self) -> None:
        """Read, and obey."""
        while True:
            while self._to_open and self._opening < AT_ONCE:
                self._connect(self._to_open.popleft())
            for fd, _ in self._poller.poll():
                if fd != self._parent.fileno():
                    self._read(self._clients[fd])
                    continue
                name, arguments = self._parent.recv()
                if name == "end":
                    return
                self._parent.send(getattr(self, name)(*arguments))

    def open(self, wanted: Sequence[tuple[str, int]]) -> None:
        """Open a socket for each order, after each `seq`."""
        self._to_open.extend(Client(*each) for each in wanted)

    def again(self) -> None:
        """Break all connections, and open a socket from there for each."""
        clients = list(self._clients.values())
        self.close()
        self.open([(each.order_id, each.seq) for each in clients])

    def close(self) -> None:
        """Break all connections."""
        for client in self._clients.values():
            client.sock.close()  # which leaves the poller
        self._clients.clear()
        self._opening = 0
        self._report.open = 0

    def turn_deaf(self, count: int) -> None:
        """Let this many clients stop reading."""
        self._deaf = [each for each in self._clients.values() if each.is_open][:count]
        for client in self._deaf:
            self._poller.unregister(client.sock)

    def report(self, latest: dict[str, int]) -> Report:
        """What was seen since the last report; `latest` is how far each order has got."""
        told, self._report = self._report, Report(open=self._report.open)
        deaf = {each.sock.fileno() for each in self._deaf}
        told.behind = sum(
            each.seq < latest.get(each.order_id, 0)
            for fd, each in self._clients.items()
            if fd not in deaf
        ) + len(self._to_open)
        return told

    def _connect(self, client: Client) -> None:
        client.sock.connect((LOOPBACK, self._port))
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sock.sendall(
            f"GET /ws/orders?orderId={client.order_id}&after={client.seq} HTTP/1.1\r\n"
            f"Host: {LOOPBACK}:{self._port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"{_KEY}\r\n\r\n".encode()
        )
        client.sock.settimeout(0)
        self._clients[client.sock.fileno()] = client
        self._poller.register(client.sock, select.EPOLLIN)
        self._opening += 1

    def _read(self, client: Client) -> None:
        data = b""
        with suppress(OSError):
            data = client.sock.recv(READ_BYTES)
        now = time.time()
        if not data:
            self._lose(client, "the connection ended")
            return
        data = client.begun + data
        if not client.is_open:
            head, found, data = data.partition(_END)
            if not found:
                client.begun = head
                return
            self._opening -= 1
            if head.startswith(b"HTTP/1.1 503"):  # asks to come back
                self._report.refused += 1
                self._forget(client)
                self._to_open.append(Client(client.order_id, client.seq))
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._lose(client, head[:40].decode("latin-1"))
                return
            client.is_open = True
            self._report.open += 1
        client.begun = self._take(client, data, now)

    def _take(self, client: Client, data: bytes, now: float) -> bytes:
        """Take the whole frames; returns the rest."""
        at = 0
        while len(data) - at >= 2:
            opcode, length, begin = data[at] & 0xF, data[at + 1], at + 2
            if length == 126:
                begin += 2
                length = int.from_bytes(data[at + 2 : begin])
            if len(data) < begin + length:
                break
            at = begin + length
            if opcode == _TEXT:
                self._count(client, data[begin:at], now)
            elif opcode == _PING:
                client.sock.send(_MASKED_PONG)
            elif opcode == _CLOSE:
                self._report.faults[f"closed with {int.from_bytes(data[begin : begin + 2])}"] += 1
        return data[at:]

    def _count(self, client: Client, text: bytes, now: float) -> None:
        begin = text.index(_SEQ) + len(_SEQ)
        seq = int(text[begin : text.index(b",", begin)])
        if seq != client.seq + 1 or client.order_id.encode() not in text:
            self._report.faults[BACKWARD] += 1
        client.seq = seq
        self._report.arrived.append((client.order_id, seq, now))

    def _lose(self, client: Client, why: str) -> None:
        self._report.faults[why] += 1
        self._report.open -= client.is_open
        self._forget(client)

    def _forget(self, client: Client) -> None:
        del self._clients[client.sock.fileno()]
        client.sock.close()


class RemoteCrowd:
    """The parent's end: calls the methods of a `Crowd` in another process."""

    def __init__(self, port: int) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(port, theirs), daemon=True)
        self._process.start()

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method, and return its result."""
        self._pipe.send((name, arguments))
        return self._pipe.recv()

    def close(self) -> None:
        """End the process."""
        self._pipe.send(("end", ()))
        self._process.join()


def _serve(port: int, parent: Connection) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Crowd(port, parent).serve()
