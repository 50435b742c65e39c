"""A TCP proxy between the engine's processes and a server, with faults on demand."""

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from orderengine.local.ports import LOOPBACK, free_port

CHUNK_BYTES = 65_536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
POSTGRES_IS_READY = b"Z\x00\x00\x00\x05I"
"""The end of PostgreSQL's answer; a commit is done by then."""


class Link:
    """One connection through the proxy."""

    def __init__(
        self, client: socket.socket, server: socket.socket, flows: threading.Event | None = None
    ) -> None:
        self.client = client
        self.server = server
        self.flows = flows or threading.Event()
        self.is_swallowing = False
        self._tail = b""
        self._lock = threading.Lock()
        self._is_cut = False

    def asks_for(self, data: bytes, wanted: Sequence[bytes]) -> bool:
        """True if the client's bytes so far contain one of `wanted`, even across two reads."""
        seen = self._tail + data
        if any(each in seen for each in wanted):
            self._tail = b""
            return True
        longest = max(map(len, wanted))
        self._tail = seen[-longest + 1 :] if longest > 1 else b""
        return False

    def cut(self) -> None:
        """Reset both ends."""
        with self._lock:
            if self._is_cut:
                return
            self._is_cut = True
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            with contextlib.suppress(OSError):
                # Wakes the reading thread; SHUT_RDWR would close the other direction in order.
                end.shutdown(socket.SHUT_RD)
            end.close()


class Proxy:
    """Passes bytes on, until told to do something else.

    `target` returns the server's port for each connection, since it may change at a restart.
    """

    def __init__(self, target: Callable[[], int], rng: random.Random) -> None:
        self.port = free_port()
        self.swallowed = 0
        self.unanswered: list[bytes] = []
        """The requests whose answers were to be swallowed, as far as they came in one piece."""
        self._target = target
        self._rng = rng
        self._flows = threading.Event()
        self._flows.set()
        self._left_behind: list[threading.Event] = []
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._wanted: Sequence[bytes] = ()
        self._swallow_rate = 0.0
        self._swallow_left = 0
        self._is_refusing = False
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=128)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A thread in accept() keeps the port until it wakes; shutdown wakes it.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.flow()
        for flows in self._left_behind:
            flows.set()
        self.cut()

    def lead(self, target: Callable[[], int]) -> None:
        """Lead new connections to another server; open ones stay where they are."""
        self._target = target

    @property
    def links(self) -> int:
        """The number of open connections."""
        with self._lock:
            return len(self._links)

    def cut(self) -> None:
        """Reset all connections; new ones are accepted."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()

    def refuse(self, *, refusing: bool) -> None:
        """Reset all connections, and each new one at once."""
        self._is_refusing = refusing
        if refusing:
            self.cut()

    def stall(self) -> None:
        """Stop passing data on; keep the data, and the connections open."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass everything on again."""
        self._flows.set()

    def leave_behind(self) -> None:
        """Stop passing data on for the open connections; new ones work."""
        left, self._flows = self._flows, threading.Event()
        self._flows.set()
        left.clear()
        self._left_behind.append(left)

    def swallow(self, wanted: Sequence[bytes], *, rate: float, count: int) -> None:
        """Swallow the answers to some requests that contain one of `wanted`, then cut the link.

        Each such request is hit with probability `rate`, until `count` answers were swallowed.
        PostgreSQL executes and commits the request before the connection is cut.
        """
        with self._lock:
            self._wanted, self._swallow_rate, self._swallow_left = wanted, rate, count

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            if self._is_refusing:
                raise ConnectionRefusedError
            server = socket.create_connection((LOOPBACK, self._target()), timeout=2)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            client.close()
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server, self._flows)
        with self._lock:
            self._links.add(link)
        for pump in (self._pump_requests, self._pump_answers):
            threading.Thread(target=self._run, args=(pump, link), daemon=True).start()

    def _run(self, pump: Callable[[Link], None], link: Link) -> None:
        with contextlib.suppress(OSError):
            pump(link)
        link.cut()
        with self._lock:
            self._links.discard(link)

    def _pump_requests(self, link: Link) -> None:
        while data := link.client.recv(CHUNK_BYTES):
            link.flows.wait()
            if self._wanted and link.asks_for(data, self._wanted) and self._takes_its_turn():
                self.unanswered.append(data)
                link.is_swallowing = True
            link.server.sendall(data)

    def _pump_answers(self, link: Link) -> None:
        ending = b""
        while data := link.server.recv(CHUNK_BYTES):
            link.flows.wait()
            if not link.is_swallowing:
                link.client.sendall(data)
                continue
            ending = (ending + data)[-len(POSTGRES_IS_READY) :]
            if ending == POSTGRES_IS_READY:
                with self._lock:
                    self.swallowed += 1
                return

    def _takes_its_turn(self) -> bool:
        with self._lock:
            if self._swallow_left == 0 or self._rng.random() >= self._swallow_rate:
                return False
            self._swallow_left -= 1
            return True


def through(url: str, proxy: Proxy | None) -> str:
    """The URL of a server as it is reached through a proxy; unchanged without one."""
    if proxy is None:
        return url
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@{LOOPBACK}:{proxy.port}"))
